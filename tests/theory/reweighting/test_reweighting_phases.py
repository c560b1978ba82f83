"""Bounds of the phases against trajectories of the recursion, and closed forms against steps."""

import numpy as np
import pytest

from spec.validation import InputError
from theory.reweighting import phases, regrowth
from theory.reweighting import recursion as mr

N, M = 30, 6


def sphere(y, s, d, rng):
    u = rng.normal(size=(len(y), d - 1))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return np.concatenate([s * y[:, None], np.sqrt(1 - s**2) * u], axis=1)


def relu(a, b):
    c = np.clip(a @ b.T, -1, 1)
    return c * (np.pi - np.arccos(c)) / (2 * np.pi)


@pytest.fixture
def problem(rng):
    """(signed kernel, mislabelled, signed start) on two separated caps of the sphere; 40 % of the labels are wrong."""
    y, y_clean = np.where(np.arange(N) % 2, 1.0, -1.0), np.where(np.arange(M) % 2, 1.0, -1.0)
    mislabelled = rng.permutation(np.arange(N) < 0.4 * N)
    K = mr.blocks(relu, sphere(y, 0.8, 12, rng), sphere(y_clean, 0.8, 12, rng))
    start = mr.start(np.where(mislabelled, -y, y), y_clean)
    return mr.signed_blocks(K, y, y_clean), mislabelled, mr.signed_state(start, y, y_clean, mislabelled)


def run(problem, *, beta, eta, steps):
    k, mislabelled, state = problem
    path = [state]
    for _ in range(steps):
        path.append(mr.signed_step(k, path[-1], mislabelled, beta=beta, eta=eta))
    return mr.State(*map(np.stack, zip(*path, strict=True)))


def test_separation_by_loops(rng):
    k = mr.Blocks(rng.normal(size=(4, 4)), rng.normal(size=(3, 4)))
    s = phases.separation(k)
    rows = [sum(abs(v) for v in row) for block in k for row in block]
    assert s.gamma == min(v for row in k.clean for v in row)
    assert s.kappa == max(abs(v) for block in k for row in block for v in row)
    assert s.drift == pytest.approx(max(rows))
    for i in range(4):
        assert s.row_mean[i] == pytest.approx(sum(k.clean[j, i] for j in range(3)) / 3)
        assert s.row_abs[i] == pytest.approx(sum(abs(k.clean[j, i]) for j in range(3)) / 3)


def test_the_drift_bound_holds_for_any_weights(problem, rng):
    k, mislabelled, state = problem
    bound = phases.drift_bound(phases.separation(k), 0.05, 8)
    for t in range(9):
        assert max(np.abs(a - 1).max() for a in state[1:]) <= bound[t] + 1e-12
        state = state._replace(w=rng.uniform(size=N))
        drift, drift_clean = mr.signed_drift(k, state, mislabelled)
        state = mr.State(state.w, state.r - 0.05 * drift, state.r_clean - 0.05 * drift_clean)


def test_the_drift_bound_is_attained_by_one_group_under_one_kernel_value():
    """All examples clean, weights 1 and k = -1: rho <- rho (1 + eta n), which is the bound itself."""
    k = mr.Blocks(-np.ones((5, 5)), -np.ones((2, 5)))
    state, clean = mr.State(np.ones(5), np.ones(5), np.ones(2)), np.zeros(5, bool)
    for bound in phases.drift_bound(phases.separation(k), 0.1, 4):
        np.testing.assert_allclose(state.r - 1, bound, rtol=1e-12, atol=1e-15)
        drift, drift_clean = mr.signed_drift(k, state, clean)
        state = mr.State(state.w, state.r - 0.1 * drift, state.r_clean - 0.1 * drift_clean)


