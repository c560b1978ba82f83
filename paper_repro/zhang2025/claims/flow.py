"""The claim on the mean field: its equations."""

from collections.abc import Callable
from functools import partial

import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, train
from paper_repro.zhang2025.claims.recursion import OURS
from spec.claims import Asymptotic, Claim, Mutant, Sample
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
    return root_mean_square(columns)


def root_mean_square(columns: list[FloatArray] | list[list[float]]) -> FloatArray:
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

CLAIMS = (MEAN_FIELD,)
