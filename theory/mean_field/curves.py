r"""The whole training curve of a rule, without training: accuracies, losses, overlap and norms at every record.

Half-steps of the rule (theory.mean_field.rules) and steps of the training are carried out on samples of one example and
coordinates of weight vectors (theory.mean_field.matrix), several times with independent randomised quasi-random draws:
their spread is the stated Monte-Carlo standard error.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.seeds import named_seed
from spec.training import Training
from spec.validation import InputError, require, require_integer, require_real
from theory.mean_field.examples import Examples, division
from theory.mean_field.matrix import DataMatrix, Law
from theory.mean_field.rules import direction, entrywise, half_steps, require_closed, small_shards, start
from theory.mean_field.weights import SIGNAL, START, WeightSpace

FloatArray = NDArray[np.float64]
SOBOL = 512  # columns of quasi-random draws; later directions, which matter less, get pseudo-random ones


@dataclass(frozen=True)
class Start:
    """Weights before training: of a given norm, with overlap <w, e_1>, otherwise in a random direction."""

    norm: float = 0.0
    overlap: float = 0.0

    def __post_init__(self) -> None:
        require_real("norm", self.norm, low=0.0)
        require(abs(self.overlap) <= self.norm, "overlap", self.overlap, f"at most the norm {self.norm} in size")


@dataclass(frozen=True)
class Accuracy:
    """samples (a power of two) of an example and of a weight entry, drawn `repeats` >= 2 times independently."""

    samples: int = 4096
    repeats: int = 4
    seed: str = "theory.mean_field"

    def __post_init__(self) -> None:
        require_integer("samples", self.samples, at_least=64)
        require(self.samples & (self.samples - 1) == 0, "samples", self.samples, "a power of two")
        require_integer("repeats", self.repeats, at_least=2)


class Setting(NamedTuple):
    """What determines a curve."""

    rule: Any
    problem: SignalNoiseMixture
    training: Training
    start: Start
    accuracy: Accuracy


def curves(
    rule: Any,
    problem: SignalNoiseMixture,
    training: Training,
    start: Start | Linear = Start(),
    *,
    accuracy: Accuracy = Accuracy(),
) -> xr.Dataset:
    """Predicted curves over `epoch`, under the names of a simulation (sims.observables), in the limit n, d -> inf.

    Only alpha = n/d counts, except where a rule's own lengths keep d (theory.mean_field.rules). test_accuracy and the
    others come with `<name>_error`, the Monte-Carlo standard error. `directions` is the number of weight directions
    that the closure had to tell apart, `dropped` the relative length of the longest that it left out.
    Raises InputError before any work for a rule that does not close.
    """
    if isinstance(start, Linear):
        start = Start(norm=start.scale)
    setting = Setting(rule, problem, training, start, accuracy)
    require_setting(setting)
    runs = [_run(setting, repeat) for repeat in range(accuracy.repeats)]
    epochs = list(range(0, training.epochs + 1, training.record_every))
    data = {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        data[name] = ("epoch", values.mean(axis=0))
        data[f"{name}_error"] = ("epoch", values.std(axis=0, ddof=1) / np.sqrt(len(values)))
    return xr.Dataset(data, coords={"epoch": epochs}, attrs={"samples": accuracy.samples, "repeats": accuracy.repeats})


def require_setting(setting: Setting) -> None:
    """Raise InputError unless the setting has a limit."""
    problem, training = setting.problem, setting.training
    if not isinstance(problem, SignalNoiseMixture):
        raise InputError(f"problem must be a SignalNoiseMixture, whose limit is known, got {problem!r}")
    if problem.flips != "stratified":
        raise InputError(f"flips must be 'stratified', as the limit has a fixed share of them, got {problem.flips!r}")
    if training.batch is not None and training.batch > problem.n:
        raise InputError(f"batch must be at most the number of training examples {problem.n}, got {training.batch}")
    require_closed(setting.rule, training.batch or problem.n, problem.d)


class Draws:
    """Quasi-random normals (directions, samples) of one repetition, and a generator for the rest."""

    def __init__(self, accuracy: Accuracy, repeat: int) -> None:
        self.name = f"{accuracy.seed}/{repeat}"
        self.rng = np.random.default_rng(named_seed(self.name))

    def normals(self, name: str, directions: int, samples: int) -> FloatArray:
        """A scrambled Sobol sequence of normals; a number of samples that is no power of two is cut from one."""
        columns = min(directions, SOBOL)
        sobol = qmc.Sobol(columns, rng=np.random.default_rng(named_seed(f"{self.name}/{name}")))
        points = sobol.random_base2(int(np.ceil(np.log2(max(samples, 1)))))[:samples]
        quasi = ndtri(np.clip(points, 1e-15, 1 - 1e-15)).T
        return np.concatenate([quasi, self.rng.normal(size=(directions - columns, samples))])


def _run(setting: Setting, repeat: int) -> dict[str, FloatArray]:
    """One repetition: a record per recorded epoch."""
    draws = Draws(setting.accuracy, repeat)
    matrix = _matrix(setting, draws)
    training, w, velocity, state = setting.training, matrix.space.zero(), matrix.space.zero(), start(setting.rule)
    w[SIGNAL], w[START] = setting.start.overlap, np.sqrt(setting.start.norm**2 - setting.start.overlap**2)
    records = [_observed(matrix, w)]
    steps = training.steps(setting.problem.n)
    for step, batch in enumerate(_batches(setting, matrix, draws)):
        found, state = direction(setting.rule, state, batch, w)
        velocity = training.momentum * velocity + found.h + training.weight_decay * w
        w = w - rate(training, step, steps * training.epochs) * velocity
        if (step + 1) % (steps * training.record_every) == 0:
            records.append(_observed(matrix, w))
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def rate(training: Training, step: int, steps: int) -> float:
    """The step size: constant, or eta (1 + cos(pi step/steps))/2."""
    factor = 1.0 if training.schedule == "constant" else 0.5 * (1 + np.cos(np.pi * step / steps))
    return training.eta * factor


def _matrix(setting: Setting, draws: Draws) -> DataMatrix:
    problem, rule, samples = setting.problem, setting.rule, setting.accuracy.samples
    directions = 2 + half_steps(rule) * setting.training.steps(problem.n) * setting.training.epochs
    entries = draws.normals("entries", 1 + directions, samples) if entrywise(rule) else None
    # Both groups get half of the samples, unless samples stand for examples.
    noisy = round(samples * (problem.Delta if small_shards(rule, problem.d) else 0.5 * (problem.Delta > 0)))
    sizes, shares = (samples - noisy, noisy), (1 - problem.Delta, problem.Delta)
    z = np.concatenate([draws.normals(f"group {i}", directions + 2, m) for i, m in enumerate(sizes) if m], axis=1)
    s = np.repeat([1.0, -1.0], sizes)
    share = np.concatenate([np.full(m, p / max(m, 1)) for m, p in zip(sizes, shares, strict=True)])
    along_signal = problem.noise == "isotropic"
    law = Law(problem.n / (problem.d - 1), problem.B, problem.gamma, along_signal)  # d - 1 directions beside e_1
    return DataMatrix(law, WeightSpace(directions, entries), s, share, z)


def _batches(setting: Setting, matrix: DataMatrix, draws: Draws) -> Iterator[Examples]:
    """The batch of every step. An example is in one batch of an epoch, or left out with the remainder."""
    training, problem = setting.training, setting.problem
    n, steps = training.batch or problem.n, training.steps(problem.n)
    if n == problem.n:
        whole = Examples(matrix, np.ones(len(matrix.s), bool), n=n, d=problem.d, rng=draws.rng)
        for _ in range(training.epochs):
            yield whole
        return
    for _ in range(training.epochs):
        part = division(matrix.s, problem.n / n, draws.rng)
        for step in range(steps):
            yield Examples(matrix, part == step, n=n, d=problem.d, rng=draws.rng)


def _observed(matrix: DataMatrix, w: FloatArray) -> dict[str, float]:
    law, z, share = matrix.law, matrix.forward(w), matrix.share
    noise = float(np.linalg.norm(w[SIGNAL + 1 :]))
    spread = law.gamma * (np.hypot(w[SIGNAL], noise) if law.along_signal else noise)
    record = {"test_accuracy": float(ndtr(law.B * w[SIGNAL] / spread)) if spread > 0 else 0.5}
    for name, sign in (("clean", 1), ("mislabelled", -1)):
        weights = share * (matrix.s == sign)
        weights = weights / max(float(np.sum(weights)), np.finfo(float).tiny)
        record[f"{name}_accuracy"] = float(weights @ (z > 0))
        record[f"{name}_loss"] = float(weights @ np.logaddexp(0, -z))
    record["signal_overlap"], record["noise_norm"] = float(w[SIGNAL]), noise
    return record | {"directions": float(matrix.nu.count), "dropped": matrix.dropped}
