"""SAM on two-layer linear networks: closed forms against loops written from the definitions."""

import math

import numpy as np
import pytest

from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from spec.validation import InputError
from theory.linear_networks import gradients, margins

N, D, H, K = 6, 4, 3, 3
RULES = [kind(0.6, m) for kind in (Sam, LogitSam, JacobianSam) for m in ("example", 2, "batch")] + [Sgd()]


@pytest.fixture(params=[None, K], ids=["two labels", "classes"])
def data(rng, request):
    """(W, v, x, t) for two labels, and for classes."""
    W, x = rng.normal(size=(H, D)), rng.normal(size=(N, D)) * rng.uniform(0.4, 2.0, size=(N, 1))
    if request.param is None:
        return W, rng.normal(size=H), x, np.where(np.arange(N) % 3 == 0, -1.0, 1.0)
    return W, rng.normal(size=(K, H)), x, np.arange(N) % K


@pytest.fixture
def binary(rng):
    W, x = rng.normal(size=(H, D)), rng.normal(size=(N, D))
    return W, rng.normal(size=H), x, np.where(np.arange(N) % 2 == 0, -1.0, 1.0)


# ---------------------------------------------------------------- slow definitions


def output(w, shape, x):
    """f of one example from the flat weights."""
    W = w[: H * D].reshape(H, D)
    return np.atleast_2d(w[H * D :].reshape(shape)) @ (W @ x)


def residual(f, t):
    """d l/d f from the definition of the loss."""
    if len(f) == 1:
        return np.array([-t / (1 + math.exp(t * f[0]))])
    p = [math.exp(a) for a in f]
    return np.array([a / sum(p) - (k == t) for k, a in enumerate(p)])


def jacobian(w, shape, x, h=1e-3):
    """d f/d w; f is quadratic in w, so that central differences are exact at any step."""
    return np.stack([(output(w + e, shape, x) - output(w - e, shape, x)) / (2 * h) for e in h * np.eye(len(w))], 1)


def slow_gradient(rule, W, v, x, t):
    """Shards, ascent step, residual and Jacobian, each as the rules' definition words it."""
    w, n = np.concatenate([W.ravel(), v.ravel()]), len(t)
    m = n if isinstance(rule, Sgd) else {"example": 1, "batch": n}.get(rule.sharpness, rule.sharpness)
    total = np.zeros_like(w)
    for start in range(0, n, m):
        shard = range(start, start + m)
        g = sum(residual(output(w, v.shape, x[i]), t[i]) @ jacobian(w, v.shape, x[i]) for i in shard)
        moved = w if isinstance(rule, Sgd) else w + rule.rho * g / np.linalg.norm(g)
        for i in shard:
            q = residual(output(moved if isinstance(rule, Sam | LogitSam) else w, v.shape, x[i]), t[i])
            total += q @ jacobian(moved if isinstance(rule, Sam | JacobianSam) else w, v.shape, x[i]) / n
    return total


def flat(pair):
    return np.concatenate([a.ravel() for a in pair])


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{type(r).__name__}-{r.name}")
def test_gradient_follows_the_definition(rule, data):
    slow = slow_gradient(rule, *data)
    np.testing.assert_allclose(flat(gradients.gradient(rule, *data)), slow, rtol=0, atol=1e-10 * abs(slow).max())


def test_the_rules_differ(data):
    rows = [flat(gradients.gradient(rule, *data)) for rule in RULES]
    assert all(np.abs(a - b).max() > 1e-4 for i, a in enumerate(rows) for b in rows[:i])


def test_penalised_gradient_is_the_j_sam_gradient(data):
    penalised = flat(gradients.penalised_gradient(0.6, *data))
    np.testing.assert_allclose(penalised, flat(gradients.gradient(JacobianSam(0.6), *data)), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", [Sam, LogitSam, JacobianSam])
def test_radius_zero_is_sgd(kind, data):
    plain = flat(gradients.gradient(Sgd(), *data))
    np.testing.assert_array_equal(flat(gradients.gradient(kind(0.0), *data)), plain)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{type(r).__name__}-{r.name}")
def test_gradients_at_the_zero_network_are_zero(rule, binary):
    _, _, x, t = binary
    assert not flat(gradients.gradient(rule, np.zeros((H, D)), np.zeros(H), x, t)).any()


def test_the_penalty_with_classes_leaves_the_mean_of_V_alone(rng):
    """sum_k V_k is not moved by the penalty, since residuals sum to zero; two labels have no such direction."""
    W, V, x = rng.normal(size=(H, D)), rng.normal(size=(K, H)), rng.normal(size=(N, D))
    moved = [gradients.gradient(rule, W, V, x, np.arange(N) % K)[1] for rule in (JacobianSam(0.6), Sgd())]
    assert np.abs((moved[0] - moved[1]).sum(axis=0)).max() < 1e-14
    assert np.abs(moved[0] - moved[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"v": np.ones(H + 1)}, "v must be"),
        ({"v": np.ones((1, H))}, "v must be"),
        ({"W": np.ones(3)}, "W must be"),
        ({"rule": Sam(0.1, 4)}, "sharpness must divide"),
        ({"rule": Sam(0.1, "example", "last")}, "ascent must be"),
    ],
)
def test_bad_input_is_named(change, word, binary):
    arguments = dict(zip(("W", "v", "x", "t"), binary, strict=True), rule=Sgd()) | change
    with pytest.raises(InputError, match=word):
        gradients.gradient(**arguments)


