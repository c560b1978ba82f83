"""The two-group coordinate, its regions, and the transitional phase in time."""

import numpy as np
import pytest
from scipy.special import expit

from spec.rules import Sam
from spec.validation import InputError
from theory.down_weighting import ratio as dw
from theory.down_weighting import transition
from theory.down_weighting import two_groups as tg
from theory.logistic import regression

MODEL = transition.SignalMemory(n=200, B=1.0, gamma=1.5, Delta=0.3)


def test_bump_is_a_difference_of_probabilities():
    m, delta = np.linspace(-6, 7, 60), 1.7
    np.testing.assert_allclose(tg.bump(m, delta), expit(delta - m) - expit(-m), rtol=1e-11)
    np.testing.assert_allclose(tg.bump(m, delta), tg.bump(delta - m, delta), rtol=1e-12)
    assert np.isfinite(tg.bump(np.array([-800.0, 800.0]), delta)).all()


def test_ratio_is_that_of_sam_on_two_groups(rng):
    """Examples with one shared feature and equal norms, through theory.logistic.regression."""
    clean, noisy, rho = 5, 3, 0.4
    x = np.zeros((8, 3))
    x[:, 0], x[:clean, 1], x[clean:, 2] = 1.3, 0.7, 0.7
    t = np.array([1.0] * clean + [-1.0] * noisy)
    for w in rng.normal(size=(20, 3)):
        m = regression.margins(w, x, t)
        g, h = (regression.gradient(r, w, x, t)[0] for r in (Sam(0.0), Sam(rho)))
        found = tg.two_group_ratio(m[0], m[-1], rho * np.hypot(1.3, 0.7), noisy / clean)
        assert found == pytest.approx(h / g, rel=1e-10)


@pytest.mark.parametrize("beta", [1.0, 0.4, 1.8])
def test_regions_have_no_mismatch(beta, rng):
    m_c, m_n = rng.normal(0, 3, (2, 100_000))
    delta = rng.uniform(0.05, 4, 100_000)
    r, group = tg.two_group_ratio(m_c, m_n, delta, beta), tg.two_group_groups(m_c, m_n, delta, beta)
    assert (group == dw.groups(r)).all()
    noise = expit(-m_c) < beta * expit(-m_n)
    better = m_c > m_n
    assert (r[~noise & better] > 1).all()
    assert ((r < 1)[noise] == (tg.bump(m_c, delta) > beta * tg.bump(m_n, delta))[noise]).all()
    if beta == 1:
        assert (noise == better).all()
        assert ((r < 1) == (m_c + m_n < delta)).all()
        assert not (group == "C").any()


def test_twins(rng):
    m, delta = rng.normal(0, 2, 1000), rng.uniform(0.1, 3, 1000)
    r = tg.twins_ratio(m, delta)
    np.testing.assert_allclose(r, tg.two_group_ratio(m, -m, delta), rtol=1e-8)
    assert ((r > 0) & (r < 1)).all()
    np.testing.assert_allclose(tg.twins_ratio(np.array([0.25, 1, 4]), 1.0), [0.789, 0.824, 0.981], atol=5e-4)


@pytest.mark.parametrize("beta", [1.0, 0.4, 1.8])
def test_groups_change_on_the_boundaries_and_nowhere_else(beta):
    """Along lines of constant m_n, steps of the grid with a change are exactly those that a boundary crosses."""
    delta, grid = 1.3, np.linspace(-9, 9, 3601)
    for m_n in (-2.2013, -0.4021, 0.3017, 1.1033, 2.7041):
        group = tg.two_group_groups(grid, m_n, delta, beta)
        crossed = np.zeros(len(grid) - 1, bool)
        for curve in tg.boundaries(m_n, delta, beta):
            crossed |= (grid[:-1] < curve) & (curve <= grid[1:])
        # A boundary that coincides with another may be crossed without a change (beta = 1).
        changed = group[:-1] != group[1:]
        assert (crossed | ~changed).all()
        if beta != 1:
            assert (crossed == changed).all()


