"""Figures on networks trained on real data with injected label noise."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import looks, style


def training_curves(dataset: xr.Dataset) -> Figure:
    """In the manner of the paper's Fig. 1: accuracy and loss of clean and mislabelled data, test accuracy, by method.

    The dataset holds one run for each method: the one its validation split chose.
    """
    figure, axes = style.panels(3, width=3.5, height=2.9)
    for k in range(dataset.sizes["run"]):
        run = dataset.isel(run=k)
        method, epoch = str(run["method"].values), run["epoch"].values
        look, rho = looks.of_curve(method), float(run["rho"])
        label = f"{method}, ρ = {rho:g}" if rho else method
        style.curve(axes[0, 0], epoch, run["clean_accuracy"], linestyle=style.CLEAN, **look)
        style.curve(axes[0, 0], epoch, run["mislabelled_accuracy"], linestyle=style.MISLABELLED, **look)
        style.curve(axes[0, 1], epoch, run["clean_loss"], linestyle=style.CLEAN, **look)
        style.curve(axes[0, 1], epoch, run["mislabelled_loss"], linestyle=style.MISLABELLED, **look)
        style.curve(axes[0, 2], epoch, run["test_accuracy"], label=label, **look)
    titles = ("fit of observed labels", "loss on observed labels", "test accuracy")
    for panel, title, ylabel in zip(axes[0], titles, ("accuracy", "cross-entropy", "accuracy"), strict=True):
        panel.set(xlabel="epoch", ylabel=ylabel, title=title)
    axes[0, 1].set_yscale("log")
    axes[0, 0].plot([], [], color="grey", linestyle=style.CLEAN, label="clean")
    axes[0, 0].plot([], [], color="grey", linestyle=style.MISLABELLED, label="mislabelled")
    axes[0, 0].legend()
    style.legend_below(figure, axes[0, 2], columns=7)
    late = dataset["test_accuracy"].isel(epoch=slice(min(3, dataset.sizes["epoch"] - 1), None))
    axes[0, 2].set_ylim(bottom=max(0.0, float(late.min()) - 0.05))
    return figure


def rho_tuning(dataset: xr.Dataset) -> Figure:
    """Validation accuracy that tunes rho (filled: chosen), test accuracy at the same epoch, and final test accuracy."""
    figure, axes = style.panels(3, width=3.3, height=2.7)
    names = ("validation_score", "selected_test_accuracy", "final_test_accuracy")
    titles = ("best validation accuracy (tunes ρ)", "test, at the epoch validation chose", "test, final epoch")
    for panel, name, title in zip(axes[0], names, titles, strict=True):
        for method in dict.fromkeys(dataset["method"].values):
            runs = dataset.isel(run=(dataset["method"] == method).values)
            mean, half = style.mean_and_interval(runs[name])
            tone, shape = looks.colour(method), looks.marker(method)
            if method == "SGD":
                panel.axhline(mean[0], color=tone, label=method)
                panel.axhspan(mean[0] - half[0], mean[0] + half[0], color=tone, alpha=0.15, linewidth=0)
                continue
            rho = runs["rho"].values
            if not np.any(rho):
                continue  # a penalty has two strengths, and no ρ
            panel.errorbar(rho, mean, half, color=tone, marker=shape, markerfacecolor="white", label=method)
            chosen = runs["chosen"].values
            panel.plot(rho[chosen], mean[chosen], shape, color=tone)
        panel.set(xscale="log", xlabel="radius ρ", ylabel="accuracy", title=title)
    style.legend_below(figure, axes[0, 0], columns=7)
    return figure


def ablation(dataset: xr.Dataset) -> Figure:
    """Paired differences to SGD with 95 % intervals, by how test accuracy is read (empty, half, full), and norms."""
    figure, axes = style.panels(2, width=4.6, height=2.9)
    methods = dataset["method"].values
    for j, reading in enumerate(dataset["reading"].values):
        fill = ("none", "left", "full")[j]
        axes[0, 0].plot([], [], "o", color="0.4", fillstyle=fill, label=str(reading))
        rows = dataset.sel(reading=reading)
        y = np.arange(len(methods)) + 0.22 * (j - 1)
        for k, method in enumerate(methods):
            row = rows.isel(run=k)
            mean, low, high = (100 * float(row[v]) for v in ("difference", "low", "high"))
            axes[0, 0].errorbar(
                mean,
                y[k],
                xerr=style.bar(mean, low, high, seeds=dataset.sizes["seed"]),
                color=looks.colour(method),
                marker=looks.marker(method),
                fillstyle=fill,
            )
    axes[0, 0].axvline(0, color="grey", linewidth=0.6)
    axes[0, 0].set_yticks(range(len(methods)), methods)
    axes[0, 0].set(xlabel="percentage points over SGD (paired, 95 %)", title="Test accuracy")
    axes[0, 0].legend(fontsize=7)
    for k, method in enumerate(methods):
        row = dataset.isel(run=k)
        across, up = (style.mean_and_interval(row[f"final_{name}_norm"]) for name in ("activation", "last_layer"))
        axes[0, 1].errorbar(
            across[0],
            up[0],
            xerr=across[1],
            yerr=up[1],
            color=looks.colour(method),
            marker=looks.marker(method),
            label=method,
        )
    axes[0, 1].set(
        xlabel="mean norm of last hidden activations", ylabel="norm of last layer", title="Norms after training"
    )
    style.legend_below(figure, axes[0, 1], columns=7)
    return figure


def norms_over_training(dataset: xr.Dataset) -> Figure:
    """Mean norm of the last hidden activations, and norm of the last layer, against the epoch, by method."""
    figure, axes = style.panels(2, width=4.0, height=2.7)
    names = {"activation_norm": "mean ‖last hidden activations‖", "last_layer_norm": "‖last layer‖"}
    for panel, (name, title) in zip(axes[0], names.items(), strict=True):
        for k in range(dataset.sizes["run"]):
            run = dataset.isel(run=k)
            method = str(run["method"].values)
            style.curve(panel, run["epoch"].values, run[name], label=method, **looks.of_curve(method))
        panel.set(xlabel="epoch", ylabel="norm", title=title)
    style.legend_below(figure, axes[0, 0], columns=4)
    return figure


def frontier(dataset: xr.Dataset) -> Figure:
    """Test accuracy at the validated epoch (95 % interval) against the time of a step (quartiles; SGD = 1)."""
    figure, axes = style.panels(1, width=4.6, height=3.0)
    panel = axes[0, 0]
    for k in range(dataset.sizes["run"]):
        run = dataset.isel(run=k)
        method = str(run["method"].values)
        # Both forms of the penalty take the same time.
        low, cost, high = run["cost"].sel(rule="SGD + norms" if method.startswith("SGD +") else method).values
        mean, half = style.mean_and_interval(run["selected_test_accuracy"])
        panel.errorbar(
            cost,
            100 * mean,
            yerr=100 * half,
            xerr=[[cost - low], [high - cost]],
            color=looks.colour(method),
            marker=looks.marker(method),
            label=method,
        )
    panel.set(xlabel="time of a step (SGD = 1)", ylabel="test accuracy (%)", title="What robustness costs")
    panel.legend(fontsize=7)
    return figure


def shrinkage(dataset: xr.Dataset) -> Figure:
    """Decay of the last layer: predicted for J-SAM (lines) and measured (markers), one panel for each rho."""
    rhos = dict.fromkeys(dataset["rho"].values)
    figure, axes = style.panels(len(rhos), width=3.4, height=2.7)
    for panel, rho in zip(axes[0], rhos, strict=True):
        here = dataset.isel(run=(dataset["rho"] == rho).values)
        for k in range(here.sizes["run"]):
            run = here.isel(run=k)
            method, epoch = str(run["method"].values), run["epoch"].values
            tone = looks.colour(method)
            panel.plot(epoch, run["predicted_decay"].mean("seed"), color=tone)
            mean, half = style.mean_and_interval(run["measured_decay"])
            panel.errorbar(epoch, mean, half, color=tone, linestyle="", marker=looks.marker(method), label=method)
        panel.axhline(0, color="grey", linewidth=0.6)
        panel.set(xlabel="epoch", ylabel="decay of ‖V‖²/2 over ‖V‖²,\nbeyond SGD", title=f"ρ = {rho:g}")
    axes[0, 0].legend(fontsize=7)
    return figure


def dependence(dataset: xr.Dataset) -> Figure:
    """Gain over SGD against each condition that has several values, with intervals."""
    labels = {"n_train": "training examples", "width": "hidden width", "Delta": "noise rate Δ", "eta": "step size η"}
    cells = {name: dataset.isel(cell=(dataset["condition"] == name).values) for name in labels}
    several = [name for name, here in cells.items() if len(np.unique(here["value"])) > 1] or list(labels)
    figure, axes = style.panels(len(several), width=2.8, height=2.7)
    for panel, condition in zip(axes[0], several, strict=True):
        here = cells[condition]
        value = here["value"].values
        for method in map(str, dataset["method"].values):
            mean, low, high = (100 * here[n].sel({"method": method}).values for n in ("gain", "low", "high"))
            panel.errorbar(
                value,
                mean,
                style.bar(mean, low, high, seeds=int(dataset["seeds"])),
                color=looks.colour(method),
                marker=looks.marker(method),
                label=method,
            )
        panel.axhline(0, color="grey", linewidth=0.6)
        panel.set(xlabel=labels[condition], ylabel="points over SGD")
        if condition != "Delta":
            panel.set_xscale("log")
    axes[0, 0].legend(fontsize=7)
    return figure
