"""Figures for papers: at the width of a column and of a page nothing overlaps, and nothing is cut off."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from figures import looks, networks, style

RULES = list(looks.LOOKS)[:7]


def curves() -> xr.Dataset:
    """Made-up curves of seven rules, some of long names."""
    names = ("clean_accuracy", "mislabelled_accuracy", "clean_loss", "mislabelled_loss", "test_accuracy")
    values = xr.DataArray(np.linspace(0.5, 0.9, 7 * 4 * 3).reshape(7, 4, 3), dims=("run", "seed", "epoch"))
    labels = {"method": ("run", RULES), "rho": ("run", [0.1] * 7), "epoch": [0, 40, 80]}
    return xr.Dataset(dict.fromkeys(names, values)).assign_coords(labels)


@pytest.mark.parametrize(("width", "rows"), [(3.25, 3), (6.75, 1)])
def test_panels_and_legend_have_room(width: float, rows: int, tmp_path: Path) -> None:
    drawn: list[Figure] = []

    def draw(dataset: xr.Dataset) -> Figure:
        drawn.append(networks.training_curves(dataset))
        return drawn[0]

    style.export(draw, curves(), tmp_path / "curves.png", width)
    (figure,) = drawn
    assert figure.get_figwidth() == width
    assert len({round(panel.get_position().y0, 2) for panel in figure.axes}) == rows
    boxes = [box for artist in (*figure.axes, *figure.legends) if (box := artist.get_tightbbox()) is not None]
    assert len(boxes) == 4
    assert not any(_overlap(a, b) for a, b in combinations(boxes, 2))
    across, up = figure.bbox.max
    assert all(min(b.x0, b.y0) >= -1 and b.x1 <= across + 1 and b.y1 <= up + 1 for b in boxes)
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(RULES)


def _overlap(a: Bbox, b: Bbox) -> bool:
    """By more than a pixel."""
    return bool(min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1)
