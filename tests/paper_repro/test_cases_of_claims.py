"""The cases that claims and experiments are checked on are what their names say."""

import numpy as np
import pytest

from paper_repro.baek2024.claims import measured_networks, mixtures, predicted_gradients
from paper_repro.luong2026.claims import random_problems, small_dimension
from paper_repro.luong2026.experiments.settings import OnData
from paper_repro.luong2026.experiments.variations import ablation_entries
from paper_repro.shared import drawn, logistic_cases
from paper_repro.xu2026.claims.measured_gradients import true_labels
from paper_repro.zhang2025.claims import finite_width, regrowth
from paper_repro.zhang2025.claims.measured_training import caps, linear_blocks
from paper_repro.zhang2025.experiments import settings
from spec.claims import Sample
from spec.problems import NoisyLinearTeacher
from theory import ntk
from theory.reweighting import regrowth as theory_regrowth

SAMPLE = Sample(seed=3, count=4)


def test_random_problems_have_equal_norms_where_they_are_asked_for():
    equal, free = (np.linalg.norm(logistic_cases.random_case(SAMPLE, equal_norms=e).x, axis=2) for e in (True, False))
    np.testing.assert_allclose(equal, 1.7)
    assert (free.std(axis=1) > 0.1).all()


def test_margins_and_shifts_of_a_case():
    case = logistic_cases.random_case(SAMPLE)
    for k, i in ((0, 0), (3, 7)):
        assert predicted_gradients.margins(case)[k, i] == pytest.approx(case.t[k, i] * case.x[k, i] @ case.w[k])
        assert predicted_gradients.shifts(case)[k, i] == pytest.approx(case.rho[k] * np.sqrt(np.sum(case.x[k, i] ** 2)))


def test_true_labels_differ_on_the_mislabelled_examples_alone():
    case = logistic_cases.random_case(SAMPLE)
    np.testing.assert_array_equal(true_labels(case) != case.t, case.mislabelled)
    assert case.mislabelled.any(axis=1).all()
    assert not case.mislabelled.all(axis=1).any()


def test_samples_of_the_teacher_are_labelled_by_the_first_input(rng):
    x, t, y = drawn.samples(NoisyLinearTeacher(n=50, d=4, Delta=0.3), rng, 40)
    np.testing.assert_array_equal(y, np.where(x[..., 0] >= 0, 1, -1))
    np.testing.assert_array_equal(np.sum(t != y, axis=1), 15)
    np.testing.assert_allclose([np.mean(x), np.std(x)], [0, 1], atol=0.05)


def test_laws_without_flips_change_nothing_else():
    for law in (mixtures.ISOTROPIC, mixtures.ORTHOGONAL, mixtures.BERNOULLI):
        clean = mixtures.without_flips(law)
        assert clean.Delta == 0
        assert (clean.n, clean.d, clean.B, clean.gamma, clean.noise) == (law.n, law.d, law.B, law.gamma, law.noise)


def test_networks_are_observed_group_by_group():
    """Two records of one network of width one: p = v W, and margins t <p, x> averaged over each group."""
    W = np.array([[[[1.0, 0.0]], [[2.0, 1.0]]]])  # (problem, record, h, d)
    v = np.array([[[1.0], [3.0]]])
    x, t = np.array([[[1.0, 0.0], [0.0, 2.0], [4.0, 1.0]]]), np.array([[1.0, -1.0, 1.0]])
    case = measured_networks.NetworkCase(W, v, x, t, np.ones(1))
    found = measured_networks.observed(case, np.array([[False, True, False]]))
    # p = (1, 0) and (6, 3); margins (1, 0, 4) and (6, -6, 27).
    np.testing.assert_allclose(found["clean_margin"], [[2.5, 16.5]])
    np.testing.assert_allclose(found["mislabelled_margin"], [[0, -6]])
    np.testing.assert_allclose(found["signal_overlap"], [[1, 6]])
    np.testing.assert_allclose(found["noise_norm"], [[0, 3]])
    np.testing.assert_allclose(found["last_norm"], [[1, 3]])
    np.testing.assert_allclose(found["first_norm"], [[1, np.sqrt(5)]])
    np.testing.assert_allclose(found["balance"], [[0, 4]])


def test_groups_have_their_numbers():
    np.testing.assert_array_equal(random_problems.numbers(np.array([["A", "C"], ["", "B"]])), [[0, 2], [-1, 1]])


@pytest.mark.parametrize("contained", [False, True])
def test_caps_are_mislabelled_in_the_training_set_alone(contained):
    case = caps(np.random.default_rng(3), n=20, m=4, d=6, s=0.8, p=0.3, contained=contained)
    assert case.mislabelled.sum() == 6
    np.testing.assert_array_equal(case.t != case.y, case.mislabelled)
    np.testing.assert_allclose(case.x[:, 0], 0.8 * case.y)
    np.testing.assert_allclose(case.x_clean[:, 0], 0.8 * case.y_clean)
    np.testing.assert_allclose(np.linalg.norm(case.x, axis=1), 1)
    inside = (case.x_clean[:, None] == case.x[~case.mislabelled]).all(axis=2).any(axis=1)
    assert inside.all() == contained
    assert inside.any() == contained


def test_steps_are_half_of_what_the_kernel_allows():
    K = settings.blocks(settings.problem(3, 0.4))
    assert settings.step_size(K) * np.linalg.eigvalsh(K.train).max() == pytest.approx(0.5)


def test_fewer_examples_are_passed_over_as_often():
    entries = ablation_entries(OnData(rho=(0.1, 0.4)))
    for entry in entries:
        assert entry.unit.training.epochs * entry.unit.problem.n_train == 80 * 1000
        assert entry.unit.training.epochs // entry.unit.training.record_every == 40
    assert {e.block for e in entries} >= {"250 examples", "500 examples", "ρ = 0.4", "α = 0.25", "width 32"}


def test_weights_of_the_limit_are_those_of_networks_with_one_hidden_layer():
    case = caps(np.random.default_rng(3), n=6, m=4, d=5, s=0.6, p=0.4)
    found = finite_width.limit_weights(case, beta=0.5, eta=0.05, steps=1)
    x, x_clean = case.x, case.x_clean
    ahead = -case.y_clean + 0.05 * ntk.relu(x_clean, x, hidden=1).tangent @ (0.5 * case.t)
    coupling = -case.t * (ahead @ ntk.relu(x_clean, x, hidden=1).tangent) / 4
    np.testing.assert_allclose(found[1], np.clip(0.5 + 0.5 * coupling, 0, 1))


def test_settings_of_the_regret_bound_are_within_it():
    """alpha is below 1/L_t, and the first weights move by it."""
    for setting in regrowth.settings(SAMPLE):
        K = linear_blocks(setting.problem)
        assert setting.alpha < theory_regrowth.largest_rate(K, setting.problem.start, setting.eta)


def test_shares_in_few_dimensions_are_stated_at_the_radius_that_is_measured(monkeypatch):
    asked = []
    monkeypatch.setattr(
        small_dimension.expected_shares, "expected_fractions", lambda *a, **_: asked.append(a) or np.eye(3)
    )
    small_dimension._stated(SAMPLE)
    assert asked == [(small_dimension.LAW, small_dimension.W, small_dimension.RHO)]
