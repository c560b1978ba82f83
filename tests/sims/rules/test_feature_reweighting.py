"""Feature-based weights against loops over examples and classes, and the identities they are known for."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES

from sims.models.networks import mlp
from sims.objectives import Batch, Objective, cross_entropy
from sims.rules import feature_reweighting as fbr
from sims.rules.meta_reweighting import couplings
from spec.rules import FeatureReweight

N, M, H, C = 12, 8, 5, 4
PLAIN = FeatureReweight()
SCHEMES = [
    PLAIN,
    replace(PLAIN, centred=False),
    replace(PLAIN, shifted=False),
    replace(PLAIN, rate=0.03),
    replace(PLAIN, rate=0.03, threshold=0.0),
    replace(PLAIN, alpha=(1.0, 0.2)),
]


@pytest.fixture
def features(rng):
    """(phi, t, phi_clean, t_clean): classes with means of their own, a common part, unbalanced clean classes."""
    centres = rng.normal(size=(C, H))
    t, t_clean = rng.integers(0, C, N), np.array([0, 0, 0, 1, 2, 2, 3, 3])
    x, x_clean = (centres[c] + 0.7 * rng.normal(size=(len(c), H)) + 2 for c in (t, t_clean))
    return x, np.where(np.arange(N) % 3 == 0, (t + 1) % C, t), x_clean, t_clean


def slow(scheme, alpha, phi, t, phi_clean, t_clean):
    means = np.array([phi_clean[t_clean == c].mean(axis=0) for c in range(C)])
    mu = sum(phi_clean[j] / (C * np.sum(t_clean == t_clean[j])) for j in range(M))
    d = []
    for i in range(N):
        a = phi[i] - mu if scheme.centred else phi[i]
        row = [float(a @ (m - mu if scheme.centred else m)) for m in means]
        if scheme.shifted:
            row = [k - sorted(row)[-2] for k in row]
        d.append(sum(k if c == t[i] else -alpha * k for c, k in enumerate(row)))
    if min(d) >= 0:
        return d, [1.0] * N
    rate = 0.5 / min(-v for v in d if v < 0) if scheme.rate is None else scheme.rate
    w = [min(1.0, max(0.0, 0.5 + rate * v)) for v in d]
    return d, [0.0 if v <= scheme.threshold else v for v in w]


@jax.jit
def compiled(scheme, alpha, phi, one_hot, phi_clean, clean_one_hot):
    d = fbr.directions(fbr.agreements(scheme, phi, phi_clean, clean_one_hot), one_hot, alpha)
    return d, fbr.weights(scheme, d)


def fast(scheme, alpha, phi, t, phi_clean, t_clean):
    eye = np.eye(C)
    return compiled(scheme, jnp.asarray(alpha), *map(jnp.asarray, (phi, eye[t], phi_clean, eye[t_clean])))


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_weights_follow_the_definition(scheme, features):
    for alpha in (0.0, 1 / 3, 1.0):
        for found, expected in zip(fast(scheme, alpha, *features), slow(scheme, alpha, *features), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_ingredients_matter(features):
    """Otherwise the comparison above would not see an option that is ignored."""
    results = [np.concatenate(slow(s, 0.2, *features)) for s in SCHEMES[:5]]
    assert all(np.abs(np.subtract(a, b)).max() > 1e-6 for i, a in enumerate(results) for b in results[:i])


def test_the_row_shift_cancels_at_one_over_c_minus_one(features):
    with_shift, without = (fast(replace(PLAIN, shifted=s), 1 / (C - 1), *features)[0] for s in (True, False))
    np.testing.assert_allclose(with_shift, without, rtol=1e-10, atol=1e-12)
    other = [fast(replace(PLAIN, shifted=s), 0.5, *features)[0] for s in (True, False)]
    assert np.abs(other[0] - other[1]).max() > 1e-3


def test_at_one_over_c_minus_one_directions_are_projections_on_the_own_class(features):
    phi, t, phi_clean, t_clean = features
    means = np.array([phi_clean[t_clean == c].mean(axis=0) for c in range(C)])
    mu = means.mean(axis=0)
    expected = C / (C - 1) * np.sum((phi - mu) * (means - mu)[t], axis=1)
    np.testing.assert_allclose(fast(PLAIN, 1 / (C - 1), *features)[0], expected, rtol=1e-10, atol=1e-12)


def test_at_zero_an_example_is_kept_iff_its_class_agrees_most(features):
    phi, t, phi_clean, t_clean = features
    means = np.array([phi_clean[t_clean == c].mean(axis=0) for c in range(C)])
    mu = means.mean(axis=0)
    nearest = np.argmax((phi - mu) @ (means - mu).T, axis=1)
    w = fast(PLAIN, 0.0, *features)[1]
    np.testing.assert_array_equal(np.asarray(w) > 0, nearest == t)


def test_it_is_the_last_layer_meta_gradient_at_uniform_predictions(features, rng):
    """d = C^2/(C - 1) c for a balanced clean subset, centred features, and a last layer of zeros, by autodiff."""
    phi, t, phi_clean, _ = features
    t_clean = np.arange(M) % C
    d = fast(PLAIN, 1 / (C - 1), phi, t, phi_clean, t_clean)[0]
    mu = phi_clean.mean(axis=0)
    head = mlp((H, C))
    zero = [{"w": jnp.zeros((H, C)), "b": jnp.zeros(C)}]
    batch, clean = Batch(jnp.asarray(phi - mu), jnp.asarray(t)), Batch(jnp.asarray(phi_clean), jnp.asarray(t_clean))
    c = jax.jit(partial(couplings, Objective(head, cross_entropy)))(zero, batch, clean, jnp.full(N, 0.5), 0.0)
    np.testing.assert_allclose(d, C**2 / (C - 1) * c, rtol=1e-9, atol=1e-12)


def test_the_adaptive_rate_empties_exactly_the_negative_ones(features):
    d, w = fast(PLAIN, 0.0, *features)
    np.testing.assert_array_equal(np.asarray(w) > 0, np.asarray(d) > 0)
    assert (np.asarray(w)[np.asarray(d) > 0] > 0.5).all()


@pytest.mark.parametrize("d", [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
def test_without_negative_directions_all_weights_are_one(d):
    np.testing.assert_array_equal(fbr.weights(PLAIN, jnp.asarray(d)), np.ones(3))


def test_a_direction_of_zero_is_dropped_beside_a_negative_one():
    np.testing.assert_array_equal(fbr.weights(PLAIN, jnp.asarray([0.0, -1.0, 0.5, 3.0])), [0.0, 0.0, 0.75, 1.0])


def test_a_class_without_clean_examples_agrees_with_nothing(rng):
    phi = jnp.asarray(rng.normal(size=(3, H)))
    means, mu = fbr.class_means(phi, jnp.asarray(np.eye(C)[[0, 0, 2]]))
    np.testing.assert_allclose(mu, (means[0] + means[2]) / 2, rtol=1e-12)
    for c in (1, 3):
        np.testing.assert_allclose(means[c], mu, rtol=1e-12)


@pytest.mark.parametrize("name", ["ntk tanh", "convolutions, 3 classes"])
def test_weights_of_a_network_use_its_last_hidden_layer(name, rng):
    case = CASES[name]
    params, batch, clean = case.params(rng), case.batch(rng), case.batch(rng, 6)
    scheme = FeatureReweight(alpha=(1.0, 0.25), switch=2, skip=1)
    classes = case.classes or 2

    def one_hot(t):
        return jnp.eye(classes)[np.asarray(t > 0).astype(int) if case.classes is None else np.asarray(t)]

    of_batch = jax.jit(lambda s, epoch: fbr.of_batch(s, epoch, case.objective, params, batch, clean))
    phi, phi_clean = (jax.jit(case.model.hidden)(params, b.x) for b in (batch, clean))

    def expected(alpha):
        return compiled(scheme, jnp.asarray(alpha), phi, one_hot(batch.t), phi_clean, one_hot(clean.t))[1]

    for epoch, alpha in ((1, 1.0), (2, 0.25), (5, 0.25)):
        found = of_batch(scheme, jnp.int32(epoch))
        np.testing.assert_allclose(found, expected(alpha), rtol=1e-10)
    start = of_batch(scheme, jnp.int32(0))
    np.testing.assert_array_equal(start, np.full(len(batch.t), 0.5))
    default = of_batch(FeatureReweight(), jnp.int32(0))
    np.testing.assert_allclose(default, expected(1 / (classes - 1)), rtol=1e-10)
