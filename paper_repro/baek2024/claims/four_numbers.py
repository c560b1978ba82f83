"""Claims on training in four numbers: two-layer linear networks on signal plus noise."""

from functools import partial
from typing import NamedTuple

import numpy as np

from paper_repro.baek2024.claims.measured_networks import NetworkCase, mixtures, observed, orthogonal_networks, trained
from paper_repro.baek2024.claims.network_dynamics import FEW, PATH_RULES, SWAPPED, TRAINING
from paper_repro.baek2024.claims.network_gradients import OURS_4
from paper_repro.shared.at_rho import FamilyAt, sgd
from paper_repro.shared.drawn import samples
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Sam
from spec.training import Training
from theory.linear_networks import signal_noise as groups

NAMES = ("signal_overlap", "last_norm", "clean_margin", "mislabelled_margin")


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


def _stated_summaries(design: _Design, rules: tuple[FamilyAt, ...] = PATH_RULES, noise: float = 1.0) -> np.ndarray:
    """The same from four numbers. noise: factor of the length of the noise."""
    (n, d), rows = design.networks.x.shape[1:], []
    for rule in rules:
        runs = []
        for v, rho, B, a in zip(design.networks.v, design.networks.rho, *mixtures(design.sample), strict=True):
            gamma = float(noise * a / np.sqrt(d - 1))
            problem = SignalNoiseMixture(n, d, float(B), gamma, 3 / n, "orthogonal")
            r, moving = float(np.linalg.norm(v)), rule(float(rho))
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
    theory="theory.linear_networks.signal_noise.velocity",
    figure="baek2024.network_dynamics",
)


DIMENSIONS, WIDTH, RHO = (128, 512, 2048), 4, 0.25
RATE_TRAINING = Training(eta=0.1, epochs=60, record_every=6)


def _mixture(d: int) -> SignalNoiseMixture:
    """Four examples, one of them mislabelled, noise of length 2 whatever the dimension."""
    return SignalNoiseMixture(4, d, B=1.5, gamma=2 / np.sqrt(d - 1), Delta=0.25, noise="orthogonal")


def _gaussian_runs(sample: Sample) -> np.ndarray:
    """Simulated (sizes, summaries, seeds, records): Gaussian noise, W of the usual random start, ||v|| = 1.

    A smaller size has the first coordinates of the largest, noise and W scaled to their variances.
    """
    rng, count, rows, largest = np.random.default_rng(sample.seed), 6 * sample.count, [], max(DIMENSIONS)
    x, t, y = map(np.asarray, samples(_mixture(largest), rng, count))
    W, v = rng.normal(size=(count, WIDTH, largest)) / np.sqrt(largest), rng.normal(size=(count, WIDTH))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    for d in DIMENSIONS:
        scale = np.where(np.arange(d) == 0, 1.0, np.sqrt((largest - 1) / (d - 1)))
        start = np.sqrt(largest / d) * W[..., :d]
        run = trained(Sam, NetworkCase(start, v, scale * x[..., :d], t, np.full(len(x), RHO)), RATE_TRAINING)
        seen = observed(run, t != y)
        rows.append(np.array([seen[name] for name in NAMES]))
    return np.stack(rows)


def _averages(runs: np.ndarray) -> np.ndarray:
    """Of NAMES, over the run, (seeds, sizes)."""
    return np.mean(runs, axis=(1, 3)).T


def _stated_averages(_: np.ndarray, rule: FamilyAt = Sam) -> np.ndarray:
    """The same from four numbers, (sizes,)."""
    found = []
    for d in DIMENSIONS:
        states = groups.descend(rule(RHO), _mixture(d), r=1.0, eta=RATE_TRAINING.eta, steps=RATE_TRAINING.epochs)
        stated = groups.summaries(_mixture(d), states[:: RATE_TRAINING.record_every])
        found.append(np.mean([getattr(stated, name) for name in NAMES]))
    return np.array(found)


FOUR_NUMBERS_RATE = Claim(
    id="baek2024.four_numbers_rate",
    origin="derived",
    source=OURS_4,
    statement="With Gaussian noise and a random start a whole run of 1-SAM follows the four numbers, up to errors that "
    "scatter as d^(-1/2) and whose mean falls faster.",
    regime="n, width, length of the noise and number of steps fixed; d -> inf; average of overlap, ||v||, margins",
    tolerance=Asymptotic(DIMENSIONS, -0.5, (0.0, -1.0), slope=0.1, mean_exponent=-1.0),
    setup=_gaussian_runs,
    predicted=_stated_averages,
    measured=_averages,
    mutants=(
        Mutant("the numbers of SGD", predicted=partial(_stated_averages, rule=sgd)),
        Mutant("the numbers of J-SAM", predicted=partial(_stated_averages, rule=JacobianSam)),
        Mutant("the numbers of L-SAM", predicted=partial(_stated_averages, rule=LogitSam)),
    ),
    theory="theory.linear_networks.signal_noise.descend",
    figure="baek2024.network_dynamics",
)

CLAIMS = (FOUR_NUMBERS, FOUR_NUMBERS_RATE)
