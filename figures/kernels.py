"""Figures on tangent kernels."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from figures import looks, style


def width(dataset: xr.Dataset) -> Figure:
    """Distance from the limit kernel against width, and kernels against the angle between two inputs."""
    figure, axes = style.panels(2, width=3.6)
    widths, widest = dataset["width"].values, int(dataset["width"][-1])
    for hidden, tone in zip(dataset["hidden"].values, looks.tones(dataset.sizes["hidden"]), strict=True):
        row = dataset.sel(hidden=hidden)
        mean, half = style.mean_and_interval(row["error"])
        axes[0, 0].errorbar(widths, mean, half, fmt="o", color=tone, label=f"{hidden}")
        axes[0, 0].plot(widths, mean[0] * np.sqrt(widths[0] / widths), color=tone, linewidth=0.8)
        axes[0, 1].plot(row["angle"], row["limit"], color=tone)
        mean, half = style.mean_and_interval(row["kernel"])
        axes[0, 1].errorbar(row["angle"], mean, half, fmt="o", color=tone)
    axes[0, 0].set(
        xscale="log", yscale="log", xlabel="width", ylabel="‖K − Θ‖ / ‖Θ‖", title="Lines: width^(−1/2) from the first"
    )
    axes[0, 0].set_xticks(widths, [str(w) for w in widths])
    axes[0, 0].xaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].legend(title="hidden layers")
    axes[0, 1].set(xlabel="angle between inputs (degrees)", ylabel="kernel", title=f"Limit, and width {widest}")
    return figure


def blocks(dataset: xr.Dataset) -> Figure:
    """Histograms of kernel entries, a row for each pair and a column for each kind; last, the outputs at the start."""
    kinds = dataset["kind"].values
    figure, axes = style.panels(len(kinds) + 1, dataset.sizes["pair"], width=2.6, height=1.8)
    for row, pair in zip(axes, dataset["pair"].values, strict=True):
        one = dataset.sel(pair=pair)
        for panel, kind in zip(row, kinds, strict=False):
            for group, tone in (("same", looks.series(0)), ("different", looks.series(1))):
                height = one[group].sel(kind=kind).mean("seed")
                panel.fill_between(dataset["entry"], height, step="mid", color=tone, alpha=0.5, label=f"{group} class")
            panel.axvline(0, color="black", linewidth=0.6)
            panel.set(yticks=[], title=f"{pair}: {kind}")
        row[-1].fill_between(dataset["output"], one["initial_outputs"].mean("seed"), step="mid", color="grey")
        row[-1].set(yticks=[], title=f"{pair}: outputs at the start")
    axes[0, 0].legend(fontsize=6)
    for panel in axes[-1, :-1]:
        panel.set_xlabel("K / mean |K|")
    return figure
