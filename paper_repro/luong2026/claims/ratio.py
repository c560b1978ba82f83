"""Claims on ratios and groups of coordinates: the update, the identity, the regions, the theorem, the expansion."""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from paper_repro.luong2026.claims.random_problems import (
    ANY,
    CODE,
    OURS,
    Problems,
    closed_form,
    conflicts,
    contributions,
    gradients,
    logistic_problems,
    numbers,
)
from paper_repro.shared.at_rho import FamilyAt, n_sam, sgd
from sims import objectives, rules
from sims.models import networks
from spec.claims import AtLeast, Claim, Exact, Mutant, Sample
from spec.rules import DownWeight, Sam, Sgd
from theory.down_weighting import ratio as dw
from theory.linear_networks import gradients as linear_network
from theory.logistic import regression

ALPHA = 0.7


def _stated_update(
    p: Problems, *, kept: float = 1 - ALPHA, swap: bool = False, groups: str = "B", shift: float = 0.0
) -> Any:
    g, h = closed_form(p, sgd), closed_form(p, n_sam)
    found = dw.groups(dw.ratio(h, g) if swap else dw.ratio(g, h) + shift)
    return h * np.where(np.isin(found, list(groups)), kept, 1)


UPDATE = Claim(
    id="luong2026.update",
    origin="paper",
    source="README and " + CODE,
    statement="SANER follows (1 - alpha m) h, m = 1 where 0 < h/g < 1, with h the n-SAM and g the plain gradient.",
    regime=ANY + "; alpha is the removed fraction (released code has the kept one); no warm-up",
    tolerance=Exact(),
    setup=logistic_problems,
    predicted=_stated_update,
    measured=partial(gradients, lambda rho: DownWeight(n_sam(rho), ALPHA)),
    mutants=(
        Mutant("alpha as the kept fraction", predicted=partial(_stated_update, kept=ALPHA)),
        Mutant("mask inverted", predicted=partial(_stated_update, groups="AC")),
        Mutant("ratio to the perturbed gradient", predicted=partial(_stated_update, swap=True)),
        Mutant("boundaries shifted", predicted=partial(_stated_update, shift=0.05)),
        Mutant("groups B and C together", predicted=partial(_stated_update, groups="BC")),
        Mutant("no mask", predicted=partial(_stated_update, groups="")),
    ),
    theory="theory.down_weighting.ratio.groups",
)

CLASSES = 3
_NETWORK = objectives.Objective(networks.two_layer_linear(1, 1, classes=CLASSES), objectives.cross_entropy)


def _networks(sample: Sample) -> Problems:
    """Two-layer linear networks V W x with softmax, at random parameters."""
    p, rng = logistic_problems(sample, d=4), np.random.default_rng([sample.seed, 1])
    k = sample.count
    params = {"W": rng.normal(0.1, 0.7, (k, 3, 4)), "v": rng.normal(0.2, 1.0, (k, CLASSES, 3))}
    return p._replace(params=params, t=rng.integers(0, CLASSES, p.t.shape))


def _network_parts(p: Problems) -> np.ndarray:
    """Clean and mislabelled parts of the gradient, here and after the n-SAM ascent, in closed form, (4, k, size)."""
    return np.stack([_parts_of_one(*row) for row in zip(p.params["W"], p.params["v"], *p[1:], strict=True)], axis=1)


def _parts_of_one(W: Any, v: Any, x: Any, t: Any, mislabelled: Any, rho: float) -> np.ndarray:
    g_W, g_v = linear_network.gradient(Sgd(), W, v, x, t)
    step = rho / np.sqrt(np.sum(g_W**2) + np.sum(g_v**2))

    def part(W: Any, v: Any, group: Any) -> np.ndarray:
        pair = linear_network.gradient(Sgd(), W, v, x[group], t[group])
        return group.mean() * np.concatenate([g.ravel() for g in pair])

    places = ((W, v), (W + step * g_W, v + step * g_v))
    return np.stack([part(*place, group) for place in places for group in (~mislabelled, mislabelled)])


def _combined(p: Problems, swap: bool = False, inverse: bool = False) -> np.ndarray:
    """r g, which is bounded where r is not."""
    g_clean, g_noisy, h_clean, h_noisy = _network_parts(p)
    a = [h_clean / g_clean, h_noisy / g_noisy]
    r = dw.combined_ratio(g_clean, g_noisy, *(a[::-1] if swap else a))
    return (1 / r if inverse else r) * (g_clean + g_noisy)


@jax.jit
def _network_gradients(p: Any) -> Any:
    """The simulated n-SAM gradient, W row by row, then v."""

    def one(q: Any) -> Any:
        g = rules.gradient(Sam(q.rho, "batch"), (), _NETWORK, q.params, objectives.Batch(q.x, q.t))[0]
        return jax.numpy.concatenate([g["W"].ravel(), g["v"].ravel()])

    return jax.vmap(one)(p)


IDENTITY = Claim(
    id="luong2026.ratio_identity",
    origin="derived",
    source=OURS,
    statement="r = (a_c c + a_n n)/(c + n), with a_c and a_n the factors of the clean and the mislabelled part.",
    regime="any network, loss and rho; measured on two-layer linear networks with softmax cross-entropy, n-SAM",
    tolerance=Exact(),
    setup=_networks,
    predicted=_combined,
    measured=_network_gradients,
    mutants=(
        Mutant("factors exchanged", predicted=partial(_combined, swap=True)),
        Mutant("ratio to the perturbed gradient", predicted=partial(_combined, inverse=True)),
        Mutant("no perturbation", predicted=lambda p: _network_parts(p)[:2].sum(axis=0)),
    ),
    theory="theory.down_weighting.ratio.combined_ratio",
)


