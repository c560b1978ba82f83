"""Claims on the mean field: its equations, where clean weights end, and when the clean loss turns."""

from collections.abc import Callable
from functools import partial

import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, train
from paper_repro.zhang2025.claims.recursion import OURS
from spec.claims import Asymptotic, Claim, Mutant, Ordering, Sample
from theory.reweighting import flow as mean_field

N, M = 20, 3
SIZES = (50, 100, 200)
"""Steps for each unit of s: beta = 1/size, as kbar = 1."""


def one_value(p: float, nu: float = 0.0) -> TwoClasses:
    """Inputs for which the linear model has the kernel y y', plus nu n between a training example and itself."""
    y, y_clean = np.where(np.arange(N) % 2, 1.0, -1.0), np.where(np.arange(M) % 2, 1.0, -1.0)
    x = np.concatenate([y[:, None], np.sqrt(nu * N) * np.eye(N)], axis=1)
    x_clean = np.concatenate([y_clean[:, None], np.zeros((M, N))], axis=1)
    return TwoClasses(x, y, np.arange(N) < round(p * N), x_clean, y_clean)


class Regimes(list[tuple[float, float, float]]):
    """(p, Lambda, nu)."""


def regimes(sample: Sample) -> Regimes:
    """Random regimes: noise from 0.2 to 0.8, Lambda over a decade, half of them without an individual part."""
    rng = np.random.default_rng(sample.seed)
    return Regimes(
        (p, float(10 ** rng.uniform(-0.5, 0.5)), nu)
        for p, nu in zip(rng.permutation([0.2, 0.4, 0.6, 0.8]), (0.0, 0.0, 0.1, 0.3), strict=True)
    )


def _deviation(
    cases: Regimes,
    *,
    p: Callable[[float], float] = lambda p: p,
    factor: float = 1.0,
    w: float = 0.5,
    individual: float = 1,
) -> FloatArray:
    """Simulated less predicted v, rho, w_c, w_n at s = 0.5, 1, 1.5, 2: root mean square for every size, in one row.

    The arguments make mutants.
    """
    columns = []
    for size in SIZES:
        rows = []
        for rate, Lambda, nu in cases:
            problem, at = one_value(rate, nu), size * np.arange(1, 5) // 2
            run = train(problem, beta=1 / size, eta=Lambda / (N * size), steps=2 * size)
            last, clean = run.r.shape[1] - 1, problem.y_clean[0]
            simulated = [-clean * run.r_clean[:, 0], -problem.y[last] * run.r[:, last], run.w[:, last], run.w[:, 0]]
            f = mean_field.solve(
                np.concatenate([[0.0], at / size]), p=p(rate), Lambda=factor * Lambda, nu=individual * nu, w=w
            )
            predicted = [f.v, f.rho, f.w_clean, f.w_noisy]
            rows += [(a[at] - b[1:]) for a, b in zip(simulated, predicted, strict=True)]
        columns.append(np.concatenate(rows))
    return _root_mean_square(columns)


def _root_mean_square(columns: list[FloatArray] | list[list[float]]) -> FloatArray:
    """One row, with a column for each size."""
    return np.sqrt(np.mean(np.square(columns), axis=1))[None]


MEAN_FIELD = Claim(
    id="zhang2025.mean_field",
    origin="derived",
    source=OURS,
    statement="With one kernel value and an individual part, weights and residuals follow five differential equations.",
    regime="s = beta kbar t and Lambda = eta n/beta fixed as beta -> 0",
    tolerance=Asymptotic(sizes=SIZES, exponent=-1.0, wrong_exponents=(0.0, -2.0)),
    setup=regimes,
    predicted=lambda c: np.zeros(len(SIZES)),
    measured=_deviation,
    mutants=(
        Mutant("noise rate 1 - p", measured=partial(_deviation, p=lambda p: 1 - p)),
        Mutant("alpha doubled", measured=partial(_deviation, factor=0.5)),
        Mutant("individual part left out", measured=partial(_deviation, individual=0.0)),
        Mutant("start at 0.4", measured=partial(_deviation, w=0.4)),
    ),
    theory="theory.reweighting.flow.solve",
    figure="zhang2025.phase_diagram",
)


def _final_weight(p: float, Lambda: float) -> float:
    return mean_field.final_clean_weight(p, Lambda)


def _final(cases: Regimes, formula: Callable[[float, float], float] = _final_weight) -> FloatArray:
    """Simulated less predicted weight of clean examples at s = 40, below the ratio at which they reach one."""
    columns = []
    for size in (20, 40, 80):
        row = []
        for rate in (0.2, 0.4, 0.5):
            Lambda = 2 / mean_field.amplification_ratio(rate)
            run = train(one_value(rate), beta=1 / size, eta=Lambda / (N * size), steps=40 * size)
            row.append(run.w[-1, -1] - formula(rate, Lambda))
        columns.append(row)
    return _root_mean_square(columns)


