"""Claims on training two-layer linear networks: the closed system, its flow, balancedness, and four numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.network_claims import NETWORK, OURS_4
from paper_repro.baek2024.simulated import with_rho
from paper_repro.baek2024.simulated_networks import (
    NetworkCase,
    mixtures,
    network_gradients,
    orthogonal_networks,
    random_networks,
    single,
    trained,
    unflat,
)
from sims import data, models
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd
from spec.training import Training
from theory import linear_network_dynamics as dynamics
from theory import linear_network_groups as groups
from theory.linear_network import Statistics, statistics

PATH_RULES: tuple[Rule, ...] = (Sgd(), Sam(0.0), LogitSam(0.0), JacobianSam(0.0), Sam(0.0, "batch"))
SWAPPED: tuple[Rule, ...] = (*PATH_RULES[:2], JacobianSam(0.0), LogitSam(0.0), PATH_RULES[4])
FEW = 4  # problems whose whole runs are compared
TRAINING = Training(eta=0.1, epochs=120, record_every=20)


def _numbers(at: Statistics) -> np.ndarray:
    return np.concatenate([a.reshape(len(a), -1) for a in at], axis=1)


def _problems(case: NetworkCase) -> Any:
    return zip(case.W, case.v, case.x, case.t, case.rho, strict=True)


def _simulated_statistics(case: NetworkCase, rules: tuple[Rule, ...]) -> np.ndarray:
    """(P, K, N) at every record of sims.train, under every rule."""
    runs = [trained(rule, case, TRAINING) for rule in rules]
    return np.stack([_numbers(_along(W, v)) for run in runs for W, v in zip(run.W, run.v, strict=True)])


def _along(W: np.ndarray, v: np.ndarray) -> Statistics:
    """The statistics of a sequence of networks."""
    return Statistics(*map(np.stack, zip(*(statistics(*pair) for pair in zip(W, v, strict=True)), strict=True)))


def _stated_statistics(case: NetworkCase, rules: tuple[Rule, ...], factor: float = 1.0) -> np.ndarray:
    """The same by the closed system."""
    paths = []
    for rule in rules:
        for W, v, x, t, rho in _problems(case):
            moving = with_rho(rule, factor * float(rho))
            path = dynamics.descend(moving, statistics(W, v), x, t, eta=TRAINING.eta, steps=TRAINING.epochs)
            paths.append(_numbers(path)[:: TRAINING.record_every])
    return np.stack(paths)


def _path_claim(name: str, classes: int | None, rules: tuple[Rule, ...], swapped: tuple[Rule, ...]) -> Claim:
    return Claim(
        id=f"baek2024.{name}",
        origin="derived",
        source=OURS_4,
        statement="Full-batch training moves (V W, W^T W, V V^T) by a closed map, whatever the width.",
        regime=f"constant step, {TRAINING.epochs} steps; d > n, so that no point is stationary"
        + ("" if classes is None else "; 3 classes"),
        tolerance=Exact(),
        setup=lambda s: random_networks(Sample(s.seed, FEW), n=6, d=8, classes=classes),
        predicted=partial(_stated_statistics, rules=rules),
        measured=partial(_simulated_statistics, rules=rules),
        mutants=(
            Mutant("other rules", predicted=partial(_stated_statistics, rules=swapped)),
            Mutant("rho a tenth larger", predicted=partial(_stated_statistics, rules=rules, factor=1.1)),
        ),
        theory="theory.linear_network_dynamics.step",
    )


FLOW_STEPS, FLOW_TIME = (16, 64, 256), 4.0


def _flow_errors(case: NetworkCase, rule: Rule = JacobianSam(0.0)) -> np.ndarray:
    """Largest deviation of J-SAM after FLOW_TIME in 16, 64, ... steps from the flow of a rule, (problems, sizes)."""
    times = np.array([FLOW_TIME])
    ends = np.stack(
        [
            _numbers(dynamics.flow(with_rho(rule, float(r)), statistics(W, v), x, t, times))[0]
            for W, v, x, t, r in _problems(case)
        ]
    )
    errors = []
    for steps in FLOW_STEPS:
        run = trained(JacobianSam(0.0), case, Training(eta=FLOW_TIME / steps, epochs=steps, record_every=steps))
        last = _numbers(_along(run.W[:, -1], run.v[:, -1]))
        errors.append(np.abs(last - ends).max(axis=1) / np.abs(ends).max(axis=1))
    return np.stack(errors, axis=1)


FLOW_LIMIT = Claim(
    id="baek2024.network_flow",
    origin="derived",
    source=OURS_4,
    statement="J-SAM training follows the closed gradient flow of (V W, W^T W, V V^T) up to O(eta).",
    regime=f"fixed time {FLOW_TIME:g} in size steps of eta = {FLOW_TIME:g}/size; rho <= 0.3, far from collapse",
    tolerance=Asymptotic(sizes=FLOW_STEPS, exponent=-1.0, wrong_exponents=(-0.5, -2.0)),
    setup=lambda s: (lambda c: c._replace(rho=np.minimum(c.rho, 0.3)))(random_networks(Sample(s.seed, 8), n=4, d=6)),
    predicted=lambda c: np.zeros(len(FLOW_STEPS)),
    measured=_flow_errors,
    mutants=(
        Mutant("the flow of SGD", measured=partial(_flow_errors, rule=Sgd())),
        Mutant("the flow of 1-SAM", measured=partial(_flow_errors, rule=Sam(0.0))),
    ),
    theory="theory.linear_network_dynamics.flow",
)


BALANCE_RULES: tuple[Rule, ...] = (Sgd(), LogitSam(0.0), JacobianSam(0.0), Sam(0.0))


def _simulated_balance(case: NetworkCase) -> np.ndarray:
    """d/dtau (v v^T - W W^T) along minus the rules' gradients, (rules, p, h, h)."""
    velocities = []
    for rule in BALANCE_RULES:
        g_W, g_v = unflat(network_gradients(rule, case), case)
        half = np.einsum("phd,pkd->phk", case.W, g_W) - np.einsum("ph,pk->phk", case.v, g_v)
        velocities.append(half + half.transpose(0, 2, 1))
    return np.stack(velocities)


