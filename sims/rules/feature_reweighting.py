r"""FBR: example weights from agreement of features with class means of a clean subset; see spec.rules.schemes.

Class means come first, so that a batch of n costs O(n C h) for C classes and h features beside its forward pass. The
released code takes the clean features once an epoch; here they are those of the present parameters.
Identities, tested: with alpha = 1/(C - 1) the row shift cancels and d_i = C/(C - 1) <phi_i - mu, mu_t - mu>, which for
a balanced clean subset is C^2/(C - 1) times the coupling of cross-entropy in the last layer alone, at uniform
predictions and with centred inputs; with alpha = 0, d_i > 0 iff t is the class whose direction mu_c - mu agrees most
with phi_i - mu (derived).
"""

from typing import Any

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Objective
from sims.rules.base import Params, register
from spec.rules.schemes import FeatureReweight

register(FeatureReweight)


def class_means(phi: jax.Array, one_hot: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(mu_c (C, h), mu (h,)): means of every class, and the mean of the means of classes with examples.

    A class without examples gets mu itself: it agrees with no direction.
    """
    counts = jnp.sum(one_hot, axis=0)
    present = (counts > 0).astype(phi.dtype)
    means = one_hot.T @ phi / jnp.maximum(counts, 1)[:, None]
    mu = present @ means / jnp.sum(present)
    return jnp.where(present[:, None] > 0, means, mu[None]), mu


def agreements(scheme: FeatureReweight, phi: jax.Array, phi_clean: jax.Array, clean_one_hot: jax.Array) -> jax.Array:
    """K_ic, (n, C), shifted where the scheme says so."""
    means, mu = class_means(phi_clean, clean_one_hot)
    if scheme.centred:
        phi, means = phi - mu[None], means - mu[None]
    K = phi @ means.T
    return K - jax.lax.top_k(K, 2)[0][:, 1:] if scheme.shifted else K


def directions(K: jax.Array, one_hot: jax.Array, alpha: Any) -> jax.Array:
    """d_i = K_it - alpha sum_{c != t} K_ic, (n,)."""
    own = jnp.sum(K * one_hot, axis=1)
    return own - alpha * (jnp.sum(K, axis=1) - own)


def weights(scheme: FeatureReweight, d: jax.Array) -> jax.Array:
    """The weights of directions d (n,)."""
    negative = d < 0
    # Infinite where nothing is negative; then the weights are 1 whatever the rate.
    smallest = jnp.min(jnp.where(negative, -d, jnp.inf))
    rate = 0.5 / smallest if scheme.rate is None else scheme.rate
    w = jnp.clip(0.5 + rate * d, 0, 1)
    w = jnp.where(w <= scheme.threshold, 0, w)
    return jnp.where(jnp.any(negative), w, 1)


def of_batch(
    scheme: FeatureReweight, epoch: jax.Array, objective: Objective, params: Params, batch: Batch, clean: Batch
) -> jax.Array:
    """The weights of a batch in an epoch, (n,). Scalar logits mean two classes, labels -1 and 1."""
    logits = jax.eval_shape(objective.network(batch.x), params)
    C = 2 if logits.ndim == 1 else logits.shape[1]

    def one_hot(t: jax.Array) -> jax.Array:
        return jax.nn.one_hot((t > 0).astype(jnp.int32) if logits.ndim == 1 else t, C, dtype=logits.dtype)

    phi, phi_clean = (objective.model.hidden(params, b.x) for b in (batch, clean))
    K = agreements(scheme, phi, phi_clean, one_hot(clean.t))
    before, after = (1 / (C - 1), 0.0) if scheme.alpha is None else scheme.alpha
    found = weights(scheme, directions(K, one_hot(batch.t), jnp.where(epoch < scheme.switch, before, after)))
    return jnp.where(epoch < scheme.skip, 0.5, found)
