"""Figures on logistic regression: up-weighting, the clean/mislabelled ratio, and the linear toy."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from figures import looks, style


def upweighting(dataset: xr.Dataset) -> Figure:
    """Amplification against margin and its logarithmic slope, for several C: theory lines, simulated markers."""
    figure, axes = style.panels(2, width=3.6)
    for C, tone in zip(dataset["C"].values, looks.shades("1-SAM", dataset.sizes["C"]), strict=True):
        row = dataset.sel(C=C)
        axes[0, 0].plot(row["z"], row["amplification"], color=tone, label=f"C = {C:g}")
        axes[0, 0].plot(row["z_simulated"], row["simulated_amplification"], looks.marker("1-SAM"), color=tone)
        axes[0, 0].axhline(np.exp(C), color=tone, linestyle=":", linewidth=0.8)
        axes[0, 1].plot(row["z"], row["log_slope"], color=tone)
        axes[0, 1].plot(row["z_simulated"], row["simulated_log_slope"], looks.marker("1-SAM"), color=tone)
    axes[0, 0].set(
        yscale="log",
        xlabel="margin z = t⟨w, x⟩",
        ylabel="σ(−z + C) / σ(−z)",
        title="Weight under 1-SAM over weight under SGD",
    )
    axes[0, 0].legend(title="C = ρ‖x‖   (dotted: limit eᶜ)")
    axes[0, 1].set(xlabel="margin z", ylabel="d log f / dz", title="Lemma 3.1: the slope is positive")
    return figure


def clean_noisy_ratio(dataset: xr.Dataset) -> Figure:
    """Clean/mislabelled ratio of mean gradient norms at fixed w against rho: exact expectation and simulation."""
    figure, axes = style.panels(2, width=3.6)
    for overlap, tone in zip(dataset["overlap"].values, looks.tones(dataset.sizes["overlap"]), strict=True):
        row = dataset.sel(overlap=overlap)
        rho = row["rho"].values
        axes[0, 0].plot(rho, row["predicted_ratio"], color=tone, label=f"w₁ = {overlap:+.1f}")
        mean, half = style.mean_and_interval(row["simulated_ratio"])
        axes[0, 0].errorbar(rho, mean, half, fmt="o", color=tone)
        axes[0, 1].plot(row["C"], row["log_slope"], color=tone)
    axes[0, 0].axhline(1, color="grey", linewidth=0.6)
    axes[0, 0].set(xlabel="radius ρ", ylabel="clean / mislabelled", title="Ratio of mean gradient norms at fixed w")
    axes[0, 0].legend(title="overlap with the signal")
    axes[0, 1].axhline(0, color="grey", linewidth=0.6)
    axes[0, 1].set(xlabel="shift C = ρ‖x‖", ylabel="d log R / dC", title="Its sign is the sign of w₁ (population)")
    return figure


def toy_curves(dataset: xr.Dataset) -> Figure:
    """Accuracies and the gradient-norm ratio along training: a row for each SAM, a shade for each rho, GD in black."""
    delta = dataset["Delta"].values.max()
    dataset = dataset.isel(run=(dataset["Delta"] == delta).values)
    plain = dataset.isel(run=int((dataset["method"] == "SGD").values.argmax()))
    methods = [m for m in dict.fromkeys(dataset["method"].values) if m != "SGD"]
    figure, axes = style.panels(4, len(methods), width=2.9, height=2.4)
    for row, method in zip(axes, methods, strict=True):
        runs = dataset.isel(run=(dataset["method"] == method).values)
        _toy_row(row, plain, looks.colour("SGD"), "GD")
        for k, tone in enumerate(looks.shades(method, runs.sizes["run"])):
            _toy_row(row, runs.isel(run=k), tone, f"ρ = {float(runs['rho'][k]):g}")
        row[0].set_ylabel(f"{method}\naccuracy")
        row[2].legend(fontsize=6)
    titles = ("training: clean (solid), mislabelled (dashed)", "test: exact (line), sampled (marks)",
              "test, against clean training loss", "clean / mislabelled gradient norm")  # fmt: skip
    for column, title in zip(axes[0], titles, strict=True):
        column.set_title(title, fontsize=8)
    for column, label in zip(
        axes[-1], ("1 + step", "1 + step", "clean loss (falls to the right)", "1 + step"), strict=True
    ):
        column.set_xlabel(label)
    return figure


def _toy_row(row: np.ndarray, run: xr.Dataset, tone: Any, label: str) -> None:
    step = 1 + run["epoch"].values  # so that the start has a place on the log axis
    style.curve(row[0], step, run["clean_accuracy"], color=tone, linestyle=style.CLEAN)
    style.curve(row[0], step, run["mislabelled_accuracy"], color=tone, linestyle=style.MISLABELLED)
    exact = run["exact_test_accuracy"].mean("seed")
    row[1].plot(step, exact, color=tone)
    mean, half = style.mean_and_interval(run["test_accuracy"])
    some = np.unique(np.geomspace(1, len(step), 9).astype(int)) - 1
    shape = looks.marker(str(run["method"].values))
    row[1].errorbar(step[some], mean[some], half[some], fmt=shape, color=tone, markersize=3)
    row[2].plot(run["clean_loss"].mean("seed"), exact, color=tone, label=label)
    style.curve(row[3], step, run["clean_gradient_norm"] / run["mislabelled_gradient_norm"], color=tone)
    for axes in row:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if not row[2].xaxis_inverted():
        row[2].invert_xaxis()


def toy_gain(dataset: xr.Dataset) -> Figure:
    """Best, at-memorisation and final test accuracy against rho, with the mean classifier's exact accuracy."""
    deltas = np.unique(dataset["Delta"].values)
    figure, axes = style.panels(len(deltas), width=3.8, height=3.0)
    for panel, delta in zip(axes[0], deltas, strict=True):
        runs = dataset.isel(run=(dataset["Delta"] == delta).values)
        for method in dict.fromkeys(runs["method"].values):
            _gain_lines(panel, runs.isel(run=(runs["method"] == method).values), method)
        limit = float(runs["mean_classifier_accuracy"].values[0])
        panel.axhline(limit, color=looks.colour("1-SAM"), linewidth=0.9)
        panel.annotate(
            "ρ → ∞, mean classifier (exact)",
            (0.02, limit),
            xytext=(0, -3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=7,
            va="top",
            color=looks.colour("1-SAM"),
        )
        panel.set(xlabel="radius ρ", ylabel="test accuracy", title=f"Δ = {delta:g}")
        panel.set_xscale("symlog", linthresh=0.02)
        panel.set_xlim(left=-0.004)
    style.legend_below(figure, axes[0, 0], columns=3)
    return figure


def _gain_lines(panel: Axes, runs: xr.Dataset, method: str) -> None:
    for name, line in (("best", "-"), ("at_memorisation", "--"), ("final", ":")):
        mean, half = style.mean_and_interval(runs[f"{name}_accuracy"])
        panel.errorbar(
            runs["rho"].values,
            mean,
            half,
            color=looks.colour(method),
            marker=looks.marker(method),
            linestyle=line,
            linewidth=0.9,
            label=f"{method}, {name.replace('_', ' ')}",
        )
