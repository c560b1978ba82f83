"""Rules bound to a training split, because they need its true labels, clean examples or randomness."""

from dataclasses import dataclass
from typing import NamedTuple

import jax

from sims.data.sampling import Split
from sims.objectives import Batch, Minibatch
from spec.rules.base import Rule, Sharpness
from spec.validation import InputError


class Context(NamedTuple):
    """What a rule may be bound to: a training split, a clean subset (None: there is none), the key of its draws."""

    train: Split
    clean: Split | None
    key: jax.Array

    def inner(self) -> "Context":
        """The same for the rules inside a rule, which draw by another key."""
        return self._replace(key=jax.random.fold_in(self.key, 0))


class Labelled(NamedTuple):
    """A batch with its true labels: x (n, d), t (n,), y (n,)."""

    x: jax.Array
    t: jax.Array
    y: jax.Array


@dataclass(frozen=True)
class Bound(Rule):
    """A record with what it needs of its training split: a rule again, whose state is that of the record."""

    record: Rule

    @property
    def name(self) -> str:
        """That of the record."""
        return self.record.name

    @property
    def sharpness(self) -> Sharpness:
        """That of the record."""
        return self.record.sharpness


@dataclass(frozen=True)
class BoundToLabels(Bound):
    """A record, the true labels y (n,) of the training split, and the key of its draws."""

    y: jax.Array
    key: jax.Array

    def labelled(self, batch: Batch | Minibatch) -> Labelled:
        """The batch with the true labels of its places; a Batch without places must be the whole split (InputError)."""
        if isinstance(batch, Minibatch):
            return Labelled(batch.x, batch.t, self.y[batch.places])
        if len(batch.t) != len(self.y):
            raise InputError(
                f"batch must be a Minibatch or hold all {len(self.y)} training examples, got {len(batch.t)}"
            )
        return Labelled(batch.x, batch.t, self.y)