FINAL = Claim(
    id="zhang2025.final_clean_weight",
    origin="derived",
    source=OURS,
    statement="Clean examples end at weight sqrt((w^2 + 1/Lambda)/(1 - p)) where that is below one.",
    regime="one kernel value, beta -> 0; from the invariant v^2 + Lambda((1-p) w_c^2 + p w_n^2)",
    tolerance=Asymptotic(sizes=(20, 40, 80), exponent=-1.0, wrong_exponents=(0.0, -2.0)),
    setup=regimes,
    predicted=lambda c: np.zeros(3),
    measured=_final,
    mutants=(
        Mutant("they reach one", measured=partial(_final, formula=lambda p, Lambda: 1.0)),
        Mutant("slow weights", measured=partial(_final, formula=lambda p, Lambda: 0.5 / np.sqrt(1 - p))),
        Mutant(
            "weights of the mislabelled not counted",
            measured=partial(_final, formula=lambda p, Lambda: np.sqrt(0.25 + 1 / Lambda / (1 - p))),
        ),
    ),
    theory="theory.reweighting.flow.final_clean_weight",
    figure="zhang2025.phase_diagram",
)


def _past_boundary(cases: Regimes, boundary: Callable[[float], float] | None = None) -> FloatArray:
    """Final clean weight less one and a margin, at 0.8 and 1.25 times the ratio beta/(eta n) of the boundary."""
    found = []
    for rate in (0.2, 0.4, 0.5, 0.6):
        for factor in (0.8, 1.25):
            ratio = factor * (boundary or mean_field.amplification_ratio)(rate)
            run = train(one_value(rate), beta=0.01, eta=0.01 / (N * ratio), steps=3000)
            found.append(run.w[-1, -1] - 0.995)
    return np.array(found)[None]


AMPLIFIED = Claim(
    id="zhang2025.amplification_boundary",
    origin="derived",
    source=OURS,
    statement="Clean examples reach weight one iff beta/(eta n) >= 1 - p - w^2: amplification needs fast weights.",
    regime="one kernel value, small steps; noise rates below 1 - w^2",
    tolerance=Ordering(),
    setup=regimes,
    predicted=lambda c: np.tile([-1.0, 1.0], 4),
    measured=_past_boundary,
    mutants=(
        Mutant("1 - p", measured=partial(_past_boundary, boundary=lambda p: 1 - p)),
        Mutant(
            "half of it", measured=partial(_past_boundary, boundary=lambda p: mean_field.amplification_ratio(p) / 2)
        ),
    ),
    theory="theory.reweighting.flow.amplification_ratio",
    figure="zhang2025.phase_diagram",
)


def _turning_time(p: float, w: float) -> float:
    return mean_field.turning_time(p, w)


def _turning(cases: Regimes, formula: Callable[[float, float], float] = _turning_time) -> FloatArray:
    """Simulated less predicted time s at which the clean loss turns, with Lambda = 1/size and weights from 0.4."""
    columns = []
    for size in (4, 8, 16):
        row = []
        for rate in (0.6, 0.7, 0.8):
            per_unit = 200 * size
            run = train(one_value(rate), beta=1 / per_unit, eta=1 / (size * N * per_unit), steps=80 * size, w=0.4)
            slope = np.diff(np.abs(run.r_clean[:, 0]))
            i = np.argmax(slope < 0)
            row.append((i - 1 + slope[i - 1] / (slope[i - 1] - slope[i])) / per_unit - formula(rate, 0.4))
        columns.append(row)
    return _root_mean_square(columns)


TURNING = Claim(
    id="zhang2025.turning_time",
    origin="derived",
    source=OURS,
    statement="For p > 1/2 the clean-subset loss first rises, until s = w (2p - 1) for fast weights.",
    regime="one kernel value, Lambda -> 0",
    tolerance=Asymptotic(sizes=(4, 8, 16), exponent=-1.0, wrong_exponents=(0.0, -2.0)),
    setup=regimes,
    predicted=lambda c: np.zeros(3),
    measured=_turning,
    mutants=(
        Mutant("w p", measured=partial(_turning, formula=lambda p, w: w * p)),
        Mutant("p - 1/2", measured=partial(_turning, formula=lambda p, w: p - 0.5)),
        Mutant("when the mislabelled are gone", measured=partial(_turning, formula=lambda p, w: w)),
    ),
    theory="theory.reweighting.flow.turning_time",
    figure="zhang2025.phase_diagram",
)


CLAIMS = (MEAN_FIELD, FINAL, AMPLIFIED, TURNING)
