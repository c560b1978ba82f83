"""Choices made inside the experiments on networks: which run is tuned, which matches in norm, what a cell changes."""

import numpy as np
import xarray as xr

from paper_repro.baek2024.experiments import ablation, dependence, step_cost
from paper_repro.explore import InMemory
from paper_repro.trajectories import at_validated_epoch, radius
from spec.networks import Mlp
from spec.problems import RealData
from spec.rules import DownWeight, JacobianSam, Sam, Sgd, Without
from spec.runs import TrainingRun


def runs_with(method, **values):
    """A result with one value for each run, the same for 3 seeds and 2 epochs."""
    size = (len(method), 3, 2)
    variables = {
        n: (("run", "seed", "epoch"), np.broadcast_to(np.array(v)[:, None, None], size)) for n, v in values.items()
    }
    variables["first_nonfinite_step"] = ("run", "seed"), np.full(size[:2], -1)
    return xr.Dataset(variables, coords={"method": ("run", method)})


def test_the_radius_of_a_rule_around_a_rule_is_that_of_the_inner_one():
    wrapped = DownWeight(Without(Sam(0.3, "batch"), "B"), 0.5)
    assert [radius(rule) for rule in (Sgd(), JacobianSam(0.2), wrapped)] == [0.0, 0.2, 0.3]


def test_each_method_is_tuned_by_validation_alone():
    dataset = runs_with(["SGD", "1-SAM", "1-SAM", "J-SAM"], validation_accuracy=[0.5, 0.6, 0.7, 0.4])
    np.testing.assert_array_equal(ablation._chosen(dataset), [True, False, True, True])


def test_a_run_of_which_a_seed_diverged_is_chosen_only_where_no_other_is_left():
    dataset = runs_with(["SGD", "1-SAM", "1-SAM", "J-SAM"], validation_accuracy=[0.5, 0.6, 0.7, 0.4])
    dataset["first_nonfinite_step"][2, 1] = dataset["first_nonfinite_step"][3, 0] = 8
    np.testing.assert_array_equal(ablation._chosen(dataset), [True, True, False, True])


def test_test_accuracy_is_read_where_validation_peaks_first_in_each_seed():
    validation = [[0.5, 0.9, 0.9], [0.8, 0.1, 0.2]]
    values = {"validation_accuracy": validation, "test_accuracy": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]}
    dataset = xr.Dataset({n: (("seed", "record"), v) for n, v in values.items()}, {"record": [0, 5, 10]})
    found = at_validated_epoch(dataset, "record")
    np.testing.assert_array_equal(found, [0.2, 0.4])
    assert not found.coords


def test_the_match_is_nearest_in_both_norms_and_ignores_accuracy():
    method = ["1-SAM", "1-SAM", *["SGD + norms"] * 3, *["SGD + squared norms"] * 2]
    dataset = runs_with(
        method,
        activation_norm=[9, 3, 9, 3.1, 3, 3, 1],
        last_layer_norm=[9, 12, 9, 11.5, 1, 12.5, 12],
        test_accuracy=[0] * 7,
    )
    chosen = np.array([False, True, *[False] * 5])
    np.testing.assert_array_equal(np.flatnonzero(ablation._matched(dataset, chosen)), [3, 5])


def test_cells_change_one_condition_and_look_at_equally_many_examples():
    config = dependence.Dependence()
    for cell in dependence.cells(config):
        changed = [
            cell.problem.n_train != config.problem.n_train,
            cell.problem.noise != config.problem.noise,
            cell.network != Mlp((config.width,)),
            cell.training.eta != config.training.eta,
        ]
        assert sum(changed) <= 1
        assert cell.training.epochs * cell.problem.n_train == 80 * 1000
        assert cell.training.epochs // cell.training.record_every == 40


def test_coinciding_cells_are_computed_once():
    config = dependence.Dependence()
    units = dependence.runs(config)
    assert len(set(units)) == len(units)
    base = [u for u in units if (u.problem, u.network, u.training.eta) == (config.problem, Mlp((256,)), 0.1)]
    assert len(base) == 1 + len(config.methods) * len(config.rho)


def result(unit: TrainingRun) -> xr.Dataset:
    """A made-up run: SGD scores .5, a rule .5 + rho on validation and .5 - rho on test, up to a seed effect."""
    rho = getattr(unit.rule, "rho", 0.0)
    seed = 0.01 * np.arange(len(unit.seeds))[:, None] * np.ones(2)
    values = {"validation_accuracy": 0.5 + rho + seed, "test_accuracy": 0.5 - rho + seed * (1 + rho)}
    found = {n: (("seed", "epoch"), v) for n, v in values.items()}
    return xr.Dataset(found | {"first_nonfinite_step": ("seed", np.full(len(unit.seeds), -1))}, {"epoch": [0, 1]})


def test_gains_are_paired_and_rho_is_tuned_on_validation(monkeypatch):
    monkeypatch.setattr(dependence, "simulate", result)
    config = dependence.Dependence(n_train=(500,), widths=(16, 32), Delta=(0.3,), eta=(0.1,), seeds=4)
    dataset = dependence.run(config, InMemory())
    assert dict(dataset.sizes) == {"cell": 5, "method": 3}
    np.testing.assert_allclose(dataset["rho"], 0.2)
    np.testing.assert_allclose(dataset["gain"], -0.2 + 0.2 * 0.015)
    assert np.all(dataset["high"] - dataset["low"] < 0.02)
    assert len(dependence.tables(dataset)[0].rows) == 5


def test_cost_is_relative_to_sgd(monkeypatch):
    monkeypatch.setattr(step_cost, "RULES", (Sgd(), JacobianSam(0.1), Sam(0.1)))
    monkeypatch.setattr(step_cost, "STEPS", 2)
    monkeypatch.setattr(step_cost, "ROUNDS", 3)
    measured = step_cost.measure(step_cost.Cost(RealData(), Mlp((8,)), 10))["cost"]
    np.testing.assert_allclose(measured.sel(rule="SGD"), 1)
    assert np.all(measured > 0)
    assert np.all(np.diff(measured, axis=1) >= 0)
