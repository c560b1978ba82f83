"""What is read from predicted curves and ends: made-up results whose right answer is known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from paper_repro.beyond.claims import curves as curve_claims
from paper_repro.beyond.claims import ends as end_claims
from paper_repro.beyond.claims import flips, gains, wrong
from paper_repro.beyond.claims.whole import FEW, Model, finer
from paper_repro.beyond.experiments import curves, ends, phases, rules, signs, transition
from paper_repro.beyond.simulated import Descent, draw
from spec.claims import Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from theory.mean_field import stopping
from theory.mean_field.setting import Accuracy


def test_gains_over_descent_are_of_their_own_reading():
    def of(k: int) -> xr.Dataset:
        values = {"best": [0.5 + k, 0.9 + k], "last": [0.4 + k, 0.3 + k]}
        return xr.Dataset({n: ("rule", v) for n, v in values.items()}, {"rule": ["SGD", "1-SAM"]})

    config = phases.Phases(alpha=(1.0, 2.0), Delta=(0.1,))
    parts: Any = SimpleNamespace(map=lambda function, units: [of(k) for k in range(len(units))])
    found = phases.run(phases.Plane("alpha", "Delta"), config, parts)
    np.testing.assert_allclose(found["gain"].sel(rule="1-SAM"), 0.4)
    np.testing.assert_allclose(found["last_gain"].sel(rule="1-SAM"), -0.1)


def test_places_of_a_plane_fix_its_two_fields():
    config = phases.Phases(B=(1.0, 2.0), rho=(0.3, 3.0), c=(5.0, 6.0))
    first, *_, last = phases.points(phases.Plane("alpha", "B"), config)
    assert (first.config.alpha, first.config.B) == ((0.3,), (1.0,))
    assert (last.config.alpha, last.config.B) == ((3.0,), (2.0,))
    assert last.config.c == (5.0, 6.0)
    strengths = phases.points(phases.Plane("rho", "Delta", ("n-SAM",)), config)
    assert [(p.config.rho, p.config.c) for p in strengths[::3]] == [((0.3,), (0.3,)), ((3.0,), (3.0,))]
    assert list(phases.rules(strengths[0].config)["n-SAM"]) == [Sam(0.3, "batch")]


def test_gains_that_are_kept_are_counted_among_those_that_are_made():
    best = [[[0.0, 0.05]], [[0.0, 0.0005]], [[0.0, 0.02]]]
    last = [[[0.0, -0.05]], [[0.0, 0.5]], [[0.0, 0.02]]]
    dims, at = ("alpha", "Delta", "rule"), {"alpha": [0.5, 1.0, 2.0], "Delta": [0.1], "rule": ["SGD", "1-SAM"]}
    turns = [[[1, 1]], [[1, 9]], [[1, 3]]]
    table = phases.kept(xr.Dataset({"gain": (dims, best), "last_gain": (dims, last), "turns": (dims, turns)}, at))
    assert table.rows == (("1-SAM", "2 of 3", "1 of 2", "1 of 2", "+5.0 at n/d = 0.5, Δ = 0.1"),)


def test_a_strength_is_the_least_within_a_tenth_of_a_point_of_the_largest_gain():
    gain = np.array([[[0.0, 0.01]], [[0.0, 0.0495]], [[0.0, 0.05]]])
    dims, at = ("rho", "Delta", "rule"), {"rho": [0.3, 1.0, 3.0], "Delta": [0.2], "rule": ["SGD", "1-SAM"]}
    table = phases.by_strength(xr.Dataset({"gain": (dims, gain), "last_gain": (dims, -gain)}, at))
    assert table.rows == (("0.2", "1 (+5.0) / 0.3 (-1.0)"),)


def test_predictions_are_finer_where_means_over_more_seeds_are_compared_with_them():
    coarse = Accuracy(1024, 4, "any")
    assert finer(coarse, FEW) == coarse
    assert [finer(coarse, seeds) for seeds in (32, 128, 512)] == [Accuracy(1024 * k, 4, "any") for k in (4, 8, 16)]


def test_signs_are_equal_at_the_precision_between_a_loss_and_a_gain():
    gain = np.zeros((3, 2, 3))
    gain[:, 0, :] = np.array([[-0.1, 0.1, -0.3], [0.1, 0.2, -0.2], [0.2, 0.3, -0.1]])
    at = {"precision": [0.2, 0.4, 1.0], "sign": [1, -1], "epoch": [1, 2, 3]}
    result = xr.Dataset({"gain": (("precision", "sign", "epoch"), gain)}, at)
    np.testing.assert_allclose(signs.thresholds(result), [0.3, 0.2, 1.0])
    rows, equal = signs.tables(result.assign(threshold=("epoch", signs.thresholds(result))))
    assert rows.rows[0] == ("0.2", "-30.0", "+0.0", "+10.0", "+0.0", "-30.0", "+0.0")
    assert equal.rows == (("1.00", "0.20", "1.00"),)


def test_accuracies_are_read_at_a_norm_and_at_the_best_stop(monkeypatch):
    values = {"test_accuracy": [0.5, 0.9, 0.8, 0.85], "noise_norm": [1.0, 2.0, 3.0, 2.5]}
    curve = xr.Dataset({name: ("epoch", v) for name, v in values.items()})
    monkeypatch.setattr(stopping, "curves", lambda *_, **__: curve)
    assert stopping.stopping("rule") == (0.9, 1, 0.85, 2)
    np.testing.assert_allclose(stopping.at_norms((1.5, 2.5), "rule"), [0.7, 0.85])
    path = np.array([[[1.0, 0.0, 0.0, 1.0], [3.0, 0.0, 0.0, 3.0]]] * 2)
    monkeypatch.setattr(gains, "PER_SEED", 2)
    monkeypatch.setattr(gains, "path", lambda *_: path)
    accuracy, norm = gains._paths(None, SimpleNamespace(seed=0, count=1))
    np.testing.assert_allclose(norm, [[1.0, 3.0]])
    assert accuracy[0, 0] == pytest.approx(accuracy[0, 1])


def test_the_best_end_is_named_with_its_decay():
    values = (("alpha", "c", "decay"), [[[0.6, 0.9, 0.7]]])
    coords = {"alpha": [0.5], "c": [2.0], "decay": [0.01, 0.1, 1.0]}
    (table,) = ends.tables(xr.Dataset({"test_accuracy": values, "mean_classifier": ("alpha", [0.8])}, coords))
    assert table.rows == (("0.5", "2", "90.00", "0.1", "80.0"),)


def test_errors_are_root_mean_squares_over_seeds_and_epochs():
    simulated = (("run", "size", "seed", "epoch"), [[[[0.5, 0.9], [0.5, 0.5]]]])
    predicted = (("run", "size", "epoch"), [[[0.5, 0.5]]])
    found = curves.errors(xr.Dataset({"simulated_test_accuracy": simulated, "predicted_test_accuracy": predicted}))
    np.testing.assert_allclose(found, 0.2)


def test_cases_of_claims_are_what_they_say(monkeypatch):
    descent = curve_claims._at_size(100)
    n = descent.problem.n
    assert curve_claims.inverted(descent).problem.n == round(100**2 / n)
    asked = []
    end = SimpleNamespace(overlap=1.0, noise_norm=2.0)
    monkeypatch.setattr(end_claims.long_time, "minimum", lambda *a: asked.append(a) or end)
    np.testing.assert_array_equal(end_claims._stated(None), [1, 2])
    law = end_claims.PROBLEM
    assert asked[0][1] == pytest.approx(end_claims.DESCENT.rule.rho * np.sqrt(law.B**2 + law.gamma**2 * law.d))
    np.testing.assert_array_equal(wrong._NoResponse.response(SimpleNamespace(s=np.ones(3)), np.ones(5)), 0)


def test_mutants_of_a_model_are_of_another_rule_or_closure():
    def stated(descent: Descent, closure: int = 1, seeds: int = 0) -> np.ndarray:
        return np.array([descent.rule, closure, seeds])

    said = Model("", "", "", "", stated, lambda *_: np.zeros(3))
    case = (Sample(1, 32), curve_claims.Descent(5, curve_claims.PROBLEM, curve_claims.TRAINING))
    right, wrong_rule, wrong_closure = said.whole("", "", case[1], ()), said.ruled("", 6), said.closed("", 2)
    np.testing.assert_array_equal(right.predicted(case), [5, 1, 32])
    np.testing.assert_array_equal(wrong_rule.predicted(case), [6, 1, 0])
    np.testing.assert_array_equal(wrong_closure.predicted(case), [5, 2, 0])


def test_rules_are_told_by_best_and_last_accuracy():
    path = (("rule", "epoch"), [[0.5, 0.9, 0.7]])
    zero = (("rule", "epoch"), [[0.0, 0.0, 0.25]])
    names = {"test_accuracy": path, "clean_accuracy": path, "mislabelled_accuracy": zero, "test_accuracy_error": zero}
    (table,) = rules.tables(xr.Dataset(names, {"rule": ["1-SAM"], "epoch": [0, 2, 4]}))
    assert table.rows == (("1-SAM", "90.0", "70.0", "70.0", "25.0", "2", "25.000"),)


def test_flips_move_the_accuracy_by_its_slope(monkeypatch):
    monkeypatch.setattr(flips, "_accuracy", lambda Delta: 3 * Delta)
    law = flips.PROBLEM
    assert flips._stated(None) == pytest.approx(9 * law.Delta * (1 - law.Delta) / law.n)


def test_the_order_of_groups_has_a_letter_for_each_phase():
    values = {"margin": [0.0, 1.0, 2.0, 2.5], "stated_margin": [0.0, 1.0, 2.0, 3.0]}
    groups = {"group": [0, 2, 2, 0], "stated_group": [0, 2, 1, 0]}
    result = xr.Dataset({n: (("alpha", "epoch"), [v]) for n, v in (values | groups).items()}, {"alpha": [0.2]})
    (table,) = transition.tables(result)
    assert table.rows == (("0.2", "75 %", "ACA", "ACBA", "2.50", "3.00"),)
    np.testing.assert_array_equal(transition._groups(np.array([1.5, 0.5, -0.5])), [0, 1, 2])


@pytest.mark.parametrize(("noise", "flips"), [("isotropic", "stratified"), ("orthogonal", "bernoulli")])
def test_samples_have_the_law_of_the_mixture(noise, flips, rng):
    law = SignalNoiseMixture(n=40, d=50, B=2.0, gamma=0.5, Delta=0.25, noise=noise, flips=flips)
    train, clean, w, _ = draw(Descent(None, law, curve_claims.TRAINING, scale=3.0, m=30), rng, 200)
    assert clean.x.shape == (200, 30, 50)
    assert not np.any(clean.mislabelled)
    np.testing.assert_array_equal(np.sum(train.y, axis=1), 0)
    wrong = np.sum(train.mislabelled, axis=1)
    assert np.all(wrong == 10) if flips == "stratified" else 0.5 < np.var(wrong) / (40 * 0.25 * 0.75) < 2
    signal = np.asarray(train.y * train.x[..., 0])
    np.testing.assert_allclose([np.mean(signal), np.std(signal)], [2, 0.5 * (noise == "isotropic")], atol=0.03)
    np.testing.assert_allclose(np.std(train.x[..., 1:]), 0.5, rtol=0.01)
    np.testing.assert_allclose(np.mean(np.sum(w**2, axis=1)), 9, rtol=0.1)
