"""Methods against the first one of their block, with intervals."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import style

READINGS = {"selected": "test accuracy at the validated epoch", "memorised": "mislabelled examples fitted at the end"}


def differences(dataset: xr.Dataset) -> Figure:
    """Mean paired difference to the first method of each block, in points, with Student intervals; a row a method."""
    blocks = list(dict.fromkeys(dataset["block"].values))
    rows = int(dataset.sizes["run"] - len(blocks))
    figure, axes = style.panels(2, width=5.0, height=max(2.4, 0.17 * rows + 0.8))
    for panel, (reading, title) in zip(axes[0], READINGS.items(), strict=True):
        labels, place = [], 0
        for block in blocks:
            here = dataset.isel(run=(dataset["block"] == block).values)
            tone = f"C{blocks.index(block) % 10}"
            for k in range(1, here.sizes["run"]):
                gap = here[reading].isel(run=k) - here[reading].isel(run=0)
                mean, half = style.mean_and_interval(gap)
                panel.errorbar(100 * mean, place, xerr=100 * half, color=tone, marker="o")
                labels.append(f"{here['label'].values[k]}  ({block})")
                place -= 1
        panel.axvline(0, color="grey", linewidth=0.6)
        panel.set_yticks(-np.arange(len(labels)), labels if panel is axes[0, 0] else [""] * len(labels), fontsize=6)
        panel.set(title=title, xlabel="points over the first method of the block (paired, 95 %)")
    return figure
