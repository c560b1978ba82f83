"""Composition of the gradient's coordinates over training."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import looks, style


def _shares(panel: Axes, run: xr.Dataset) -> None:
    for group, tone in looks.GROUPS.items():
        for who, line in (("noise", style.MISLABELLED), ("clean", style.CLEAN)):
            label = f"{group}, {who}-dominated"
            style.curve(
                panel, run["epoch"].values, run[f"{group}_given_{who}"], color=tone, linestyle=line, label=label
            )


def groups(dataset: xr.Dataset) -> Figure:
    """Shares of the groups for every run, a row for each probe; grey: the share of noise-dominated coordinates."""
    probes = list(dict.fromkeys(dataset["probe"].values))
    columns = dataset.sizes["run"] // len(probes)
    figure, axes = style.panels(columns, len(probes), width=3.4, height=2.4)
    for k, panel in enumerate(axes.flat):
        run = dataset.isel(run=k)
        _shares(panel, run)
        style.curve(panel, run["epoch"].values, run["share_noise"], color="grey", label="noise-dominated")
        panel.set(xlabel="epoch", ylabel="share", title=f"{run['method'].item()}, probed by {run['probe'].item()}")
    style.legend_below(figure, axes.flat[0], columns=4)
    return figure


def composition(dataset: xr.Dataset) -> Figure:
    """Groups among noise- and clean-dominated coordinates; accuracies; share with a_clean > a_noisy."""
    figure, axes = style.panels(3, width=3.6, height=2.8)
    epoch = dataset["epoch"].values
    _shares(axes[0, 0], dataset.isel(run=1))
    for k in range(dataset.sizes["run"]):
        run = dataset.isel(run=k)
        method = str(run["method"].values)
        look = looks.of_curve(method)
        style.curve(axes[0, 1], epoch, run["clean_accuracy"], linestyle=style.CLEAN, label=method, **look)
        style.curve(axes[0, 1], epoch, run["mislabelled_accuracy"], linestyle=style.MISLABELLED, **look)
        style.curve(axes[0, 2], epoch, run["clean_more_on_noise"], label=method, **look)
        style.curve(axes[0, 2], epoch, run["clean_more_on_noise_B"], linestyle="dotted", **look)
    axes[0, 2].axhline(0.5, color="grey", linewidth=0.6)
    titles = ("groups", "fit of clean (solid) and mislabelled", "a_clean > a_noisy, noise-dominated (dotted: B)")
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set(xlabel="epoch", ylabel="share", title=title)
        panel.legend(fontsize=6)
    return figure
