"""The visual grammar: theory is a line, simulation markers with +-1 standard error; one colour and marker per rule."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colour-blind-safe palette.
COLOURS = {
    "SGD": "#000000",
    "n-SAM": "#E69F00",
    "L-SAM": "#56B4E9",
    "J-SAM": "#009E73",
    "1-SAM": "#D55E00",
    "SGD + norms": "#0072B2",
    "SGD + squared norms": "#F0E442",
}
MARKERS = {
    "SGD": "o",
    "n-SAM": "s",
    "L-SAM": "^",
    "J-SAM": "D",
    "1-SAM": "v",
    "SGD + norms": "p",
    "SGD + squared norms": "h",
}
OTHER_COLOUR, OTHER_MARKER = "#CC79A7", "P"
CLEAN, MISLABELLED = "solid", "dashed"

RC: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.dpi": 130,
    "savefig.dpi": 160,
    "svg.hashsalt": "sharpness-under-label-noise",
}


def colour(method: str) -> str:
    """The colour of a rule in every figure."""
    return COLOURS.get(method, OTHER_COLOUR)


def marker(method: str) -> str:
    """The marker of a rule in every figure."""
    return MARKERS.get(method, OTHER_MARKER)


def shades(method: str, count: int) -> list[tuple[float, float, float]]:
    """From a light to the full tone of a rule's colour, for a grid of hyper-parameters."""
    full = np.array(mpl.colors.to_rgb(colour(method)))
    return [tuple(1 - (1 - full) * s) for s in np.linspace(1.0, 0.4, count)[::-1]]


def panels(columns: int, rows: int = 1, *, width: float = 3.1, height: float = 2.6) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes, without touching matplotlib's global state."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns, squeeze=False)


def mean_and_error(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error over seeds."""
    count = values.sizes["seed"]
    error = values.std("seed", ddof=1) / np.sqrt(count) if count > 1 else xr.zeros_like(values.mean("seed"))
    return values.mean("seed").values, error.values


def curve(axes: Axes, x: Any, values: xr.DataArray, **style: Any) -> None:
    """A simulated curve: the mean over seeds with a band of +-1 standard error."""
    mean, error = mean_and_error(values)
    (line,) = axes.plot(x, mean, **style)
    axes.fill_between(x, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0)


def save(draw: Callable[[xr.Dataset], Figure], dataset: xr.Dataset, path: Path) -> bytes:
    """Draw and return the PNG; write PNG and SVG beside each other at path (without suffix), deterministically."""
    with mpl.rc_context(RC):
        figure = draw(dataset)
        _lay_out(figure)
        png = BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_name(path.name + ".svg"), metadata={"Date": None})
    path.with_name(path.name + ".png").write_bytes(png.getvalue())
    return png.getvalue()


def _lay_out(figure: Figure) -> None:
    """Place axes and legends once and for all: it takes as long as drawing, which each format would do again."""
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
