"""What is read from the results of the experiments on Zhang et al.: made-up results whose right answer is known."""

import numpy as np
import pytest
import xarray as xr

from paper_repro.statistics import interval
from paper_repro.zhang2025.claims.measured_training import TwoClasses
from paper_repro.zhang2025.experiments import (
    after_filtering,
    field,
    finite_width,
    kernel_blocks,
    kernels,
    phase_diagram,
    phases,
    settings,
)
from paper_repro.zhang2025.experiments import field_entries as sets
from theory.reweighting import flow
from theory.reweighting import recursion as theory

CASE = TwoClasses(
    x=np.zeros((4, 1)), y=np.array([1.0, -1.0, 1.0, -1.0]), mislabelled=np.array([True, True, False, False]),
    x_clean=np.zeros((2, 1)), y_clean=np.array([1.0, -1.0]),
)  # fmt: skip


# ---------------------------------------------------------------- networks and kernels


def test_exponents_are_fitted_to_root_mean_squares_over_seeds():
    widths = np.array([16, 64, 256])
    error = np.array([1.0, 7.0])[None, :] / np.sqrt(widths)[:, None]  # (width, seed): the rate of every seed is -1/2
    other = np.stack([np.zeros(3), 1.0 / widths], axis=1)  # one seed without error: the root mean square is -1 too
    dataset = xr.Dataset({"error": (("hidden", "width", "seed"), [error, other])}, {"hidden": [1, 3], "width": widths})
    table = kernels._slopes(dataset)
    assert [row[:2] for row in table.rows] == [("1", "-0.500"), ("3", "-1.000")]
    last = interval(error[-1])
    assert table.rows[0][2] == f"{last.mean:.4f} [{last.low:.4f}, {last.high:.4f}]"
    assert "width 256" in table.head[2]


def test_networks_are_read_at_the_end_and_group_by_group():
    w = np.full((2, 3, 4), 0.5)  # (networks, steps, examples): two mislabelled, then two clean
    w[0, -1], w[1, -1] = [0.6, 0.1, 0.9, 1.0], [0.0, 0.2, 0.4, 0.7]
    w[:, 1] = [1.0, 0.9, 0.1, 0.2]  # on the way it is the other way round
    limit = np.full((3, 4), 0.5)
    limit[-1] = [0.0, 0.0, 1.0, 1.0]
    limit[1] = w[0, 1]
    found = finite_width._of_networks(CASE, w, limit)
    np.testing.assert_allclose(found["unfiltered"], [0.5, 0.0])
    np.testing.assert_allclose(found["lost"], [0.0, 0.5])
    np.testing.assert_allclose(found["mean_mislabelled"][:, -1], [0.35, 0.1])
    np.testing.assert_allclose(found["mean_clean"][:, -1], [0.95, 0.55])
    np.testing.assert_allclose(found["distance"], np.sqrt([(0.36 + 0.01 + 0.01) / 4, (0.04 + 0.36 + 0.09) / 4]))


def test_widths_show_distance_unfiltered_and_lost():
    values = {"distance": [0.1, 0.3], "unfiltered": [0.2, 0.6], "lost": [0.0, 0.1]}
    variables = {n: (("outputs", "width", "seed"), [[v]]) for n, v in values.items()}
    table = finite_width._width_table(xr.Dataset(variables, {"outputs": ["start at zero"], "width": [8]}))
    found = [interval(np.array(v)) for v in values.values()]
    cells = [f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]" for i in found]
    assert table.rows == (("start at zero", "8", *cells),)


