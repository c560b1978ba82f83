"""Figures on training in high dimension: predicted curves with simulated marks, rates, phases, and ends."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import looks, style


def curves(dataset: xr.Dataset) -> Figure:
    """A panel for every rule: test accuracy in its colour, clean (solid) and mislabelled (dashed) in grey."""
    figure, axes = style.panels(3, rows=-(-dataset.sizes["run"] // 3), width=3.0, height=2.3)
    groups = (("test", "solid", None), ("clean", style.CLEAN, "0.5"), ("mislabelled", style.MISLABELLED, "0.5"))
    simulated = dataset.isel(size=int(np.argmax(dataset["size"].values)))
    for k, panel in enumerate(axes.ravel()[: dataset.sizes["run"]]):
        method = str(dataset["method"].values[k])
        for name, line, grey in groups:
            tone, values = grey or looks.colour(method), simulated[f"simulated_{name}_accuracy"].isel(run=k)
            panel.plot(dataset["epoch"], dataset[f"predicted_{name}_accuracy"].isel(run=k), color=tone, linestyle=line)
            mean, half = style.mean_and_interval(values.transpose("seed", "epoch"))
            panel.errorbar(dataset["epoch"], mean, half, fmt=looks.marker(method), color=tone, markersize=2.5)
        panel.set(title=method, xlabel="step", ylabel="accuracy", ylim=(None, 1.02))
    for panel in axes.ravel()[dataset.sizes["run"] :]:
        panel.remove()
    return figure


def lines(dataset: xr.Dataset) -> Figure:
    """Predicted curves of networks, a line for every rule: test accuracy, mislabelled examples, the last layer."""
    figure, axes = style.panels(3, width=3.0, height=2.6)
    shown = (("test_accuracy", "test accuracy"), ("mislabelled_accuracy", "mislabelled, fit"), ("last_norm", "‖v‖"))
    for panel, (name, label) in zip(axes[0], shown, strict=True):
        for k, method in enumerate(dataset["method"].values):
            values = dataset[name].isel(run=k)
            panel.plot(dataset["epoch"], values, color=looks.colour(str(method)), label=str(method))
        panel.set(xlabel="step", ylabel=label)
    axes[0, 0].legend(fontsize=6)
    return figure


def finite_size(dataset: xr.Dataset) -> Figure:
    """Root mean square error of the test accuracy against d, a line for every rule."""
    figure, axes = style.panels(1, width=4.0)
    error, d, panel = dataset["error"].values, dataset["size"].values.astype(float), axes[0, 0]
    for method, row in zip(dataset["method"].values, error, strict=True):
        panel.plot(d, 100 * row, looks.marker(str(method)), color=looks.colour(str(method)), label=str(method))
    panel.plot(d, 100 * error.mean() * (d / d.mean()) ** -0.5, color="0.6")
    panel.set(xscale="log", yscale="log", xlabel="d", ylabel="error of the test accuracy (points)")
    panel.legend(fontsize=6)
    return figure


NAMED = {"alpha": "n/d", "Delta": "noise rate", "B": "signal B", "rho": "ρ of n-SAM, c of 1-SAM"}


def phases(dataset: xr.Dataset) -> Figure:
    """Gains over descent over a plane: a block of columns for every rule; best stopping above, end below."""
    x, y = (str(name) for name in dataset["gain"].dims[:2])
    names = [r for r in dataset["rule"].values if r != "SGD"]
    width, step = len(names) * (dataset.sizes[x] + 0.5), dataset.sizes[x] + 1
    figure, axes = style.panels(1, rows=2, width=0.42 * width + 1.2, height=0.32 * dataset.sizes[y] + 1.0)
    for panel, quantity, title in zip(axes[:, 0], ("gain", "last_gain"), ("best stopping", "end"), strict=True):
        blocks = [100 * dataset[quantity].sel(rule=name).transpose(y, x).values for name in names]
        values = np.concatenate([np.pad(b, ((0, 0), (0, 1)), constant_values=np.nan) for b in blocks], axis=1)[:, :-1]
        limit = float(np.nanmax(np.abs(values)))
        image = panel.imshow(values, origin="lower", cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
        figure.colorbar(image, ax=panel).set_label(f"{title}, points", fontsize=7)
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                ink = "white" if abs(value) > 0.6 * limit else "black"
                digits = 1 if abs(value) < 9.95 else 0
                panel.text(j, i, f"{value:+.{digits}f}", ha="center", va="center", fontsize=6, color=ink)
        places = [k * step + j for k in range(len(names)) for j in range(dataset.sizes[x])]
        panel.set_xticks(places, [f"{a:g}" for a in dataset[x].values] * len(names), fontsize=6)
        panel.set_yticks(range(dataset.sizes[y]), [f"{a:g}" for a in dataset[y].values])
        panel.set_ylabel(NAMED[y])
        for k, name in enumerate(names):
            panel.annotate(
                str(name), (k * step + (step - 2) / 2, 1.02), xycoords=("data", "axes fraction"), ha="center"
            )
    axes[1, 0].set_xlabel(NAMED[x])
    return figure


def ends(dataset: xr.Dataset) -> Figure:
    """Test accuracy at the end against weight decay, a line for every shift, a panel for every n/d."""
    figure, axes = style.panels(dataset.sizes["alpha"], width=3.4)
    for panel, alpha in zip(axes[0], dataset["alpha"].values, strict=True):
        for c, tone in zip(dataset["c"].values, looks.shades("1-SAM", dataset.sizes["c"]), strict=True):
            panel.plot(dataset["decay"], dataset["test_accuracy"].sel(alpha=alpha, c=c), color=tone, label=f"c = {c:g}")
        panel.axhline(float(dataset["mean_classifier"].sel(alpha=alpha)), color="0.6", linestyle=":")
        panel.set(xscale="log", xlabel="weight decay λ", ylabel="test accuracy", title=f"n/d = {alpha:g}")
        panel.legend(fontsize=6)
    return figure


def rules(dataset: xr.Dataset) -> Figure:
    """Test accuracy of every rule against the step and against the norm of the weights."""
    figure, axes = style.panels(2, width=3.8, height=3.0)
    for rule in dataset["rule"].values:
        at, known = dataset.sel(rule=rule), looks.look(str(rule))
        look = {"color": known.colour, "linestyle": known.line}
        axes[0, 0].plot(at["epoch"], at["test_accuracy"], label=str(rule), **look)
        axes[0, 1].plot(at["noise_norm"], at["test_accuracy"], **look)
    axes[0, 0].set(xlabel="step", ylabel="test accuracy")
    axes[0, 1].set(xlabel="norm of the weights beside the signal")
    style.legend_below(figure, axes[0, 0], columns=4)
    return figure


def groups(dataset: xr.Dataset) -> Figure:
    """Shares of coordinates in groups A, B and C against the step."""
    figure, axes = style.panels(1, width=4.0)
    for group, line in zip(dataset["group"].values, ("-", "--", ":"), strict=True):
        values = dataset["group_share"].sel(group=group)
        axes[0, 0].plot(dataset["epoch"], values, color="black", linestyle=line, label=str(group))
    axes[0, 0].set(xlabel="step", ylabel="share of coordinates", ylim=(0, 1))
    axes[0, 0].legend()
    return figure


def shares(dataset: xr.Dataset) -> Figure:
    """Gains over SGD for every setting, a mark for every rule and a line for its simulations: best left, end right."""
    figure, axes = style.panels(2, width=3.4, height=0.36 * dataset.sizes["point"] + 1.0)
    places, largest = np.arange(dataset.sizes["point"]), int(np.argmax(dataset["size"].values))
    for panel, reading, title in zip(axes[0], ("best", "last"), ("best stopping", "end"), strict=True):
        for k, rule in enumerate(dataset["rule"].values[1:]):
            gain, fallen = dataset[f"{reading}_gain"].sel(rule=rule), dataset["collapsed"].sel(rule=rule)
            (tone, shape, _), height = looks.look(str(rule)), places + 0.15 * (k - 1.5)
            inside = np.where(fallen.values > 0, "none", tone)
            panel.scatter(
                gain.values, height, 14, inside, marker=shape, edgecolors=tone, label=looks.rule_of(str(rule))
            )
            marks = dataset[f"simulated_{reading}_gain"].isel(size=largest).sel(rule=rule)
            mean, half = style.mean_and_interval(marks.transpose("seed", "point"))
            panel.errorbar(mean, height, xerr=half, fmt="none", ecolor=tone, linewidth=0.8)
        panel.axvline(0, color="0.6")
        panel.set_yticks(places, [_in_symbols(str(name)) for name in dataset["point"].values])
        panel.set(title=title, xlabel="gain over SGD (points)")
    style.legend_below(figure, axes[0, 0], columns=4)
    return figure


def _in_symbols(change: str) -> str:
    """The change of a setting, as 'alpha = 0.4', with the symbols of the other figures."""
    for name, symbol in (("alpha", "n/d"), ("Delta", "Δ"), ("second", "step of v")):
        change = change.replace(f"{name} =", f"{symbol} =")
    return change


def signs(dataset: xr.Dataset) -> Figure:
    """NC+ minus NC− along training for every precision, and the precision at which they are equal."""
    figure, axes = style.panels(2, width=3.4)
    more, precisions = dataset["gain"].sel(sign=1) - dataset["gain"].sel(sign=-1), dataset["precision"].values
    for precision, tone in zip(precisions, looks.tones(len(precisions)), strict=True):
        axes[0, 0].plot(dataset["epoch"], 100 * more.sel(precision=precision), color=tone, label=f"π = {precision:g}")
    axes[0, 0].axhline(0, color="0.6")
    axes[0, 0].set(xlabel="step", ylabel="NC+ minus NC− (points)")
    style.legend_below(figure, axes[0, 0], columns=7)
    axes[0, 1].plot(dataset["epoch"], dataset["threshold"], color="black")
    axes[0, 1].set(xlabel="step", ylabel="precision π of equal signs", ylim=(0, 1))
    return figure


def transition(dataset: xr.Dataset) -> Figure:
    """The signal's margin and group along training for every n/d, and those of the transition theory, dotted."""
    figure, axes = style.panels(2, width=3.6)
    for alpha, tone in zip(dataset["alpha"].values, looks.tones(dataset.sizes["alpha"]), strict=True):
        at = dataset.sel(alpha=alpha)
        axes[0, 0].plot(at["epoch"], at["margin"], color=tone, label=f"n/d = {alpha:g}")
        axes[0, 1].step(at["epoch"], at["group"], color=tone, where="mid")
    axes[0, 0].plot(at["epoch"], at["stated_margin"], color="black", linestyle=":", label="transition")
    axes[0, 1].step(at["epoch"], at["stated_group"], color="black", linestyle=":", where="mid")
    axes[0, 0].set(xlabel="step", ylabel="margin of the signal")
    axes[0, 0].legend(fontsize=6)
    axes[0, 1].set_yticks(range(3), list("ABC"))
    axes[0, 1].set(xlabel="step", ylabel="group of the signal")
    return figure