def _logistic_parts(p: Problems, rule: FamilyAt) -> np.ndarray:
    """Clean and mislabelled part of the rule's gradient, in closed form, (2, k, d)."""
    rows = zip(p.rho, p.params["w"], p.x, p.t, strict=True)
    each = np.stack([regression.example_gradients(rule(rho), w, x, t) for rho, w, x, t in rows]) / p.t.shape[1]
    return np.stack([np.where(group[:, :, None], each, 0).sum(axis=1) for group in (~p.mislabelled, p.mislabelled)])


def _stated_regions(p: Problems, minor: float = 1.0, major: float = 1.0, swap: bool = False) -> np.ndarray:
    g, h = _logistic_parts(p, sgd), _logistic_parts(p, Sam)
    order = np.argsort(np.abs(g), axis=0)  # the smaller part first
    (small, large), changed = np.abs(np.take_along_axis(g, order, 0)), np.abs(np.take_along_axis(h, order, 0))
    b, a = minor * changed[0] / small, major * changed[1] / large
    return numbers(dw.conflict_groups(small / large, *((a, b) if swap else (b, a))))


def _measured_groups(p: Problems, swap: bool = False) -> np.ndarray:
    """By dividing the simulated gradients of the two rules."""
    g, h = gradients(sgd, p), gradients(Sam, p)
    r = g / h if swap else h / g
    return np.where(r >= 1, 0.0, np.where(r > 0, 1.0, 2.0))


REGIONS = Claim(
    id="luong2026.conflict_regions",
    origin="derived",
    source=OURS,
    statement="Where the parts conflict, with kappa = minor/major: A iff kappa (a_minor - 1) <= a_major - 1, C iff "
    "kappa a_minor >= a_major, else B.",
    regime=ANY + "; features >= 0, so that every coordinate has a conflict; no mismatch in tens of thousands",
    tolerance=Exact(),
    setup=conflicts,
    predicted=_stated_regions,
    measured=_measured_groups,
    mutants=(
        Mutant("boundary of A shifted", predicted=partial(_stated_regions, minor=1.02)),
        Mutant("boundary of C shifted", predicted=partial(_stated_regions, major=1.02)),
        Mutant("sides exchanged", predicted=partial(_stated_regions, swap=True)),
        Mutant("ratio to the perturbed gradient", measured=partial(_measured_groups, swap=True)),
        Mutant("A and C exchanged", measured=lambda p: 2 - _measured_groups(p)),
    ),
    theory="theory.down_weighting.ratio.conflict_groups",
)


class _Reduced(NamedTuple):
    """Problems and the coordinates (k, d) that the simulated 1-SAM reduces."""

    problems: Problems
    where: np.ndarray


def _reduced(sample: Sample) -> _Reduced:
    p = logistic_problems(sample, d=20, times=20)
    g, h = gradients(sgd, p), gradients(Sam, p)
    return _Reduced(p, h / g < 1 - 1e-9)


def _least_factors(case: _Reduced, larger: float = 1.0) -> np.ndarray:
    """a_major, and what the proof asks of a_minor: 1 + (a_major - 1) G_major/G_minor; larger: a factor of both."""
    p = case.problems
    rows = zip(p.rho, p.params["w"], p.x, p.t, case.where, strict=True)
    found = []
    for rho, w, x, t, where in rows:
        s = dw.sides(Sam(rho), w, x, t)
        a_major, major, minor = (v[where] for v in (s.a_major, s.major, s.minor))
        found.append(np.stack([a_major, 1 + (a_major - 1) * major / minor]))
    return larger * np.concatenate(found, axis=1).ravel()


def _minor_factors(case: _Reduced, sharpness: Any = "example", sign: float = 1.0, other: bool = False) -> np.ndarray:
    """Simulated a_minor (or a_major) there, in one row, twice."""
    p = case.problems
    plain, moved = contributions(sgd, p), contributions(partial(Sam, sharpness=sharpness), p._replace(rho=sign * p.rho))
    sizes, changed = (
        np.stack([np.where(side, abs(v), 0).sum(axis=1) for side in (plain > 0, plain < 0)]) for v in (plain, moved)
    )
    major = np.argmax(sizes, axis=0)[None]
    a = np.divide(changed, sizes, out=np.ones_like(sizes), where=sizes > 0)
    return np.tile(np.take_along_axis(a, major if other else 1 - major, 0)[0][case.where], 2)[None]


THEOREM = Claim(
    id="luong2026.dominated_side",
    origin="derived",
    source=OURS,
    statement="Where 1-SAM gives r < 1, the dominated side of the coordinate is amplified more than the other: "
    "a_minor - 1 > (a_major - 1) G_major/G_minor.",
    regime=ANY + "; 1-SAM only; sides are signs of contributions, not clean and mislabelled",
    tolerance=AtLeast(),
    setup=_reduced,
    predicted=_least_factors,
    measured=_minor_factors,
    mutants=(
        Mutant("n-SAM", measured=partial(_minor_factors, sharpness="batch")),
        Mutant("descent instead of ascent", measured=partial(_minor_factors, sign=-1.0)),
        Mutant("the dominating side", measured=partial(_minor_factors, other=True)),
        Mutant("1 % more", predicted=partial(_least_factors, larger=1.01)),
    ),
    theory="theory.down_weighting.ratio.sides",
)

CLAIMS = (UPDATE, IDENTITY, REGIONS, THEOREM)
