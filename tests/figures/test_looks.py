"""Rules look the same in every figure, and colours stay apart for colour-blind readers."""

import doctest
from itertools import combinations

import numpy as np
import pytest
import xarray as xr

from figures import comparison, looks, mean_field, networks, noise_compensation, style
from tests.figures.same_looks import differences

# Severe dichromacy in linear RGB: Machado, Oliveira and Fernandes (2009), table 1, severity 1.
SEEN_BY = {
    "all": np.eye(3),
    "protanopes": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopes": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopes": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
OKABE_ITO = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def lab(colour: str, seen_by: str) -> np.ndarray:
    """CIELAB (D65) of a colour as some readers see it."""
    s = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz = to_xyz @ np.clip(SEEN_BY[seen_by] @ linear, 0, 1) / (0.95047, 1.0, 1.08883)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colours: set[str], seen_by: str) -> float:
    """The smallest distance of two of the colours."""
    return min(float(np.linalg.norm(lab(a, seen_by) - lab(b, seen_by))) for a, b in combinations(colours, 2))


@pytest.mark.parametrize("seen_by", SEEN_BY)
def test_colours_are_as_far_apart_as_okabe_and_itos_are_where_they_are_nearest(seen_by):
    least = min(nearest(set(OKABE_ITO), by) for by in SEEN_BY)
    assert least == pytest.approx(16, abs=1)
    assert nearest({look.colour for look in looks.LOOKS.values()}, seen_by) >= least
    assert nearest(set(looks.SERIES), seen_by) >= least


def test_no_two_rules_have_a_look_in_common_and_nothing_else_has_their_colours():
    pairs = [(look.colour, look.marker) for look in looks.LOOKS.values()]
    assert len(set(pairs)) == len(pairs)
    lines = [(look.colour, look.line) for look in looks.LOOKS.values()]
    assert len(set(lines)) == len(lines)
    assert not {look.colour for look in looks.LOOKS.values()} & {*looks.SERIES, looks.OTHER_COLOUR}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("SANER", "n-SAM ↓B"),
        ("1-SAM, ρ = 0.1", "1-SAM"),
        ("SGD + 0.03 norms", "SGD + norms"),
        ("NC+ (oracle, sphere)", "NC+"),
        ("n-SAM (oracle)", "n-SAM (oracle)"),
        ("clipped meta-reweighting, β = 10", "clipped meta-reweighting"),
        ("n-SAM, soft bootstrap", None),
        ("SAM only on B", None),
    ],
)
def test_labels_name_rules(text, rule):
    assert looks.rule_of(text) == rule
    assert doctest.testmod(looks).failed == 0


def test_a_rule_of_ones_own_is_grey_with_a_marker_by_its_name():
    mine = [looks.look(f"my rule {k}") for k in range(20)]
    assert mine == [looks.look(f"my rule {k}") for k in range(20)]
    assert {look.colour for look in mine} == {looks.OTHER_COLOUR}
    assert len(set(mine)) >= 5


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda axes: axes.plot([0, 1], color="#D55E00", label="n-SAM"), "'n-SAM' has #d55e00"),
        (lambda axes: axes.plot([0, 1], "o", color="#E69F00", label="SAM, ρ = 0.1"), "'SAM, ρ = 0.1' has #e69f00 and"),
        (lambda axes: axes.errorbar([0], [1], [1], fmt="s", color="k", label="SGD, best"), "'SGD, best' has #000000"),
        (lambda axes: axes.scatter([0], [1], marker="s", color="#0072B2", label="norm"), "'norm' has #0072b2 and 's'"),
        (lambda axes: axes.plot([0, 1], "o", color="#D55E00", label="Δ = 0.1"), "of a rule with the marker 'o'"),
    ],
)
def test_another_look_is_noticed(draw, says):
    figure, axes = style.panels(1)
    draw(axes[0, 0])
    (found,) = differences(figure)
    assert says in found


def test_own_looks_are_let_through():
    figure, axes = style.panels(1)
    for rule in (*list(looks.LOOKS)[::3], *looks.ALSO, "my rule"):
        tone, shape, line = looks.look(rule)
        axes[0, 0].plot([0, 1], color=tone, linestyle=line, label=rule)
        axes[0, 0].errorbar([0], [1], [1], color=tone, marker=shape, label=f"{rule}, best")
        axes[0, 0].scatter([0], [1], marker=shape, edgecolors=tone, facecolors="none", label=rule)
        style.curve(axes[0, 0], [0, 1], xr.DataArray(np.ones((2, 4)), dims=("epoch", "seed")), **looks.of_curve(rule))
    axes[0, 0].plot([0, 1], "o", color=looks.tones(3)[-1], label="Δ = 0.1")
    assert differences(figure) == []


METHODS = ("SGD", "SAM", "SANER", "1-SAM", "NCSAM")


def made_up(names: tuple[str, ...], *more: str) -> xr.Dataset:
    """Numbers (run, seed, epoch or nothing more) for METHODS."""
    dims = ("run", "seed", *more)
    values = xr.DataArray(np.full((len(METHODS), 4, *[3] * len(more)), 0.5), dims=dims)
    labels = {"method": ("run", list(METHODS)), "label": ("run", list(METHODS)), "block": ("run", ["b"] * len(METHODS))}
    return xr.Dataset(dict.fromkeys(names, values)).assign_coords(
        labels | {"rho": ("run", 0.1 * np.arange(len(METHODS))), "epoch": [0, 1, 2]}
    )


def test_figures_of_several_rules_keep_their_looks():
    curves = ("clean_accuracy", "mislabelled_accuracy", "clean_loss", "mislabelled_loss", "test_accuracy")
    figures = [
        networks.training_curves(made_up(curves, "epoch")),
        networks.norms_over_training(made_up(("activation_norm", "last_layer_norm"), "epoch")),
        comparison.differences(made_up(("selected", "memorised"))),
        mean_field.finite_size(
            xr.Dataset({"error": (("run", "size"), np.ones((len(METHODS), 2)))}).assign_coords(
                method=("run", list(METHODS)), size=[100, 200]
            )
        ),
        noise_compensation.curves(
            made_up(("test_accuracy",), "epoch").assign(
                reported=(("reported_method", "reported_epoch"), np.ones((3, 2))), switch=1, epochs=("epoch", [0, 1, 2])
            ).assign_coords(reported_method=["SGD", "SAM", "NCSAM"], reported_epoch=[0, 1])
            .isel(run=[0, 1, 4])
        ),
    ]  # fmt: skip
    assert [differences(figure) for figure in figures] == [[]] * len(figures)
    marked = {m.get_color() for axes in figures[2].axes for m in axes.lines if m.get_marker() not in ("None", "none")}
    assert marked == {looks.colour(method) for method in METHODS[1:]}
