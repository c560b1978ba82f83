"""Claims on errors of the clean residuals and on the centring of kernels, away from zero outputs and at several m."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, arrays, caps, linear_blocks
from paper_repro.zhang2025.claims.recursion import OURS
from sims import objectives
from sims.models import networks
from sims.rules import meta_reweighting
from spec.claims import Claim, MonteCarlo, Mutant, Ordering, Sample
from theory.reweighting import regrowth

OBJECTIVE = objectives.Objective(networks.linear(5), objectives.squared)
DEVIATION, SIZES = 0.2, (6, 24, 96)


class Erring(NamedTuple):
    """Problems whose clean subsets have SIZES examples, trained weights (5,), and errors of clean labels (seeds, m)."""

    problems: list[TwoClasses]
    params: FloatArray
    errors: list[FloatArray]


def _erring(sample: Sample) -> Erring:
    rng = np.random.default_rng(sample.seed)
    problems = [caps(rng, n=8, m=m, d=5, s=0.6, p=0.4) for m in SIZES]
    errors = [DEVIATION * rng.normal(size=(16 * sample.count, m)) for m in SIZES]
    return Erring(problems, rng.normal(0.2, 0.8, 5), errors)


def _squared_errors(case: Erring) -> FloatArray:
    """((c_i with errors) - c_i)^2 through the simulator, (seeds, n for every m)."""
    params = {"w": jnp.asarray(case.params)}

    def of(problem: TwoClasses, errors: FloatArray) -> FloatArray:
        split, clean = arrays(problem)
        batch, w = objectives.Batch(split.x, split.t), jnp.full(len(split.t), 0.5)

        def coupling(error: jax.Array) -> jax.Array:
            erring = objectives.Batch(clean.x, clean.t + error)
            return meta_reweighting.couplings(OBJECTIVE, params, batch, erring, w, 0.0)

        change = jax.jit(lambda errors: jax.vmap(coupling)(errors) - coupling(jnp.zeros(errors.shape[1]))[None])
        return np.asarray(change(jnp.asarray(errors))) ** 2

    return np.concatenate([of(*pair) for pair in zip(case.problems, case.errors, strict=True)], axis=1)


def _stated_squares(case: Erring, residual: float = 1.0, power: float = 0.0, total: bool = False) -> FloatArray:
    """(s |r_i| ||K_i||/m)^2; residual: power of |r_i|; power: wrong power of m; total: |sum_j K_ij| for ||K_i||."""
    found = []
    for problem in case.problems:
        t = np.where(problem.mislabelled, -problem.y, problem.y)
        r = np.abs(problem.x @ case.params - t) ** residual
        m = len(problem.y_clean)
        cross = linear_blocks(problem).clean
        scale = np.abs(cross.sum(axis=0)) / np.linalg.norm(cross, axis=0) if total else 1.0
        found.append((r * scale * regrowth.coupling_noise(cross, DEVIATION) * m**power) ** 2)
    return np.concatenate(found)


NOISE = Claim(
    id="zhang2025.coupling_noise",
    origin="derived",
    source=OURS,
    statement="At any outputs independent errors of deviation s in the clean residuals disturb the coupling of example "
    "i by s |r_i| |K_i|/m, so as m^(-1/2) times its own residual.",
    regime="any kernel and weights; here a linear model off its origin, m = 6, 24, 96",
    tolerance=MonteCarlo(),
    setup=_erring,
    predicted=_stated_squares,
    measured=_squared_errors,
    mutants=(
        Mutant("every residual one", predicted=partial(_stated_squares, residual=0.0)),
        Mutant("the residual squared", predicted=partial(_stated_squares, residual=2.0)),
        Mutant("1/sqrt m for 1/m", predicted=partial(_stated_squares, power=0.5)),
        Mutant("errors that add up", predicted=partial(_stated_squares, total=True)),
    ),
    theory="theory.reweighting.regrowth.coupling_noise",
    figure="zhang2025.post_filtering",
)


@jax.jit
def _couplings(x: Any, t: Any, clean: Any) -> jax.Array:
    """Couplings at zero outputs with a clean subset on the same inputs."""
    objective = objectives.Objective(networks.linear(2), objectives.squared)
    batches = objectives.Batch(x, t), objectives.Batch(x, clean)
    return meta_reweighting.couplings(objective, {"w": jnp.zeros(2)}, *batches, jnp.full(len(t), 0.5), 0.0)


PAIRS = ((0.8, 0.2), (0.6, 0.45), (0.9, 0.05))  # kernel means within and between the classes


def _asymmetries(_: Sample) -> FloatArray:
    """(a, b, asymmetry of the clean residuals) just below and just above the threshold, (cells, 3)."""
    limits = [regrowth.centring_threshold(*pair) for pair in PAIRS]
    return np.array([(*pair, f * limit) for pair, limit in zip(PAIRS, limits, strict=True) for f in (0.999, 1.001)])


def _stated_signs(cells: FloatArray, factor: float = 1.0) -> FloatArray:
    return np.sign([factor * regrowth.centring_threshold(a, b) - asymmetry for a, b, asymmetry in cells])


def _centred_signs(cells: FloatArray, common: float = 0.0) -> FloatArray:
    """Smallest G of the two classes, for the simulator's couplings; common: added to the kernel of every pair.

    Inputs are two per class whose kernel has the two means.
    """
    y, found = np.array([1.0, 1.0, -1.0, -1.0]), []
    for same, different, asymmetry in cells:
        root = np.linalg.cholesky(np.array([[same, different], [different, same]]) + common)
        residuals = np.where(y > 0, 1 + asymmetry, 1 - asymmetry)  # 1 - y f of clean examples at f = 0
        found.append(np.min(_couplings(np.repeat(root, 2, axis=0), y, y * residuals)))
    return np.array(found)[None]


CENTRING = Claim(
    id="zhang2025.centring_threshold",
    origin="derived",
    source=OURS,
    statement="With kernel means a within and b between two classes, both positive, every coupling keeps its sign "
    "exactly while the mean clean residuals of the classes differ by less than (a - b)/(a + b) of their sum; a common "
    "part of the kernel narrows the range.",
    regime="two classes of equal size, rightly labelled examples at zero outputs",
    tolerance=Ordering(),
    setup=_asymmetries,
    predicted=_stated_signs,
    measured=_centred_signs,
    mutants=(
        Mutant("1.3 times the range", predicted=partial(_stated_signs, factor=1.3)),
        Mutant("half the range", predicted=partial(_stated_signs, factor=0.5)),
        Mutant("a common part in the kernel", measured=partial(_centred_signs, common=0.3)),
    ),
    theory="theory.reweighting.regrowth.centring_threshold",
)

CLAIMS = (NOISE, CENTRING)