def test_kernels_separate_by_true_classes():
    """Rows: clean labels +, +, -; columns: labels +, -. Four of the six entries join one class with the other."""
    y, y_clean = np.array([1.0, -1.0]), np.array([1.0, 1.0, -1.0])
    balanced = np.array([0.25, 0.25, 0.5])
    cross = np.array([[3.0, -1.0], [-1.0, 0.5], [1.5, 2.0]])
    # Same class: 3, -1, 2. Different: -1, .5, 1.5. Signed columns: (3, -1, -1.5) and (1, -.5, 2).
    found = kernel_blocks._of_kernel(cross, y, y_clean, balanced)
    assert float(found["same_positive"]) == pytest.approx(2 / 3)
    assert float(found["different_negative"]) == pytest.approx(1 / 3)
    assert float(found["row_mean_positive"]) == 1.0
    assert float(found["balanced_row_mean_positive"]) == 0.5  # (.75 - .25 - .75 < 0)
    a, b = 4 / 3, 1 / 3
    assert float(found["imbalance_allowed"]) == pytest.approx((a - b) / (a + b))
    inside = (kernel_blocks.EDGES[1:] + kernel_blocks.EDGES[:-1]) / 2
    for name, values in (("same", [3, -1, 2]), ("different", [-1, 0.5, 1.5])):
        density = found[name].values
        mean = np.sum(density * inside) / np.sum(density)
        assert mean == pytest.approx(np.mean(values) / np.abs(cross).mean(), abs=0.05)
    assert float(kernel_blocks._of_kernel(-cross, y, y_clean, balanced)["imbalance_allowed"]) == 1.0


def test_separation_is_shown_in_its_own_columns():
    names = ("same_positive", "different_negative", "row_mean_positive", "balanced_row_mean_positive")
    values = {n: [0.1 * (k + 1), 0.1 * (k + 1) + 0.02] for k, n in enumerate(names)} | {"imbalance_allowed": [0.3, 0.5]}
    variables = {n: (("pair", "kind", "seed"), [[v]]) for n, v in values.items()}
    table = kernel_blocks._table(xr.Dataset(variables, {"pair": ["1-7"], "kind": ["raw, initial"]}))
    shares = [interval(np.array(values[n])).points() for n in names]
    assert table.rows == (("1-7", "raw, initial", *shares, "0.40"),)


# ---------------------------------------------------------------- phases of the recursion