def _stated_balance(case: NetworkCase, rules: tuple[Rule, ...] = BALANCE_RULES) -> np.ndarray:
    return np.stack(
        [
            [dynamics.balance_velocity(with_rho(rule, float(r)), W, v, x, t) for W, v, x, t, r in _problems(case)]
            for rule in rules
        ]
    )


def _decaying_balance(case: NetworkCase, parallel: bool = True) -> np.ndarray:
    """-2 rho (sigma/J) ||x||^2 (v v^T - W W^T) for one example, at the mean strength of the examples otherwise."""
    m = case.t * np.einsum("ph,phd,pnd->pn", case.v, case.W, case.x)
    squares = np.sum(case.x**2, axis=2)
    hidden = np.sum(np.einsum("phd,pnd->pnh", case.W, case.x) ** 2, axis=2)
    J = np.sqrt(hidden + squares * np.sum(case.v**2, axis=1)[:, None])
    rate = 2 * np.mean(case.rho[:, None] * squares / J / (1 + np.exp(m)), axis=1)
    Q = case.v[:, :, None] * case.v[:, None, :] - np.einsum("phd,pkd->phk", case.W, case.W)
    return -rate[:, None, None] * Q


BALANCE = Claim(
    id="baek2024.balance_velocity",
    origin="derived",
    source=OURS_4,
    statement="SGD and L-SAM conserve v v^T - W W^T along the flow; J-SAM and 1-SAM move it by "
    "-2 mean kappa (||x||^2 v v^T - W x x^T W^T), kappa = rho s/J.",
    regime=NETWORK,
    tolerance=Exact(),
    setup=random_networks,
    predicted=_stated_balance,
    measured=_simulated_balance,
    mutants=(
        Mutant("conserved by every rule", predicted=lambda c: np.zeros_like(_stated_balance(c))),
        Mutant("J-SAM and 1-SAM exchanged", predicted=lambda c: _stated_balance(c)[[0, 1, 3, 2]]),
        Mutant(
            "plain decay under J-SAM",
            predicted=lambda c: np.concatenate(
                [_stated_balance(c)[:2], _decaying_balance(c)[None], _stated_balance(c)[3:]]
            ),
        ),
    ),
    theory="theory.linear_network_dynamics.balance_velocity",
    figure="baek2024.network_dynamics",
)


def _spanned(case: NetworkCase) -> NetworkCase:
    """W in the span of the inputs of each problem."""
    basis = np.linalg.qr(case.x.transpose(0, 2, 1))[0]
    return case._replace(W=np.einsum("phd,pdn,pen->phe", case.W, basis, basis))


