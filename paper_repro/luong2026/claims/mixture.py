"""Claims on linear models of clean and mislabelled data: the transition in time, and expected shares. All are ours."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL, OURS
from sims import objectives
from sims.data.sampling import Data, Split
from sims.data.sampling import sample as draw
from sims.observables.composition import coordinates
from sims.train import train
from spec.claims import Claim, Exact, MonteCarlo, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import DownWeight, Sam
from spec.seeds import named_seed
from spec.training import Training
from theory.down_weighting import expected_shares, transition

_MODEL, _RHO, _ETA, _STEPS, _ALPHA = transition.SignalMemory(20, 1.3, 0.8, 0.3), 0.6, 0.5, 300, 0.7


def _simulated_path(alpha: float = _ALPHA, sharpness: Any = "example") -> np.ndarray:
    """(w_1, v_c, v_n) at the end of full-batch training of all n + 1 weights, with and without down-weighting."""
    n = _MODEL.n
    noisy, y = np.arange(n) < round(_MODEL.Delta * n), np.where(np.arange(n) % 2, -1.0, 1.0)
    x = jnp.asarray(np.concatenate([_MODEL.B * y[:, None], _MODEL.gamma * np.eye(n)], axis=1))
    t = jnp.asarray(np.where(noisy, -y, y))
    split = Split(x, t, jnp.asarray(y))

    def final(rule: Any) -> np.ndarray:
        w = train(
            rule,
            Training(eta=_ETA, epochs=_STEPS, record_every=_STEPS),
            model=LINEAR_MODEL,
            loss=objectives.logistic,
            params={"w": jnp.zeros(n + 1)},
            data=Data(split, None, split),
            observe=lambda *_: {"nothing": jnp.zeros(())},
            key=jax.random.key(named_seed("unused")),  # full batches: the order plays no part
        )[0]["w"]
        return np.array([w[0], (t * w[1:])[-1], (t * w[1:])[0]])

    sam = Sam(_RHO, sharpness)
    return np.concatenate([final(sam), final(DownWeight(sam, alpha))])


def _stated_path(alpha: float = _ALPHA, model: transition.SignalMemory = _MODEL) -> np.ndarray:
    ends = [transition.descend(model, _RHO, eta=_ETA, steps=_STEPS, alpha=a)[-1] for a in (0.0, alpha)]
    return np.concatenate(ends)


PATH = Claim(
    id="luong2026.signal_memory_path",
    origin="derived",
    source=OURS,
    statement="With one signal and a memory coordinate for each example, three numbers follow the training of all "
    "weights, with group B removed or not: there the signal is unlearned more slowly.",
    regime="orthogonal memory, w = 0 at the start, 1-SAM, full batch, with and without down-weighting",
    tolerance=Exact(),
    setup=lambda s: s,
    predicted=lambda s: _stated_path(),
    measured=lambda s: _simulated_path(),
    mutants=(
        Mutant("alpha as the kept fraction", measured=lambda s: _simulated_path(1 - _ALPHA)),
        Mutant("nothing removed", predicted=lambda s: _stated_path(0.0)),
        Mutant("other noise rate", predicted=lambda s: _stated_path(model=_MODEL._replace(Delta=0.25))),
        Mutant("n-SAM", measured=lambda s: _simulated_path(sharpness="batch")),
    ),
    theory="theory.down_weighting.transition.descend",
)

_LAW = SignalNoiseMixture(n=50, d=40, B=1.4, gamma=0.9, Delta=0.3, noise="orthogonal")


def _classifier() -> np.ndarray:
    """A dense classifier with a signal, the same for every check."""
    w = np.cos(np.arange(_LAW.d)) * 1.4 / np.sqrt(_LAW.d)
    w[0] = 0.8
    return w


def _expected(rho: float) -> np.ndarray:
    return expected_shares.expected_fractions(_LAW, _classifier(), rho, rtol=1e-4)


def _stated_shares(_: Sample, rho: float = 0.3, exchanged: bool = False) -> np.ndarray:
    return (_expected(rho)[[1, 0, 2]] if exchanged else _expected(rho)).ravel()


def _sampled_shares(sample: Sample, rho: float = 0.3, swap: bool = False) -> np.ndarray:
    """Shares over the noise coordinates of 16 samples for every seed, (16 count, 9)."""
    keys = jax.random.split(jax.random.key(sample.seed), 16 * sample.count)
    c, n, c_moved, n_moved = (np.asarray(v)[:, 1:] for v in _sampled(keys, jnp.asarray(_classifier()), rho))
    g, h = c + n, c_moved + n_moved
    r, conflict = g / h if swap else h / g, c * n < 0
    rows = (conflict & (abs(n) > abs(c)), conflict & (abs(c) > abs(n)), ~conflict)
    groups = (r >= 1, (r > 0) & (r < 1), r <= 0)
    return np.stack([(row & group).mean(axis=1) for row in rows for group in groups], axis=1)


@jax.jit
def _sampled(keys: Any, w: Any, rho: Any) -> Any:
    """The four parts of the gradients, without and with the perturbation."""
    objective = objectives.Objective(LINEAR_MODEL, objectives.logistic)

    def one(key: Any) -> Any:
        return coordinates(Sam(rho), objective, {"w": w}, draw(_LAW, key, dtype=jnp.float64, n_test=1))[:4]

    return jax.vmap(one)(keys)


SHARES = Claim(
    id="luong2026.expected_shares",
    origin="derived",
    source=OURS,
    statement="Expected shares of A, B and C among noise-dominated, clean-dominated and other coordinates are sums "
    "over normal orthants, corrected for the fluctuation of the sample.",
    regime="signal-plus-noise mixture at finite n, w fixed and independent of the sample, 1-SAM, noise coordinates",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_shares,
    measured=_sampled_shares,
    mutants=(
        Mutant("noise- and clean-dominated exchanged", predicted=partial(_stated_shares, exchanged=True)),
        Mutant("rho doubled", predicted=partial(_stated_shares, rho=0.6)),
        Mutant("ratio to the perturbed gradient", measured=partial(_sampled_shares, swap=True)),
    ),
    theory="theory.down_weighting.expected_shares.expected_fractions",
)

CLAIMS = (PATH, SHARES)
