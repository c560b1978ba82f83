"""Figures on meta-reweighting: weights through the phases, times, sensitivities, phase diagrams."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from figures import looks, style

LOOKS = ((looks.CLEAN_TONE, style.CLEAN), (looks.MISLABELLED_TONE, style.MISLABELLED))


def phases(dataset: xr.Dataset) -> Figure:
    """A row for each regime: weights of every example, clean loss with the energy, coupling with its bound."""
    regimes = dataset["regime"].values
    figure, axes = style.panels(3, len(regimes), width=3.3, height=2.2)
    step = dataset["step"].values + 1  # so that the start has a place on the log axis
    for row, name in zip(axes, regimes, strict=True):
        one = dataset.sel(regime=name)
        noisy = one["mislabelled"].values.astype(bool)
        for k, (tone, line) in enumerate(LOOKS):
            weights = one["weight"].values[:, noisy == k]
            look = {"color": tone, "linestyle": line}
            row[0].add_collection(_bundle(step, weights, alpha=0.25, linewidth=0.6, **look))
            row[0].plot(step, one["mean_weight"].isel(group=k), **look)
        row[0].axvline(1 + float(one["first_order"]), color="grey", linewidth=0.8)
        row[0].set(ylabel="weight", title=str(name))
        row[1].plot(step, one["clean_loss"], color="black", label="clean loss")
        row[1].plot(step, one["energy"], color="grey", linestyle="dashdot", label="energy")
        row[2].plot(step, one["coupling"], color="black", label="rms coupling")
        row[2].plot(step, one["coupling_bound"], color="grey", linestyle="dotted", label="bound")
        for panel in row:
            panel.set_xscale("log")
            panel.axvline(1 + float(one["first_order"]), color="grey", linewidth=0.8)
        for panel in row[1:]:
            panel.set_yscale("log")
    for (tone, line), name in zip(LOOKS, ("clean", "mislabelled"), strict=True):
        axes[0, 0].plot([], [], color=tone, linestyle=line, label=name)
    for panel in axes[0]:
        panel.legend()
    for panel in axes[-1]:
        panel.set_xlabel("1 + step")
    for panel in axes[:-1].flat:
        panel.tick_params(labelbottom=False)
    return figure


def _bundle(x: np.ndarray, lines: np.ndarray, **look: Any) -> LineCollection:
    """A line for every column, as one object."""
    return LineCollection([np.column_stack([x, line]) for line in lines.T], **look)


def alignment(dataset: xr.Dataset) -> Figure:
    """When the last mislabelled weight is gone, against beta/(eta n): measured, bounds, first order, mean field."""
    figure, axes = style.panels(1, width=4.6, height=3.0)
    panel, ratio = axes[0, 0], dataset["ratio"].values
    horizon = float(dataset["horizon"])

    def reached(name: str) -> np.ndarray:
        values = dataset[f"filtered_{name}"].values
        return np.where(values < horizon, values, np.nan)

    panel.fill_between(ratio, reached("earliest"), reached("latest"), color="grey", alpha=0.3, label="proved bounds")
    panel.plot(ratio, reached("first_order_time"), color="black", label="first order")
    panel.plot(ratio, reached("mean_field"), color=looks.CLEAN_TONE, linestyle="dashdot", label="mean field")
    panel.plot(ratio, reached("measured"), "o", color=looks.MISLABELLED_TONE, label="recursion")
    panel.set(xscale="log", yscale="log", xlabel="β / (η n)", ylabel="steps")
    panel.legend()
    return figure


def finite_width(dataset: xr.Dataset) -> Figure:
    """Distance against width, share of failures, and mean weights of networks beside the limit."""
    figure, axes = style.panels(3, width=3.4)
    widths = dataset["width"].values
    for i, outputs in enumerate(dataset["outputs"].values):
        one, tone = dataset.sel(outputs=outputs), looks.series(i)
        mean, half = style.mean_and_interval(one["distance"])
        axes[0, 0].errorbar(widths, mean, half, fmt="o", color=tone, label=str(outputs))
        for name, shape in (("unfiltered", "v"), ("lost", "^")):
            mean, half = style.mean_and_interval(one[name])
            axes[0, 1].errorbar(widths, mean, half, marker=shape, color=tone, label=f"{name}, {outputs}")
    first = dataset.isel(outputs=0)
    last = float(first["distance"].isel(width=-1).mean())
    axes[0, 0].plot(widths, last * np.sqrt(widths[-1] / widths), color=looks.series(0), linewidth=0.8)
    noisy = dataset["mislabelled"].values.astype(bool)
    for group, name, tone in (
        (noisy, "mean_mislabelled", looks.MISLABELLED_TONE),
        (~noisy, "mean_clean", looks.CLEAN_TONE),
    ):
        axes[0, 2].plot(dataset["limit"].values[:, group].mean(axis=1), color=tone)
        for k, line in ((0, "dotted"), (len(widths) - 1, "dashed")):
            axes[0, 2].plot(first[name].isel(width=k).mean("seed"), color=tone, linestyle=line, alpha=0.7)
    axes[0, 0].set(
        xscale="log", yscale="log", xlabel="width", ylabel="largest rms distance", title="Weights against the limit"
    )
    axes[0, 1].set(xscale="log", xlabel="width", ylabel="share", title="Mislabelled above 1/2, clean below 1/2")
    axes[0, 2].set(
        xlabel="step", ylabel="mean weight", title=f"Limit; widths {widths[0]} (dotted), {widths[-1]} (dashed)"
    )
    for panel in axes[0, :2]:
        panel.set_xticks(widths, [str(w) for w in widths], fontsize=6)
        panel.xaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].legend(fontsize=6)
    style.legend_below(figure, axes[0, 1], columns=4)
    return figure


def post_filtering(dataset: xr.Dataset) -> Figure:
    """Share of the mislabelled that is memorised by perturbation: held out and contained, a marker for each beta."""
    figure, axes = style.panels(dataset.sizes["subset"], width=4.4, height=0.5 + 0.22 * dataset.sizes["perturbation"])
    names = [str(v) for v in dataset["perturbation"].values]
    for panel, subset in zip(axes[0], dataset["subset"].values, strict=True):
        tones = looks.tones(dataset.sizes["beta"])
        for i, beta in enumerate(dataset["beta"].values):
            mean, half = style.mean_and_interval(dataset["memorised"].sel(subset=subset, beta=beta))
            y = np.arange(len(names)) + 0.2 * (i - (dataset.sizes["beta"] - 1) / 2)
            panel.errorbar(mean, y, xerr=half, fmt="os^Dv<>ph"[i % 9], color=tones[i], label=f"β = {beta:g}")
        panel.set_yticks(range(len(names)), names, fontsize=7)
        panel.set(
            xlim=(-0.03, 1.03), xlabel="memorised share of the mislabelled at the end", title=f"clean subset {subset}"
        )
        panel.invert_yaxis()
    axes[0, -1].legend()
    return figure


def leaks(dataset: xr.Dataset) -> Figure:
    """Memorised share of the mislabelled over time under residual noise: a line for a strength, a row for a subset."""
    figure, axes = style.panels(dataset.sizes["beta"], dataset.sizes["subset"], width=3.6, height=2.4)
    step = dataset["step"].values + 1
    for row, subset in zip(axes, dataset["subset"].values, strict=True):
        for panel, beta in zip(row, dataset["beta"].values, strict=True):
            names = dataset["perturbation"].values[: int(dataset["leaking"])]
            for name, tone in zip(names, looks.tones(len(names)), strict=True):
                one = dataset["memorised_path"].sel(subset=subset, beta=beta, perturbation=name)
                style.curve(panel, step, one, color=tone, label=str(name))
            panel.set(xscale="log", ylim=(-0.03, 1.03), title=f"{subset}, β = {beta:g}")
        row[0].set_ylabel("memorised share")
    for panel in axes[-1]:
        panel.set_xlabel("1 + step")
    axes[0, 0].legend(fontsize=6)
    return figure


def phase_diagram(dataset: xr.Dataset) -> Figure:
    """Final weights over (beta/(eta n), noise rate): recursion above, mean field below, with the stated boundaries."""
    figure, axes = style.panels(2, 2, width=3.9, height=2.7)
    titles = {"mislabelled": "mislabelled", "clean": "clean"}
    for row, source in zip(axes, ("simulated", "predicted"), strict=True):
        for panel, group in zip(row, titles, strict=True):
            _map(panel, dataset, f"{source}_{group}")
            for line, dash in (("boundary", "solid"), ("memorisation", "dotted")):
                panel.plot(dataset[line], dataset["line"], color="black", linestyle=dash, path_effects=style.HALO)
            name = {"simulated": "recursion", "predicted": "mean field"}[source]
            panel.set(title=f"final weight of the {titles[group]}: {name}")
    for panel in axes[-1]:
        panel.set_xlabel("β / (η n)")
    for panel in axes[:, 0]:
        panel.set_ylabel("noise rate")
    return figure


def _map(panel: Axes, dataset: xr.Dataset, name: str) -> None:
    ratio, p = dataset["ratio"].values, dataset["p"].values
    image = panel.pcolormesh(ratio, p, dataset[name].values, vmin=0, vmax=1, cmap="viridis", shading="nearest")
    panel.set_xscale("log")
    panel.set(xlim=(ratio[0], ratio[-1]), ylim=(p[0], p[-1]))
    panel.figure.colorbar(image, ax=panel)
