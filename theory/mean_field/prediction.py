r"""The whole training curve of a rule, without training: accuracies, losses, overlap and norms at every record.

Half-steps of the rule (theory.mean_field.rules) and steps of the training are carried out on samples of one example and
coordinates of weight vectors (theory.mean_field.matrix), several times with independent randomised quasi-random draws:
their spread is the stated Monte-Carlo standard error.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr

from spec.clean_subset import CleanSubset
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.training import Training
from theory.mean_field.examples import Examples
from theory.mean_field.matrix import DataMatrix
from theory.mean_field.rules import direction, report, start
from theory.mean_field.setting import Accuracy, Closure, Draws, Setting, Start, batches, require_setting
from theory.mean_field.weights import SIGNAL, START

FloatArray = NDArray[np.float64]
EDGES = np.linspace(-12.0, 12.0, 97)
AT_ZERO, USUAL, EXACT = Start(), Accuracy(), Closure()


def curves(
    rule: Any,
    problem: SignalNoiseMixture,
    training: Training,
    weights: Start | Linear = AT_ZERO,
    *,
    clean: CleanSubset | None = None,
    accuracy: Accuracy = USUAL,
    closure: Closure = EXACT,
) -> xr.Dataset:
    """Predicted curves over `epoch`, under the names of a simulation (sims.observables), in the limit n, d -> inf.

    Only n/d counts, except where a rule's own lengths keep d (theory.mean_field.rules). weights: those before training.
    clean: the m trusted examples of rules that look at such. Every variable has a `<name>_error`, its Monte-Carlo
    standard error. Weights and gradient norms of both groups, shares of coordinates and the precision of a selection
    are those of the step that follows the record. `directions` is the number of weight directions that were told apart
    so far, `dropped` the relative length of the longest that was left out. `<group>_margins` is the density of margins
    over bins around `margin`, whose ends take what lies beyond.
    Raises InputError before any work, saying why, for a rule that does not close.
    """
    if isinstance(weights, Linear):
        weights = Start(norm=weights.scale)
    setting = Setting(rule, problem, training, weights, clean, accuracy, closure)
    require_setting(setting)
    runs = [_run(setting, Draws(accuracy, repeat)) for repeat in range(accuracy.repeats)]
    epochs = list(range(0, training.epochs + 1, training.record_every))
    data = {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        dims = ("epoch", "margin")[: values.ndim - 1]
        data[name] = (dims, values.mean(axis=0))
        data[f"{name}_error"] = (dims, values.std(axis=0, ddof=1) / np.sqrt(len(values)))
    coords = {"epoch": epochs, "margin": (EDGES[1:] + EDGES[:-1]) / 2}
    return xr.Dataset(data, coords=coords, attrs={"samples": accuracy.samples, "repeats": accuracy.repeats})


def at_end(names: Sequence[str], *arguments: Any, **options: Any) -> FloatArray:
    """The last values of some variables of curves(*arguments, **options), (names,).

    Checked by `beyond.one_sam`, `beyond.n_sam`, `beyond.saner`, `beyond.compensated`, `beyond.reweighted`,
    `beyond.rate`, `beyond.minibatches`, `beyond.l_sam`, `beyond.j_sam`, `beyond.m_sam`, `beyond.example_asam`,
    `beyond.batch_asam`, `beyond.gsam`, `beyond.fsam`, `beyond.vasso`, `beyond.down_weighted`, `beyond.without`,
    `beyond.only`, `beyond.margin_selected`, `beyond.randomly_selected`, `beyond.oracle_ascent`,
    `beyond.oracle_batch_ascent`, `beyond.l2rw`, `beyond.fbr`, `beyond.signs`, `beyond.groups`.
    """
    end = curves(*arguments, **options).isel(epoch=-1)
    return np.array([float(end[name]) for name in names])


def flip_variance(problem: SignalNoiseMixture, slope: float) -> float:
    r"""What independent flips add to the variance of a quantity over samples: slope^2 Delta (1 - Delta)/n.

    Their limit is that of a fixed number of flips. The count of flips is binomial, and moves the quantity by its slope
    d quantity/d Delta; to leading order in 1/n nothing else is different.

    Checked by `beyond.flips`.
    """
    return slope**2 * problem.Delta * (1 - problem.Delta) / problem.n


def _run(setting: Setting, draws: Draws) -> dict[str, FloatArray]:
    """One repetition. The step after the last one is looked at, for the last record, and not made."""
    steps, training, first, records = setting.steps, setting.training, setting.start, []
    for step, batch in zip(count(), batches(setting, draws), strict=False):
        if step == 0:
            w, velocity, state = batch.space.zero(), batch.space.zero(), start(setting.rule)
            w[SIGNAL], w[START] = first.overlap, np.sqrt(first.norm**2 - first.overlap**2)
        record = _observed(batch.matrix, w) | report(setting.rule, state, batch.matrix)
        found, state = direction(setting.rule, state, batch, w)
        if step % (steps * training.record_every) == 0:
            records.append(record | _sizes(batch, found.F) | found.report)
        if step == steps * training.epochs:
            break
        velocity = training.momentum * velocity + found.h + training.weight_decay * w
        w = w - rate(training, step, steps * training.epochs) * velocity
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def rate(training: Training, step: int, steps: int) -> float:
    """The step size: constant, or eta (1 + cos(pi step/steps))/2."""
    factor = 1.0 if training.schedule == "constant" else 0.5 * (1 + np.cos(np.pi * step / steps))
    return training.eta * factor


def by_group(matrix: DataMatrix, values: FloatArray | NDArray[np.bool_]) -> dict[str, float]:
    """Means over the clean and over the mislabelled examples; 0 for an empty group."""
    shares = {"clean": matrix.share * (matrix.s > 0), "mislabelled": matrix.share * (matrix.s < 0)}
    return {name: float(p @ values / max(np.sum(p), np.finfo(float).tiny)) for name, p in shares.items()}


def _densities(matrix: DataMatrix, z: FloatArray) -> dict[str, FloatArray]:
    """Histograms of the margins of both groups, of area one (zero for an empty group)."""
    inside, width = np.clip(z, EDGES[0], EDGES[-1]), EDGES[1] - EDGES[0]
    groups = {"clean": matrix.s > 0, "mislabelled": matrix.s < 0}
    counts = {name: np.histogram(inside[g], EDGES, weights=matrix.share[g])[0] for name, g in groups.items()}
    return {f"{name}_margins": c / max(c.sum() * width, np.finfo(float).tiny) for name, c in counts.items()}


def _observed(matrix: DataMatrix, w: FloatArray) -> dict[str, Any]:
    law, z, noise = matrix.law, matrix.forward(w), float(np.linalg.norm(w[SIGNAL + 1 :]))
    spread = law.gamma * (np.hypot(w[SIGNAL], noise) if law.along_signal else noise)
    fits, losses = by_group(matrix, z > 0), by_group(matrix, np.logaddexp(0, -z))
    return {
        "test_accuracy": float(ndtr(law.B * w[SIGNAL] / spread)) if spread > 0 else 0.5,
        **{f"{name}_accuracy": value for name, value in fits.items()},
        "recovered_accuracy": by_group(matrix, z <= 0)["mislabelled"],
        **{f"{name}_loss": value for name, value in losses.items()},
        **_densities(matrix, z),
        "signal_overlap": float(w[SIGNAL]),
        "noise_norm": noise,
        "directions": float(matrix.nu.count),
        "dropped": matrix.dropped,
    }


def _sizes(batch: Examples, F: FloatArray) -> dict[str, float]:
    """Mean weights |F| and gradient norms of both groups."""
    means = by_group(batch.matrix, np.abs(F))
    norms = {f"{name}_gradient_norm": batch.length * value for name, value in means.items()}
    return norms | {f"{name}_weight": value for name, value in means.items()}
