"""Which examples look mislabelled after a training: one row for each, in the columns that cleanlab's users know."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sims.rules.schemes import Weights


def probabilities(logits: jax.Array) -> jax.Array:
    """Softmax of logits (n, classes); for one output (n,) the probabilities of -1 and 1, (n, 2)."""
    if logits.ndim == 1:
        return jax.nn.sigmoid(jnp.stack([-logits, logits], axis=1))
    return jax.nn.softmax(logits, axis=1)


def table(mean: Any, labels: Sequence[int], t: Any, y: Any, *, losses: Any, rule_state: Any) -> xr.Dataset:
    """One row (example,) for every training example.

    mean (n, classes): the predicted probabilities of `labels`, averaged over the epochs, so that they also tell what
    the network took an example for before it memorised it.

        given_label, predicted_label   t; the class of the largest mean probability
        label_quality                  the mean probability of the given label: low where it looks wrong
        is_label_issue                 predicted_label differs from given_label
        loss                           of the given label, at the end
        weight                         at the end, where the rule is a scheme of example weights
        true_label, mislabelled        y and t != y, where y is known
    """
    mean, t = np.asarray(mean), np.asarray(t)
    predicted = np.asarray(labels)[mean.argmax(axis=1)]
    columns = {
        "given_label": t,
        "predicted_label": predicted.astype(t.dtype),
        "label_quality": mean[np.arange(len(t)), np.searchsorted(labels, t)],
        "is_label_issue": predicted != t,
        "loss": np.asarray(losses),
    }
    for state in jax.tree.leaves(rule_state, is_leaf=lambda leaf: isinstance(leaf, Weights)):
        if isinstance(state, Weights):
            columns["weight"] = np.asarray(state.w)
    if y is not None:
        columns |= {"true_label": np.asarray(y), "mislabelled": t != np.asarray(y)}
    rows = {"example": np.arange(len(t))}
    return xr.Dataset({name: ("example", column) for name, column in columns.items()}, rows)


def write(examples: xr.Dataset, path: str | Path) -> None:
    """The table as a CSV file, the least likely labels first."""
    order = np.argsort(examples["label_quality"].values, kind="stable")
    examples.isel(example=order).to_dataframe().to_csv(path, index_label="example")