@pytest.mark.parametrize(("beta", "eta"), [(0.5, 1e-4), (0.05, 1e-5), (0.5, 0.05), (3.0, 1e-3)])
@pytest.mark.parametrize("flipped", [False, True])
def test_arrival_brackets_the_measured_times(beta, eta, flipped, problem):
    """flipped: some training examples look like the other class, so that their row means are negative."""
    k, mislabelled, state = problem
    if flipped:
        sign = np.where(np.arange(N) < 4, -1.0, 1.0)
        k = mr.Blocks(sign[:, None] * sign * k.train, k.clean * sign)
    s = phases.separation(k)
    found = phases.arrival(s, mislabelled, beta=beta, eta=eta, w=0.3)
    path = run((k, mislabelled, state._replace(w=np.full(N, 0.3))), beta=beta, eta=eta, steps=400)
    measured = phases.measured_arrival(path.w, found.target)
    assert (found.earliest <= measured).all()
    assert (measured <= found.latest).all()
    assert (found.earliest <= np.ceil(found.first_order)).all()
    if eta < 1e-3:
        assert np.isfinite(found.latest).all()
        np.testing.assert_array_equal(found.target, np.where(mislabelled, 0, 1) ^ (flipped & (np.arange(N) < 4)))
        assert (found.latest - found.earliest).max() <= 1 + 0.1 * found.latest.max()


def test_arrival_of_a_slow_model_is_the_first_order_time(problem):
    k, mislabelled, _ = problem
    found = phases.arrival(phases.separation(k), mislabelled, beta=0.05, eta=1e-9, w=0.5)
    for bound in (found.earliest, found.latest):
        np.testing.assert_allclose(bound, np.ceil(found.first_order), atol=1)


def test_closed_forms_follow_from_the_bracket(problem):
    """Where a closed form holds, its time is no earlier than the bracket's last one, and the weights are there."""
    k, mislabelled, _ = problem
    s = phases.separation(k)
    for alignment, row in ((phases.strict_alignment, s.gamma), (phases.relaxed_alignment, s.row_mean.min())):
        assert row > 0
        found = alignment(s, beta=0.5, eta=1e-4, w=0.5)
        assert found.holds
        assert found.time >= phases.arrival(s, mislabelled, beta=0.5, eta=1e-4, w=0.5).latest.max()
        end = run(problem, beta=0.5, eta=1e-4, steps=found.time).w[-1]
        np.testing.assert_array_equal(end, np.where(mislabelled, 0.0, 1.0))
        assert not alignment(s, beta=0.5, eta=0.1, w=0.5).holds
        assert not alignment(s._replace(gamma=-1, row_mean=-s.row_mean), beta=0.5, eta=1e-4, w=0.5).holds
    assert phases.strict_alignment(s, beta=0.5, eta=1e-9, w=0.5).time == np.ceil(16 * 0.5 / (9 * 0.5 * s.gamma))
    assert phases.relaxed_alignment(s, beta=0.5, eta=1e-9, w=0.5).time == np.ceil(4 * 0.5 / (0.5 * s.row_mean.min()))


def filtering(problem, eta, w):
    k, mislabelled, state = problem
    clean = ~mislabelled
    cut = mr.Blocks(k.train[np.ix_(clean, clean)], k.clean[:, clean])
    return phases.Filtering(cut, state.r[clean], state.r_clean, w, eta)


@pytest.mark.parametrize("partial", [False, True])
def test_filtering_is_the_recursion_with_frozen_weights(partial, problem, rng):
    count = int((~problem[1]).sum())
    w = rng.uniform(0.2, 1, count) if partial else np.ones(count)
    f = filtering(problem, 0.1, w)
    rho, rho_clean = f.rho, f.rho_clean
    found, found_clean = f.residuals(np.arange(40.0))
    for t in range(40):
        np.testing.assert_allclose(found[t], rho, atol=1e-12)
        np.testing.assert_allclose(found_clean[t], rho_clean, atol=1e-12)
        rho, rho_clean = rho - 0.1 * f.k.train @ (w * rho), rho_clean - 0.1 * f.k.clean @ (w * rho)


def test_filtering_contracts_between_its_rates_and_ends_at_the_plateau(problem):
    f = filtering(problem, 0.1, np.ones(int((~problem[1]).sum())))
    rho, rho_clean = f.residuals(np.array([0.0, 1.0, 2.0, 3.0, 1e7]))
    ratio = np.sum(rho[1:4] ** 2, axis=1) / np.sum(rho[:3] ** 2, axis=1)
    slow, fast = f.rates
    assert (ratio <= slow).all()
    assert (ratio >= fast - 1e-12).all()
    np.testing.assert_allclose(rho_clean[-1], f.plateau, atol=1e-8)
    assert np.sqrt(np.mean(f.plateau**2)) > 1e-3, "held out: it does not vanish"


