"""The closed systems of two-layer linear networks against networks that are trained weight by weight."""

import numpy as np
import pytest

from spec.problems import SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from spec.validation import InputError
from theory.linear_networks import dynamics, gradients, signal_noise
from theory.linear_networks.gradients import statistics

RULES = [Sgd(), Sam(0.2), LogitSam(0.2), JacobianSam(0.2), Sam(0.2, "batch")]
CONSERVING = [Sgd(), LogitSam(0.2), LogitSam(0.2, "batch")]


def names(rule):
    return f"{type(rule).__name__}-{rule.name}"


@pytest.fixture(params=[None, 3], ids=["two labels", "classes"])
def data(rng, request):
    W, x = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    if request.param is None:
        return W, rng.normal(size=3), x, np.array([1.0, -1.0, -1.0, 1.0])
    return W, rng.normal(size=(3, 3)), x, np.array([0, 2, 1, 1])


def trained(rule, W, v, x, t, eta, steps):
    for _ in range(steps):
        g_W, g_v = gradients.gradient(rule, W, v, x, t)
        W, v = W - eta * g_W, v - eta * g_v
    return W, v


@pytest.mark.parametrize("rule", [*RULES, JacobianSam(0.2, 2)], ids=names)
def test_the_closed_map_follows_the_weights(rule, data):
    path = dynamics.descend(rule, statistics(*data[:2]), *data[2:], eta=0.2, steps=25)
    for stated, simulated in zip(path, statistics(*trained(rule, *data, 0.2, 25)), strict=True):
        np.testing.assert_allclose(stated[-1], simulated, rtol=0, atol=1e-11)


@pytest.mark.parametrize("rule", RULES, ids=names)
def test_steps_follow_the_flow_to_first_order(rule, data):
    """Halving the step halves the distance; Richardson's extrapolation removes most of it."""
    start, examples = statistics(*data[:2]), data[2:]
    stated = dynamics.flow(rule, start, *examples, np.array([0.0, 0.5]))
    few, many = (dynamics.descend(rule, start, *examples, eta=0.5 / steps, steps=steps) for steps in (200, 400))
    for flow, a, b in zip(stated, few, many, strict=True):
        first, second = np.abs(a[-1] - flow[-1]).max(), np.abs(b[-1] - flow[-1]).max()
        assert 1.9 < first / second < 2.1
        assert np.abs(2 * b[-1] - a[-1] - flow[-1]).max() < 0.02 * second
        np.testing.assert_array_equal(flow[0], a[0])


@pytest.mark.parametrize("rule", RULES, ids=names)
def test_balance_is_conserved_by_the_flow_of_sgd_and_l_sam_only(rule, data):
    path = dynamics.flow(rule, statistics(*data[:2]), *data[2:], np.linspace(0, 4, 5))
    drift = [np.abs(b - b[0]).max() for b in dynamics.balance(path)]
    if isinstance(rule, Sgd | LogitSam):
        assert max(drift) < 1e-9
    else:
        assert min(drift) > 1e-3


@pytest.mark.parametrize("rule", [*RULES, *CONSERVING], ids=names)
def test_balance_moves_as_stated(rule, data):
    """Against W g_W^T - V^T g_V + transpose; and the step adds eta^2 (g_V^T g_V - g_W g_W^T)."""
    W, v = data[:2]
    V, (g_W, g_v) = np.atleast_2d(v), gradients.gradient(rule, *data)
    g_V = np.atleast_2d(g_v)
    half = W @ g_W.T - V.T @ g_V
    stated = dynamics.balance_velocity(rule, *data)
    np.testing.assert_allclose(stated, half + half.T, rtol=0, atol=1e-13)
    after = trained(rule, *data, 0.3, 1)
    change = np.atleast_2d(after[1]).T @ np.atleast_2d(after[1]) - after[0] @ after[0].T - V.T @ V + W @ W.T
    np.testing.assert_allclose(change, 0.3 * stated + 0.09 * (g_V.T @ g_V - g_W @ g_W.T), rtol=0, atol=1e-12)


def test_balance_is_that_of_the_weights(data):
    W, V = data[0], np.atleast_2d(data[1])
    Q = V.T @ V - W @ W.T
    trace, length = dynamics.balance(statistics(*data[:2]))
    np.testing.assert_allclose([trace, length], [np.trace(Q), np.linalg.norm(Q)], rtol=1e-12)


