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


def _stated_squares(case: Erring, residual: float = 1.0, power: float = 0.0) -> FloatArray:
    """(s |r_i| ||K_i||/m)^2; residual: the power of |r_i|; power: a wrong power of m."""
    found = []
    for problem in case.problems:
        t = np.where(problem.mislabelled, -problem.y, problem.y)
        r = np.abs(problem.x @ case.params - t) ** residual
        m = len(problem.y_clean)
        found.append((r * regrowth.coupling_noise(linear_blocks(problem).clean, DEVIATION) * m**power) ** 2)
    return np.concatenate(found)


NOISE = Claim(
    id="zhang2025.coupling_noise_of_residuals",
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


def _centred_signs(_: Sample, factor: float = 1.0, common: float = 0.0) -> FloatArray:
    """Smallest G of the two classes, for the simulator's couplings, at mean residuals inside and outside the range.

    Inputs are two per class whose kernel has the two means; common: added to the kernel of every pair.
    """
    found = []
    for same, different in PAIRS:
        root = np.linalg.cholesky(np.array([[same, different], [different, same]]) + common)
        x = np.repeat(root, 2, axis=0)
        y = np.array([1.0, 1.0, -1.0, -1.0])
        limit = regrowth.centring_threshold(same, different)
        for asymmetry in (0.999 * factor * limit, min(1.001 * factor * limit, 0.99)):
            residuals = np.where(y > 0, 1 + asymmetry, 1 - asymmetry)  # 1 - y f of clean examples at f = 0
            found.append(np.min(_couplings(x, y, y * residuals)))
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
    setup=lambda s: s,
    predicted=lambda s: np.tile([1.0, -1.0], len(PAIRS)),
    measured=_centred_signs,
    mutants=(
        Mutant("1.3 times the range", measured=partial(_centred_signs, factor=1.3)),
        Mutant("half the range", measured=partial(_centred_signs, factor=0.5)),
        Mutant("a common part in the kernel", measured=partial(_centred_signs, common=0.3)),
    ),
    theory="theory.reweighting.regrowth.centring_threshold",
)

CLAIMS = (NOISE, CENTRING)