# ---------------------------------------------------------------- margins


def test_penalty_coefficients_make_up_the_penalised_gradient(binary):
    W, v, x, _ = binary
    hidden, last = margins.penalty_coefficients(0.6, *binary)
    plain = gradients.gradient(Sgd(), *binary)
    first = plain[0] + sum(c * np.outer(W @ a, a) for c, a in zip(hidden, x, strict=True)) / N
    expected = gradients.gradient(JacobianSam(0.6), *binary)
    np.testing.assert_allclose(first, expected[0], rtol=1e-11)
    np.testing.assert_allclose(plain[1] + last.mean() * v, expected[1], rtol=1e-11)


def test_margin_velocity_is_the_slope_along_the_flow(binary):
    """For each example alone; the margin is quadratic in the weights, so that the difference is exact."""
    W, v, x, t = binary
    norms, J = np.linalg.norm(x, axis=1), margins.jacobian_norms(W, v, x)
    stated = margins.margin_velocity(t * (x @ W.T @ v), J, norms, 0.6)
    for i in range(N):
        g_W, g_v = gradients.gradient(JacobianSam(0.6), W, v, x[i : i + 1], t[i : i + 1])
        up, down = (t[i] * (v - s * g_v) @ (W - s * g_W) @ x[i] for s in (1e-3, -1e-3))
        np.testing.assert_allclose(stated[i], (up - down) / 2e-3, rtol=1e-9)


def test_penalties_on_margins_sum_the_own_one_and_the_others(binary):
    """With one example it is the own penalty; with orthogonal inputs it has the sign of -m."""
    W, v, x, t = binary
    one = x[:1], t[:1]
    J, norm = margins.jacobian_norms(W, v, x[:1]), np.linalg.norm(x[0])
    m = t[:1] * (x[:1] @ W.T @ v)
    own = np.diff([margins.margin_velocity(m, J, norm, r) for r in (0.0, 0.6)], axis=0)[0]
    np.testing.assert_allclose(margins.penalty_on_margins(0.6, W, v, *one), own, rtol=1e-10)
    orthogonal = np.linalg.qr(x.T)[0].T
    pull = margins.penalty_on_margins(0.6, W, v, orthogonal, t[:D])
    assert (np.sign(pull) == -np.sign(t[:D] * (orthogonal @ W.T @ v))).all()


def test_the_velocity_vanishes_at_the_ceiling_and_only_there(rng):
    J, norms, rho = rng.uniform(0.2, 2, (3, 20))
    ceiling = margins.margin_ceiling(J, norms, rho)
    scale = margins.margin_velocity(0.0 * J, J, norms, rho)
    at, below, above = (margins.margin_velocity(c * ceiling, J, norms, rho) for c in (1, 0.9, 1.1))
    assert np.abs(at / scale).max() < 1e-14
    assert (below > 0).all()
    assert (above < 0).all()


def test_margins_are_bounded_by_the_jacobian(rng):
    """|m| <= J^2/(2 ||x||), with equality on the balanced line: why the ceiling needs J <= rho ||x||."""
    W, v, x = rng.normal(size=(H, D)), rng.normal(size=H), rng.normal(size=(50, D))
    bound = margins.jacobian_norms(W, v, x) ** 2 / (2 * np.linalg.norm(x, axis=1))
    assert (np.abs(x @ W.T @ v) <= bound).all()
    balanced = np.outer(v, x[0]) / np.linalg.norm(x[0])
    tight = margins.jacobian_norms(balanced, v, x[:1]) ** 2 / (2 * np.linalg.norm(x[0]))
    np.testing.assert_allclose(x[:1] @ balanced.T @ v, tight, rtol=1e-13)
