"""Claims on what follows from the mean field: where clean weights end, and when the clean loss turns."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from paper_repro.zhang2025.claims.flow import N, one_value, root_mean_square
from paper_repro.zhang2025.claims.measured_training import FloatArray, train
from paper_repro.zhang2025.claims.recursion import OURS
from spec.claims import Asymptotic, Claim, Mutant, Ordering, Sample
from theory.reweighting import flow as mean_field


class _Place(NamedTuple):
    """Noise rate, weight at the start, and beta/(eta n), which is one over Lambda."""

    p: float
    w: float
    ratio: float = 0.0


ENDS = (_Place(0.2, 0.3), _Place(0.4, 0.5), _Place(0.5, 0.6))
END_SIZES = (20, 40, 80)


def _slow(_: Sample) -> list[_Place]:
    """Half of the ratio from which on clean examples reach weight one."""
    return [at._replace(ratio=mean_field.amplification_ratio(at.p, at.w) / 2) for at in ENDS]


def _final_weight(p: float, Lambda: float, w: float) -> float:
    return mean_field.final_clean_weight(p, Lambda, w)


def _final(places: list[_Place], formula: Callable[[float, float, float], float] = _final_weight) -> FloatArray:
    """Simulated less predicted weight of clean examples at s = 40."""
    columns = []
    for size in END_SIZES:
        row = []
        for p, w, ratio in places:
            run = train(one_value(p), beta=1 / size, eta=1 / (ratio * N * size), steps=40 * size, w=w)
            row.append(run.w[-1, -1] - formula(p, 1 / ratio, w))
        columns.append(row)
    return root_mean_square(columns)


FINAL = Claim(
    id="zhang2025.final_clean_weight",
    origin="derived",
    source=OURS,
    statement="Clean examples end at weight sqrt((w^2 + 1/Lambda)/(1 - p)) where that is below one.",
    regime="one kernel value, beta -> 0; from the invariant v^2 + Lambda((1-p) w_c^2 + p w_n^2); w = .3, .5, .6",
    tolerance=Asymptotic(sizes=END_SIZES, exponent=-1.0, wrong_exponents=(0.0, -2.0)),
    setup=_slow,
    predicted=lambda c: np.zeros(len(END_SIZES)),
    measured=_final,
    mutants=(
        Mutant("they reach one", measured=partial(_final, formula=lambda p, Lambda, w: 1.0)),
        Mutant("slow weights", measured=partial(_final, formula=lambda p, Lambda, w: w / np.sqrt(1 - p))),
        Mutant("from one half", measured=partial(_final, formula=lambda p, Lambda, w: _final_weight(p, Lambda, 0.5))),
        Mutant(
            "weights of the mislabelled not counted",
            measured=partial(_final, formula=lambda p, Lambda, w: np.sqrt(w**2 + 1 / Lambda / (1 - p))),
        ),
    ),
    theory="theory.reweighting.flow.final_clean_weight",
    figure="zhang2025.phase_diagram",
)


def _around(_: Sample) -> list[_Place]:
    """0.8 and 1.25 times the ratio of the boundary."""
    places = (*ENDS, _Place(0.6, 0.5), _Place(0.3, 0.7))
    return [at._replace(ratio=f * mean_field.amplification_ratio(at.p, at.w)) for at in places for f in (0.8, 1.25)]


def _stated_sides(places: list[_Place], boundary: Callable[[float, float], float] | None = None) -> FloatArray:
    return np.sign([at.ratio - (boundary or mean_field.amplification_ratio)(at.p, at.w) for at in places])


def _past_boundary(places: list[_Place]) -> FloatArray:
    """Final clean weight less one and a margin."""
    runs = [train(one_value(p), beta=0.01, eta=0.01 / (N * ratio), steps=3000, w=w) for p, w, ratio in places]
    return np.array([run.w[-1, -1] - 0.995 for run in runs])[None]


AMPLIFIED = Claim(
    id="zhang2025.amplification_boundary",
    origin="derived",
    source=OURS,
    statement="Clean examples reach weight one iff beta/(eta n) >= 1 - p - w^2: amplification needs fast weights.",
    regime="one kernel value, small steps; noise rates below 1 - w^2, w = .3 to .7",
    tolerance=Ordering(),
    setup=_around,
    predicted=_stated_sides,
    measured=_past_boundary,
    mutants=(
        Mutant("1 - p", predicted=partial(_stated_sides, boundary=lambda p, w: 1 - p)),
        Mutant("1 - p - w", predicted=partial(_stated_sides, boundary=lambda p, w: 1 - p - w)),
        Mutant("w = 1/2 always", predicted=partial(_stated_sides, boundary=lambda p, w: 0.75 - p)),
    ),
    theory="theory.reweighting.flow.amplification_ratio",
    figure="zhang2025.phase_diagram",
)

TURNS = (_Place(0.6, 0.4), _Place(0.7, 0.3), _Place(0.8, 0.5), _Place(0.8, 0.7))
TURN_SIZES = (4, 8, 16)


def _turning_time(p: float, w: float) -> float:
    return mean_field.turning_time(p, w)


def _turning(_: Sample, formula: Callable[[float, float], float] = _turning_time) -> FloatArray:
    """Simulated less predicted time s at which the clean loss turns, with Lambda = 1/size."""
    columns = []
    for size in TURN_SIZES:
        row = []
        for p, w, *_rest in TURNS:
            per_unit = 200 * size
            run = train(one_value(p), beta=1 / per_unit, eta=1 / (size * N * per_unit), steps=120 * size, w=w)
            slope = np.diff(np.abs(run.r_clean[:, 0]))
            i = np.argmax(slope < 0)
            row.append((i - 1 + slope[i - 1] / (slope[i - 1] - slope[i])) / per_unit - formula(p, w))
        columns.append(row)
    return root_mean_square(columns)


TURNING = Claim(
    id="zhang2025.turning_time",
    origin="derived",
    source=OURS,
    statement="For p > 1/2 the clean-subset loss first rises, for fast weights until s = w (2p - 1), or w - (1 - p)/p "
    "where clean weights reach one before.",
    regime="one kernel value, Lambda -> 0; w = .3 to .7, one of them clipped",
    tolerance=Asymptotic(sizes=TURN_SIZES, exponent=-1.0, wrong_exponents=(0.0, -2.0)),
    setup=lambda s: s,
    predicted=lambda c: np.zeros(len(TURN_SIZES)),
    measured=_turning,
    mutants=(
        Mutant("w p", measured=partial(_turning, formula=lambda p, w: w * p)),
        Mutant("p - 1/2", measured=partial(_turning, formula=lambda p, w: p - 0.5)),
        Mutant("when the mislabelled are gone", measured=partial(_turning, formula=lambda p, w: w)),
        Mutant("no weight clipped", measured=partial(_turning, formula=lambda p, w: w * (2 * p - 1))),
    ),
    theory="theory.reweighting.flow.turning_time",
    figure="zhang2025.phase_diagram",
)

CLAIMS = (FINAL, AMPLIFIED, TURNING)
