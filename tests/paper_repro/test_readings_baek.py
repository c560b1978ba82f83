"""What is read from the results of the experiments on Baek et al.: made-up results whose right answer is known."""

import numpy as np
import pytest
import xarray as xr

from paper_repro.baek2024.experiments import (
    ablation,
    dependence,
    formulas,
    network_formulas,
    remarks,
    residual,
    shrinkage,
    toy,
)
from paper_repro.statistics import interval
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from theory.logistic import mixture
from theory.logistic import regression as logistic

LAW = SignalNoiseMixture(n=40, d=80, B=2.0, gamma=1.5, Delta=0.4, noise="orthogonal")
EPOCHS = [0, 5, 10, 15]


def per_seed(values, effect=(0.0, 0.01, 0.03)):
    """Rows (run, epoch) -> (run, seed, epoch), with an effect of the seed."""
    return ("run", "seed", "epoch"), np.asarray(values, float)[:, None] + np.asarray(effect)[None, :, None]


# ---------------------------------------------------------------- the linear toy


@pytest.fixture
def linear_toy():
    """SGD and 1-SAM at two noise rates: the overlap peaks early, and the second run never memorises enough."""
    overlap = [[0.1, 0.9, 0.5, 0.3], [0.1, 1.5, 1.0, 0.7], [0.1, 0.8, 0.4, 0.2], [0.1, 1.2, 0.8, 0.6]]
    fitted = [[0.0, 0.2, 0.8, 0.9], [0.0, 0.1, 0.5, 0.79], [0.1, 0.85, 0.9, 1.0], [0.0, 0.2, 0.81, 0.9]]
    variables = {
        "signal_overlap": per_seed(overlap, (0.0, 0.02, 0.05)),
        "noise_norm": per_seed(np.ones((4, 4)), (0.0, 0.0, 0.0)),
        "mislabelled_accuracy": per_seed(fitted, (0.0, 0.0, 0.0)),
        "clean_accuracy": per_seed(np.ones((4, 4)), (0.0, 0.0, 0.0)),
    }
    labels = {"method": ["SGD", "1-SAM"] * 2, "rho": [0.0, 0.3] * 2, "Delta": [0.2, 0.2, 0.4, 0.4]}
    dataset = xr.Dataset(variables, {"epoch": EPOCHS} | {n: ("run", v) for n, v in labels.items()})
    return toy.readings(dataset, LAW)


def test_toy_reads_best_at_memorisation_and_final(linear_toy):
    exact = mixture.accuracy_of_overlaps(LAW, linear_toy["signal_overlap"].values, 1.0)
    np.testing.assert_allclose(linear_toy["exact_test_accuracy"], exact)
    places = {"best": [1, 1, 1, 1], "at_memorisation": [2, 3, 1, 2], "final": [3, 3, 3, 3]}
    for name, at in places.items():
        np.testing.assert_allclose(linear_toy[f"{name}_accuracy"], exact[np.arange(4), :, at], err_msg=name)
    for rate in (0.2, 0.4):
        limit = mixture.mean_classifier_accuracy(SignalNoiseMixture(40, 80, 2.0, 1.5, rate, "orthogonal")).value
        np.testing.assert_allclose(linear_toy["mean_classifier_accuracy"][linear_toy["Delta"] == rate], limit)


def test_toy_tables_pair_with_gd_at_the_same_noise(linear_toy):
    for delta, table in zip((0.2, 0.4), toy.tables(linear_toy), strict=True):
        here = linear_toy.isel(run=(linear_toy["Delta"] == delta).values)
        assert f"Δ = {delta:g}" in table.caption
        assert f"mean classifier {100 * float(here['mean_classifier_accuracy'][0]):.1f}" in table.caption
        for k, row in enumerate(table.rows):
            levels = [interval(here[f"{n}_accuracy"][k]).points() for n in ("best", "at_memorisation", "final")]
            assert row[2:5] == tuple(levels)
        gain = interval((here["best_accuracy"][1] - here["best_accuracy"][0]).values)
        assert gain.low > 0
        assert [row[-1] for row in table.rows] == ["", gain.points(signed=True)]


# ---------------------------------------------------------------- the ablation


METHODS = ["SGD", "L-SAM", "L-SAM", "J-SAM", "1-SAM", "1-SAM", "SGD + norms", "SGD + squared norms"]
RHO = [0.0, 0.1, 0.2, 0.1, 0.1, 0.2, 0.0, 0.0]
CHOSEN = [0, 2, 3, 5, 6, 7]


