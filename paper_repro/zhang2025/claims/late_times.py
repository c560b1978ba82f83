"""Claims on closed forms for late times: how fast residuals contract, when updates turn round, what weights regain."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray
from paper_repro.zhang2025.claims.recursion import OURS
from sims import objectives, per_example
from sims.models import networks
from sims.rules import meta_reweighting
from spec.claims import AtMost, Claim, Exact, Mutant, Sample
from spec.rules import MetaReweight
from theory.reweighting import phases, regrowth
from theory.reweighting.recursion import Blocks

OBJECTIVE = objectives.Objective(networks.linear(1), objectives.squared)  # apply does not depend on d
PROBLEMS, STEPS = 4, 400


class Frozen(NamedTuple):
    """Clean training examples x (k, n, d) of k problems with labels y (k, n), their frozen weights w and steps eta."""

    x: FloatArray
    y: FloatArray
    w: FloatArray
    eta: FloatArray


@jax.jit
def _descended(case: Frozen) -> jax.Array:
    """Parameters (k, steps + 1, d) of descent on sum_i w_i l_i from zero."""

    def one(x: Any, y: Any, w: Any, eta: Any) -> jax.Array:
        def step(params: Any, _: None) -> Any:
            g = per_example.weighted_gradient(OBJECTIVE, params, objectives.Batch(x, y), w)
            return {"w": params["w"] - eta * g["w"]}, params["w"]

        return jax.lax.scan(step, {"w": jnp.zeros(x.shape[1])}, None, length=STEPS + 2)[1]

    return jax.vmap(one)(*case)


def _spread(sample: Sample) -> Frozen:
    """Kernels with one small eigenvalue and weights from 0.3 to 1; every problem twice.

    Once at eta = 1, where its slowest mode is left in the end, once where its leading mode alone grows.
    """
    rng, n, d = np.random.default_rng(sample.seed), 10, 16
    values = np.sqrt([1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.2, 0.02])
    x, y, w = np.empty((PROBLEMS, n, d)), rng.choice([-1.0, 1.0], (PROBLEMS, n)), rng.uniform(0.3, 1, (PROBLEMS, n))
    for k in range(PROBLEMS):
        U, V = (np.linalg.qr(rng.normal(size=(size, n)))[0] for size in (n, d))
        x[k] = U * values @ V.T
    largest = [np.linalg.eigvalsh(np.sqrt(v)[:, None] * np.sqrt(v) * (a @ a.T))[-1] for v, a in zip(w, x, strict=True)]
    eta = np.concatenate([np.ones(PROBLEMS), 2.5 / np.array(largest)])
    x, y, w = (np.concatenate([a, a]) for a in (x, y, w))
    return Frozen(x, y, w, eta)


def _contraction(case: Frozen, weighted: bool = True) -> FloatArray:
    """The last weighted loss over the one before it; weighted: the losses by their weights, or all alike."""
    params = np.asarray(_descended(case))[:, -2:]
    losses = np.sum((np.einsum("ksd,knd->ksn", params, case.x) - case.y[:, None]) ** 2 * case.w[:, None] ** weighted, 2)
    return losses[:, 1] / losses[:, 0]


def _rates(case: Frozen, weights: float = 1.0, power: float = 1.0, exchanged: bool = False) -> FloatArray:
    """The stated rates: the slowest at eta = 1, the leading one above it; the arguments make mutants."""
    found = []
    for k, (x, y, w, eta) in enumerate(zip(*case, strict=True)):
        K = y[:, None] * y * (x @ x.T)
        frozen = phases.Filtering(Blocks(K, K), np.ones(len(y)), np.ones(len(y)), w**weights, float(eta))
        found.append(frozen.rates[int((k >= PROBLEMS) != exchanged)] ** power)
    return np.array(found)


CONTRACTION = Claim(
    id="zhang2025.contraction_rates",
    origin="derived",
    source=OURS,
    statement="With frozen weights the weighted loss falls by (1 - eta lambda_min)^2 a step in its slowest mode and "
    "changes by (1 - eta lambda_max)^2 in its leading one, lambda the eigenvalues of W^(1/2) k_CC W^(1/2).",
    regime="frozen unequal weights, squared loss, any positive definite kernel; after 400 steps, below and above the "
    "edge of stability",
    tolerance=Exact(1e-8),
    setup=_spread,
    predicted=_rates,
    measured=_contraction,
    mutants=(
        Mutant("weights left out", predicted=partial(_rates, weights=0.0)),
        Mutant("weights squared", predicted=partial(_rates, weights=2.0)),
        Mutant("of the residual, not of the loss", predicted=partial(_rates, power=0.5)),
        Mutant("slowest and leading mode exchanged", predicted=partial(_rates, exchanged=True)),
    ),
    theory="theory.reweighting.phases.Filtering",
    figure="zhang2025.phases",
)


class OneMode(NamedTuple):
    """Clean examples on one line, mislabelled ones off it, x_noisy (k, h, d), and the error e of the clean labels."""

    clean: Frozen
    x_noisy: FloatArray
    t_noisy: FloatArray
    e: FloatArray


def _one_mode(sample: Sample) -> OneMode:
    rng, n, h, d = np.random.default_rng(sample.seed), 10, 6, 16
    u = rng.normal(size=(PROBLEMS, 1, d))
    u /= np.linalg.norm(u, axis=2, keepdims=True)
    norm, w = rng.uniform(0.5, 2, (PROBLEMS, 1)), rng.uniform(0.2, 1, (PROBLEMS, n))
    y, y_noisy = rng.choice([-1.0, 1.0], (PROBLEMS, n)), rng.choice([-1.0, 1.0], (PROBLEMS, h))
    rate = rng.uniform(0.05, 0.3, PROBLEMS)
    clean = Frozen((norm * y)[:, :, None] * u, y, w, rate / (norm[:, 0] ** 2 * w.sum(axis=1)))
    along = (y_noisy * rng.uniform(0.3, 0.9, (PROBLEMS, h)))[:, :, None] * u
    across = rng.normal(size=(PROBLEMS, h, d))
    across -= np.sum(across * u, axis=2, keepdims=True) * u
    return OneMode(clean, along + across, -y_noisy, rng.uniform(0.01, 0.3, PROBLEMS))


@jax.jit
def _late_couplings(case: OneMode) -> jax.Array:
    """Couplings (k, steps, h) of the mislabelled examples with clean labels that are too small by the share e."""

    def at(params: Any, x: Any, t: Any, x_clean: Any, t_clean: Any) -> jax.Array:
        batches = objectives.Batch(x, t), objectives.Batch(x_clean, t_clean)
        return meta_reweighting.couplings(OBJECTIVE, {"w": params}, *batches, jnp.ones(len(t)), 0.0)

    path = _descended(case.clean)[:, :120]
    erring = case.clean.y * (1 - case.e[:, None])
    along = jax.vmap(at, in_axes=(0, None, None, None, None))
    return jax.vmap(along)(path, case.x_noisy, case.t_noisy, case.clean.x, erring)


def _first_turned(case: OneMode) -> FloatArray:
    """The first step at which each mislabelled example's weight is pushed up; one row."""
    up = np.asarray(_late_couplings(case)) > 0
    return np.argmax(up, axis=1).astype(float).ravel()


