"""Claims on weights after filtering: a walk reflected at zero, and the time in which it memorises."""

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, arrays, caps, linear_blocks
from paper_repro.zhang2025.claims.recursion import OURS
from sims import objectives, per_example
from sims.models import networks
from sims.rules import meta_reweighting
from spec.claims import Asymptotic, Claim, MonteCarlo, Mutant, Sample
from spec.rules import MetaReweight
from theory.reweighting import recursion, reflection, regrowth

OBJECTIVE = objectives.Objective(networks.linear(5), objectives.squared)
BETA, ERROR, TIMES, COUNT = 0.02, 0.3, (10, 30, 90), 16
Walk = tuple[TwoClasses, FloatArray, int]


def _walk(sample: Sample) -> Walk:
    """A problem with its clean subset held out, weights (5,) at which it stands still, and a seed for the errors."""
    rng = np.random.default_rng(sample.seed)
    return caps(rng, n=8, m=6, d=5, s=0.9, p=0.5), np.array([1.05, 0.05, -0.03, 0.02, 0.04]), sample.seed


def _mean_weights(case: Walk, contained: bool, errors: float = 1.0, count: int = 32) -> FloatArray:
    """Weights of the mislabelled examples at TIMES, from zero, under the simulator's update, (seeds, points).

    contained: the clean residuals are zero but for their errors.
    """
    problem, params, seed = case
    split, clean = arrays(problem)
    labels = OBJECTIVE.model.apply({"w": jnp.asarray(params)}, clean.x) if contained else clean.t
    keys = jax.random.split(jax.random.key(seed), (count, COUNT))
    paths = np.asarray(_paths(keys, params, split, clean.x, labels, errors * ERROR))
    return paths[:, :, np.array(TIMES) - 1][..., problem.mislabelled].mean(axis=1).reshape(count, -1)


@jax.jit
def _paths(keys: jax.Array, params: Any, split: Any, x: Any, labels: Any, deviation: Any) -> jax.Array:
    """Weights after every step, (*keys, steps, n)."""
    scheme, batch = MetaReweight(BETA, 0.0, 0.0), objectives.Batch(split.x, split.t)

    def one(key: jax.Array) -> jax.Array:
        def step(w: jax.Array, key: jax.Array) -> Any:
            erring = objectives.Batch(x, labels + deviation * jax.random.normal(key, labels.shape))
            w = meta_reweighting.accumulated(scheme, w, OBJECTIVE, {"w": params}, batch, erring)
            return w, w

        return jax.lax.scan(step, jnp.zeros(len(split.t)), jax.random.split(key, max(TIMES)))[1]

    return jax.vmap(jax.vmap(one))(keys)


def _both(case: Walk, errors: float = 1.0) -> FloatArray:
    return np.concatenate([_mean_weights(case, contained, errors) for contained in (False, True)], axis=1)


def _stated_means(case: Walk, drift: float = 1.0, sigma: float = 1.0, power: float = 0.0) -> FloatArray:
    problem, params, _ = case
    K, noisy = linear_blocks(problem), problem.mislabelled
    r = problem.x @ params - np.where(noisy, -problem.y, problem.y)
    residuals = problem.x_clean @ params - problem.y_clean
    b = -BETA * recursion.coupling(K.clean, r, residuals)[noisy]
    spread = BETA * np.abs(r[noisy]) * regrowth.coupling_noise(K.clean, ERROR)[noisy] * len(K.clean) ** power
    rows = [reflection.mean_weight(max(TIMES), drift * pull, sigma * spread)[np.array(TIMES)] for pull in (b, 0 * b)]
    return np.concatenate([row.ravel() for row in rows])


REFLECTED = Claim(
    id="zhang2025.reflected_walk",
    origin="derived",
    source=OURS + "; 'sensitive to perturbations' in Zhang et al. (2025), phase 3",
    statement="Under fresh errors of deviation s in the clean residuals a filtered weight has the mean "
    "sum_k E[S_k^+]/k of a reflected walk with sigma = beta |r| s |K_i|/m and drift beta |r| G: bounded where the "
    "clean subset is held out, growing as sigma sqrt(2 t/pi) where it is contained and fitted.",
    regime="the model stands still; normal errors, independent over steps; weights far below one",
    tolerance=MonteCarlo(),
    setup=_walk,
    predicted=_stated_means,
    measured=_both,
    mutants=(
        Mutant("no drift anywhere", predicted=partial(_stated_means, drift=0.0)),
        Mutant("errors twice as large", measured=partial(_both, errors=2.0)),
        Mutant("1/sqrt m for 1/m", predicted=partial(_stated_means, power=0.5)),
    ),
    theory="theory.reweighting.reflection.mean_weight",
    figure="zhang2025.post_filtering",
)


@dataclass(frozen=True)
class Memory:
    """A contained clean subset of m examples, fitted, and a filtered mislabelled example of individual kernel delta."""

    s: float = 1.6
    beta: float = 0.04
    m: int = 4
    eta: float = 0.005
    delta: float = 8.0


