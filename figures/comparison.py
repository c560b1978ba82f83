"""Methods against the first one of their block, with intervals."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import looks, style

OTHER = looks.Look(looks.OTHER_COLOUR, "o")  # of rows that name no rule
READINGS = {"selected": "test accuracy at the validated epoch", "memorised": "mislabelled examples fitted at the end"}


def differences(dataset: xr.Dataset) -> Figure:
    """Mean paired difference to the first method of each block, in points, with Student intervals; a row a method.

    Rules look as ever, other methods are grey, and a line lies between two blocks.
    """
    blocks = list(dict.fromkeys(dataset["block"].values))
    rows = int(dataset.sizes["run"] - len(blocks))
    figure, axes = style.panels(2, width=5.0, height=max(2.4, 0.17 * rows + 0.8))
    for panel, (reading, title) in zip(axes[0], READINGS.items(), strict=True):
        labels, place = [], 0
        for block in blocks:
            here = dataset.isel(run=(dataset["block"] == block).values)
            for k in range(1, here.sizes["run"]):
                gap = here[reading].isel(run=k) - here[reading].isel(run=0)
                mean, half = style.mean_and_interval(gap)
                label = str(here["label"].values[k])
                tone, shape, _ = looks.look(label) if looks.rule_of(label) else OTHER
                panel.errorbar(100 * mean, place, xerr=100 * half, color=tone, marker=shape)
                labels.append(f"{label}  ({block})")
                place -= 1
            if block != blocks[-1]:
                panel.axhline(place + 0.5, color="0.85", linewidth=0.6)
        panel.axvline(0, color="grey", linewidth=0.6)
        panel.set_yticks(-np.arange(len(labels)), labels if panel is axes[0, 0] else [""] * len(labels), fontsize=6)
        panel.set_title(title)
    figure.supxlabel("points over the first method of the block (paired, 95 %)", fontsize=9)
    return figure
