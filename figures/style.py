"""The visual grammar: theory is a line, simulation markers with Student intervals; panels, legends, ticks and files."""

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
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import LogFormatter, LogLocator, NullFormatter, NullLocator

CLEAN, MISLABELLED = "solid", "dashed"
HALO = [Stroke(linewidth=2.6, foreground="white"), Normal()]  # a line that is seen on any ground

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")  # text, which is set faster than formulas

NARROWEST, LOWEST = 2.2, 2.0  # inches of a panel with its labels, for a paper

FEWEST = 4  # seeds of which an interval is drawn
# 1/degrees of freedom with the 97.5 % quantile of Student's t there, which between them is nearly linear.
STUDENT = (
    (0.0, 1 / 60, 1 / 30, 1 / 20, 1 / 15, 1 / 12, 1 / 10, 1 / 9, 1 / 8, 1 / 7, 1 / 6, 1 / 5, 1 / 4, 1 / 3),
    (1.9600, 2.0003, 2.0423, 2.0860, 2.1314, 2.1788, 2.2281, 2.2622, 2.3060, 2.3646, 2.4469, 2.5706, 2.7764, 3.1824),
)

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


def panels(columns: int, rows: int = 1, *, width: float = 3.1, height: float = 2.6) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes, without touching matplotlib's global state."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns, squeeze=False)


def legend_below(figure: Figure, panel: Axes, *, columns: int) -> None:
    """The legend of a panel below the whole figure, where it hides nothing."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)), fontsize=7)


def half_width(deviation: Any, seeds: Any) -> np.ndarray:
    """Half of the 95 % Student interval of a mean over seeds; NaN, for which no bar is drawn, below FEWEST seeds."""
    degrees = np.maximum(np.asarray(seeds), 2) - 1.0
    t = np.interp(1 / degrees, *STUDENT)
    return np.where(np.asarray(seeds) >= FEWEST, t * np.asarray(deviation) / np.sqrt(degrees + 1), np.nan)


def mean_and_interval(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds and half of its 95 % Student interval, NaN below FEWEST seeds; what diverged is left out."""
    half = half_width(values.std("seed", ddof=1).values, values.notnull().sum("seed").values)
    return values.mean("seed").values, half


def bar(mean: Any, low: Any, high: Any, *, seeds: int) -> np.ndarray | None:
    """What errorbar draws of given intervals; nothing below FEWEST seeds."""
    return np.atleast_2d(np.array([mean - low, high - mean]).T).T if seeds >= FEWEST else None


def curve(axes: Axes, x: Any, values: xr.DataArray, **style: Any) -> None:
    """A simulated curve: the mean over seeds with a band, its 95 % Student interval."""
    mean, half = mean_and_interval(values)
    (line,) = axes.plot(x, mean, **style)
    axes.fill_between(x, mean - half, mean + half, color=line.get_color(), alpha=0.2, linewidth=0)


def save(draw: Callable[[xr.Dataset], Figure], dataset: xr.Dataset, path: Path) -> bytes:
    """Draw and return the PNG; write PNG and SVG beside each other at path (without suffix), deterministically."""
    with mpl.rc_context(RC):
        figure = draw(dataset)
        lay_out(figure)
        png = BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_name(path.name + ".svg"), metadata={"Date": None})
    path.with_name(path.name + ".png").write_bytes(png.getvalue())
    return png.getvalue()


def export(draw: Callable[[xr.Dataset], Figure], dataset: xr.Dataset, path: Path, width: float) -> None:
    """Draw for a paper, `width` inches wide, letters as large as ever; the path ends in pdf, svg or png."""
    with mpl.rc_context(RC):
        figure = draw(dataset)
        for axes in figure.axes:
            _plain_ticks(axes)
        _narrow(figure, width)
        metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata=metadata[path.suffix[1:]])


def _narrow(figure: Figure, width: float) -> None:
    """Make a figure `width` inches wide: a row of panels that would be too narrow becomes several, legends wrap."""
    panels = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    grid = panels[0].get_subplotspec().get_gridspec()  # type: ignore[union-attr]
    before, rows, columns = figure.get_size_inches(), grid.nrows, grid.ncols
    if rows == 1 and width < NARROWEST * columns:
        rows = -(-columns // max(1, int(width / NARROWEST)))
        columns = -(-columns // rows)
        several = figure.add_gridspec(rows, columns)
        for k, panel in enumerate(panels):
            panel.set_subplotspec(several[divmod(k, columns)])
            if k % columns == 0 and not panel.get_ylabel():
                panel.set_ylabel(panels[0].get_ylabel())
    high, shrunk = before[1] / grid.nrows, width / columns / (before[0] / grid.ncols)
    height = rows * min(high, max(LOWEST, high * shrunk))
    for legend in list(figure.legends):
        labels = [text.get_text() for text in legend.get_texts()]
        (panel, *_) = (axes for axes in panels if axes.get_legend_handles_labels()[1] == labels)
        fitting = max(1, int(width / max(map(_inches, labels))))
        height += 0.15 * -(-len(labels) // fitting)
        legend.remove()
        legend_below(figure, panel, columns=fitting)
    figure.set_size_inches(width, height)


def _inches(label: str) -> float:
    """About as much of a legend's width."""
    return 0.6 + 0.055 * len(label)


def _plain_ticks(axes: Axes) -> None:
    """Logarithmic axes: ticks at decades only from two decades on, else at 1, 2 and 5 as plain numbers.

    More of them overlap, and take most of drawing's time. Where a figure says which numbers it wants, it has them.
    """
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        if axis.get_scale() != "log" or low <= 0 or not isinstance(axis.get_major_formatter(), LogFormatter):
            continue
        if high > 100 * low:
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(lambda v, _: "10" + f"{np.log10(v):.0f}".translate(RAISED) if v > 0 else "")
        else:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(lambda v, _: f"{v:g}")
            axis.set_minor_formatter(NullFormatter())


def lay_out(figure: Figure) -> None:
    """Place ticks, axes and legends once and for all: it takes as long as drawing, which each format would do again."""
    for axes in figure.axes:
        _plain_ticks(axes)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
