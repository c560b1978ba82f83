r"""The whole training curve of a rule in a two-layer network of a few units, without training."""

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr

from spec.rules import DownWeight
from spec.training import Training
from spec.validation import InputError
from theory.mean_field.networks.inputs import Inputs, Problem, batches, inputs, law, sizes
from theory.mean_field.networks.rules import Pass, direction, require_closed
from theory.mean_field.networks.units import TwoLayer, Unit, value
from theory.mean_field.prediction import rate
from theory.mean_field.setting import Accuracy, Draws
from theory.mean_field.weights import SIGNAL, START, WeightSpace

FloatArray = NDArray[np.float64]
USUAL = Accuracy()
TEST_SAMPLES = 8192


class Setting(NamedTuple):
    """What determines a curve."""

    rule: Any
    problem: Problem
    training: Training
    network: TwoLayer
    accuracy: Accuracy
    closure: type[Pass]


def curves(
    rule: Any,
    problem: Problem,
    training: Training,
    network: TwoLayer,
    *,
    accuracy: Accuracy = USUAL,
    closure: type[Pass] = Pass,
) -> xr.Dataset:
    """Predicted curves over `epoch`, each with its Monte-Carlo standard error `<name>_error`, in the limit n, d -> inf.

    last_norm, first_norm: ||v|| and the Frobenius norm of W; signal_overlap: <e_1, W^T v>. turned: 1 once a step has
    turned v by more than a right angle; reading_ratio: ||phi(H)||/(||v|| ||x||), root mean square. Either tells of a
    last layer that collapses (theory.mean_field.networks.collapse). d counts where an ascent reaches v, n/d otherwise.
    Raises InputError before any work for what is not predicted.
    """
    setting = Setting(rule, problem, training, network, accuracy, closure)
    _require(setting)
    runs = [_run(setting, Draws(accuracy, repeat)) for repeat in range(accuracy.repeats)]
    epochs = list(range(0, training.epochs + 1, training.record_every))
    data = {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        data[name] = ("epoch", values.mean(axis=0))
        data[f"{name}_error"] = ("epoch", values.std(axis=0, ddof=1) / np.sqrt(len(values)))
    return xr.Dataset(data, coords={"epoch": epochs}, attrs={"samples": accuracy.samples, "repeats": accuracy.repeats})


def at_end(names: Sequence[str], *arguments: Any, **options: Any) -> FloatArray:
    """The last values of some variables of curves(*arguments, **options), (names,).

    Checked by `beyond.network_one_sam`, `beyond.network_l_sam`, `beyond.network_j_sam`, `beyond.network_shrinkage`,
    `beyond.network_mask`, `beyond.network_teacher`, `beyond.network_rate_sgd`, `beyond.network_rate_one_sam`,
    `beyond.network_rate_l_sam`, `beyond.network_rate_j_sam`, `beyond.network_rate_n_sam`,
    `beyond.network_rate_penalties`.
    """
    end = curves(*arguments, **options).isel(epoch=-1)
    return np.array([float(end[name]) for name in names])


def _require(setting: Setting) -> None:
    problem, training = setting.problem, setting.training
    law(problem)
    if problem.flips != "stratified":
        raise InputError(f"flips must be 'stratified', as the limit has a fixed share of them, got {problem.flips!r}")
    if training.batch is not None and training.batch > problem.n:
        raise InputError(f"batch must be at most the number of training examples {problem.n}, got {training.batch}")
    if not isinstance(setting.network, TwoLayer):
        raise InputError(f"network must be a TwoLayer, got {setting.network!r}")
    require_closed(setting.rule)


def _run(setting: Setting, draws: Draws) -> dict[str, FloatArray]:
    """One repetition."""
    training, network, steps = setting.training, setting.network, setting.training.steps(setting.problem.n)
    matrix, w = _begin(setting, draws)
    velocity, turned, records = np.zeros_like(w), False, []
    speed = np.ones_like(w)
    speed[:, 0] = network.second
    normals = draws.normals("test", 1 + len(network.v), TEST_SAMPLES)
    for step, batch in zip(count(), batches(setting.problem, training, matrix, draws), strict=False):
        look = setting.closure(batch, network.unit)
        if step % (steps * training.record_every) == 0:
            records.append(_observed(look, setting.problem, w, normals) | {"turned": float(turned)})
        if step == steps * training.epochs:
            break
        h = direction(setting.rule, step, look, w)
        velocity = training.momentum * velocity + h + training.weight_decay * w
        before, w = w, w - rate(training, step, steps * training.epochs) * speed * velocity
        turned = turned or bool(before[:, 0] @ w[:, 0] < 0)
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def _begin(setting: Setting, draws: Draws) -> tuple[Inputs, FloatArray]:
    """The data, and weights along independent directions."""
    network, training, samples = setting.network, setting.training, setting.accuracy.samples
    units, steps = len(network.v), training.steps(setting.problem.n) * training.epochs + 1
    directions = units * (2 * steps + 1)
    masked = isinstance(setting.rule, DownWeight)
    entries = draws.normals("entries", 1 + directions, samples) if masked else None
    space = WeightSpace(directions, entries)
    matrix = inputs(setting.problem, space, draws, samples)
    w = np.zeros((units, 1 + len(space.zero())))
    w[:, 0], w[:, 1 + SIGNAL] = network.v, network.overlap
    places = [START] + [space.fresh() for _ in range(units - 1)]
    w[np.arange(units), 1 + np.array(places)] = np.sqrt(network.scale**2 - network.overlap**2)
    return matrix, w


def _observed(look: Pass, problem: Problem, w: FloatArray, normals: FloatArray) -> dict[str, float]:
    matrix, v, here = look.batch.matrix, w[:, 0], look.at(w)
    assert isinstance(matrix, Inputs)
    z = look.t * look.output(here)
    read = np.sqrt(matrix.share @ np.sum(value(look.unit, here.H) ** 2, axis=0))
    groups = {"clean": matrix.share * matrix.clean, "mislabelled": matrix.share * ~matrix.clean}
    record = {"test_accuracy": test_accuracy(problem, look.unit, w, normals)}
    for name, share in groups.items():
        size = max(float(np.sum(share)), np.finfo(float).tiny)
        record[f"{name}_accuracy"] = float(share @ (z > 0)) / size
        record[f"{name}_loss"] = float(share @ np.logaddexp(0, -z)) / size
    return record | {
        "last_norm": float(np.linalg.norm(v)),
        "first_norm": float(np.linalg.norm(w[:, 1:])),
        "reading_ratio": float(read / max(np.linalg.norm(v) * look.batch.length, np.finfo(float).tiny)),
        "signal_overlap": float(v @ w[:, 1 + SIGNAL]),
        "directions": float(matrix.nu.count),
        "dropped": matrix.dropped,
    }


def test_accuracy(problem: Problem, unit: Unit, w: FloatArray, normals: FloatArray) -> float:
    """P(y f(x) > 0): fields of a fresh example are <e_1, x> W e_1 + N(0, C), with C of the noise's part of W, K x K.

    By the given normals (1 + K, draws), the first for |<e_1, x>|, both classes; noise is integrated for linear units.
    """
    of, v, signal = law(problem), w[:, 0], w[:, 1 + SIGNAL]
    noise, size = w[:, 1:] if of.along_signal else w[:, 1 + START :], of.B * sizes(problem, normals[0])
    if unit == "linear":
        spread = of.gamma * np.linalg.norm(v @ noise)
        return float(np.mean(ndtr(size * (v @ signal) / spread))) if spread > 0 else 0.5
    left, lengths, _ = np.linalg.svd(noise, full_matrices=False)
    fields = of.gamma * (left * lengths) @ normals[1:]
    right = [y * (v @ value(unit, y * size * signal[:, None] + fields)) > 0 for y in (1, -1)]
    return float(np.mean(right))