@pytest.fixture(scope="module")
def run_of_phases():
    config = phases.Phases(p=(0.4,), steps=40, ratios=(1.0,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phases, "SHOWN", settings.N)  # all
        return config, phases.run_phases(config)


def test_few_weights_are_kept_of_either_group():
    mislabelled = np.arange(100) < 30
    kept = xr.Dataset(phases.weights(np.tile(np.arange(100.0), (2, 1)), mislabelled, np.arange(2)))
    assert kept["weight"].shape == (2, phases.SHOWN)
    np.testing.assert_array_equal(kept["mislabelled"], kept["weight"][0] < 30)
    assert 10 < kept["mislabelled"].sum() < 14
    np.testing.assert_array_equal(kept["mean_weight"][:, 0], [64.5, 14.5])
    np.testing.assert_array_equal(kept["largest_weight"][:, 0], [99, 29])


def test_the_coupling_shown_is_what_moves_the_weights(run_of_phases):
    """The weights see the clean residuals after a step with the present weights, and so does the bound."""
    config, found = run_of_phases
    assert found["step"].values[:2].tolist() == [0, 1]
    for regime, contained in ((0, False), (1, True)):
        case = settings.problem(phases.named_seed("zhang2025.phases"), 0.4, contained=contained)
        K = settings.blocks(case)
        one = found.isel(regime=regime)
        moved = (one["weight"][1] - one["weight"][0]).values / config.beta
        free = (one["weight"][1] > 0) & (one["weight"][1] < 1)
        assert bool(free.all())
        assert float(one["coupling"][0]) == pytest.approx(np.sqrt(np.mean(moved**2)), rel=1e-9)
        # From outputs zero: residuals -t and -y, and a step with all weights one half.
        ahead = -case.y_clean + settings.step_size(K) * 0.5 * K.clean @ case.t
        bound = np.sqrt(np.mean(K.clean**2, axis=0) * np.mean(ahead**2))
        assert float(one["coupling_bound"][0]) == pytest.approx(np.sqrt(np.mean(bound**2)), rel=1e-9)
        assert (one["coupling"] <= one["coupling_bound"]).all()
        assert float(one["clean_loss"][0]) == pytest.approx(0.5)
        np.testing.assert_array_equal(one["mislabelled"], case.mislabelled)
        slowest = 0.5 / (config.beta * np.mean(case.y_clean[:, None] * case.y * K.clean, axis=0)[case.mislabelled])
        assert float(one["first_order"]) == pytest.approx(slowest.max())
        np.testing.assert_array_less(np.diff(one["energy"]), 1e-12)


def test_times_of_filtering_are_bracketed_by_their_bounds(run_of_phases):
    _, found = run_of_phases
    earliest, measured, latest, horizon = (
        float(found[n].values.ravel()[0])
        for n in ("filtered_earliest", "filtered_measured", "filtered_latest", "horizon")
    )
    assert earliest <= measured <= latest <= horizon


def test_phases_are_read_group_by_group():
    """Mislabelled examples are those of CASE: gone, both of them, from step 4 on."""
    weight = np.array([[0.5, 0.5, 0.5, 0.5], [0.0, 0.2, 0.6, 0.0], [0.0, 0.0, 0.8, 0.7], [0.0, 0.1, 1.0, 0.4]])
    steps = np.array([0, 2, 4, 8])
    variables = phases.weights(weight, CASE.mislabelled, steps)
    variables |= {"clean_loss": ("step", [0.5, 1.0, 0.2, 0.1]), "first_order": 3.25}
    one = xr.Dataset(variables, {"step": steps})
    table = phases._phase_table(xr.concat([one], "regime").assign_coords(regime=["40 % noise"]))
    assert table.rows == (("40 % noise", "3.2", "4", "0.700", "0.100", "2.000", "1.0e-01"),)
    later = one.assign(phases.weights(np.where(steps[:, None] < 4, weight, 0.5), CASE.mislabelled, steps))
    assert phases._phase_table(xr.concat([later], "regime").assign_coords(regime=["x"])).rows[0][2] == "never"


def test_the_diagram_finds_the_first_ratio_and_the_largest_gap_of_each_group():
    variables = {
        "simulated_mislabelled": [0.5, 0.1, 0.0], "predicted_mislabelled": [0.4, 0.1, 0.02],
        "simulated_clean": [0.98, 0.995, 1.0], "predicted_clean": [0.7, 0.99, 1.0],
    }  # fmt: skip
    one = xr.Dataset({n: (("p", "ratio"), [v]) for n, v in variables.items()}, {"p": [0.3], "ratio": [0.1, 1.0, 5.0]})
    table = phase_diagram._diagram_table(one)
    boundary = f"{flow.amplification_ratio(0.3):.3g}"
    assert table.rows == (("0.3", boundary, "1", "0.100", "0.280"),)
    assert phase_diagram._diagram_table(one.isel(ratio=[0])).rows[0][2] == "none"


# ---------------------------------------------------------------- after filtering


def test_memorised_is_agreement_of_mislabelled_outputs_with_the_observed_label():
    """CASE observes -1, 1 on its mislabelled examples; outputs go from none to one of the two."""
    f = np.array([[[1.0, -1.0, 1.0, 1.0]], [[-0.5, 2.0, 1.0, 1.0]], [[-0.5, -0.1, 1.0, 1.0]]])  # (step, beta, example)
    w = np.array([[[0.5, 0.5, 0.5, 0.5]], [[0.4, 0.2, 0.7, 0.9]], [[0.3, 0.1, 0.8, 1.0]]])
    unit = after_filtering._Unit((0.5,), 4, 0, False)
    found = after_filtering._summary(CASE, unit, {"noise": (w, f - CASE.t)}, 2).sel(perturbation="noise", beta=0.5)
    np.testing.assert_allclose(found["memorised_path"], [0.0, 1.0, 0.5])
    assert float(found["memorised"]) == 0.5
    assert float(found["least_memorised"]) == 0.5  # the start does not count
    np.testing.assert_allclose(found["mislabelled_path"], [0.5, 0.3, 0.2])
    assert float(found["mislabelled_weight"]) == pytest.approx(0.2)
    assert float(found["clean_weight"]) == pytest.approx(0.9)
    np.testing.assert_array_equal(found["step"], [0, 2, 4])


def test_leaks_show_the_least_and_the_last_share_of_each_place():
    values = {"least_memorised": 0.1, "memorised": 0.6, "mislabelled_weight": 0.25}
    dims = ("perturbation", "subset", "beta", "seed")
    seeds = np.array([-0.1, 0.1])
    dataset = xr.Dataset(
        {
            n: (dims, v + 0.02 * np.arange(2)[None, :, None, None] + seeds[None, None, None, :])
            for n, v in values.items()
        },
        {"perturbation": ["noise 0.1"], "subset": ["held out", "contained"], "beta": [0.5]},
    )
    table = after_filtering._leak_table(dataset)
    assert table.head[1:] == ("held out, β = 0.5", "contained, β = 0.5")
    ends = [interval(0.6 + 0.02 * k + seeds).points() for k in range(2)]
    assert table.rows == (("noise 0.1", f"0.10 → {ends[0]} (0.250)", f"0.12 → {ends[1]} (0.270)"),)


def test_flipped_clean_labels_are_the_first_ones():
    case = settings.problem(7, 0.4)
    start = after_filtering._with_flipped(case, 5)
    np.testing.assert_array_equal(start.r_clean, np.where(np.arange(settings.M) < 5, 1, -1) * case.y_clean)
    np.testing.assert_array_equal(start.r, -case.t)


def test_normalised_weights_are_positive_couplings_of_mean_one():
    case = settings.problem(7, 0.4)
    K = settings.blocks(case)
    w, r = after_filtering._normalised(case, K, settings.step_size(K), after_filtering._Unit((0.5, 5.0), 1, 7, False))
    positive = np.maximum(theory.coupling(K.clean, -case.t, -case.y_clean), 0)  # at zero weights nothing moves
    weights = settings.N * positive / positive.sum()
    np.testing.assert_allclose(w[1], np.broadcast_to(np.minimum(weights, 1), (2, settings.N)))
    np.testing.assert_allclose(r[1, 0], -case.t + settings.step_size(K) * K.train @ (weights * case.t))


# ---------------------------------------------------------------- FBR against the field


def of_field(selected, final):
    """Results {(place, V, label): accuracy} for both readings; 'seen' and weights tell runs apart."""
    seeds = np.array([0.0, 0.01, 0.03])
    scale = 1 + 0.01 * np.arange(len(selected))[:, None]
    places, extra, labels = zip(*selected, strict=True)
    blocks = [sets.block_name(p, v) for p, v in zip(places, extra, strict=True)]
    names = {"block": blocks, "label": labels, "place": places, "extra": extra}
    readings = {n: np.array([values[k] for k in selected])[:, None] + scale * seeds
                for n, values in (("selected", selected), ("final", final))}  # fmt: skip
    return xr.Dataset(
        {n: (("run", "seed"), v) for n, v in readings.items()}, {n: ("run", list(v)) for n, v in names.items()}
    )


def test_consistency_counts_both_readings_apart():
    selected = {("a", 0, sets.CE): 0.5, ("a", 0, sets.FBR): 0.6, ("b", 0, sets.CE): 0.7, ("b", 0, sets.FBR): 0.6}
    final = {**selected, ("b", 0, sets.FBR): 0.9}
    found = field.consistent(of_field(selected, final), [sets.CE])
    assert found == {"selected": (1, 1, 2), "final": (2, 0, 2)}
    table = field.against(of_field(selected, final), [sets.CE], "selected", "caption")
    assert [row[1].split(": ")[-1] for row in table.rows[:2]] == ["better", "worse"]
    assert float(table.rows[0][1].split()[0]) == pytest.approx(10, abs=0.2)


def test_weights_are_kept_at_the_last_record():
    names = ("clean_example_weight", "mislabelled_example_weight", "noise_share")
    variables = {
        n: (("run", "seed", "record"), np.array([[[0.9, v], [0.9, v + 0.02]]]))
        for n, v in zip(names, (0.6, 0.2, 0.1), strict=True)
    }
    labels = {"block": ("run", ["a, V = 1"]), "label": ("run", [sets.FBR]), "seen": ("run", [1100])}
    assert field.kept(xr.Dataset(variables, labels)).rows == (
        ("a, V = 1", sets.FBR, "0.610", "0.210", "0.110", "1100"),
    )


def test_references_weight_who_their_names_say():
    found = sets.rivals(field.FIELD.config["full"])
    weights = {name: (found[name].clean, found[name].mislabelled) for name in (sets.CE, sets.CLEAN, sets.ORACLE)}
    assert weights == {sets.CE: (1, 1), sets.CLEAN: (0, 0), sets.ORACLE: (1, 0)}


def test_examples_seen_in_an_epoch_count_the_clean_subset_once_for_each_extra_epoch():
    entries = sets.entries(field.FIELD.config["standard"])
    seen = {(e.unit.extra.epochs, e.unit.clean.m, field._seen(e.unit)) for e in entries}
    assert seen == {(0, 100, 1000), (10, 100, 2000)}