@pytest.fixture
def ablated():
    """Test accuracy differs at the validated, the best and the final epoch, and falls with the run's number."""
    down = -0.01 * np.arange(8)[:, None]
    variables = {
        "validation_accuracy": per_seed([[0.1, 0.7 + 0.01 * (k in CHOSEN), 0.3, 0.2] for k in range(8)]),
        "test_accuracy": per_seed(np.array([0.2, 0.55, 0.65, 0.45]) + down, (0.0, 0.02, 0.05)),
        "clean_accuracy": per_seed(np.array([0.1, 0.5, 0.8, 0.93]) + down, (0, 0, 0)),
        "mislabelled_accuracy": per_seed(np.array([0.1, 0.2, 0.3, 0.48]) + down, (0, 0, 0)),
        "activation_norm": per_seed(np.array([9.0, 8, 7, 3]) - 5 * down, (0, 0, 0)),
        "last_layer_norm": per_seed(np.array([1.0, 2, 3, 12]) - 5 * down, (0, 0, 0)),
    }
    variables["first_nonfinite_step"] = ("run", "seed"), np.full((8, 3), -1)
    labels = {"method": METHODS, "rho": RHO, "activation": [0.0] * 6 + [0.03, 0.1], "last_layer": [0.0] * 6 + [0.2] * 2}
    dataset = xr.Dataset(variables, {"epoch": EPOCHS} | {n: ("run", v) for n, v in labels.items()})
    # Pairing shows where methods feel the seed differently.
    extra = 0.001 * np.arange(8)[:, None] * np.array([1.0, 0.0, 2.0])
    dataset["test_accuracy"] = dataset["test_accuracy"] + xr.DataArray(extra, dims=("run", "seed"))
    costs = {n: [1.5 + k, 2.0 + k, 4.0 + k] for k, n in enumerate(("SGD", "1-SAM"))}
    cost = xr.DataArray(list(costs.values()), {"rule": list(costs)}, ("rule", "quantile"))
    return ablation.readings(dataset).assign(cost=cost)


def test_ablation_has_three_different_readings_of_test_accuracy(ablated):
    at = ablated["test_accuracy"]
    np.testing.assert_array_equal(ablated["selected_epoch"], 5)
    np.testing.assert_array_equal(ablated["selected_test_accuracy"], at.isel(epoch=1))
    np.testing.assert_array_equal(ablated["best_test_accuracy"], at.isel(epoch=2))
    np.testing.assert_array_equal(ablated["final_test_accuracy"], at.isel(epoch=3))
    np.testing.assert_array_equal(ablated["validation_score"], ablated["validation_accuracy"].isel(epoch=1))
    assert np.flatnonzero(ablated["chosen"]).tolist() == CHOSEN
    assert np.flatnonzero(ablated["matched"]).tolist() == [6, 7]


def test_differences_to_sgd_are_paired_for_each_reading(ablated):
    found = ablation.chosen_runs(ablated)
    for j, name in enumerate(("selected", "best", "final")):
        values = ablated[f"{name}_test_accuracy"].values
        gaps = [interval(values[k] - values[0]) for k in CHOSEN]
        np.testing.assert_allclose(found["difference"][:, j], [g.mean for g in gaps])
        np.testing.assert_allclose(found["low"][:, j], [g.low for g in gaps])
        np.testing.assert_allclose(found["high"][:, j], [g.high for g in gaps])
    np.testing.assert_array_equal(found["final_activation_norm"], ablated["activation_norm"][CHOSEN].isel(epoch=-1))
    np.testing.assert_array_equal(found["final_last_layer_norm"], ablated["last_layer_norm"][CHOSEN].isel(epoch=-1))