def _stated_end(case: OneMode, *, log: bool = True, zeta: float = 1.0) -> FloatArray:
    found = []
    for x, w, eta, x_noisy, e in zip(case.clean.x, case.clean.w, case.clean.eta, case.x_noisy, case.e, strict=True):
        rate = float(eta * w.sum() * x[0] @ x[0])
        for start in np.abs(x_noisy @ x[0]):  # one kernel value, up to signs, with all clean examples
            end = phases.first_order_end(float(start), zeta * float(start * e), rate)
            found.append(np.ceil(end if log else end * -np.log1p(-rate) / rate))
    return np.array(found)


TURNED = Claim(
    id="zhang2025.first_order_end",
    origin="derived",
    source=OURS,
    statement="In one decaying mode of rate eta lambda an additive error zeta of the coupling turns updates round at "
    "step ln(G/zeta)/(-ln(1 - eta lambda)): from then on mislabelled weights grow.",
    regime="clean examples on one line, frozen unequal weights, a contained clean subset whose labels are too small by "
    "a share e, so that zeta = e G; no look-ahead",
    tolerance=Exact(),
    setup=_one_mode,
    predicted=_stated_end,
    measured=_first_turned,
    mutants=(
        Mutant("the rate for its logarithm", predicted=partial(_stated_end, log=False)),
        Mutant("half the error", predicted=partial(_stated_end, zeta=0.5)),
    ),
    theory="theory.reweighting.phases.first_order_end",
    figure="zhang2025.post_filtering",
)


