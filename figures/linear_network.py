"""Figures on two-layer linear networks: training in four numbers, and the fate of one example under J-SAM."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import looks, style

PANELS = {
    "clean_margin": "margins: clean (solid), mislabelled (dashed)",
    "signal_overlap": "overlap with the signal p₁",
    "noise_norm": "overlap with noise ‖p₂…‖",
    "last_norm": "last layer ‖v‖",
    "balance": "balance ‖v‖² − ‖W‖²",
}


def dynamics(dataset: xr.Dataset) -> Figure:
    """Summaries against step: the reduced dynamics as lines, simulated networks as markers."""
    figure, axes = style.panels(len(PANELS), width=2.6, height=2.5)
    step = 1 + dataset["step"].values
    some = np.unique(np.geomspace(1, len(step), 10).astype(int)) - 1
    for method in dataset["method"].values:
        row = dataset.sel({"method": method})
        for panel, name in zip(axes[0], PANELS, strict=True):
            lines = [(name, style.CLEAN)]
            if name == "clean_margin":
                lines.append(("mislabelled_margin", style.MISLABELLED))
            for value, line in lines:
                panel.plot(step, row[value], color=looks.colour(method), linestyle=line, linewidth=1, label=method)
                mean, half = style.mean_and_interval(row[f"simulated_{value}"])
                look = {"fmt": looks.marker(method), "color": looks.colour(method), "markersize": 3}
                panel.errorbar(step[some], mean[some], half[some], **look)
    for panel, title in zip(axes[0], PANELS.values(), strict=True):
        panel.set_xscale("log")
        panel.set_title(title, fontsize=7)
        panel.set_xlabel("1 + step")
    style.legend_below(figure, axes[0, 1], columns=len(dataset["method"]))
    return figure


def margin_ceiling(dataset: xr.Dataset) -> Figure:
    """One example under J-SAM: velocity of its margin against m at fixed J, and the balanced line against J."""
    figure, axes = style.panels(2, width=3.6)
    for J, tone in zip(dataset["J"].values, looks.shades("J-SAM", dataset.sizes["J"]), strict=True):
        row = dataset.sel(J=J)
        axes[0, 0].plot(row["m"], row["velocity"], color=tone, label=f"J = {J:g} ρ‖x‖")
        axes[0, 0].plot(row["simulated_m"], row["simulated_velocity"], looks.marker("J-SAM"), color=tone)
    axes[0, 0].axhline(0, color="grey", linewidth=0.6)
    axes[0, 0].set(
        xlabel="margin m over its bound J²/(2‖x‖)",
        ylabel="dm/dτ over σ(−m) J²",
        title="Own margin: zero at the ceiling m*",
    )
    axes[0, 0].legend(fontsize=7)
    axes[0, 1].plot(dataset["ratio"], dataset["balanced_factor"], color=looks.colour("J-SAM"))
    axes[0, 1].plot(
        dataset["simulated_ratio"], dataset["simulated_factor"], looks.marker("J-SAM"), color=looks.colour("J-SAM")
    )
    axes[0, 1].axhline(0, color="grey", linewidth=0.6)
    axes[0, 1].axvline(1, color="grey", linewidth=0.6, linestyle=":")
    axes[0, 1].set(
        xlabel="J over ρ‖x‖, balanced network",
        ylabel="J-SAM over SGD",
        title="Below 1 collapse, above growth",
    )
    return figure
