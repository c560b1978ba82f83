"""Claims on example weights at finite n: Lemma 3.1 and reordering."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.predicted_gradients import ANY, OURS, SECTION, margins, shifts
from paper_repro.shared.at_rho import n_sam, sgd
from paper_repro.shared.logistic_cases import Case, gradient_norms, random_case, weights
from sims import objectives
from spec.claims import Claim, Exact, Mutant, Ordering, Sample
from spec.rules import Sam
from theory.logistic import regression


def _measured_amplification(case: Case, factor: float = 1.0) -> np.ndarray:
    return gradient_norms(Sam, case, factor) / gradient_norms(sgd, case)


AMPLIFICATION = Claim(
    id="baek2024.amplification",
    origin="paper",
    source=SECTION,
    statement="1-SAM multiplies the gradient of an example by sigma(-z + C)/sigma(-z), C = rho||x||.",
    regime=ANY,
    tolerance=Exact(),
    setup=random_case,
    predicted=lambda c: regression.amplification(margins(c), shifts(c)),
    measured=_measured_amplification,
    mutants=(
        Mutant("its limit e^C everywhere", predicted=lambda c: np.exp(shifts(c))),
        Mutant("margin with the wrong sign", predicted=lambda c: regression.amplification(-margins(c), shifts(c))),
        Mutant("rho doubled", measured=partial(_measured_amplification, factor=2.0)),
    ),
    theory="theory.logistic.regression.amplification",
    figure="baek2024.upweighting",
)


def _increments(case: Case, factor: float = 1.0) -> np.ndarray:
    """Differences of the measured amplification along increasing margin, at equal norms; one row."""
    order = np.argsort(margins(case), axis=1)
    return np.diff(np.take_along_axis(_measured_amplification(case, factor), order, axis=1), axis=1).reshape(1, -1)


def _between(case: Case, sign: float = 1.0) -> np.ndarray:
    """The stated slope half-way between neighbouring margins, whose sign an increment has."""
    z = np.sort(margins(case), axis=1)
    return regression.log_amplification_slope((z[:, 1:] + z[:, :-1]) / 2, sign * shifts(case)[:, 1:]).ravel()


LEMMA_3_1 = Claim(
    id="baek2024.lemma_3_1",
    origin="paper",
    source="Baek et al. (2024), Lemma 3.1",
    statement="For C > 0 the amplification is strictly increasing in the margin: low-loss points are up-weighted most.",
    regime="examples of equal norm, rho > 0",
    tolerance=Ordering(),
    setup=partial(random_case, equal_norms=True),
    predicted=_between,
    measured=_increments,
    mutants=(
        Mutant("a descent step (C < 0)", measured=partial(_increments, factor=-1.0)),
        Mutant("the slope at C < 0", predicted=partial(_between, sign=-1.0)),
    ),
    theory="theory.logistic.regression.log_amplification_slope",
    figure="baek2024.upweighting",
)


def _slopes(case: Case) -> np.ndarray:
    """d/dz of the amplification, d/dz and d/dC of its logarithm, by differentiating the simulator's loss."""
    residual = jax.grad(objectives.logistic)

    def f(z: Any, C: Any) -> Any:
        return residual(z - C, 1.0) / residual(z, 1.0)

    def log_f(z: Any, C: Any) -> Any:
        return jnp.log(f(z, C))

    z, C = jnp.asarray(margins(case).ravel()), jnp.asarray(shifts(case).ravel())
    slope, log_slope, log_slope_in_C = (
        np.asarray(jax.vmap(g)(z, C)) for g in (jax.grad(f), jax.grad(log_f), jax.grad(log_f, argnums=1))
    )
    # Relative to f, so that one large amplification does not set the scale for all.
    return np.stack([slope / np.asarray(jax.vmap(f)(z, C)), log_slope, log_slope_in_C])


def _stated_slopes(case: Case) -> np.ndarray:
    z, C = margins(case).ravel(), shifts(case).ravel()
    first = regression.amplification_slope(z, C) / regression.amplification(z, C)
    return np.stack([first, regression.log_amplification_slope(z, C), regression.log_amplification_slope_in_C(z, C)])


SLOPES = Claim(
    id="baek2024.amplification_slopes",
    origin="derived",
    source=OURS,
    statement="f' = f (sigma(z) - sigma(z-C)), (log f)' = sigma(z) - sigma(z-C), d log f/dC = sigma(z-C).",
    regime="any z and C",
    tolerance=Exact(),
    setup=random_case,
    predicted=_stated_slopes,
    measured=_slopes,
    mutants=(
        Mutant("sign", predicted=lambda c: -_stated_slopes(c)),
        Mutant("C dropped", predicted=lambda c: _stated_slopes(c._replace(rho=0 * c.rho))),
    ),
    theory="theory.logistic.regression.amplification_slope",
    figure="baek2024.upweighting",
)


def _at_margins(case: Case, levels: tuple[float, ...], factor: float = 1.0) -> np.ndarray:
    """Logarithm of the measured amplification of one example moved to each margin: w = z x/||x||^2, (k, levels)."""
    x = case.x[:, :1]
    toward = x[:, 0] / np.sum(x**2, axis=2)
    columns = [
        _measured_amplification(Case(z * toward, x, np.ones(x.shape[:2]), case.mislabelled[:, :1], case.rho), factor)
        for z in levels
    ]
    return np.log(np.concatenate(columns, axis=1))