def test_j_sam_drives_orthogonal_inputs_away_from_balance():
    """From v v^T = W W^T with four orthogonal inputs the last layer shrinks more than the first."""
    v = np.array([1.0, -0.5, 0.3])
    W = np.outer(v, np.full(4, 0.5))
    assert abs(dynamics.balance(statistics(W, v))[0]) < 1e-14
    velocity = dynamics.balance_velocity(JacobianSam(0.2), W, v, np.eye(4), np.ones(4))
    assert np.trace(velocity) < -0.1


# ---------------------------------------------------------------- four numbers


def orthogonal_design(rng, problem):
    """(x, t, mislabelled) with exactly orthogonal noise of length gamma sqrt(d - 1)."""
    n, d = problem.n, problem.d
    y, mislabelled = np.where(np.arange(n) % 2 == 0, 1.0, -1.0), np.arange(n) < round(problem.Delta * n)
    noise = problem.gamma * np.sqrt(d - 1) * np.linalg.qr(rng.normal(size=(d - 1, n)))[0].T
    x = y[:, None] * np.column_stack([np.full(n, problem.B), noise])
    return x, np.where(mislabelled, -y, y), mislabelled


@pytest.mark.parametrize("Delta", [0.0, 0.3])
@pytest.mark.parametrize("rule", [*RULES, JacobianSam(0.2, "batch")], ids=names)
def test_four_numbers_are_the_whole_run(rule, Delta, rng):
    problem = SignalNoiseMixture(10, 13, B=1.3, gamma=0.6, Delta=Delta, noise="orthogonal")
    x, t, mislabelled = orthogonal_design(rng, problem)
    v = np.array([0.6, -0.8, 0.5])
    states = signal_noise.descend(rule, problem, r=float(np.linalg.norm(v)), eta=0.2, steps=40)
    stated = signal_noise.summaries(problem, states[-1])
    W, v = trained(rule, np.zeros((3, 13)), v, x, t, 0.2, 40)
    p, m = v @ W, t * (x @ W.T @ v)
    expected = [p[0], np.linalg.norm(p[1:]), np.linalg.norm(v), np.linalg.norm(W), v @ v - np.sum(W**2)]
    fields = ("signal_overlap", "noise_norm", "last_norm", "first_norm", "balance")
    np.testing.assert_allclose([getattr(stated, k) for k in fields], expected, rtol=1e-11)
    np.testing.assert_allclose(m[~mislabelled], stated.clean_margin, rtol=1e-11)
    np.testing.assert_allclose(m[mislabelled], stated.mislabelled_margin, rtol=1e-11)


@pytest.mark.parametrize("rule", RULES, ids=names)
def test_four_number_flow_is_the_limit_of_small_steps(rule):
    problem = SignalNoiseMixture(10, 30, B=1.3, gamma=0.4, Delta=0.3, noise="orthogonal")
    flow = signal_noise.flow(rule, problem, r=1.0, times=np.array([0.0, 2.0]))
    few, many = (signal_noise.descend(rule, problem, r=1.0, eta=2 / k, steps=k)[-1] for k in (400, 800))
    assert 1.9 < np.abs(few - flow[-1]).max() / np.abs(many - flow[-1]).max() < 2.1


def test_a_large_radius_collapses_j_sam():
    """What remains at the origin is of the order of one step."""
    problem = SignalNoiseMixture(10, 30, B=1.3, gamma=0.4, Delta=0.3, noise="orthogonal")
    ends = {rho: signal_noise.descend(JacobianSam(rho), problem, r=1.0, eta=0.02, steps=3000)[-1] for rho in (0.1, 1.5)}
    assert np.linalg.norm(ends[0.1]) > 2
    assert np.linalg.norm(ends[1.5]) < 0.1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"noise": "isotropic"}, "noise must be"),
        ({"flips": "bernoulli"}, "flips must be"),
        ({"n": 30}, "n must be"),
    ],
)
def test_problems_outside_the_reduction_are_refused(change, word):
    settings = {"n": 10, "d": 30, "Delta": 0.2, "noise": "orthogonal"} | change
    with pytest.raises(InputError, match=word):
        signal_noise.groups(SignalNoiseMixture(**settings))


def test_other_sharpness_is_refused():
    problem = SignalNoiseMixture(10, 30, noise="orthogonal")
    with pytest.raises(InputError, match="sharpness must be"):
        signal_noise.descend(Sam(0.1, 2), problem, r=1.0, eta=0.1, steps=1)
