"""Observables against slow loops over examples, in numpy where that is possible."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, MODELS, RULES, D, N, ascent, last_layer

from sims.data.sampling import Split
from sims.objectives import Batch
from sims.observables.scalars import (
    accuracies,
    by_group,
    gradient_norms,
    layer_norms,
    losses,
    overlaps,
    predictions,
    together,
)
from sims.per_example import contributions
from spec.rules import JacobianSam, LogitSam, Sam, Sgd

every_model = pytest.mark.parametrize("case", MODELS, ids=lambda c: c.name)


def slow_mean(values):
    return sum(float(v) for v in values) / len(values) if len(values) else 0.0


def logits_of(case, params, x):
    return [np.asarray(case.model.apply(params, x[i : i + 1]))[0] for i in range(len(x))]


def predicted(logit):
    return (1 if logit > 0 else -1) if np.ndim(logit) == 0 else int(np.argmax(logit))


def loss_of(logit, t):
    if np.ndim(logit) == 0:
        return np.log1p(np.exp(-t * logit))
    return np.log(np.sum(np.exp(logit))) - logit[int(t)]


def residual_of(logit, t):
    if np.ndim(logit) == 0:
        return -t / (1 + np.exp(t * logit))
    return np.exp(logit) / np.sum(np.exp(logit)) - np.eye(len(logit))[int(t)]


@every_model
def test_accuracies(case, rng):
    params, data = case.params(rng), case.data(rng)
    record = accuracies(Sgd(), case.objective, params, data)

    def agreement(split, labels, which):
        hits = [predicted(f) == label for f, label in zip(logits_of(case, params, split.x), labels, strict=True)]
        return slow_mean([h for h, w in zip(hits, which, strict=True) if w])

    train, wrong = data.train, np.asarray(data.train.t != data.train.y)
    assert 0 < wrong.sum() < N
    expected = {
        "test_accuracy": agreement(data.test, data.test.y, [True] * 7),
        "validation_accuracy": agreement(data.validation, data.validation.y, [True] * 5),
        "clean_accuracy": agreement(train, train.t, ~wrong),
        "mislabelled_accuracy": agreement(train, train.t, wrong),
        "recovered_accuracy": agreement(train, train.y, wrong),
    }
    assert record.keys() == expected.keys()
    for name, value in expected.items():
        assert record[name] == pytest.approx(value, abs=1e-14)
    assert "validation_accuracy" not in accuracies(Sgd(), case.objective, params, data._replace(validation=None))


@every_model
def test_losses(case, rng):
    params, data = case.params(rng), case.data(rng)
    record = losses(Sgd(), case.objective, params, data)
    values = [loss_of(f, t) for f, t in zip(logits_of(case, params, data.train.x), data.train.t, strict=True)]
    wrong = np.asarray(data.train.t != data.train.y)
    assert record["clean_loss"] == pytest.approx(slow_mean(np.array(values)[~wrong]), rel=1e-12)
    assert record["mislabelled_loss"] == pytest.approx(slow_mean(np.array(values)[wrong]), rel=1e-12)


@every_model
def test_layer_norms(case, rng):
    params, data = case.params(rng), case.data(rng)
    record = layer_norms(Sgd(), case.objective, params, data)
    hidden = [np.asarray(case.model.hidden(params, data.train.x[i : i + 1]))[0] for i in range(N)]
    head = last_layer(case, params)["w"]
    assert record["activation_norm"] == pytest.approx(slow_mean([np.sqrt(np.sum(h**2)) for h in hidden]), rel=1e-12)
    assert record["last_layer_norm"] == pytest.approx(np.sqrt(np.sum(np.asarray(head) ** 2)), rel=1e-12)


def test_overlaps(rng):
    case = CASES["linear"]
    w = rng.normal(size=D)
    record = overlaps(Sgd(), case.objective, {"w": jnp.asarray(w)}, case.data(rng))
    assert record["signal_overlap"] == w[0]
    assert record["noise_norm"] == pytest.approx(np.sqrt(np.sum(w[1:] ** 2)), rel=1e-12)


@cache
def jacobian_of(case):
    return jax.jit(jax.jacrev(lambda params, x: case.model.apply(params, x[None])[0]))


def slow_contributions(case, rule, params, batch):
    """Norms of the gradient and of the residual, one example at a time, from full Jacobians."""
    m = {"example": 1, "batch": N}.get(rule.sharpness, rule.sharpness)
    jacobian = jacobian_of(case)
    for i in range(N):
        shard = slice(i // m * m, i // m * m + m)
        eps = ascent(case, params, Batch(batch.x[shard], batch.t[shard]), rule)
        up = jax.tree.map(jnp.add, params, eps)
        at_logits = up if isinstance(rule, Sam | LogitSam) else params
        at_jacobian = up if isinstance(rule, Sam | JacobianSam) else params
        r = residual_of(np.asarray(case.model.apply(at_logits, batch.x[i : i + 1]))[0], batch.t[i])
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(jacobian(at_jacobian, batch.x[i]))]
        # Multi-class Jacobians carry the classes in front.
        parts = [np.tensordot(r, leaf, 1) if np.ndim(r) else r * leaf for leaf in leaves]
        yield np.sqrt(sum(np.sum(part**2) for part in parts)), np.sqrt(np.sum(r**2))


binary_and_classes = pytest.mark.parametrize(
    "case", [CASES["two layers"], CASES["two layers, 3 classes"]], ids=lambda c: c.name
)


@binary_and_classes
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_contributions(case, rule, rng):
    params, batch = case.params(rng), case.batch(rng)
    norms, weights = jax.jit(lambda p, b: contributions(rule, case.objective, p, b))(params, batch)
    expected = np.array(list(slow_contributions(case, rule, params, batch)))
    np.testing.assert_allclose(norms, expected[:, 0], rtol=1e-11)
    np.testing.assert_allclose(weights, expected[:, 1], rtol=1e-11)


@binary_and_classes
def test_gradient_norms_are_means_of_contributions(case, rng):
    rule, params, data = LogitSam(0.3, 2), case.params(rng), case.data(rng)
    expected = np.array(list(slow_contributions(case, rule, params, data.train)))
    record = gradient_norms(rule, case.objective, params, data)
    assert len(record) == 4
    for name, wrong in (("clean", False), ("mislabelled", True)):
        norm, weight = expected[np.asarray(data.train.t != data.train.y) == wrong].mean(axis=0)
        assert record[f"{name}_gradient_norm"] == pytest.approx(norm, rel=1e-11)
        assert record[f"{name}_weight"] == pytest.approx(weight, rel=1e-11)


@pytest.mark.parametrize("rule", [Sgd(), Sam(0.3), Sam(0.3, 2), Sam(0.3, 53), Sam(0.3, "batch")], ids=repr)
def test_contributions_of_more_examples_than_one_block_holds(rule, rng):
    """106 examples are mapped in blocks of 50: the remainder must stay in its place. f is linear, so |g| = |r| |x|."""
    case = CASES["linear"]
    params, batch = case.params(rng), case.batch(rng, 106)
    norms, weights = jax.jit(lambda p, b: contributions(rule, case.objective, p, b))(params, batch)
    m = {"example": 1, "batch": 106}.get(rule.sharpness, rule.sharpness)
    w, x, t = np.asarray(params["w"]), np.asarray(batch.x), np.asarray(batch.t)
    g = ((-t / (1 + np.exp(t * (x @ w))))[:, None] * x).reshape(-1, m, D).mean(axis=1)
    up = w + getattr(rule, "rho", 0.0) * g / np.linalg.norm(g, axis=1, keepdims=True)
    sizes = 1 / (1 + np.exp(t * np.einsum("smd,sd->sm", x.reshape(-1, m, D), up).ravel()))
    np.testing.assert_allclose(weights, sizes, rtol=1e-11)
    np.testing.assert_allclose(norms, sizes * np.linalg.norm(x, axis=1), rtol=1e-11)


def labelled(y, t):
    return Split(jnp.zeros((len(y), 1)), jnp.asarray(t), jnp.asarray(y))


def test_an_empty_group_has_mean_zero():
    values = jnp.asarray([1.0, 2.0, 6.0])
    assert by_group(values, labelled([1, 1, 1], [1, 1, 1])) == (3.0, 0.0)
    assert by_group(values, labelled([1, 1, 1], [-1, -1, -1])) == (0.0, 3.0)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_group_does_not_see_the_other_ones_numbers(bad):
    split = labelled([1, 1, 1], [1, -1, 1])
    clean, mislabelled = by_group(jnp.asarray([1.0, bad, 3.0]), split)
    assert clean == 2.0
    np.testing.assert_equal(float(mislabelled), bad)
    clean, mislabelled = by_group(jnp.asarray([1.0, 5.0, bad]), split)
    np.testing.assert_equal(float(clean), bad)
    assert mislabelled == 5.0


def test_predictions():
    assert predictions(jnp.asarray([-2.0, 0.0, 1e-30])).tolist() == [-1, -1, 1]
    assert predictions(jnp.asarray([[0.0, 1.0, 0.5], [3.0, 1.0, 2.0]])).tolist() == [1, 0]


def test_together_records_everything(rng):
    case = CASES["linear"]
    arguments = (Sam(0.1), case.objective, case.params(rng), case.data(rng))
    parts = (accuracies, losses, layer_norms, overlaps, gradient_norms)
    record = together(*parts)(*arguments)
    assert record == {name: value for part in parts for name, value in part(*arguments).items()}
    assert len(record) == 5 + 2 + 2 + 2 + 4


@every_model
def test_observables_keep_single_precision(case, rng):
    arguments = (Sam(0.1), case.objective, case.params(rng, jnp.float32), case.data(rng, N, jnp.float32))
    shapes = jax.eval_shape(
        lambda p, d: together(accuracies, losses, layer_norms, gradient_norms)(*arguments[:2], p, d), *arguments[2:]
    )
    assert {(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(shapes)} == {((), jnp.dtype("float32"))}
