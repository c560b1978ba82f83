"""What is recorded while training: functions (rule, objective, params, data) -> dict of scalars.

Names: `clean` and `mislabelled` are the two groups of the training split; accuracy on them is agreement with the
observed label t, so mislabelled_accuracy measures memorisation; `recovered` is agreement of mislabelled examples with
the true y.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp

from sims.data.sampling import Data, Split
from sims.factors import squared_norms
from sims.objectives import Batch, Objective
from sims.per_example import contributions, gradient_factors
from sims.rules import gradient
from spec.observables import Accuracies, GradientNorms, LastLayerDecay, LayerNorms, Losses, Overlaps
from spec.rules import Sgd

Observable = Callable[[Any, Objective, Any, Data], dict[str, jax.Array]]


@singledispatch
def observable(record: Any) -> Observable:
    """The function that records what a record of spec.observables names."""
    raise TypeError(f"no observable is defined for {record!r}")


def together(*observables: Observable) -> Observable:
    """One observable that records everything the given ones record."""

    def observe(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
        records = [o(rule, objective, params, data) for o in observables]
        return {name: value for record in records for name, value in record.items()}

    return observe


def predictions(logits: jax.Array) -> jax.Array:
    """Labels in {-1, 1} for scalar logits (n,), classes for logits (n, classes). A zero logit predicts -1."""
    return jnp.where(logits > 0, 1, -1) if logits.ndim == 1 else jnp.argmax(logits, axis=1)


def by_group(values: jax.Array, split: Split) -> tuple[jax.Array, jax.Array]:
    """Means over the clean and over the mislabelled examples; 0 for an empty group."""
    noisy = split.mislabelled.astype(values.dtype)
    return _mean(values, 1 - noisy), _mean(values, noisy)


def _mean(values: jax.Array, weight: jax.Array) -> jax.Array:
    total = jnp.sum(weight)
    # where, not a product: an infinite value of the other group must not reach this one as NaN.
    return jnp.sum(jnp.where(weight > 0, values, 0)) / jnp.where(total > 0, total, 1)


def accuracies(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
    """test, validation, clean, mislabelled and recovered accuracy."""
    dtype = data.train.x.dtype

    def correct(split: Split, labels: jax.Array) -> jax.Array:
        return (predictions(objective.model.apply(params, split.x)) == labels).astype(dtype)

    clean, mislabelled = by_group(correct(data.train, data.train.t), data.train)
    record = {
        "test_accuracy": jnp.mean(correct(data.test, data.test.y)),
        "clean_accuracy": clean,
        "mislabelled_accuracy": mislabelled,
        "recovered_accuracy": by_group(correct(data.train, data.train.y), data.train)[1],
    }
    if data.validation is not None:
        record["validation_accuracy"] = jnp.mean(correct(data.validation, data.validation.y))
    return record


def losses(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
    """Mean loss on observed labels of clean and of mislabelled training examples."""
    values = jax.vmap(objective.loss)(objective.model.apply(params, data.train.x), data.train.t)
    clean, mislabelled = by_group(values, data.train)
    return {"clean_loss": clean, "mislabelled_loss": mislabelled}


def gradient_norms(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
    """Mean per-example gradient norm and example weight of both groups, under the rule being trained."""
    norms, weights = contributions(rule, objective, params, Batch(data.train.x, data.train.t))
    clean, mislabelled = by_group(norms, data.train)
    clean_weight, mislabelled_weight = by_group(weights, data.train)
    return {
        "clean_gradient_norm": clean,
        "mislabelled_gradient_norm": mislabelled,
        "clean_weight": clean_weight,
        "mislabelled_weight": mislabelled_weight,
    }


def layer_norms(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
    """Mean norm of the last hidden activations on the training split, and norm of the last layer's weights."""
    hidden = objective.model.hidden(params, data.train.x)
    return {
        "activation_norm": jnp.mean(jnp.linalg.norm(hidden, axis=1)),
        "last_layer_norm": jnp.linalg.norm(objective.model.head(params)),
    }


def last_layer_decay(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
    """How fast a rule with a rho shrinks the last layer V on the training split, beyond SGD.

    Measured: <V, g - g_SGD>/||V||^2. Predicted for J-SAM, at first order: the mean of rho ||g_body||^2/||g||, over
    ||V||^2.
    """
    batch, head = Batch(data.train.x, data.train.t), objective.model.head
    V, g, plain = map(head, (params, *(gradient(r, (), objective, params, batch)[0] for r in (rule, Sgd()))))
    *body, last = gradient_factors(objective, params, batch)
    of_body, whole = squared_norms(body), squared_norms([*body, last])
    length = jnp.sqrt(jnp.where(whole > 0, whole, 1))
    size = jnp.sum(V**2)
    return {
        "measured_decay": jnp.sum(V * (g - plain)) / size,
        "predicted_decay": rule.rho * jnp.mean(jnp.where(whole > 0, of_body / length, 0)) / size,
    }


def overlaps(rule: Any, objective: Objective, params: Any, data: Data) -> dict[str, jax.Array]:
    """For the linear model: w_1, the overlap with the signal, and ||w_{2:}||; theory predicts accuracy from them."""
    w = params["w"]
    return {"signal_overlap": w[0], "noise_norm": jnp.linalg.norm(w[1:])}


for _record, _function in (
    (Accuracies, accuracies),
    (Losses, losses),
    (GradientNorms, gradient_norms),
    (LayerNorms, layer_norms),
    (LastLayerDecay, last_layer_decay),
    (Overlaps, overlaps),
):
    observable.register(_record, lambda record, function=_function: function)