def test_a_contained_clean_subset_loses_its_residual(problem):
    k, mislabelled, state = problem
    inside = np.flatnonzero(~mislabelled)[:M]
    contained = (mr.Blocks(k.train, k.train[inside]), mislabelled, mr.State(state.w, state.r, state.r[inside]))
    f = filtering(contained, 0.1, np.ones(int((~mislabelled).sum())))
    np.testing.assert_allclose(f.plateau, 0, atol=1e-10)
    np.testing.assert_allclose(f.residuals(np.array([7.0]))[1][0], f.residuals(np.array([7.0]))[0][0, :M], atol=1e-12)


def test_a_mode_without_curvature_moves_linearly():
    f = phases.Filtering(mr.Blocks(np.zeros((1, 1)), np.ones((1, 1))), np.ones(1), np.ones(1), np.ones(1), 0.1)
    np.testing.assert_allclose(f.residuals(np.array([0.0, 3.0]))[1][:, 0], [1.0, 0.7], rtol=1e-14)


def test_the_end_of_filtering_is_the_crossing(problem):
    """Found by stepping; never for an error below the plateau's coupling; first order with a single mode."""
    k = problem[0]
    f = filtering(problem, 0.1, np.ones(int((~problem[1]).sum())))
    G = (f.residuals(np.arange(200.0))[1] @ k.clean / M).min(axis=1)
    zeta = 0.5 * (G[0] + G[5])
    assert f.end(zeta, k.clean, 199) == np.flatnonzero(zeta >= G)[0]
    assert f.end(G.min() - 1e-6, k.clean, 199) == np.inf
    one = phases.Filtering(mr.Blocks(np.ones((1, 1)), np.ones((1, 1))), np.ones(1), np.ones(1), np.ones(1), 0.1)
    for zeta in (0.5, 0.01, 2.0):
        assert one.end(zeta, np.ones((1, 1)), 500) == np.ceil(phases.first_order_end(1.0, zeta, 0.1))


@pytest.mark.parametrize("alpha", [0.5, 30.0, 1e3])
def test_regret_and_energy_bounds(alpha, problem, rng):
    k, mislabelled, state = problem
    eta = 0.02
    plain = mr.plain_state(state, np.ones(N), np.ones(M), mislabelled)  # the signed kernel as a plain one, y = 1
    comparators = [np.zeros(N), 1.0 * ~mislabelled, rng.uniform(size=N)]
    for _ in range(60):
        following = mr.step(k, plain, beta=alpha * eta, eta=eta)
        assert alpha <= regrowth.largest_rate(k, plain, eta)
        for u in comparators:
            assert regrowth.regret_slack(k, plain, following, u, alpha=alpha, eta=eta) >= -1e-13
        assert regrowth.energy(following, alpha) <= regrowth.energy(plain, alpha) + 1e-13
        plain = following


def test_without_the_look_ahead_energy_rises():
    """One clean example, kernel 1, w = 0.3, eta = 2, alpha = 1/eta^2: E changes by (eta w)^2/2 + eta w, by hand."""
    K, state, eta = mr.Blocks(np.ones((1, 1)), np.ones((1, 1))), mr.State(np.array([0.3]), -np.ones(1), -np.ones(1)), 2
    alpha = regrowth.largest_rate(K, state, eta)
    assert alpha == pytest.approx(1 / 4)
    w = np.clip(state.w + alpha * eta * mr.coupling(K.clean, state.r, state.r_clean), 0, 1)
    blind = mr.State(w, state.r, mr.look_ahead(K, state._replace(w=w), eta))
    seeing = mr.step(K, state, beta=alpha * eta, eta=eta)
    assert regrowth.energy(blind, alpha) - regrowth.energy(state, alpha) == pytest.approx(0.6**2 / 2 + 0.6)
    assert regrowth.energy(seeing, alpha) - regrowth.energy(state, alpha) == pytest.approx(-(0.6**2) / 2)