LEVELS = (-60.0, 0.0, 60.0)


def _limits(case: Case) -> np.ndarray:
    return np.log(regression.amplification_limits(shifts(case)[:, 0]))


LIMITS = Claim(
    id="baek2024.amplification_limits",
    origin="derived",
    source=OURS,
    statement="The amplification tends to 1 for misfit points, is 2/(1+e^-C) at z = 0, and tends to e^C at large z.",
    regime="logarithms, measured at z = -60, 0, 60 with C below 20: the distance to the limits is below e^-40",
    tolerance=Exact(),
    setup=lambda s: (lambda c: c._replace(rho=np.minimum(c.rho, 20 / np.linalg.norm(c.x, axis=2)[:, 0])))(
        random_case(s)
    ),
    predicted=_limits,
    measured=partial(_at_margins, levels=LEVELS),
    mutants=(
        Mutant("limits exchanged", predicted=lambda c: _limits(c)[:, ::-1]),
        Mutant("rho doubled", measured=partial(_at_margins, levels=LEVELS, factor=2.0)),
    ),
    theory="theory.logistic.regression.amplification_limits",
    figure="baek2024.upweighting",
)


def _weight_ratios(case: Case) -> np.ndarray:
    """1-SAM weight of each example over that of the one with the next smaller margin, (k, n - 1)."""
    order = np.argsort(margins(case), axis=1)
    s = np.take_along_axis(weights(Sam, case), order, axis=1)
    return s[:, 1:] / s[:, :-1]


def _stated_weight_ratios(case: Case, factor: float = 1.0) -> np.ndarray:
    z = np.sort(margins(case), axis=1)
    return regression.relative_weight(z[:, 1:], z[:, :-1], factor * shifts(case)[:, 1:])


NEVER_REORDERS = Claim(
    id="baek2024.never_reorders",
    origin="derived",
    source=OURS,
    statement="1-SAM never reorders examples: the weight at a larger margin over that at a smaller one is "
    "(1 + e^(z_j - C))/(1 + e^(z_i - C)), below one at every rho.",
    regime="equal norms; with unequal norms see baek2024.reordering_radius",
    tolerance=Exact(),
    setup=partial(random_case, equal_norms=True),
    predicted=_stated_weight_ratios,
    measured=_weight_ratios,
    mutants=(
        Mutant("their ratio under SGD", predicted=partial(_stated_weight_ratios, factor=0.0)),
        Mutant("margins raised", predicted=partial(_stated_weight_ratios, factor=-1.0)),
        Mutant(
            "examples of unequal norm",
            measured=lambda c: _weight_ratios(
                c._replace(x=c.x * np.linspace(0.2, 3, c.x.shape[1])[:, None], w=c.w * 0.3)
            ),
        ),
    ),
    theory="theory.logistic.regression.relative_weight",
)


def _pairs(sample: Sample) -> Case:
    """Pairs of examples, the one of larger margin first, just below and just above the stated radius."""
    case = random_case(sample)
    order = np.argsort(-margins(case)[:, :2], axis=1)
    rows = np.arange(len(order))[:, None]
    pairs = Case(case.w, case.x[rows, order], case.t[rows, order], case.mislabelled[rows, order], case.rho)
    radius = _radii(pairs)
    finite = radius * np.linalg.norm(pairs.x[:, 0], axis=1) - margins(pairs)[:, 0] < 15  # beyond, both round to one
    w, x, t, mislabelled = (np.concatenate([a[finite]] * 2) for a in pairs[:4])
    return Case(w, x, t, mislabelled, np.concatenate([0.999 * radius[finite], 1.001 * radius[finite]]))


def _radii(case: Case, factor: float = 1.0) -> np.ndarray:
    z, norms = margins(case), np.linalg.norm(case.x, axis=2)
    return factor * regression.reordering_radius(z[:, 0], z[:, 1], norms[:, 0], norms[:, 1])


REORDERING = Claim(
    id="baek2024.reordering_radius",
    origin="derived",
    source=OURS,
    statement="With unequal norms two examples change order exactly at rho = (z_i - z_j)/(||x_i|| - ||x_j||).",
    regime="pairs whose larger margin has the larger norm; weights at the radius below sigma(15)",
    tolerance=Ordering(),
    setup=_pairs,
    predicted=lambda c: np.sign(c.rho - _radii(c)),
    measured=lambda c: -np.diff(weights(Sam, c), axis=1).T,
    mutants=(
        Mutant("radius doubled", predicted=lambda c: np.sign(c.rho - _radii(c, 2.0))),
        Mutant("never", predicted=lambda c: -np.ones(len(c.rho))),
        Mutant("n-SAM", measured=lambda c: -np.diff(weights(n_sam, c), axis=1).T),
    ),
    theory="theory.logistic.regression.reordering_radius",
)

CLAIMS = (
    AMPLIFICATION,
    LEMMA_3_1,
    SLOPES,
    LIMITS,
    NEVER_REORDERS,
    REORDERING,
)