CLEAN, LONGEST = 240, 20_000


@partial(jax.jit, static_argnums=1)
def _memorised(keys: jax.Array, m: int, rates: Any) -> jax.Array:
    """Steps until the residual of the mislabelled example has halved, for every key; infinite beyond LONGEST."""
    s, beta, eta, delta = rates
    y = jnp.where(jnp.arange(CLEAN + 1) % 2 == 0, 1.0, -1.0)
    noisy = jnp.arange(CLEAN + 1) == CLEAN
    x = jnp.stack([y, jnp.where(noisy, jnp.sqrt(delta), 0)], axis=1)
    objective = objectives.Objective(networks.linear(2), objectives.squared)
    batch, scheme = objectives.Batch(x, jnp.where(noisy, -y, y)), MetaReweight(beta, 0.0, 0.0)

    def one(key: jax.Array) -> jax.Array:
        def waits(carry: Any) -> Any:
            steps, params, _ = carry
            return (steps < LONGEST) & (jnp.abs(objective.model.apply(params, x) - batch.t)[-1] >= 1)

        def step(carry: Any) -> Any:
            steps, params, w = carry
            errors = s * jax.random.normal(jax.random.fold_in(key, steps), (m,))
            clean = objectives.Batch(x[:m], y[:m] + errors)
            w = meta_reweighting.accumulated(scheme, w, objective, params, batch, clean)
            params = {"w": params["w"] - eta * per_example.weighted_gradient(objective, params, batch, w)["w"]}
            return steps + 1, params, w

        start = 0, {"w": jnp.array([1.0, 0.0])}, jnp.where(noisy, 0.0, 1.0)
        steps = jax.lax.while_loop(waits, step, start)[0]
        return jnp.where(steps < LONGEST, steps, jnp.inf)

    return jax.vmap(one)(keys)


BASE = Memory()
SOURCE = OURS + "; 'sensitive to perturbations' in Zhang et al. (2025), phase 3"
SIZES, WALKS = (1, 8, 64), 4
Settings = dict[int, Memory]  # by how much the parameter differs from that of BASE


@cache
def _simulated(sample: Sample, e: Memory) -> FloatArray:
    """Steps to memorisation, the mean of WALKS for every seed: the time of one is random, whatever the settings."""
    keys = jax.random.split(jax.random.key(sample.seed), WALKS * sample.count)
    steps = np.asarray(_memorised(keys, e.m, (e.s, e.beta, e.eta, e.delta)), dtype=float)
    return steps.reshape(sample.count, WALKS).mean(axis=1)


def _times(sample: Sample, settings: Settings, stated: Settings) -> FloatArray:
    """Steps to memorisation over those of formula (2), (seeds, settings)."""
    times = np.stack([_simulated(sample, e) for e in settings.values()], axis=1)
    formula = [
        reflection.memorisation_time(e.beta * 2 * e.s / float(np.sqrt(e.m)), e.eta, e.delta) for e in stated.values()
    ]
    return times / np.array(formula)


def _grows(id: str, statement: str, exponent: float, settings: Settings) -> Claim:
    """A claim that the time grows as formula (2) does, with the keys of the settings to an exponent."""
    same = dict.fromkeys(settings, next(iter(settings.values())))
    return Claim(
        id=id,
        origin="derived",
        source=SOURCE,
        statement=statement,
        regime="squared loss, linear model, fresh normal errors, a contained and fitted clean subset; many clean "
        "examples, so that its residuals are restored",
        tolerance=Asymptotic(tuple(settings), 0.0, wrong_exponents=(-exponent, 1 - exponent), slope=0.1),
        setup=lambda s: s,
        predicted=lambda s: np.zeros(len(settings)),
        measured=partial(_times, settings=settings, stated=settings),
        mutants=(Mutant("it does not count", measured=partial(_times, settings=same, stated=settings)),),
        theory="theory.reweighting.reflection.memorisation_time",
        figure="zhang2025.post_filtering",
    )


OF_ERRORS = _grows(
    "zhang2025.memorisation_time",
    "Memorisation of a filtered example comes at a time ~ s^(-2/3), in the size s of the errors.",
    2 / 3,
    {k: replace(BASE, s=BASE.s / k) for k in SIZES},
)
OF_SPEED = _grows(
    "zhang2025.memorisation_time_and_speed",
    "Memorisation of a filtered example comes at a time ~ beta^(-2/3), in the speed beta of the weights.",
    2 / 3,
    {k: replace(BASE, beta=BASE.beta / k) for k in SIZES},
)
OF_SUBSETS = _grows(
    "zhang2025.memorisation_time_and_clean_subset",
    "Memorisation of a filtered example comes at a time ~ m^(1/3) in the size m of the clean subset.",
    1 / 3,
    {k: replace(BASE, m=BASE.m * k) for k in (1, 8, 48)},
)

CLAIMS = (REFLECTED, OF_ERRORS, OF_SPEED, OF_SUBSETS)