def test_ablation_tables_tell_readings_groups_and_norms_apart(ablated):
    tuned, order, common, common_order, matched, cost = ablation.tables(ablated)
    row = next(r for r in tuned.rows if r[0] == "1-SAM")
    assert row[1] == "0.2"
    assert row[2:5] == tuple(interval(ablated[f"{n}_test_accuracy"][5]).points() for n in ("selected", "best", "final"))
    assert row[5:] == ("88 / 43", "3.2 / 12.2", "69.47")
    assert [r[:2] for r in tuned.rows[-2:]] == [("SGD + norms", "0.03, 0.2"), ("SGD + squared norms", "0.1, 0.2")]
    step = next(r for r in order.rows if r[0] == "1-SAM − SGD")
    gaps = [ablated[f"{n}_test_accuracy"].values for n in ("selected", "best", "final")]
    assert [cell.split(":")[0] for cell in step[2:]] == [interval(g[5] - g[0]).points(signed=True) for g in gaps]
    assert step[1] == "larger"
    assert all(cell.endswith(": reversed") for cell in step[2:])
    assert {r[0]: r[1] for r in common.rows} == {"SGD": "", "L-SAM": "0.2", "1-SAM": "0.2"}
    assert {r[0] for r in common_order.rows} == {"L-SAM − SGD", "1-SAM − SGD"}
    assert [r[0] for r in matched.rows] == ["1-SAM", "SGD + norms", "SGD + squared norms"]
    assert matched.rows[1][2:5] == ("3.30", "12.30", interval(gaps[0][6] - gaps[0][5]).points(signed=True))
    assert matched.rows[0][4:] == ("", "", "")
    assert cost.rows == (("SGD", "2.00 [1.50, 4.00]"), ("1-SAM", "3.00 [2.50, 5.00]"))


# ---------------------------------------------------------------- the others


def test_dependence_table_has_gains_and_the_tuned_rho():
    names = {"gain": [0.05, -0.02], "low": [0.01, -0.04], "high": [0.08, 0.03], "rho": [0.1, 0.4]}
    cell = xr.Dataset({n: ("method", v) for n, v in names.items()} | {"sgd": 0.7}, {"method": ["J-SAM", "1-SAM"]})
    dataset = xr.concat([cell], "cell").assign_coords(condition=("cell", ["Delta"]), value=("cell", [0.3]))
    (table,) = dependence.tables(dataset)
    assert table.head == ("changed", "to", "SGD", "J-SAM − SGD", "1-SAM − SGD")
    assert table.rows == (("noise rate Δ", "0.3", "70.0", "+5.0 [1.0, 8.0] (ρ 0.1)", "-2.0 [-4.0, 3.0] (ρ 0.4)"),)


def test_shrinkage_divides_measured_by_predicted_decay_of_each_seed():
    variables = {"measured_decay": [[[1.0, 2.0], [2.0, 6.0]]], "predicted_decay": [[[2.0, 4.0], [0.5, 1.5]]]}
    variables["last_layer_norm"] = [[[9.0, 4.0], [7.0, 6.0]]]
    dataset = xr.Dataset(
        {n: (("run", "seed", "epoch"), v) for n, v in variables.items()},
        {"method": ("run", ["J-SAM"]), "rho": ("run", [0.1])},
    )
    (table,) = shrinkage.tables(dataset)
    # Sums 3 and 8 over 6 and 2: ratios 1/2 and 4, standard error 3.5/sqrt(2)/sqrt(2), times t = 12.7062.
    assert table.rows == (("J-SAM", "0.1", "5.5", "4", "2.250 [-19.986, 24.486]", "5.00"),)


def test_deviations_are_those_of_the_mean_network_from_the_reduced_dynamics():
    names = ("signal_overlap", "last_norm", "clean_margin", "mislabelled_margin", "balance")
    line = np.array([[0.0, -4.0]])
    variables = dict.fromkeys(names, (("method", "step"), line))
    for k, n in enumerate(names):  # one seed is too high by k + 1, the other by 1 - k: the mean by 1
        variables[f"simulated_{n}"] = (("method", "seed", "step"), np.stack([line + k + 1, line + 1 - k], axis=1))
    table = network_formulas._deviations(xr.Dataset(variables, {"method": ["SGD"]}))
    assert table.rows == (("SGD", *["25.0"] * 5),)


def test_a_ceiling_is_reached_below_one_only():
    velocity = (("J", "simulated_m"), [[0.4, -0.2], [0.5, 0.1]])
    table = network_formulas._crossings(xr.Dataset({"simulated_velocity": velocity}, {"J": [0.8, 1.2]}))
    assert [row[2].split(":")[0] for row in table.rows] == ["reached", "out of reach"]
    assert [row[3] for row in table.rows] == ["-0.200", "+0.100"]


def test_agreement_is_the_largest_relative_error_for_each_shift():
    C, z = np.array([0.5, 2.0]), np.array([-1.0, 0.0, 3.0])
    simulated = logistic.amplification(z, C[:, None]) * (1 + np.array([[0, 1e-3, 0], [0, 0, -1e-2]]))
    table = formulas._agreement(
        xr.Dataset({"simulated_amplification": (("C", "z_simulated"), simulated)}, {"C": C, "z_simulated": z})
    )
    assert table.rows == (("0.5", "1.649", "1.0e-03"), ("2", "7.389", "1.0e-02"))


