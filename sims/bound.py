"""Rules bound to a training split, because they need its true labels or randomness."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from sims.objectives import Batch, Part
from spec.validation import InputError


class Labelled(NamedTuple):
    """A batch with its true labels: x (n, d), t (n,), y (n,)."""

    x: jax.Array
    t: jax.Array
    y: jax.Array


@dataclass(frozen=True)
class Bound:
    """A record, the true labels y (n,) of the training split, and the key of its draws. Its state counts steps."""

    record: Any
    y: jax.Array
    key: jax.Array

    def labelled(self, batch: Batch | Part) -> Labelled:
        """The batch with the true labels of its places; a Batch without places must be the whole split (InputError)."""
        if isinstance(batch, Part):
            return Labelled(batch.x, batch.t, self.y[batch.places])
        if len(batch.t) != len(self.y):
            raise InputError(f"batch must be a Part or hold all {len(self.y)} training examples, got {len(batch.t)}")
        return Labelled(batch.x, batch.t, self.y)
