"""Figures on label noise and SAM's perturbation: angles, effective noise rates, batches, the bound."""

import xarray as xr
from matplotlib.figure import Figure

from figures import looks, style


def angles(dataset: xr.Dataset) -> Figure:
    """Angle between noisy and clean perturbation along the signal, a panel for each offset from the axis."""
    figure, axes = style.panels(dataset.sizes["b"], width=3.8)
    tones = looks.tones(dataset.sizes["Delta"])
    for panel, b in zip(axes[0], dataset["b"].values, strict=True):
        for D, tone in zip(dataset["Delta"].values, tones, strict=True):
            row = dataset.sel(Delta=D, b=b)
            panel.plot(row["a"], row["angle"], color=tone, label=f"Δ = {D:g}")
            mean, half = style.mean_and_interval(row["sampled_angle"])
            panel.errorbar(row["a_sampled"], mean, half, fmt="o", color=tone)
        where = "on the axis of the signal" if b == 0 else f"{b:g} off the axis"
        panel.set(xlabel="a, with w = a μ/‖μ‖ + b", ylabel="angle (degrees)", title=where, ylim=(-8, 188))
        panel.set_yticks([0, 45, 90, 135, 180])
    axes[0, -1].legend()
    return figure


def residuals(dataset: xr.Dataset) -> Figure:
    """Cosine of noisy and clean perturbation against the clean residual."""
    figure, axes = style.panels(1, width=4.4, height=3.0)
    panel = axes[0, 0]
    for D, tone in zip(dataset["Delta"].values, looks.tones(dataset.sizes["Delta"]), strict=True):
        row = dataset.sel(Delta=D)
        panel.plot(row["residual"], row["cosine"], color=tone, label=f"Δ = {D:g}")
        mean, half = style.mean_and_interval(row["sampled_cosine"])
        panel.errorbar(row["mark"], mean, half, fmt="o", color=tone)
    panel.axhline(0, color="grey", linewidth=0.6)
    panel.axvline(0.5, color="grey", linewidth=0.6, linestyle=":")
    panel.set(
        xscale="log", xlabel="clean residual s = σ(−z)", ylabel="cos(ε, ε_clean)", title="1 − 2Δ at s = 1/2 (dotted)"
    )
    panel.legend()
    return figure


def rates(dataset: xr.Dataset) -> Figure:
    """Effective noise rate against gamma for several precisions, and the cancelling gamma against the precision."""
    figure, axes = style.panels(2, width=3.8)
    left, right = axes[0]
    for p, tone in zip(dataset["precision"].values, looks.tones(dataset.sizes["precision"]), strict=True):
        row = dataset.sel(precision=p)
        left.plot(row["gamma"], row["rate"], color=tone, label=f"π = {p:g}")
        mean, half = style.mean_and_interval(row["sampled_rate"])
        left.errorbar(row["gamma_sampled"], mean, half, fmt="o", color=tone)
    left.axhline(float(dataset["noise_rate"]), color="grey", linewidth=0.6, linestyle=":")
    left.axhline(0, color="grey", linewidth=0.6)
    left.axvline(0, color="grey", linewidth=0.6)
    left.set(
        xlabel="γ (subtracted < 0 < added)",
        ylabel="effective noise rate",
        ylim=(-0.6, 1.0),
        title="Dotted: no correction",
    )
    left.legend(title="precision", fontsize=6, loc="lower right", ncols=2)
    for D, tone in zip(dataset["Delta"].values, looks.tones(dataset.sizes["Delta"]), strict=True):
        row = dataset.sel(Delta=D)
        usable = row["cancelling_gamma"].values > -1
        right.plot(row["pi"].values[usable], row["cancelling_gamma"].values[usable], color=tone, label=f"Δ = {D:g}")
        right.plot(1 - D, 0, "|", color=tone, markersize=12)
    right.axhline(-1, color="grey", linewidth=0.6)
    right.set(
        xlabel="precision π of the selection", ylabel="γ*", title="Weight that cancels the noise; marks: π = 1 − Δ"
    )
    right.set(xlim=(0, 1.02), ylim=(-1.05, 0.15))
    right.legend()
    return figure