def test_a_ratio_is_raised_or_lowered_by_what_is_predicted():
    simulated = (("overlap", "rho", "seed"), [[[1.0, 3.0], [9.0, 9.0], [3.0, 5.0]], [[6, 8], [9, 9], [7, 9]]])
    variables = {
        "predicted_ratio": (("overlap", "rho"), [[2.5, 9.0, 3.5], [8.5, 9.0, 6.5]]),
        "simulated_ratio": simulated,
    }
    table = formulas._ratio_table(xr.Dataset(variables, {"overlap": [0.2, -0.4], "rho": [0.0, 0.1, 0.2]}))
    assert table.caption == "Ratio at ρ = 0 and 0.2"
    assert table.rows == (
        ("+0.2", "2.500 → 3.500 (simulated 2.000 → 4.000)", "raises"),
        ("-0.4", "8.500 → 6.500 (simulated 7.000 → 8.000)", "lowers"),
    )


def test_the_exact_ratio_is_clean_over_mislabelled():
    config = formulas.Ratio(SignalNoiseMixture(n=20, d=8, B=2.0, gamma=1.0, Delta=0.3, noise="orthogonal"))
    w = np.r_[1.5, np.full(7, 0.1)]
    # Mislabelled examples have the lower margins, and so the larger gradients, under a classifier with the signal.
    assert formulas._exact_ratio(config, w, 0.1) < 0.2
    assert formulas._exact_ratio(config, -w, 0.1) > 5


# ---------------------------------------------------------------- remarks


def test_remarks_change_one_thing_in_each_block():
    found = remarks.entries(remarks.Remarks())
    blocks = {name: [e for e in found if e.block == name] for name in remarks.BLOCKS}
    assert [e.label for e in found if e.label == "SGD"] == ["SGD"] * 3
    assert all(entries[0].label == "SGD" for entries in blocks.values())
    assert [e.unit.rule.sharpness for e in blocks["m-sharpness"][1:]] == ["example", 5, 25, 50]
    decays = [e.unit.training.weight_decay for e in blocks["linear model"]]
    assert decays == [5e-4, 5e-3, 2e-2, 5e-4, 5e-4]
    assert [e.unit.rule.rho for e in blocks["linear model"][3:]] == [0.1, 0.4]
    assert {e.unit.network for e in blocks["linear model"]} == {Linear()}
    assert [e.unit.problem.noise.Delta for e in found] == [0.3] * 10 + [0.0] * 4


# ---------------------------------------------------------------- the residual network


def test_every_method_trains_the_same_residual_network_as_sgd():
    found = residual.entries(residual.Residual(rho=0.2))
    assert [e.label for e in found] == ["SGD", "L-SAM", "J-SAM", "1-SAM", "n-SAM"]
    assert [e.unit.rule.name for e in found] == [e.label for e in found]
    assert [e.unit.rule.rho for e in found[1:]] == [0.2] * 4
    assert len({(e.block, e.unit.network, e.unit.training, e.unit.seeds) for e in found}) == 1


def test_the_order_in_a_residual_network_is_read_from_paired_differences():
    labels, seeds = ["SGD", "J-SAM", "L-SAM", "1-SAM"], np.array([0.0, 0.2, 0.1])  # seeds differ by more than methods
    selected = np.array([0.5, 0.6, 0.501, 0.6])[:, None] + seeds + np.outer([0, 1, 2, 3], [1e-3, 0, -1e-3])
    values = {"selected": (("run", "seed"), selected), "final": (("run", "seed"), selected[[1, 0, 3, 2]])}
    dataset = xr.Dataset(values, {"block": ("run", [residual.BLOCK] * 4), "label": ("run", labels)})
    table = residual.order(dataset)
    assert [row[0] for row in table.rows] == ["L-SAM − SGD", "J-SAM − L-SAM", "1-SAM − J-SAM", "1-SAM − SGD"]
    step = table.rows[3]
    assert step[1] == "larger"
    assert step[2] == f"{interval(selected[3] - selected[0]).points(signed=True)}: shown"
    assert step[3] == f"{interval(selected[2] - selected[1]).points(signed=True)}: reversed"