def test_boundaries_solve_their_equations():
    delta, beta, m_n = 0.9, 0.6, np.linspace(-3, 4, 15)
    curves = tg.boundaries(m_n, delta, beta)
    np.testing.assert_allclose(expit(-curves.dominance), beta * expit(-m_n), rtol=1e-10)
    np.testing.assert_allclose(expit(delta - curves.reversal), beta * expit(delta - m_n), rtol=1e-10)
    for unit in (curves.unit_low, curves.unit_high):
        np.testing.assert_allclose(tg.bump(unit, delta), beta * tg.bump(m_n, delta), rtol=1e-9)
    with pytest.raises(InputError, match="delta must be"):
        tg.boundaries(0.0, 0.0)


def features(model):
    """The n examples of the model, their labels and which are mislabelled."""
    noisy = np.arange(model.n) < round(model.Delta * model.n)
    y = np.where(np.arange(model.n) % 2 == 0, 1.0, -1.0)
    x = np.concatenate([model.B * y[:, None], model.gamma * np.eye(model.n)], axis=1)
    return x, np.where(noisy, -y, y), noisy


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_three_numbers_describe_the_descent_of_all_weights(alpha):
    model, rho, eta = transition.SignalMemory(20, 1.0, 1.5, 0.3), 0.5, 0.5
    x, t, noisy = features(model)
    w, path = np.zeros(model.n + 1), transition.descend(model, rho, eta=eta, steps=150, alpha=alpha)
    seen = set()
    for state in path:
        group = transition.signal_groups(model, state, rho)
        seen.add(str(group))
        np.testing.assert_allclose(w[0], state[0], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(t * w[1:], np.where(noisy, state[2], state[1]), rtol=1e-10, atol=1e-12)
        g, h = (regression.gradient(r, w, x, t) for r in (Sam(0.0), Sam(rho)))
        r = dw.ratio(g, h)
        assert dw.groups(r)[0] == group
        assert set(dw.groups(r)[1:]) == {"A"}
        w = w - eta * h * np.where(dw.groups(r) == "B", 1 - alpha, 1)
    assert {"A", "C"} <= seen


def test_phases_are_the_limit_of_descent():
    rho, found = 0.5, transition.phases(MODEL, 0.5, end=300.0)
    assert [p.group for p in found] == ["A", "C", "B", "C"]
    assert found[0].start == 0
    assert found[-1].end == 300
    for eta in (0.4, 0.1):
        group = transition.signal_groups(MODEL, transition.descend(MODEL, rho, eta=eta, steps=round(300 / eta)), rho)
        changes = np.flatnonzero(group[:-1] != group[1:]) * eta
        assert [str(group[0]), *group[1:][group[:-1] != group[1:]]] == ["A", "C", "B", "C"]
        np.testing.assert_allclose(changes, [p.end for p in found[:-1]], atol=12 * eta)


def test_group_b_is_the_time_in_which_the_signal_is_unlearned():
    path = transition.descend(MODEL, 0.5, eta=0.1, steps=3000)
    reduced = transition.signal_groups(MODEL, path, 0.5)[:-1] == "B"
    assert reduced.any()
    assert (np.diff(path[:, 0]) < 0).tolist() == reduced.tolist()


def test_fast_memory_has_no_window():
    assert "B" not in {p.group for p in transition.phases(MODEL._replace(n=20), 0.5, end=1000.0)}


def test_removing_group_b_keeps_more_of_the_signal():
    kept = [transition.descend(MODEL, 0.5, eta=0.1, steps=1400, alpha=a)[-1, 0] for a in (0.0, 0.5, 1.0)]
    assert kept[0] < kept[1] < kept[2]


@pytest.mark.parametrize(("field", "value"), [("n", 0), ("Delta", 0.5), ("Delta", 0.0)])
def test_phases_refuse_impossible_models(field, value):
    with pytest.raises(InputError, match=f"{field} must be"):
        transition.phases(MODEL._replace(**{field: value}), 0.5, end=10.0)
