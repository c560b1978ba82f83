"""Claims on the clean/mislabelled ratio between two radii: its slope is local, some things hold for all radii."""

from functools import partial

import numpy as np

from paper_repro.baek2024.claims.predicted_gradients import ANY, OURS, margins
from paper_repro.shared.logistic_cases import Case, gradient_norms, random_case
from spec.claims import Claim, Exact, Mutant, Ordering, Sample
from spec.rules import Sam
from theory.logistic import ratio, regression

FACTOR = 10.0
RADII = (1e-6, 2.0, 6.0)
SAID = np.array([1.42, 1.89, 1.07])  # R there
LOCAL = np.array([1.5, -2.0, 0.5, -3.5, 3.9, 3.7])  # margins, the last three mislabelled: the ratio rises, then falls
SEPARATED = (0.03, 0.3, 1.0, 3.0, 10.0)


def _ratios(case: Case, factor: float) -> np.ndarray:
    """Mean clean over mean mislabelled gradient norm of the simulator's rule, (k,)."""
    norms = gradient_norms(Sam, case, factor)
    clean, noisy = ((norms * g).sum(1) / g.sum(1) for g in (~case.mislabelled, case.mislabelled))
    return clean / noisy


def _stated_gains(case: Case, unit_norms: bool = False, swap: bool = False) -> np.ndarray:
    norms = np.ones(case.t.shape) if unit_norms else np.linalg.norm(case.x, axis=2)
    groups = ~case.mislabelled if swap else case.mislabelled
    rows = zip(margins(case), norms, groups, case.rho, strict=True)
    return np.array([ratio.gain(z, r, m, rho, FACTOR * rho) for z, r, m, rho in rows])


GAIN = Claim(
    id="baek2024.ratio_gain",
    origin="derived",
    source=OURS,
    statement="From one radius to another the clean/mislabelled ratio of gradient norms changes by the quotient of the "
    "groups' mean amplifications, weighted by gradient norm.",
    regime=ANY + ", both groups non-empty, at fixed w; here to ten times the radius",
    tolerance=Exact(),
    setup=random_case,
    predicted=_stated_gains,
    measured=lambda c: _ratios(c, FACTOR) / _ratios(c, 1.0),
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_gains, swap=True)),
        Mutant("norms taken as one", predicted=partial(_stated_gains, unit_norms=True)),
    ),
    theory="theory.logistic.ratio.gain",
    figure="baek2024.clean_noisy_ratio",
)


def _local(_: Sample) -> Case:
    """Six examples of norm one with the margins LOCAL, and rho one."""
    along = LOCAL / 5
    x = np.stack([along, np.sqrt(1 - along**2)], axis=1)
    return Case(np.array([[5.0, 0.0]]), x[None], np.ones((1, 6)), np.arange(6)[None] >= 3, np.ones(1))


def _changes(case: Case) -> np.ndarray:
    """Changes of log R from RADII[0] to a radius just beyond it, from RADII[0] to [1], [1] to [2], and [0] to [2]; then
    by how much less than .005 R is from SAID.
    """
    start, beyond, *later = (float(_ratios(case, radius)[0]) for radius in (RADII[0], 0.01, *RADII[1:]))
    middle, end = later
    near = 0.005 - np.abs(np.array([start, middle, end]) - SAID)
    return np.concatenate([np.log([beyond / start, middle / start, end / middle, end / start]), near])[None]


def _stated_changes(case: Case) -> np.ndarray:
    noisy, ones = case.mislabelled[0], np.ones(6)
    slope = regression.self_weighted_gap(LOCAL, np.zeros(6), noisy)
    pairs = ((RADII[0], RADII[1]), (RADII[1], RADII[2]), (RADII[0], RADII[2]))
    changes = [slope, *(np.log(ratio.gain(LOCAL, ones, noisy, *pair)) for pair in pairs)]
    values = [regression.clean_noisy_ratio(LOCAL, ones, noisy, radius) for radius in RADII]
    return np.sign([*changes, *(0.005 - np.abs(np.array(values) - SAID))])


LOCAL_SLOPE = Claim(
    id="baek2024.ratio_slope_is_local",
    origin="derived",
    source=OURS,
    statement="A ratio that rises with rho at first may fall later, below where it began: 1.42, 1.89 and 1.07 at rho = "
    "0, 2 and 6 for clean margins 1.5, -2, .5 and mislabelled -3.5, 3.9, 3.7.",
    regime="unit norms, fixed w",
    tolerance=Ordering(),
    setup=_local,
    predicted=_stated_changes,
    measured=_changes,
    mutants=(Mutant("the sign of the slope for every radius", predicted=lambda c: np.ones(7)),),
    theory="theory.logistic.ratio.gain",
    figure="baek2024.clean_noisy_ratio",
)


def _separated(sample: Sample) -> Case:
    """Equal norms, and the examples of smallest margin mislabelled."""
    case = random_case(sample, equal_norms=True)
    order = np.argsort(np.argsort(margins(case), axis=1), axis=1)
    return case._replace(mislabelled=order < case.mislabelled.sum(axis=1)[:, None])


def _rises(case: Case, swap: bool = False) -> np.ndarray:
    """Changes of log R along SEPARATED, and how far it stays below zero at the end; one row."""
    noisy = ~case.mislabelled if swap else case.mislabelled
    case = case._replace(mislabelled=noisy, rho=np.ones(len(case.rho)))
    logs = np.log([_ratios(case, radius) for radius in SEPARATED])
    return np.concatenate([np.diff(logs, axis=0).ravel(), -logs[-1]])[None]


def _stated_rises(case: Case) -> np.ndarray:
    rows = [ratio.separated(z, m) for z, m in zip(margins(case), case.mislabelled, strict=True)]
    return np.where(np.tile(rows, len(SEPARATED)), 1.0, -1.0)


GLOBAL = Claim(
    id="baek2024.ratio_of_separated_margins",
    origin="derived",
    source=OURS,
    statement="Where every clean margin is larger than every mislabelled one the ratio is below one and rises with rho "
    "at every radius.",
    regime="equal norms, fixed w",
    tolerance=Ordering(),
    setup=_separated,
    predicted=_stated_rises,
    measured=_rises,
    mutants=(Mutant("mislabelled margins the larger ones", measured=partial(_rises, swap=True)),),
    theory="theory.logistic.ratio.separated",
    figure="baek2024.clean_noisy_ratio",
)

CLAIMS = (GAIN, LOCAL_SLOPE, GLOBAL)
