"""Ratios, groups and the 1-SAM theorem, against slow definitions and at their edges."""

import numpy as np
import pytest

from spec.rules import Sam
from spec.validation import InputError
from theory.down_weighting import ratio as dw
from theory.logistic import regression


@pytest.fixture
def problem(rng):
    """(w, x, t) of logistic regression with features of both signs."""
    x = rng.normal(0.2, 1.0, (14, 9)) * rng.uniform(0.3, 2.0, (14, 1))
    return rng.normal(size=9), x, rng.choice([-1.0, 1.0], size=14)


def slow_group(g, h):
    if g == 0:
        return ""
    return "A" if h / g >= 1 else "C" if h / g <= 0 else "B"


def test_ratio_and_groups_at_every_edge():
    g = np.array([2.0, 2.0, -2.0, 2.0, 2.0, -2.0, 0.0, 0.0, 1e-300, 3.0])
    h = np.array([2.0, 1.9, -0.1, 0.0, -1.0, 5.0, 1.0, 0.0, -1e300, 7.0])
    with np.errstate(divide="raise", invalid="raise"):
        r = dw.ratio(g, h)
    assert dw.groups(r).tolist() == ["A", "B", "B", "C", "C", "C", "", "", "C", "A"]
    assert dw.groups(r).tolist() == [slow_group(*pair) for pair in zip(g[:-2], h[:-2], strict=True)] + ["C", "A"]
    assert np.isnan(r[6:8]).all()


def test_dominance():
    c = np.array([1.0, -1.0, 2.0, 1.0, -1.0, 0.0, 1.0])
    n = np.array([-2.0, 2.0, -1.0, 2.0, 1.0, 1.0, 0.0])
    assert dw.dominance(c, n).tolist() == ["noise", "noise", "clean", "", "", "", ""]


def test_the_ratio_is_an_identity_of_its_parts(rng):
    """1e5 random parts, whatever their signs; the factors are those of the parts themselves."""
    c, n, c_moved, n_moved = rng.normal(size=(4, 100_000))
    direct = (c_moved + n_moved) / (c + n)
    combined = dw.combined_ratio(c, n, c_moved / c, n_moved / n)
    assert np.max(abs(combined - direct) / (1 + abs(direct))) < 1e-10
    assert (dw.groups(combined) == dw.groups(direct)).all()


def test_regions_in_kappa_have_no_mismatch(rng):
    """1e5 conflicts: inequalities, interval and ratio give one group, and dominating sides of either kind agree."""
    kappa = rng.uniform(0, 1, 100_000)
    minor, major = np.exp(rng.normal(0, 1, (2, 100_000)))
    r = dw.conflict_ratio(kappa, minor, major)
    np.testing.assert_allclose(r, dw.combined_ratio(-kappa, 1.0, minor, major), rtol=1e-9)
    group = dw.conflict_groups(kappa, minor, major)
    assert (group == dw.groups(r)).all()
    low, high = dw.reduced_interval(minor, major)
    assert ((low <= high) & (low >= 0) & (high <= 1)).all()
    reduced = (kappa > low) & (kappa < high)
    assert (reduced == ((group == "B") & (kappa > 0))).all()
    assert {g: bool((group == g).any()) for g in "ABC"} == {"A": True, "B": True, "C": True}


@pytest.mark.parametrize(
    ("minor", "major", "low", "high"),
    [(3.0, 2.0, 0.5, 2 / 3), (3.0, 0.6, 0.0, 0.2), (0.4, 0.7, 0.0, 0.5), (1.0, 0.7, 0.0, 0.7), (1.0, 2.0, 0.0, 0.0),
     (2.0, 3.0, 0.0, 0.0), (2.0, 2.0, 0.0, 0.0), (0.5, 0.5, 0.0, 1.0)],
)  # fmt: skip
def test_reduced_interval_in_each_case(minor, major, low, high):
    found = dw.reduced_interval(minor, major)
    assert found[0] == pytest.approx(low)
    assert found[1] == pytest.approx(high)
    for kappa in np.linspace(0.001, 0.999, 400):
        inside = low < kappa < high
        on_the_edge = min(abs(kappa - low), abs(kappa - high)) < 1e-9
        assert (dw.conflict_groups(kappa, minor, major) == "B") == inside or on_the_edge


def test_reduced_interval_needs_positive_factors():
    with pytest.raises(InputError, match="a_minor and a_major must be positive"):
        dw.reduced_interval(-1.0, 2.0)


@pytest.mark.parametrize("C", [-2.0, -0.3, 0.4, 1.5])
def test_amplification_is_monotone_for_shifts_of_both_signs(C):
    z = np.linspace(-20, 20, 400)
    f = regression.amplification(z, C)
    assert (np.sign(np.diff(f)) == np.sign(C)).all()
    assert f[0] == pytest.approx(1, abs=1e-7)
    assert f[-1] == pytest.approx(np.exp(C), rel=1e-7)
    slope = regression.log_amplification_slope(z, C)
    np.testing.assert_allclose(slope, np.gradient(np.log(f), z), atol=2e-3)