class Overshot(NamedTuple):
    """Orthonormal clean examples fitted too far by e (k, n), filtered mislabelled ones with kernels K (k, h, n)."""

    K: FloatArray
    e: FloatArray
    rate: FloatArray
    beta: FloatArray


CONTAINED = 8


def _overshot(sample: Sample) -> Overshot:
    """Kernels and residuals that differ by a fifth, so that the bound is nearly reached."""
    rng, n, h = np.random.default_rng(sample.seed), 12, 3
    K = rng.uniform(0.8, 1.2, (PROBLEMS, h, n)) / n
    rate = rng.uniform(0.5, 1.2, PROBLEMS)
    return Overshot(K, 0.2 * rng.uniform(0.8, 1.2, (PROBLEMS, n)), rate, rng.uniform(0.002, 0.02, PROBLEMS))


@jax.jit
def _regained(case: Overshot, turn: Any) -> jax.Array:
    """The largest weight (k, h) in 60 steps of meta-reweighting; clean weights start at 1, mislabelled ones at 0."""
    h, n = case.K.shape[1:]
    labels = jnp.concatenate([jnp.ones(n), -jnp.ones(h)])

    def one(K: Any, e: Any, rate: Any, beta: Any) -> jax.Array:
        x = jnp.block([[jnp.eye(n), jnp.zeros((n, h))], [K, jnp.eye(h)]])
        batch, clean = objectives.Batch(x, labels), objectives.Batch(x[:CONTAINED], labels[:CONTAINED])
        eta = -jnp.expm1(-rate)
        scheme = MetaReweight(turn * beta, eta * (n + h))

        def step(carry: Any, _: None) -> Any:
            params, w = carry
            w = meta_reweighting.accumulated(scheme, w, OBJECTIVE, params, batch, clean)
            g = per_example.weighted_gradient(OBJECTIVE, params, batch, w)
            return ({"w": params["w"] - eta * g["w"]}, w), w[n:]

        start = {"w": jnp.concatenate([1 + e, jnp.zeros(h)])}, jnp.concatenate([jnp.ones(n), jnp.zeros(h)])
        return jnp.max(jax.lax.scan(step, start, None, length=60)[1], axis=0)

    return jax.vmap(one)(*case)


def _largest_weights(case: Overshot, turn: float = 1.0) -> FloatArray:
    return np.asarray(_regained(case, turn)).reshape(1, -1)


def _regain_bounds(case: Overshot, *, series: bool = True, residual: float = 1.0, mean: bool = False) -> FloatArray:
    found = []
    for K, e, rate, beta in zip(*case, strict=True):
        epsilon = float(np.exp(-rate) * np.sqrt(np.mean(e[:CONTAINED] ** 2)))
        for row in K:
            kappa = float(np.sqrt(np.mean(row[:CONTAINED] ** 2)) / (CONTAINED if mean else 1))
            largest = residual * float(1 + row @ (1 + e))
            bound = regrowth.regain_bound(float(beta), kappa, epsilon, float(rate), largest=largest)
            found.append(bound if series else bound * -np.expm1(-rate) / rate)
    return np.array(found)


REGAIN = Claim(
    id="zhang2025.regain_bound",
    origin="derived",
    source=OURS,
    statement="If the clean residuals ahead fall as epsilon e^(-rate t) and |r_i| <= R, a filtered weight regains at "
    "most R beta kappa epsilon/(1 - e^(-rate)) in all.",
    regime="any signs of the coupling; here the worst one, clean examples fitted too far, where 0.9 of it is reached",
    tolerance=AtMost(),
    setup=_overshot,
    predicted=_regain_bounds,
    measured=_largest_weights,
    mutants=(
        Mutant("an integral for the sum", predicted=partial(_regain_bounds, series=False)),
        Mutant("a residual of one half", predicted=partial(_regain_bounds, residual=0.5)),
        Mutant("kappa over m", predicted=partial(_regain_bounds, mean=True)),
    ),
    theory="theory.reweighting.regrowth.regain_bound",
    figure="zhang2025.post_filtering",
)

CLAIMS = (CONTRACTION, TURNED, REGAIN)