def _jacobian_sam_balance(case: NetworkCase) -> np.ndarray:
    return _simulated_balance(case)[2]


BALANCE_DECAY = Claim(
    id="baek2024.balance_decay",
    origin="derived",
    source=OURS_4,
    statement="With one input direction v v^T - W W^T decays under J-SAM at the rate 2 rho sigma(-m)||x||^2/J; with "
    "several it does not decay as a whole.",
    regime="one example, W in its span",
    tolerance=Exact(),
    setup=lambda s: _spanned(single(random_networks(s))),
    predicted=_decaying_balance,
    measured=_jacobian_sam_balance,
    mutants=(
        Mutant("half the rate", predicted=lambda c: _decaying_balance(c) / 2),
        Mutant("growth", predicted=lambda c: -_decaying_balance(c)),
        Mutant("W not in the span", measured=lambda c: _jacobian_sam_balance(c._replace(W=c.W + 0.3))),
    ),
    theory="theory.linear_network_dynamics.balance_velocity",
)


NAMES = ("signal_overlap", "last_norm", "clean_margin", "mislabelled_margin")


def observed(case: NetworkCase, mislabelled: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of theory.linear_network_groups.Summaries for trained networks (p, records); margins are means."""
    p = np.einsum("prh,prhd->prd", case.v, case.W)
    margins = case.t[:, None] * np.einsum("prd,pnd->prn", p, case.x)
    last, first = np.linalg.norm(case.v, axis=2), np.linalg.norm(case.W, axis=(2, 3))
    noisy = mislabelled[:, None] / mislabelled.sum(axis=1)[:, None, None]
    clean = ~mislabelled[:, None] / (~mislabelled).sum(axis=1)[:, None, None]
    return {
        "signal_overlap": p[..., 0],
        "noise_norm": np.linalg.norm(p[..., 1:], axis=2),
        "last_norm": last,
        "first_norm": first,
        "clean_margin": np.sum(margins * clean, axis=2),
        "mislabelled_margin": np.sum(margins * noisy, axis=2),
        "balance": last**2 - first**2,
    }


class _Design(NamedTuple):
    """The sample a case was drawn from, and the case."""

    sample: Sample
    networks: NetworkCase


def _design(sample: Sample) -> _Design:
    sample = Sample(sample.seed, FEW)
    return _Design(sample, orthogonal_networks(sample))


def _simulated_summaries(case: NetworkCase) -> np.ndarray:
    """(rules, summaries, problems, records)."""
    mislabelled = np.broadcast_to(np.arange(case.t.shape[1]) < 3, case.t.shape)
    runs = [observed(trained(rule, case, TRAINING), mislabelled) for rule in PATH_RULES]
    return np.array([[run[name] for name in groups.Summaries._fields] for run in runs])


def _stated_summaries(design: _Design, rules: tuple[Rule, ...] = PATH_RULES, noise: float = 1.0) -> np.ndarray:
    """The same from four numbers. noise: factor of the length of the noise."""
    (n, d), rows = design.networks.x.shape[1:], []
    for rule in rules:
        runs = []
        for v, rho, B, a in zip(design.networks.v, design.networks.rho, *mixtures(design.sample), strict=True):
            gamma = float(noise * a / np.sqrt(d - 1))
            problem = SignalNoiseMixture(n, d, float(B), gamma, 3 / n, "orthogonal")
            r, moving = float(np.linalg.norm(v)), with_rho(rule, float(rho))
            states = groups.descend(moving, problem, r=r, eta=TRAINING.eta, steps=TRAINING.epochs)
            runs.append(np.array(groups.summaries(problem, states[:: TRAINING.record_every])))
        rows.append(np.stack(runs, axis=1))
    return np.stack(rows)


FOUR_NUMBERS = Claim(
    id="baek2024.four_numbers",
    origin="derived",
    source=OURS_4,
    statement="On signal plus orthogonal noise the whole run of every rule is a width-one network on two examples: "
    "overlap, norms, margins and balance follow from four numbers.",
    regime=f"exactly orthogonal noise of equal length, W = 0 at the start; {TRAINING.epochs} full-batch steps",
    tolerance=Exact(),
    setup=_design,
    predicted=_stated_summaries,
    measured=lambda design: _simulated_summaries(design.networks),
    mutants=(
        Mutant("other rules", predicted=partial(_stated_summaries, rules=SWAPPED)),
        Mutant("noise a hundredth longer", predicted=partial(_stated_summaries, noise=1.01)),
        Mutant(
            "Gaussian noise in few dimensions",
            measured=lambda design: _simulated_summaries(orthogonal_networks(design.sample, gaussian=True)),
        ),
    ),
    theory="theory.linear_network_groups.velocity",
    figure="baek2024.network_dynamics",
)


DIMENSIONS, RATE_RULE = (64, 512, 4096), Sam(0.1)
RATE_TRAINING = Training(eta=0.1, epochs=60, record_every=6)


def _mixture(d: int) -> SignalNoiseMixture:
    """Eight examples, two of them mislabelled, noise of length 2 whatever the dimension."""
    return SignalNoiseMixture(8, d, B=1.5, gamma=2 / np.sqrt(d - 1), Delta=0.25, noise="orthogonal")


def _gaussian_runs(sample: Sample) -> np.ndarray:
    """Simulated (sizes, summaries, seeds, records): Gaussian noise, W of the usual random start, ||v|| = 1."""
    rows = []
    for d in DIMENSIONS:
        model = models.two_layer_linear(d, 4)

        def draw(key: jax.Array, d: int = d, model: models.Model = model) -> Any:
            sampled, start = jax.random.split(key)
            split = data.sample(_mixture(d), sampled, dtype=jnp.float64, n_test=1).train
            params = model.init(start, jnp.float64)
            return split, {"W": params["W"], "v": params["v"] / jnp.linalg.norm(params["v"])}

        split, params = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(sample.seed), sample.count))
        x, t, y, W, v = map(np.asarray, (split.x, split.t, split.y, params["W"], params["v"]))
        run = trained(RATE_RULE, NetworkCase(W, v, x, t, np.full(len(x), RATE_RULE.rho)), RATE_TRAINING)
        seen = observed(run, t != y)
        rows.append(np.array([seen[name] for name in NAMES]))
    return np.stack(rows)


def _largest_deviation(
    runs: np.ndarray, rule: Rule = RATE_RULE, problem: Callable[[int], Any] = _mixture
) -> np.ndarray:
    """Over the run and over NAMES, in units of the largest value that each takes, (seeds, sizes)."""
    columns = []
    for d, run in zip(DIMENSIONS, runs, strict=True):
        states = groups.descend(rule, problem(d), r=1.0, eta=RATE_TRAINING.eta, steps=RATE_TRAINING.epochs)
        stated = groups.summaries(problem(d), states[:: RATE_TRAINING.record_every])
        gaps = [np.abs(run[i] - getattr(stated, n)) / np.abs(getattr(stated, n)).max() for i, n in enumerate(NAMES)]
        columns.append(np.max(gaps, axis=(0, 2)))
    return np.stack(columns, axis=1)


FOUR_NUMBERS_RATE = Claim(
    id="baek2024.four_numbers_rate",
    origin="derived",
    source=OURS_4,
    statement="With Gaussian noise and a random start the largest error of the four numbers over a whole run of 1-SAM "
    "falls as d^(-1/2).",
    regime="n, width, length of the noise and number of steps fixed; d -> inf; overlap, ||v|| and both mean margins",
    tolerance=Asymptotic(sizes=DIMENSIONS, exponent=-0.5, wrong_exponents=(0.0, -1.0)),
    setup=_gaussian_runs,
    predicted=lambda runs: np.zeros(len(DIMENSIONS)),
    measured=_largest_deviation,
    mutants=(
        Mutant("the numbers of SGD", measured=partial(_largest_deviation, rule=Sgd())),
        Mutant("the numbers of J-SAM", measured=partial(_largest_deviation, rule=JacobianSam(RATE_RULE.rho))),
        Mutant("the numbers of L-SAM", measured=partial(_largest_deviation, rule=LogitSam(RATE_RULE.rho))),
    ),
    theory="theory.linear_network_groups.descend",
    figure="baek2024.network_dynamics",
)

CLAIMS = (
    _path_claim("network_path", None, PATH_RULES, SWAPPED),
    _path_claim("class_path", 3, (Sam(0.0), JacobianSam(0.0)), (JacobianSam(0.0), Sam(0.0))),
    FLOW_LIMIT,
    BALANCE,
    BALANCE_DECAY,
    FOUR_NUMBERS,
    FOUR_NUMBERS_RATE,
)
