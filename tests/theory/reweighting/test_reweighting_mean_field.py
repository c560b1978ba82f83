"""The mean field against the recursion, and its limits and invariants against its own numerical solution."""

import numpy as np
import pytest

from spec.validation import InputError
from theory.reweighting import flow as mean_field
from theory.reweighting import recursion as mr

N, M = 50, 3


def recursion(p, Lambda, nu, beta, steps):
    """The signed recursion with kernel 1, and 1 + delta on the diagonal: (v, rho, q, w_c, w_n) at every step."""
    mislabelled = np.arange(N) < round(p * N)
    k = mr.Blocks(np.ones((N, N)) + nu * N * np.eye(N), np.ones((M, N)))
    state, path = mr.State(np.full(N, 0.5), np.ones(N), np.ones(M)), []
    for _ in range(steps + 1):
        path.append((state.r_clean[0], state.r[-1], 2 - state.r[0], state.w[-1], state.w[0]))
        state = mr.signed_step(k, state, mislabelled, beta=beta, eta=Lambda * beta / N)
    return np.array(path).T


@pytest.mark.parametrize("nu", [0.0, 0.3])
@pytest.mark.parametrize(("p", "Lambda"), [(0.2, 0.1), (0.4, 1.0), (0.4, 10.0), (0.8, 3.0)])
def test_the_recursion_tends_to_the_mean_field(p, Lambda, nu):
    errors = []
    for beta in (4e-3, 1e-3):
        steps = int(3 / beta)
        found = mean_field.solve(beta * np.arange(steps + 1), p=p, Lambda=Lambda, nu=nu)
        errors.append(np.abs(recursion(p, Lambda, nu, beta, steps) - np.stack(found[:5])).max())
    assert errors[0] < 0.03
    assert errors[1] / errors[0] == pytest.approx(1 / 4, rel=0.25), "first order in the step"


@pytest.mark.parametrize("nu", [0.0, 0.5])
@pytest.mark.parametrize("Lambda", [0.2, 1.0, 20.0])
def test_energy_is_kept_until_clean_weights_are_cut_and_falls_after(Lambda, nu):
    s = np.linspace(0, 4, 400)
    found = mean_field.solve(s, p=0.4, Lambda=Lambda, nu=nu)
    energy = mean_field.energy(np.stack(found[:5]), 0.4, Lambda)
    before = s <= found.amplified
    np.testing.assert_allclose(energy[before], energy[0], rtol=1e-6)
    assert (np.diff(energy[~before]) < 1e-9).all()
    assert found.amplified < 4 or np.isinf(found.amplified)


@pytest.mark.parametrize("p", [0.2, 0.4, 0.7])
def test_clean_weights_end_where_the_energy_says(p):
    boundary = mean_field.amplification_ratio(p)
    assert boundary == pytest.approx(max(0.75 - p, 0))
    for ratio in (0.5 * boundary + 0.01, 1.1 * boundary + 0.05):
        found = mean_field.solve(np.linspace(0, 60, 5), p=p, Lambda=1 / ratio)
        assert found.w_clean[-1] == pytest.approx(mean_field.final_clean_weight(p, 1 / ratio), abs=1e-4)
        assert np.isfinite(found.amplified) == (ratio > boundary)


def test_fast_weights_empty_the_mislabelled_at_w():
    for w in (0.2, 0.5):
        found = mean_field.solve(np.linspace(0, 2, 3), p=0.4, Lambda=1e-6, w=w)
        assert found.filtered == pytest.approx(w, abs=1e-5)
        assert found.amplified == pytest.approx(1 - w, abs=1e-5)


@pytest.mark.parametrize("w", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("p", [0.3, 0.5, 0.55, 0.7, 0.9])
def test_the_clean_loss_turns_once_for_noise_above_one_half(p, w):
    found = mean_field.solve(np.linspace(0, 2, 4001), p=p, Lambda=1e-4, w=w)
    assert found.turning == pytest.approx(mean_field.turning_time(p, w), abs=1e-3)
    assert found.turning == pytest.approx(np.argmax(found.v) * 2 / 4000, abs=2e-3)


def test_turning_is_the_balance_of_weights():
    p, s = 0.7, np.linspace(0, 1, 10001)
    found = mean_field.solve(s, p=p, Lambda=5.0)
    i = np.searchsorted(s, found.turning)
    assert found.w_noisy[i] / found.w_clean[i] == pytest.approx((1 - p) * found.rho[i] / (p * found.q[i]), rel=2e-3)


def test_slow_weights_follow_the_ellipse():
    p, w, s = 0.4, 0.6, np.linspace(0, 3, 31)
    found = mean_field.solve(s, p=p, Lambda=1e5, w=w)
    np.testing.assert_allclose((1 - p) * found.w_clean**2 + p * found.w_noisy**2, w**2, rtol=1e-4)
    angle = np.arctan2(np.sqrt(1 - p) * found.w_clean, np.sqrt(p) * found.w_noisy)
    np.testing.assert_allclose(mean_field.slow_time(angle, p, w), s, atol=2e-3)
    expected = 2 * p * found.w_noisy / ((1 - p) * found.w_clean + p * found.w_noisy)
    np.testing.assert_allclose(found.v[1:], expected[1:], atol=1e-4)


@pytest.mark.parametrize(("p", "w"), [(0.2, 0.5), (0.5, 0.3), (0.8, 0.5)])
def test_filtering_gives_way_to_memorisation_at_the_stated_scale(p, w):
    """Final weight of the mislabelled against alpha over the scale: small well above it, and the stated share below.

    Where the two are equally fast, at half of the squared weight, is within a factor two of it at every noise rate.
    """
    ratio, ends = 20.0, []
    scale = mean_field.memorisation_alpha(p, ratio, w)
    for alpha in scale * np.array([0.02, 0.25, 1.0, 10.0]):
        found = mean_field.solve(np.array([0.0, 3e3]), p=p, Lambda=1000 / alpha, nu=ratio / 1000, w=w)
        ends.append((found.w_noisy[-1] / w) ** 2)
    assert 1 - ends[0] == pytest.approx(0.02, rel=0.1)
    assert ends[1] > 0.5 > ends[2]
    assert ends[3] < 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 0.0, "Lambda": 1.0}, "p must be a number in"),
        ({"p": 0.4, "Lambda": -1.0}, "Lambda must be a number in"),
        ({"p": 0.4, "Lambda": 1.0, "nu": -1.0}, "nu must be a number in"),
        ({"p": 0.4, "Lambda": 1.0, "w": 1.0}, "w must be a number in"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        mean_field.solve(np.array([0.0, 1.0]), **arguments)
