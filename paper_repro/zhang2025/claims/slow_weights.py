"""Claims on slow weights, Lambda -> infinity: when they are where, and when memorisation comes before filtering."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from paper_repro.zhang2025.claims.flow import N, one_value, root_mean_square
from paper_repro.zhang2025.claims.measured_training import FloatArray, train
from paper_repro.zhang2025.claims.recursion import OURS
from spec.claims import Asymptotic, Claim, Mutant, Sample
from theory.reweighting import flow as mean_field

STEPS = 1600
LAMBDAS = (25, 50, 100)
SPREAD = ((0.3, 0.4), (0.5, 0.6), (0.7, 0.45))  # noise rate, weight at the start
LEFT = (0.8, 0.5)  # mislabelled weights over their start, at which times are read


class Times(NamedTuple):
    """Simulated times s (sizes, places) at which the mislabelled weight has fallen to a share, and what it means."""

    s: FloatArray
    p: FloatArray
    w: FloatArray
    angle: FloatArray


def _times(_: Sample) -> Times:
    """Between two steps, times are interpolated."""
    beta, rows = 1.5 / STEPS, []
    for Lambda in LAMBDAS:
        row = []
        for p, w in SPREAD:
            at = train(one_value(p), beta=beta, eta=Lambda * beta / N, steps=STEPS, w=w).w[:, 0] / w
            row += [beta * np.interp(-left, -at, np.arange(STEPS + 1)) for left in LEFT]
        rows.append(row)
    p, w = np.repeat(SPREAD, len(LEFT), axis=0).T
    return Times(np.array(rows), p, w, np.arccos(np.sqrt(p) * np.tile(LEFT, len(SPREAD))))


def _stated_time(angle: float, p: float, w: float) -> float:
    return float(mean_field.slow_time(np.array(angle), p, w))


def _off(case: Times, formula: Callable[[float, float, float], float] = _stated_time) -> FloatArray:
    """Simulated less stated times: root mean square for every Lambda, in one row."""
    stated = [formula(*at) for at in zip(case.angle, case.p, case.w, strict=True)]
    return root_mean_square(list(case.s - np.array(stated)))


SLOW_TIME = Claim(
    id="zhang2025.slow_time",
    origin="derived",
    source=OURS,
    statement="Slow weights move on the ellipse (1 - p) w_c^2 + p w_n^2 = w^2, and reach its angle at a time in closed "
    "form.",
    regime="one kernel value, Lambda -> infinity, until clean weights are one; noise rates .3 to .7",
    tolerance=Asymptotic(sizes=LAMBDAS, exponent=-1.0, wrong_exponents=(0.0, -2.0), slope=0.2),
    setup=_times,
    predicted=lambda c: np.zeros(len(LAMBDAS)),
    measured=_off,
    mutants=(
        Mutant("start at 1/2", measured=partial(_off, formula=lambda a, p, w: _stated_time(a, p, 0.5))),
        Mutant("noise rate 1 - p", measured=partial(_off, formula=lambda a, p, w: _stated_time(a, 1 - p, w))),
        Mutant(
            "at the late rate 4 p/((1 - p) w) from the start",
            measured=partial(_off, formula=lambda a, p, w: -np.log(np.cos(a) / np.sqrt(p)) * (1 - p) * w / (4 * p)),
        ),
    ),
    theory="theory.reweighting.flow.slow_time",
    figure="zhang2025.phase_diagram",
)


class Shares(NamedTuple):
    """Shares (sizes, places) of their squared weight that mislabelled examples lost, at each alpha and delta/kbar."""

    lost: FloatArray
    alpha: FloatArray
    ratio: FloatArray


SHARES = (10, 20, 40)
"""alpha is about the stated one over these."""
LONG = 3200


def _shares(_: Sample) -> Shares:
    """The kernel's individual part falls with alpha, so that the start of v counts less and less."""
    lost, alphas, ratios = [], [], []
    for size in SHARES:
        ratio = N / (2 * size)
        eta = size / max(SHARES) / (2 * N)
        alpha = [w**2 * ratio / (2 * size) for _, w in SPREAD]
        ends = [
            train(one_value(p, ratio / N), beta=a * eta, eta=eta, steps=LONG, w=w).w[-1, 0]
            for a, (p, w) in zip(alpha, SPREAD, strict=True)
        ]
        lost.append([1 - (end / w) ** 2 for end, (_, w) in zip(ends, SPREAD, strict=True)])
        alphas.append(alpha)
        ratios.append([ratio] * len(SPREAD))
    return Shares(np.array(lost), np.array(alphas), np.array(ratios))


def _stated_alpha(p: float, ratio: float, w: float) -> float:
    return mean_field.memorisation_alpha(p, ratio, w)


def _share_off(case: Shares, formula: Callable[[float, float, float], float] = _stated_alpha) -> FloatArray:
    """The lost share over alpha/memorisation_alpha, less one."""
    rows = []
    for lost, alpha, ratio in zip(case.lost, case.alpha, case.ratio, strict=True):
        stated = [formula(p, r, w) for (p, w), r in zip(SPREAD, ratio, strict=True)]
        rows.append(lost * stated / alpha - 1)
    return root_mean_square(rows)


MEMORISATION = Claim(
    id="zhang2025.memorisation_alpha",
    origin="derived",
    source=OURS,
    statement="Slow weights of mislabelled examples lose the share 8 p (1 - p) alpha kbar/(w^2 delta) of their square "
    "before the examples are memorised, so that filtering needs alpha well above w^2 delta/(8 p (1 - p) kbar).",
    regime="one kernel value kbar and a small individual part delta; alpha -> 0; noise rates .3 to .7",
    tolerance=Asymptotic(sizes=SHARES, exponent=-1.0, wrong_exponents=(0.0, -2.0), slope=0.2),
    setup=_shares,
    predicted=lambda c: np.zeros(len(SHARES)),
    measured=_share_off,
    mutants=(
        Mutant(
            "rates at the end for those at the start",
            measured=partial(_share_off, formula=lambda p, r, w: (1 - p) * w**2 * r / (4 * p)),
        ),
        Mutant(
            "weight for its square", measured=partial(_share_off, formula=lambda p, r, w: w * r / (8 * p * (1 - p)))
        ),
        Mutant("p for p (1 - p)", measured=partial(_share_off, formula=lambda p, r, w: w**2 * r / (8 * p))),
    ),
    theory="theory.reweighting.flow.memorisation_alpha",
    figure="zhang2025.phase_diagram",
)

CLAIMS = (SLOW_TIME, MEMORISATION)
