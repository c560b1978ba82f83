"""What figures draw of a result: means, paired differences and intervals, read back from the axes."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from scipy import stats

from figures import comparison, networks, style

SEEDS = np.array([0.0, 0.01, 0.03, 0.04])
HALF = 3.1824 * SEEDS.std(ddof=1) / 2  # Student's quantile of three degrees of freedom, and the root of four seeds


def markers(axes: Axes) -> list[tuple[float, float, float, float]]:
    """(x, y, from, to) of every marker with a bar, in the order drawn."""
    found = []
    for container in axes.containers:
        line, _, bars = container.lines
        for x, y, segment in zip(*line.get_data(), bars[0].get_segments(), strict=True):
            along = 0 if segment[0][0] != segment[1][0] else 1
            found.append((float(x), float(y), float(segment[0][along]), float(segment[1][along])))
    return found


def test_an_interval_is_students_over_the_seeds_that_are_there():
    rows = xr.DataArray([SEEDS, 2 * SEEDS + 1], dims=("run", "seed"))
    mean, half = style.mean_and_interval(rows)
    np.testing.assert_allclose(mean, [0.02, 1.04])
    np.testing.assert_allclose(half, [HALF, 2 * HALF])
    mean, half = style.mean_and_interval(xr.concat([rows, rows.isel(run=[0]).where(SEEDS > 0)], "run"))
    assert mean[2] == pytest.approx(0.08 / 3)
    np.testing.assert_array_equal(np.isnan(half), [False, False, True])  # three seeds are left


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_below_four_seeds_there_is_no_bar_and_no_band(seeds):
    values = xr.DataArray(np.ones((2, seeds)) * np.arange(seeds), dims=("epoch", "seed"))
    assert np.isnan(style.mean_and_interval(values)[1]).all()
    assert style.bar(0.5, 0.4, 0.7, seeds=seeds) is None
    np.testing.assert_allclose(style.bar(0.5, 0.4, 0.7, seeds=4), [[0.1], [0.2]])


def test_the_quantiles_are_students():
    seeds = np.arange(4, 3000)
    t = style.half_width(np.sqrt(seeds), seeds)
    np.testing.assert_allclose(t, stats.t.isf(0.025, seeds - 1), rtol=1e-3)


def test_a_band_is_the_interval_to_either_side():
    _, axes = style.panels(1)
    style.curve(axes[0, 0], [0, 1], xr.DataArray([SEEDS, 2 * SEEDS], dims=("epoch", "seed")))
    np.testing.assert_allclose(axes[0, 0].lines[0].get_ydata(), [0.02, 0.04])
    edges = axes[0, 0].collections[0].get_paths()[0].vertices
    ends = {float(y) for x, y in edges if x == 0}
    assert [min(ends), max(ends)] == pytest.approx([0.02 - HALF, 0.02 + HALF])


def test_differences_are_to_the_first_method_of_each_block_with_intervals():
    levels = {"selected": [0.5, 0.6, 0.9, 0.7], "memorised": [0.8, 0.3, 0.1, 0.2]}
    scale = np.array([1.0, 2.0, 1.0, 4.0])[:, None]
    dataset = xr.Dataset(
        {n: (("run", "seed"), np.array(v)[:, None] + scale * SEEDS) for n, v in levels.items()},
        {"block": ("run", ["a", "a", "b", "b"]), "label": ("run", ["SAM", "x", "SAM", "y"])},
    )
    selected, memorised = comparison.differences(dataset).axes
    assert [label.get_text() for label in selected.get_yticklabels()] == ["x  (a)", "y  (b)"]
    for panel, (first, second) in ((selected, (10, -20)), (memorised, (-50, 10))):
        expected = [(first + 2, 0, 100 * HALF), (second + 6, -1, 300 * HALF)]
        for (x, y, low, high), (mean, place, reach) in zip(markers(panel), expected, strict=True):
            assert (x, y) == pytest.approx((mean, place))
            assert (low, high) == pytest.approx((mean - reach, mean + reach))


def test_the_ablation_draws_its_intervals_reading_by_reading():
    numbers = {"difference": [[0.01, 0.04]], "low": [[-0.02, 0.01]], "high": [[0.03, 0.09]]}
    norms = {
        n: (("run", "seed"), v + SEEDS[None]) for n, v in (("final_activation_norm", 3), ("final_last_layer_norm", 8))
    }
    dataset = xr.Dataset(
        {n: (("run", "reading"), v) for n, v in numbers.items()} | norms,
        {"method": ("run", ["1-SAM"]), "reading": ["validated", "final"]},
    )
    differences, after = networks.ablation(dataset).axes
    assert [m[0] for m in markers(differences)] == pytest.approx([1, 4])
    assert [m[2:] for m in markers(differences)] == [pytest.approx((-2, 3)), pytest.approx((1, 9))]
    assert markers(after)[0][:2] == pytest.approx((3.02, 8.02))


def test_gains_are_drawn_with_the_interval_of_their_method():
    values = {"gain": [[0.05, -0.01]], "low": [[0.02, -0.04]], "high": [[0.06, 0.03]]}
    coords = {"seeds": 4, "method": ["J-SAM", "1-SAM"], "condition": ("cell", ["eta"]), "value": ("cell", [0.1])}
    panels = networks.dependence(xr.Dataset({n: (("cell", "method"), v) for n, v in values.items()}, coords)).axes
    assert [len(markers(panel)) for panel in panels] == [0, 0, 0, 2]
    assert markers(panels[3]) == [pytest.approx((0.1, 5, 2, 6)), pytest.approx((0.1, -1, -4, 3))]


def test_cost_has_quartiles_and_accuracy_an_interval():
    dataset = xr.Dataset(
        {"cost": (("rule", "quantile"), [[2.0, 3.0, 7.0]]), "selected_test_accuracy": (("run", "seed"), [0.5 + SEEDS])},
        {"rule": ["1-SAM"], "quantile": [0.25, 0.5, 0.75], "method": ("run", ["1-SAM"])},
    )
    (panel,) = networks.frontier(dataset).axes
    across, up = (bar.get_segments()[0] for bar in panel.containers[0].lines[2])
    assert [float(x) for x in across[:, 0]] == [2, 7]
    assert [float(y) for y in up[:, 1]] == pytest.approx([52 - 100 * HALF, 52 + 100 * HALF])


def test_the_chosen_rho_is_filled():
    names = ("validation_score", "selected_test_accuracy", "final_test_accuracy")
    values = {n: (("run", "seed"), np.array([[0.5], [0.6], [0.7]]) + 0.1 * k + SEEDS) for k, n in enumerate(names)}
    labels = {"method": ["SGD", "1-SAM", "1-SAM"], "rho": [0.0, 0.1, 0.2], "chosen": [True, False, True]}
    for k, panel in enumerate(networks.rho_tuning(xr.Dataset(values, {n: ("run", v) for n, v in labels.items()})).axes):
        filled = [line for line in panel.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 1]
        assert [(float(f.get_xdata()[0]), float(f.get_ydata()[0])) for f in filled] == [
            pytest.approx((0.2, 0.72 + 0.1 * k))
        ]
        assert [m[:2] for m in markers(panel)] == [
            pytest.approx((0.1, 0.62 + 0.1 * k)),
            pytest.approx((0.2, 0.72 + 0.1 * k)),
        ]


def test_clean_examples_are_solid_and_mislabelled_ones_dashed():
    values = {"clean_accuracy": 0.9, "mislabelled_accuracy": 0.3, "clean_loss": 0.2, "mislabelled_loss": 2.0}
    values["test_accuracy"] = 0.6
    dataset = xr.Dataset(
        {n: (("run", "seed", "epoch"), np.full((1, 2, 5), v)) for n, v in values.items()},
        {"epoch": range(5), "method": ("run", ["SGD"]), "rho": ("run", [0.0])},
    )
    fit, loss, test = networks.training_curves(dataset).axes
    styles = {
        (line.get_linestyle(), float(line.get_ydata()[0]))
        for panel in (fit, loss)
        for line in panel.lines
        if len(line.get_ydata())
    }
    assert styles == {("-", 0.9), ("--", 0.3), ("-", 0.2), ("--", 2.0)}
    assert float(test.lines[0].get_ydata()[0]) == 0.6


def test_figures_leave_the_global_style_alone():
    before = dict(mpl.rcParams)
    style.panels(1)
    assert dict(mpl.rcParams) == before
