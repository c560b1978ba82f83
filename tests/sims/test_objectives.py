"""Labels that a loss would silently misread are refused wherever a gradient or a mean loss starts from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.data.sampling import Data, Split
from sims.models import networks
from sims.objectives import Batch, Objective, cross_entropy, logistic, require_labels, squared
from sims.rules import gradient
from sims.train import train
from spec.networks import Linear
from spec.rules import Sam, Sgd
from spec.training import Training
from spec.validation import InputError

N, D, CLASSES = 6, 3, 4
X = np.linspace(-1, 1, N * D).reshape(N, D)
BINARY, SEVERAL = (networks.build(Linear(), D, classes) for classes in (None, CLASSES))
SIGNS, PLACES = np.array([1, -1, 1, 1, -1, 1]), np.array([0, 3, 1, 2, 2, 0])
REFUSED = [
    (logistic, np.array([0, 1, 0, 1, 1, 0]), r"labels must be -1 or 1, got 0 at example 0"),
    (logistic, SIGNS.astype(np.uint8), "the type of labels must be signed numbers: .* got 'uint8'"),
    (logistic, SIGNS > 0, "the type of labels must be signed numbers: .* got 'bool'"),
    (logistic, SIGNS[:, None], r"labels must be one for each of 6 examples, not one-hot, got \(6, 1\)"),
    (logistic, SIGNS[:5], "labels must be one for each of 6 examples"),
    (logistic, np.array([1.0, -1.0, np.nan, 1.0, 1.0, 1.0]), "labels must be -1 or 1, got nan at example 2"),
    (squared, np.ones(N, np.uint8), "the type of labels must be signed"),
    (squared, 2 * SIGNS, "labels must be -1 or 1, got 2 at example 0"),
    (cross_entropy, SIGNS, r"labels must be 0, \.\.\., 3, got -1 at example 1"),
    (cross_entropy, PLACES + 1, r"labels must be 0, \.\.\., 3, got 4 at example 1"),
    (cross_entropy, np.eye(CLASSES, dtype=int)[PLACES], r"one for each of 6 examples, not one-hot, got \(6, 4\)"),
    (cross_entropy, PLACES.astype(np.float32), "the type of labels must be integers, got 'float32'"),
]


def made(loss):
    model = SEVERAL if loss is cross_entropy else BINARY
    shape = (D, CLASSES) if loss is cross_entropy else (D,)
    found = jax.eval_shape(lambda key: model.init(key, jnp.float32), jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), found)
    assert {leaf.shape for leaf in jax.tree.leaves(params)} <= {shape, shape[::-1]}
    return Objective(model, loss), params


@pytest.mark.parametrize(("loss", "labels", "message"), REFUSED)
def test_labels_that_a_loss_cannot_mean_are_refused(loss, labels, message) -> None:
    objective, params = made(loss)
    batch = Batch(X, labels)
    with pytest.raises(InputError, match=message):
        objective.mean(params, batch)
    for rule in (Sgd(), Sam(0.1)):
        with pytest.raises(InputError, match=message):
            gradient(rule, (), objective, params, batch)
    split = Split(X, labels, labels)
    options = {"model": objective.model, "loss": loss, "params": params, "observe": None, "key": None}
    with pytest.raises(InputError, match=message):
        train(Sgd(), Training(0.1, 1), data=Data(split, None, split), **options)


@pytest.mark.parametrize(("loss", "labels"), [(logistic, SIGNS), (squared, SIGNS), (cross_entropy, PLACES)])
@pytest.mark.parametrize("dtype", [np.int8, np.int32])
def test_what_is_meant_passes_traced_and_not(loss, labels, dtype) -> None:
    objective, params = made(loss)
    t = labels.astype(dtype)
    assert jax.eval_shape(lambda t: objective.mean(params, Batch(jnp.asarray(X), t)), t).shape == ()
    require_labels(loss, t, (N, CLASSES) if loss is cross_entropy else (N,))
    jax.eval_shape(lambda t: gradient(Sam(0.1), (), objective, params, Batch(jnp.asarray(X), t)), t)


def test_the_type_of_traced_labels_is_looked_at() -> None:
    objective, params = made(logistic)
    with pytest.raises(InputError, match="signed"):
        jax.eval_shape(lambda t: objective.mean(params, Batch(jnp.asarray(X), t)), np.ones(N, np.uint8))


def test_other_losses_take_what_they_do() -> None:
    objective, params = made(logistic)
    own = Objective(objective.model, lambda logit, t: (logit - t[0]) ** 2)
    labels = np.ones((N, 2), np.uint8)
    assert jax.eval_shape(lambda t: own.mean(params, Batch(jnp.asarray(X), t)), labels).shape == ()