def finite_batches(dataset: xr.Dataset) -> Figure:
    """Best amount to subtract against the size of the batch."""
    figure, axes = style.panels(1, width=4.4, height=3.0)
    panel = axes[0, 0]
    for d, tone in zip(dataset["d"].values, looks.tones(dataset.sizes["d"]), strict=True):
        row = dataset.sel(d=d)
        panel.plot(row["batch"], row["gamma"], color=tone, label=f"d = {d}")
        mean, half = style.mean_and_interval(row["sampled_gamma"])
        panel.errorbar(row["batch_sampled"], mean, half, fmt="o", color=tone)
    panel.axhline(0, color="grey", linewidth=0.6)
    panel.axhline(float(dataset["limit"]), color="grey", linewidth=0.8, linestyle=":")
    panel.set(xscale="log", xlabel="examples in the batch", ylabel="best γ (added < 0 < subtracted)")
    panel.legend()
    return figure


def thresholds(dataset: xr.Dataset) -> Figure:
    """Share of right labels against the predicted threshold, a panel for each data set; filled where adding helped."""
    names, networks = (list(dict.fromkeys(dataset[n].values.tolist())) for n in ("data", "network"))
    figure, axes = style.panels(len(names), width=3.8, height=3.2)
    tones, marks = looks.tones(len(networks)), "osD^v"
    for panel, name in zip(axes[0], names, strict=True):
        for network, tone, mark in zip(networks, tones, marks[: len(networks)], strict=True):
            here = (dataset["data"] == name).values & (dataset["network"] == network).values
            for helps in (True, False):
                row = dataset.isel(case=here & ((dataset["slope"] > 0).values == helps))
                label = network if helps else None
                panel.plot(row["at"], row["right"], mark, color=tone, mfc=tone if helps else "none", label=label)
        panel.plot([0, 1], [0, 1], color="grey", linewidth=0.6, linestyle=":")
        panel.set(xlabel="threshold from second moments", ylabel="share of right labels in g*", title=name)
    axes[0, 0].legend(fontsize=6)
    return figure


def bound(dataset: xr.Dataset) -> Figure:
    """Terms of the bound against the noise rate, for a small linear model; and its complexity for a network."""
    figure, axes = style.panels(2, width=3.8)
    left, right = axes[0]
    Delta = dataset["Delta"]
    left.plot(Delta, dataset["total"], color="black", label="Theorem 1")
    left.plot(Delta, dataset["sharpness"], color=looks.series(1), label="its first term")
    left.plot(Delta, dataset["complexity"], color=looks.series(0), label="its complexity")
    left.plot(Delta, dataset["tail"], color=looks.series(3), label="its tail")
    left.plot(Delta, dataset["repaired"], color="black", linestyle="--", label="repaired bound")
    left.plot(Delta, dataset["memoriser"], color=looks.series(2), label="Theorem 1, labels memorised")
    left.axhline(float(dataset["error"]), color="grey", linestyle=":", label="true error")
    left.set(xlabel="noise rate Δ", ylabel="0–1 loss", title="Linear classifier, K = 20")
    left.legend(fontsize=6)
    right.plot(Delta, dataset["network"], color=looks.series(0))
    right.axhline(1, color="grey", linestyle=":")
    right.set(
        xlabel="noise rate Δ",
        ylabel="complexity term",
        title="ResNet-18: above 1 (dotted) says nothing",
        ylim=(0, None),
    )
    return figure


def curves(dataset: xr.Dataset) -> Figure:
    """The paper's Fig. 1, and the same methods here."""
    figure, axes = style.panels(2, width=4.6, height=3.0)
    left, right = axes[0]
    for k, method in enumerate(dataset["reported_method"].values):
        look, row = looks.of_curve(str(method)), dataset["reported"].isel(reported_method=k)
        left.plot(row["reported_epoch"], row, linewidth=1.0, label=f"{method}, best {float(row.max()):.3f}", **look)
        ours = dataset.isel(run=k)
        style.curve(right, ours["epochs"], ours["test_accuracy"], label=str(method), **look)
    for panel, switch in ((left, 50), (right, int(dataset["switch"]))):
        panel.axvline(switch, color="grey", linewidth=0.6, linestyle=":")
        panel.set(xlabel="epoch", ylabel="test accuracy")
        panel.legend()
    left.set_title("CIFAR-10, 40 % symmetric noise, ResNet-18 (reported)")
    right.set_title("Ours")
    return figure