def test_largest_rate_is_one_over_the_curvature(problem, rng):
    """The clean loss after a step is quadratic in the weights: its second difference along the worst direction."""
    k, mislabelled, state = problem
    plain = mr.plain_state(state, np.ones(N), np.ones(M), mislabelled)

    def F(w):
        return regrowth.clean_loss(mr.look_ahead(k, plain._replace(w=w), 0.3))

    h = np.eye(N)
    hessian = np.array([[F(a + b) - F(a) - F(b) + F(np.zeros(N)) for a in h] for b in h])
    assert regrowth.largest_rate(k, plain, 0.3) == pytest.approx(1 / np.linalg.eigvalsh(hessian)[-1], rel=1e-9)
    assert regrowth.largest_rate(k, plain._replace(r=np.zeros(N)), 0.3) == np.inf


def test_bounds_on_the_coupling(problem, rng):
    k, _, _ = problem
    r, ahead = rng.normal(size=(50, N)), rng.normal(size=(50, M)) * 10 ** rng.uniform(-6, 1, (50, 1))
    c, bound = mr.coupling(k.clean, r, ahead), regrowth.coupling_bound(k.clean, r, ahead)
    assert (np.abs(c) <= bound * (1 + 1e-12)).all()
    along = k.clean[:, 0]
    assert mr.coupling(k.clean, r[0], along)[0] ** 2 == pytest.approx(
        regrowth.coupling_bound(k.clean, r[0], along)[0] ** 2, rel=1e-12
    )


def test_regain_is_a_geometric_sum():
    total = sum(2 * 0.5 * 0.3 * 1e-2 * np.exp(-0.1 * t) for t in range(2000))
    assert regrowth.regain_bound(0.5, 0.3, 1e-2, 0.1) == pytest.approx(total, rel=1e-12)


def test_relative_errors_within_the_tolerance_keep_signs_at_every_scale(rng):
    k, rho = rng.normal(size=(M, N)), rng.normal(size=M)
    tolerance = regrowth.sign_tolerance(k, rho)
    np.testing.assert_allclose(tolerance, regrowth.sign_tolerance(k, 1e-9 * rho), rtol=1e-9)
    G = rho @ k
    for scale, kept in ((0.999, True), (1.001, False)):
        worst = k * (1 - scale * tolerance * np.sign(k * rho[:, None]) * np.sign(G))
        assert (((rho @ worst) * G > 0) == kept).all()
    np.testing.assert_allclose(regrowth.sign_tolerance(np.abs(k), np.abs(rho)), 1, rtol=1e-12)


def test_coupling_noise_by_sampling(rng):
    k = rng.normal(size=(M, 3))
    sampled = (0.2 * rng.normal(size=(200_000, M)) @ k / M).std(axis=0)
    np.testing.assert_allclose(regrowth.coupling_noise(k, 0.2), sampled, rtol=0.02)


def test_centring_threshold_is_where_a_class_changes_sign():
    a, b = 0.9, 0.7
    limit = regrowth.centring_threshold(a, b)
    for factor, right in ((0.99, True), (1.01, False)):
        plus, minus = 1 - factor * limit, 1 + factor * limit
        G = (a * plus - b * minus) / 2, (a * minus - b * plus) / 2
        assert (min(G) > 0) == right


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, z: phases.arrival(s._replace(row_mean=0 * s.row_mean), z, beta=1, eta=1, w=0.5), "row_mean must be"),
        (lambda s, z: phases.arrival(s, z, beta=0, eta=1, w=0.5), "beta must be a number in"),
        (lambda s, z: phases.Filtering(None, None, None, np.zeros(2), 0.1), "w must be weights in"),
        (lambda s, z: phases.first_order_end(1, 1, 1.0), "rate must be a number in"),
        (lambda s, z: regrowth.regain_bound(1, 1, 1, 0.0), "rate must be a number in"),
    ],
)
def test_wrong_arguments_are_named(call, message, problem):
    with pytest.raises(InputError, match=message):
        call(phases.separation(problem[0]), problem[1])