@pytest.mark.parametrize("rho", [0.05, 0.5, 3.0])
def test_sides_are_sums_over_signs_and_give_the_ratio(problem, rho):
    w, x, t = problem
    found = dw.sides(Sam(rho), w, x, t)
    g, h = (-regression.example_weights(r, w, x, t)[:, None] * t[:, None] * x for r in (Sam(0.0), Sam(rho)))
    for i in range(x.shape[1]):
        up = [j for j in range(len(t)) if g[j, i] > 0]
        down = [j for j in range(len(t)) if g[j, i] <= 0]
        sizes = [abs(sum(g[j, i] for j in side)) for side in (up, down)]
        moved = [abs(sum(h[j, i] for j in side)) for side in (up, down)]
        k = int(np.argmax(sizes))
        expected = (sizes[k], sizes[1 - k], moved[k] / sizes[k], moved[1 - k] / sizes[1 - k])
        assert [found[f][i] for f in range(4)] == pytest.approx(expected, rel=1e-12)
    r = dw.ratio(g.sum(axis=0), h.sum(axis=0))
    np.testing.assert_allclose(r, dw.conflict_ratio(found.minor / found.major, found.a_minor, found.a_major), rtol=1e-9)


def test_the_dominated_side_is_amplified_more_where_1_sam_reduces(rng):
    """The theorem on 30 000 coordinates; n-SAM, whose factors go below 1, breaks it."""
    reduced, broken = 0, 0
    for _ in range(1500):
        x, w = rng.normal(0.3, 1, (8, 20)), rng.normal(size=20)
        t = rng.choice([-1.0, 1.0], size=8)
        for rule in (Sam(0.6), Sam(2.0, "batch")):
            s = dw.sides(rule, w, x, t)
            r = dw.conflict_ratio(s.minor / s.major, s.a_minor, s.a_major)
            exact = (s.a_minor - 1) * s.minor - (s.a_major - 1) * s.major
            assert ((r < 1) == (exact > 0))[abs(exact) > 1e-12].all()
            if rule.sharpness == "example":
                assert (s.a_minor > s.a_major)[r < 1].all()
                reduced += int((r < 1).sum())
            else:
                broken += int((s.a_minor <= s.a_major)[r < 1].sum())
    assert reduced > 1000
    assert broken > 20


def test_an_empty_side_has_size_zero_and_factor_one():
    s = dw.sides(Sam(0.5), np.array([0.3]), np.array([[1.0], [2.0]]), np.array([1.0, 1.0]))
    assert s.minor == 0
    assert s.a_minor == 1
    assert s.a_major > 1


def test_group_b_is_not_about_noise_where_clean_examples_disagree():
    """A clean-dominated coordinate in group B, although every clean margin exceeds every mislabelled one."""
    x = np.array([[1.0, 0.0], [-2.0, 3.0], [-0.1, -1.0]])  # the second feature sets the margins apart
    w, t, mislabelled = np.array([0.0, 1.0]), np.ones(3), np.array([False, False, True])
    z = regression.margins(w, x, t)
    assert z[~mislabelled].min() > z[mislabelled].max()
    plain, moved = (regression.example_gradients(r, w, x, t)[:, 0] for r in (Sam(0.0), Sam(0.5)))
    assert dw.dominance(plain[~mislabelled].sum(), plain[mislabelled].sum()) == "clean"
    assert dw.groups(dw.ratio(plain.sum(), moved.sum())) == "B"


def slow_hessian(w, x, t, h=1e-5):
    steps = h * np.eye(len(w))
    return np.stack([(regression.gradient(Sam(0.0), w + e, x, t) - regression.gradient(Sam(0.0), w - e, x, t)) / (2 * h)
                     for e in steps])  # fmt: skip


def test_hessian_product(problem, rng):
    w, x, t = problem
    v = rng.normal(size=len(w))
    np.testing.assert_allclose(dw.hessian_product(w, x, t, v), slow_hessian(w, x, t) @ v, rtol=1e-7, atol=1e-10)


def test_first_order_ratio_has_an_error_of_second_order_within_its_bound(problem):
    w, x, t = problem
    g = regression.gradient(Sam(0.0), w, x, t)
    rhos, errors = np.array([0.02, 0.01, 0.005, 0.0025]), []
    for rho in rhos:
        h = regression.gradient(Sam(rho, "batch"), w, x, t)
        error = abs(h - dw.first_order_ratio(w, x, t, rho) * g)
        assert (error <= dw.first_order_error(w, x, t, rho) * (1 + 1e-9)).all()
        errors.append(np.linalg.norm(error))
    assert np.polyfit(np.log(rhos), np.log(errors), 1)[0] == pytest.approx(2, abs=0.05)


def test_n_sam_never_reduces_in_energy_nor_in_one_dimension(rng):
    for _ in range(300):
        d = int(rng.integers(1, 6))
        w, x, t = rng.normal(size=d), rng.normal(size=(7, d)), rng.choice([-1.0, 1.0], size=7)
        g, h = (regression.gradient(Sam(rho, "batch"), w, x, t) for rho in (0.0, float(np.exp(rng.normal()))))
        assert g @ h >= g @ g * (1 - 1e-12)
        if d == 1:
            assert dw.ratio(g, h) >= 1 - 1e-12
