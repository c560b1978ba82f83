"""What is read from the results of the experiments on Luong et al.: made-up results whose right answer is known."""

import numpy as np
import pytest
import xarray as xr

from paper_repro.luong2026.experiments import composition, controls, formulas, pipelines, toy
from paper_repro.shared import comparison
from paper_repro.statistics import interval
from theory.down_weighting.transition import Phase

SEEDS = np.array([0.0, 0.01, 0.03])


# ---------------------------------------------------------------- the plane of margins, the transition in time


def test_regions_are_counted_by_what_was_simulated():
    """Of four simulated ratios two are in A, one in B and one in C; what is stated has other groups."""
    simulated, stated = np.array([[1.0, 5.0, 0.5, -2.0]]), np.array([[0.5, 5.0, 0.5, 2.0]])
    table = formulas._agreement(
        xr.Dataset(
            {"simulated_ratio": (("beta", "p"), simulated), "stated_ratio": (("beta", "p"), stated)}, {"beta": [0.4]}
        )
    )
    assert table.rows == (("0.4", "50 %", "25 %", "25 %", f"{2 * np.arctan(2):.1e}"),)


def test_margins_turn_positive_at_the_first_such_step_or_never():
    margins = np.array([[[-1.0, 0.0, 2.0, -1.0, 3.0], [-3.0, -2.0, -1.0, 0.0, 0.0]]])
    np.testing.assert_allclose(formulas.turned_positive(margins, 0.1), [[0.2, -1.0]])


def test_times_in_a_group_add_up():
    phases = [Phase(0, 2, "A"), Phase(2, 3, "C"), Phase(3, 7, "B"), Phase(7, 7.5, "C"), Phase(7.5, 20, "A")]
    assert formulas.time_in_groups(phases) == [14.5, 4, 1.5]


def test_phases_show_the_spans_and_when_mislabelled_margins_turn():
    variables = {"span": (("rho", "group_name"), [[1.0, 2.0, 3.0]]), "memorised": (("rho", "alpha"), [[4.0, -1.0]])}
    table = formulas._phases(xr.Dataset(variables, {"rho": [0.3], "alpha": [0.0, 1.0]}))
    assert table.rows == (("0.3", "1.0", "2.0", "3.0", "4.0", "not in time"),)


# ---------------------------------------------------------------- the toy


def test_runs_are_overfitted_from_the_first_step_at_the_level():
    loss = [[3.0, 1.0, 0.5, 2.0], [4.0, 3.0, 2.0, 1.5], [0.9, 3.0, 2.0, 0.5]]
    np.testing.assert_array_equal(toy.first_overfitted(np.array(loss)), [1, -1, 0])


def test_orders_of_the_toy_count_every_draw_once():
    """SGD before SAM in two draws of five, two ties (one of them: never, both), and one reversed."""
    steps = {"SGD": [1, 3, 5, -1, 4], "SAM": [2, 3, 4, -1, 6], "SANER": [2, -1, 9, 8, 12]}
    dataset = xr.Dataset(
        {"steps": (("rule", "seed"), list(steps.values())), "script_steps": 3},
        {"rule": list(steps), "step": np.arange(11)},
    )
    first, order = toy.tables(dataset)
    assert order.rows == (
        ("SGD before SAM", "40 %", "40 %", "20 %"),
        ("SAM before SANER", "60 %", "20 %", "20 %"),
        ("SGD before SANER", "80 %", "0 %", "20 %"),
    )
    assert first.rows == (
        ("SGD", "1", "3, 4, 5", "80 %"),
        ("SAM", "2", "3, 4, 6", "80 %"),
        ("SANER", "2", "8, 9, 11", "60 %"),
    )
    assert "11: never" in first.head[2]
    assert [toy._shown(n, 3) for n in (-1, 3, 4)] == ["never", "3", "4 (beyond the script)"]


