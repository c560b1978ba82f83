"""Figures on gradient ratios: the plane of margins, the transition in time, the two-dimensional toy."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import looks, style

GROUP_MARKERS = {"A": "^", "B": "o", "C": "x"}


def ratio_regions(dataset: xr.Dataset) -> Figure:
    """r over (m_c, m_n) with boundaries and simulated coordinates, a panel for each beta."""
    figure, axes = style.panels(dataset.sizes["beta"], width=4.2, height=3.6)
    for ax, beta in zip(axes[0], dataset["beta"].values, strict=True):
        row = dataset.sel(beta=beta)
        image = ax.pcolormesh(row["m_c"], row["m_n"], row["ratio"], cmap="RdBu", vmin=-1, vmax=3, shading="nearest",
                              rasterized=True)  # fmt: skip
        for name, line in (("dominance", ":"), ("reversal", "--"), ("unit_low", "-"), ("unit_high", "-")):
            inside = np.where(abs(row[name]) <= 5, row[name], np.nan)
            label = {"unit_low": "r = 1", "reversal": "r = 0", "dominance": "parts cancel"}.get(name)
            ax.plot(inside, row["m_n"], line, color="black", linewidth=1, label=label)
        r = row["simulated_ratio"].values
        for group, mask in {"A": r >= 1, "B": (r > 0) & (r < 1), "C": r <= 0}.items():
            ax.plot(row["point_m_c"][mask], row["point_m_n"][mask], GROUP_MARKERS[group], color="black", markersize=2.5,
                    markerfacecolor="none", markeredgewidth=0.6)  # fmt: skip
        ax.set(xlim=(-5, 5), ylim=(-5, 5), xlabel="margin of clean examples m_c", title=f"β = {beta:g}")
        figure.colorbar(image, ax=ax, label="r")
    axes[0, 0].set_ylabel("margin of mislabelled examples m_n")
    axes[0, 0].legend(loc="lower right", framealpha=0.8, frameon=True)
    return figure


def _shade(ax: Axes, time: np.ndarray, group: np.ndarray) -> None:
    """Reversed light, reduced dark, up to the next recorded time."""
    for k in range(len(time) - 1):
        if group[k] > 0:
            ax.axvspan(1 + time[k], 1 + time[k + 1], color="0.6" if group[k] == 1 else "0.88", linewidth=0)


def signal_memory(dataset: xr.Dataset) -> Figure:
    """Signal weight and both margins against time for several alpha, with the phases shaded."""
    figure, axes = style.panels(3, width=3.3)
    at = dataset.isel(rho=-1)
    time = at["time"].values
    for ax, (name, label) in zip(
        axes[0], (("signal", "signal weight w₁"), ("m_c", "clean margin"), ("m_n", "mislabelled margin")), strict=True
    ):
        _shade(ax, time, at["group"].isel(alpha=0).values)
        for alpha, tone in zip(at["alpha"].values, looks.tones(at.sizes["alpha"]), strict=True):
            ax.plot(1 + time, at[name].sel(alpha=alpha), color=tone, label=f"α = {alpha:g}")
        ax.set(xscale="log", xlabel="1 + time", title=label)
    axes[0, 0].legend(title=f"ρ = {float(at['rho']):g}")
    return figure


def toy(dataset: xr.Dataset) -> Figure:
    """Loss landscape with trajectories, data with decision boundaries, and loss against step, for the first draw."""
    figure, axes = style.panels(3, width=3.9, height=3.1)
    script = int(dataset["script_steps"])
    left, middle, right = axes[0]
    w_1, w_2 = dataset["w_1"].values, dataset["w_2"].values
    left.contourf(w_1, w_2, dataset["landscape"].values.T, levels=30, cmap="viridis")
    left.contourf(w_1, w_2, dataset["noisy_landscape"].values.T, levels=[0, 1], colors="red", alpha=0.4)
    for t, wrong in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        mask = (dataset["t"].values == t) & (dataset["mislabelled"].values == wrong)
        middle.plot(*dataset["x"].values[mask].T, "x" if wrong else ".", color=looks.series(int(t < 0)), markersize=4)
    for name in dataset["rule"].values:
        row, (tone, shape, _) = dataset.sel(rule=name), looks.look(str(name))
        path = row["w"].values[: script + 1]
        left.plot(*path.T, color=tone, marker=shape, markersize=2, linewidth=1, path_effects=style.HALO)
        left.plot(*path[-1], shape, color=tone, markersize=8, markeredgecolor="white")
        span = np.array([-6.0, 6.0])
        middle.plot(span, -path[-1, 0] / path[-1, 1] * span, color=tone)
        right.plot(row["step"], row["loss"], color=tone, label=str(name))
    right.axhline(1, color="grey", linewidth=0.7)
    right.axvline(script, color="grey", linestyle=":", linewidth=0.7)
    left.set(
        xlabel="w₁",
        ylabel="w₂",
        xlim=(w_1[0], w_1[-1]),
        ylim=(w_2[0], w_2[-1]),
        title="Landscape (large: where the script ends)",
    )
    middle.set(xlim=(-6, 6), ylim=(-6, 6), xlabel="x₁", ylabel="x₂", title="Decision boundaries (crosses: mislabelled)")
    right.set(xlabel="step", ylabel="loss", title="Loss on all noisy training data")
    right.legend()
    return figure
