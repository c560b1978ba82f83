"""What determines a curve, checked before any work, and what a repetition draws: matrices and batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from spec.clean_subset import CleanSubset
from spec.problems import SignalNoiseMixture
from spec.rules import NoiseCompensated, Rule
from spec.seeds import named_seed
from spec.training import Training
from spec.validation import InputError, require, require_integer, require_real
from theory.mean_field.examples import Examples, division
from theory.mean_field.matrix import DataMatrix, Law
from theory.mean_field.rules import entrywise, half_steps, require_closed, small_shards
from theory.mean_field.weights import WeightSpace

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


class Closure(NamedTuple):
    """What answers products with the data, and functions of entries. Claims put wrong ones in the place of these."""

    matrix: type[DataMatrix] = DataMatrix
    space: type[WeightSpace] = WeightSpace


class Setting(NamedTuple):
    """What determines a curve."""

    rule: Any
    problem: Any
    training: Training
    start: Start
    clean: CleanSubset | None
    accuracy: Accuracy
    closure: Closure = Closure()

    @property
    def steps(self) -> int:
        """In an epoch."""
        return self.training.steps(self.problem.n)


def require_setting(setting: Setting) -> None:
    """Raise InputError unless the setting has a limit."""
    rule, problem, training, clean = setting.rule, setting.problem, setting.training, setting.clean
    if not isinstance(problem, SignalNoiseMixture):
        raise InputError(f"problem must be a SignalNoiseMixture, whose limit is known, got {problem!r}")
    if problem.flips != "stratified":
        raise InputError(f"flips must be 'stratified', as the limit has a fixed share of them, got {problem.flips!r}")
    if training.batch is not None and training.batch > problem.n:
        raise InputError(f"batch must be at most the number of training examples {problem.n}, got {training.batch}")
    require(isinstance(rule, Rule), "rule", rule, "a rule, such as Sam(0.1)")
    require_closed(rule, training.batch or problem.n, problem.d)
    _require_length(rule, training.epochs, setting.steps)
    if rule.needs_clean_subset and clean is None:
        raise InputError(f"clean must be a clean subset, which {rule.name} looks at, got None")


def _require_length(rule: Rule, epochs: int, steps: int) -> None:
    """Refuse a correction that would reach its full strength in another training than this one."""
    if isinstance(rule, NoiseCompensated) and rule.schedule.shape != "constant":
        length = rule.schedule.epochs, rule.schedule.steps
        accepted = f"as long as the training, {epochs} epochs of {steps} steps"
        require(length == (epochs, steps), "schedule", f"{length[0]} epochs of {length[1]} steps", accepted)
    for inner in rule.inner().values():
        _require_length(inner, epochs, steps)


class Draws:
    """Quasi-random normals of one repetition, and a generator for the rest."""

    def __init__(self, accuracy: Accuracy, repeat: int) -> None:
        self.name = f"{accuracy.seed}/{repeat}"
        self.rng = np.random.default_rng(named_seed(self.name))

    def normals(self, name: str, directions: int, samples: int) -> FloatArray:
        """A scrambled Sobol sequence of normals, cut where samples is no power of two, (directions, samples)."""
        columns = min(directions, SOBOL)
        sobol = qmc.Sobol(columns, seed=np.random.default_rng(named_seed(f"{self.name}/{name}")))
        points = sobol.random_base2(int(np.ceil(np.log2(max(samples, 1)))))[:samples]
        quasi = ndtri(np.clip(points, 1e-15, 1 - 1e-15)).T
        return np.concatenate([quasi, self.rng.normal(size=(directions - columns, samples))])


def batches(setting: Setting, draws: Draws) -> Iterator[Examples]:
    """The batch of every step, without end. An example is in one batch of an epoch, or left out with the remainder."""
    problem, rule = setting.problem, setting.rule
    directions = 2 + half_steps(rule) * (setting.steps * setting.training.epochs + 1)
    entries = draws.normals("entries", 1 + directions, setting.accuracy.samples) if entrywise(rule) else None
    space = setting.closure.space(directions, entries)
    matrix = _train(setting, space, draws)
    clean = None if setting.clean is None else _clean(setting, space, draws)
    n = setting.training.batch or problem.n
    options: dict[str, Any] = {"n": n, "d": problem.d, "rng": draws.rng, "steps": setting.steps, "clean": clean}
    whole = Examples(matrix, np.ones(len(matrix.s), bool), **options)
    for _ in count():
        part = division(matrix.s, problem.n / n, draws.rng)
        for step in range(setting.steps):
            yield whole if n == problem.n else Examples(matrix, part == step, **options)


def _train(setting: Setting, space: WeightSpace, draws: Draws) -> DataMatrix:
    """Both groups get half of the samples, unless samples stand for examples."""
    problem = setting.problem
    drawn = 0.5 if problem.Delta > 0 and not small_shards(setting.rule, problem.d) else problem.Delta
    return _matrix(setting, space, draws, _Sample("train", problem.n, problem.Delta, drawn))


def _clean(setting: Setting, space: WeightSpace, draws: Draws) -> Examples:
    """The clean subset, whose examples carry wrong labels where it says so."""
    subset = setting.clean
    assert subset is not None
    sample = _Sample("clean", subset.m, subset.wrong, 0.5 if subset.wrong > 0 else 0.0)
    matrix = _matrix(setting, space, draws, sample)
    return Examples(matrix, np.ones(len(matrix.s), bool), n=subset.m, d=setting.problem.d, rng=draws.rng)


class _Sample(NamedTuple):
    """n examples, a share `wrong` of them mislabelled, and the share of the samples that stands for these."""

    name: str
    n: int
    wrong: float
    drawn: float


def _matrix(setting: Setting, space: WeightSpace, draws: Draws, sample: _Sample) -> DataMatrix:
    problem, samples = setting.problem, setting.accuracy.samples
    noisy = round(sample.drawn * samples)
    groups = [(1.0, samples - noisy, 1 - sample.wrong), (-1.0, noisy, sample.wrong)]
    groups = [group for group in groups if group[1]]
    directions = space.linear + 1
    xi = np.concatenate([draws.normals(f"{sample.name} {s:g}", directions, m) for s, m, _ in groups], axis=1)
    s = np.concatenate([np.full(m, s) for s, m, _ in groups])
    share = np.concatenate([np.full(m, p / m) for _, m, p in groups])
    # There are d - 1 directions beside the signal's.
    law = Law(sample.n / (problem.d - 1), problem.B, problem.gamma, problem.noise == "isotropic")
    return setting.closure.matrix(law, space, s, share, xi)
