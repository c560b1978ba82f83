"""What a rule does to the coordinates of the gradient of the whole training split: groups, dominance, amplification.

For a probe among SGD, SAM, L-SAM and J-SAM let g be the plain and h the probe's gradient of the training split, and
g = g_clean + g_noisy, h = h_clean + h_noisy their parts from clean and from mislabelled examples, all at the same
parameters. Ratio r = h/g and groups A, B, C as in spec.rules; `noise` are the coordinates where the parts conflict and
the mislabelled one is larger, `clean` those where it is smaller; a_clean = h_clean/g_clean, a_noisy = h_noisy/g_noisy.
Coordinates with g = 0 (constant pixels, dead units) are left out of every share.
"""

import operator
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims.data.sampling import Data
from sims.objectives import Batch, Objective
from sims.observables.scalars import Observable, observable
from sims.per_example import weighted_gradient
from sims.rules.down_weighting import in_group, noise_dominated
from spec.observables import Composition
from spec.rules import Sgd

GROUPS, DOMINANT = ("A", "B", "C"), ("noise", "clean")
QUANTILES = (0.1, 0.5, 0.9)


class Coordinates(NamedTuple):
    """Every parameter as one coordinate of flat arrays (d,): parts of the plain and of the perturbed gradient, and the
    ratio to first order in rho (1 + rho dh/drho / g).
    """

    g_clean: jax.Array
    g_noisy: jax.Array
    h_clean: jax.Array
    h_noisy: jax.Array
    first_order: jax.Array

    @property
    def g(self) -> jax.Array:
        """The plain gradient."""
        return self.g_clean + self.g_noisy

    @property
    def h(self) -> jax.Array:
        """The perturbed gradient."""
        return self.h_clean + self.h_noisy

    @property
    def groups(self) -> dict[str, jax.Array]:
        """Masks of the groups."""
        return {name: in_group(name, self.g, self.h) for name in GROUPS}  # type: ignore[arg-type]

    @property
    def dominance(self) -> dict[str, jax.Array]:
        """Masks of noise- and clean-dominated coordinates; same signs and exact cancellation are in neither."""
        return {
            "noise": noise_dominated(self.g_clean, self.g_noisy),
            "clean": noise_dominated(self.g_noisy, self.g_clean),
        }


def coordinates(probe: Any, objective: Objective, params: Any, data: Data) -> Coordinates:
    """The parts on the training split. Raises InputError for a probe whose gradient is no sum over examples."""
    train = data.train
    batch, n = Batch(train.x, train.t), len(train.t)
    noisy = train.mislabelled.astype(train.x.dtype)
    weights = jnp.stack([1 - noisy, noisy]) / n

    def parts(rule: Any) -> jax.Array:
        tree = weighted_gradient(objective, params, batch, weights, rule)
        return jnp.concatenate([leaf.reshape(2, -1) for leaf in jax.tree.leaves(tree)], axis=1)

    g = parts(Sgd())
    rho = jnp.asarray(probe.rho, g.dtype)
    # The ascent step is rho times a fixed direction: its derivative at zero is exact, for every probe.
    _, slope = jax.jvp(lambda r: jnp.sum(parts(replace(probe, rho=r)), axis=0), (jnp.zeros_like(rho),), (rho,))
    total = jnp.sum(g, axis=0)
    first_order = 1 + jnp.where(total != 0, slope / jnp.where(total != 0, total, 1), 0)
    h = parts(probe)
    return Coordinates(g[0], g[1], h[0], h[1], first_order)


def composition(probe: Any) -> Observable:
    """The observable that records `summary` of the probe's coordinates, whatever rule is being trained."""

    def observe(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
        return summary(coordinates(probe, objective, params, data))

    return observe


@observable.register
def _(record: Composition) -> Observable:
    return composition(record.probe)


def summary(at: Coordinates) -> dict[str, jax.Array]:
    """Scalars, all of them 0 where they would be means over nothing:

    share_A, ...             of the coordinates with g != 0; share_noise, share_clean, share_undefined (g = 0, of all)
    A_given_noise, ...       share of a group among noise- (clean-) dominated coordinates; noise_given_A, ...: converse
    energy_B, ...            share of a group in ||h||^2
    cos_plain_B_noisy, ...   cosine of g restricted to a group with g_noisy (g_clean); cos_perturbed_...: of h
    a_noisy_on_noise_q50     quantiles of the amplifications over noise- (clean-) dominated coordinates
    clean_more_on_noise      share with a_clean > a_noisy: the premise of the linear theory; clean_more_on_noise_B: in B
    first_order_agreement    share of the coordinates with g != 0 whose group the first order in rho predicts
    """
    defined, groups, dominance = at.g != 0, at.groups, at.dominance
    a_clean, a_noisy = _quotient(at.h_clean, at.g_clean), _quotient(at.h_noisy, at.g_noisy)
    record = {f"share_{name}": _share(mask, defined) for name, mask in (groups | dominance).items()}
    record["share_undefined"] = 1 - jnp.mean(defined.astype(at.g.dtype))
    for group, mask in groups.items():
        record[f"energy_{group}"] = _quotient(jnp.sum(jnp.where(mask, at.h, 0) ** 2), jnp.sum(at.h**2))
        for who, dominated in dominance.items():
            record[f"{group}_given_{who}"] = _share(mask, dominated)
            record[f"{who}_given_{group}"] = _share(dominated, mask)
        for name, v in (("plain", at.g), ("perturbed", at.h)):
            for who, part in (("noisy", at.g_noisy), ("clean", at.g_clean)):
                record[f"cos_{name}_{group}_{who}"] = _cosine(jnp.where(mask, v, 0), part)
    for who, dominated in dominance.items():
        for name, a in (("clean", a_clean), ("noisy", a_noisy)):
            found = _quantiles(a, dominated)
            record |= {f"a_{name}_on_{who}_q{round(100 * q)}": v for q, v in zip(QUANTILES, found, strict=True)}
        record[f"clean_more_on_{who}"] = _share(a_clean > a_noisy, dominated)
    record["clean_more_on_noise_B"] = _share(a_clean > a_noisy, dominance["noise"] & groups["B"])
    predicted = {name: in_group(name, jnp.ones_like(at.g), at.first_order) for name in GROUPS}  # type: ignore[arg-type]
    agree = reduce(operator.or_, [predicted[name] & groups[name] for name in GROUPS])
    return record | {"first_order_agreement": _share(agree, defined)}


def _share(part: jax.Array, whole: jax.Array) -> jax.Array:
    count = jnp.sum(whole)
    return jnp.sum(part & whole) / jnp.where(count > 0, count, 1)


def _quotient(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(b != 0, a / jnp.where(b != 0, b, 1), 0)


def _cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    return _quotient(jnp.sum(a * b), jnp.linalg.norm(a) * jnp.linalg.norm(b))


def _quantiles(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Quantiles over the masked entries, linearly interpolated between order statistics."""
    ordered, count = jnp.sort(jnp.where(mask, values, jnp.inf)), jnp.sum(mask)
    place = jnp.asarray(QUANTILES, values.dtype) * jnp.maximum(count - 1, 0)
    low = jnp.floor(place).astype(jnp.int32)
    high = jnp.minimum(low + 1, jnp.maximum(count - 1, 0))
    fraction = place - low
    return jnp.where(count > 0, (1 - fraction) * ordered[low] + fraction * ordered[high], 0)