def test_the_toy_has_the_sign_and_the_noise_of_the_script():
    config = toy.Toy(n=400, Delta=0.3)
    x, t, mislabelled = toy.sample(config, 42)
    assert mislabelled.sum() == 120
    y = np.where(mislabelled, -t, t)
    np.testing.assert_array_equal(y, np.where(np.arange(400) < 200, -1, 1))
    np.testing.assert_allclose(x[:200].mean(axis=0), 2, atol=0.3)
    np.testing.assert_allclose(x[200:].mean(axis=0), -2, atol=0.3)


# ---------------------------------------------------------------- composition of the gradient


NAMES = [f"{p}{g}{s}" for g in "ABC" for p, s in (("share_", ""), ("", "_given_noise"), ("", "_given_clean"))]


@pytest.fixture
def composed():
    """One run of two seeds and three epochs. Epoch 0 must not count; every reading has its own number."""
    values = dict(zip(NAMES, (0.5, 0.4, 0.6, 0.3, 0.35, 0.25, 0.2, 0.25, 0.15), strict=True))
    values |= {"noise_given_B": 0.34, "clean_given_B": 0.28, "clean_more_on_noise": 0.3, "clean_more_on_noise_B": 0.7}
    values |= {"share_noise": 0.45}
    at = np.array([[9.0, 0.9, 1.1], [9.0, 0.8, 1.2]])  # of mean one after epoch 0, in each seed
    variables = {n: (("run", "seed", "epoch"), (v * at)[None]) for n, v in values.items()}
    return xr.Dataset(variables, {"epoch": [0, 2, 4], "method": ("run", ["SANER"]), "probe": ("run", ["n-SAM"])})


def test_composition_means_are_over_training_and_told_apart(composed):
    (table,) = composition.tables(composed)
    shares = ("50 / 30 / 20", "40 / 35 / 25", "60 / 25 / 15")
    premise = ("30.0 [30.0, 30.0]", "70.0 [70.0, 70.0]")
    assert table.rows == (("SANER", "n-SAM", *shares, "+10.0 [10.0, 10.0]", "34 / 28", *premise),)


def test_the_transition_is_where_most_noise_dominated_coordinates_are_down_weighted(composed):
    at = composed.isel(epoch=slice(1, None)).copy(deep=True)
    for name, values in (("B_given_noise", [0.3, 0.2]), ("C_given_noise", [0.1, 0.4]), ("B_given_clean", [0.9, 0.25])):
        at[name] = xr.zeros_like(at[name]) + xr.DataArray(values, dims="epoch")
    # 0.3 + 0.1 at epoch 2, 0.2 + 0.4 at epoch 4, where share_noise is 0.45 * 1.15 and C_given_clean 0.15 * 1.15.
    assert composition.transition(at).rows == (("SANER", "n-SAM", "4", "52", "20", "40", "25", "17"),)


# ---------------------------------------------------------------- SANER and its controls


def made_up(levels, block="b"):
    """{label: (selected, final, memorised)} with seed effects that pairing removes, but for a little."""
    scale = 1 + 0.01 * np.arange(len(levels))[:, None]
    readings = np.array(list(levels.values())).T
    variables = {
        n: (("run", "seed"), row[:, None] + scale * SEEDS)
        for n, row in zip(("selected", "final", "memorised"), readings, strict=True)
    }
    labels = {"block": ("run", [block] * len(levels)), "label": ("run", list(levels))}
    return xr.Dataset(variables, labels)


def test_the_controls_compare_the_readings_that_they_name():
    levels = {
        "SAM": (0.80, 0.70, 0.60),
        "SANER": (0.82, 0.69, 0.55),
        "SANER, no warm-up": (0.5, 0.5, 0.50),
        "A halved": (0.5, 0.5, 0.58),
        "C halved": (0.5, 0.5, 0.45),
        "B boosted by half": (0.5, 0.5, 0.65),
        "random halved, count of B": (0.81, 0.1, 0.1),
        "random halved, energy of B": (0.85, 0.1, 0.56),
        "SAM, step size × 0.75": (0.79, 0.1, 0.1),
        "SGD-GrB": (0.5, 0.5, 0.66),
        "SGD-GrA": (0.5, 0.5, 0.70),
        "noise-dominated halved (oracle)": (0.88, 0.5, 0.40),
    }
    one, two = made_up(levels), made_up({n: levels[n] for n in levels}, "other")
    table = controls.survives(xr.concat([one, two], "run"))
    found = {row[0]: row[2] for row in table.rows}
    expected = {
        "SANER tests better than SAM": 2, "... at the final epoch": -1, "SANER memorises less than SAM": 5,
        "better than random coordinates, as many": 1, "better than random coordinates of the same energy": -3,
        "... and memorises less than they do": 1, "better than a smaller step size": 3,
        "halving B memorises less than halving A": 8, "... or C": -5, "boosting B memorises more": 5,
        "SAM without its effect on B memorises more": 6, "B matters more than A to memorisation": -4,
        "the oracle memorises less than SANER": 10, "the oracle tests better than SANER": 6,
    }  # fmt: skip
    assert set(found) == set(expected)
    for says, points in expected.items():
        assert float(found[says].split()[0]) == pytest.approx(points, abs=0.35), says
        assert found[says].endswith(": shown" if points > 0 else ": reversed"), says
    assert table.head[2:] == ("b", "other")


def test_a_table_of_readings_has_levels_gaps_and_fits_of_their_own():
    dataset = made_up({"SAM": (0.80, 0.70, 0.60), "SANER": (0.84, 0.68, 0.30)})
    dataset["fit"] = dataset["memorised"] + 0.2
    first, second = comparison.table(dataset, "caption").rows
    gaps = [interval(comparison.difference(dataset, "b", "SANER", "SAM", n)) for n in ("selected", "final")]
    levels = [float(dataset[n][1].mean()) for n in ("selected", "final")]
    assert second[2:6] == (
        f"{100 * levels[0]:.1f}", gaps[0].points(signed=True), f"{100 * levels[1]:.1f}", gaps[1].points(signed=True)
    )  # fmt: skip
    assert second[6] == "51 / 31"
    assert first[3] == first[5] == ""
    assert float(second[3].split()[0]) > 0 > float(second[5].split()[0])


def test_what_methods_add_is_read_against_the_right_run():
    """SAM against SGD and SANER against SAM in the method's block, the method's SAM against SAM without a method."""
    plain = made_up({"SGD": (0.70, 0.60, 0), "SAM": (0.75, 0.68, 0), "SANER": (0.74, 0.71, 0)}, "b, no method")
    taught = made_up({"SGD": (0.80, 0.79, 0), "SAM": (0.86, 0.83, 0), "SANER": (0.82, 0.84, 0)}, "b, Co-teaching")
    first, second = pipelines.adds(xr.concat([plain, taught], "run")).rows
    assert (first[0], second[0]) == ("b, no method", "b, Co-teaching")
    for row, points in ((first, (5, 8, -1, 3)), (second, (6, 4, -4, 1, 11, 15))):
        for cell, expected in zip(row[1:], points, strict=False):
            assert float(cell.split()[0]) == pytest.approx(expected, abs=0.1)
            assert cell.endswith(": shown" if expected > 0 else ": reversed")
    assert first[5:] == ("–", "–")


def test_every_method_goes_around_every_rule():
    config = pipelines.OnData(seeds=2)
    names = [entry.unit.rule.name for entry in pipelines.pipeline_entries(config)]
    assert len(set(names)) == len(names) == 15
    assert names[9] == "SGD, Co-teaching"
    assert names[14] == f"{names[2]}, MW-Net"
    co = pipelines.with_method(pipelines.CO, pipelines.Sgd(), config, config.problems[0])
    assert (co.forget, co.ramp, co.eta, co.momentum, co.weight_decay) == (0.3, 10, 0.1, 0.9, 5e-4)
