"""How a rule's gradient becomes steps: step size, momentum, decay, batches, length, and when to record."""

from dataclasses import dataclass, replace
from typing import Literal

from spec.fields import Checked, Count, NonNegative, Positive, ProperShare
from spec.validation import InputError


@dataclass(frozen=True)
class Training(Checked):
    """SGD with momentum and (coupled) weight decay.

    eta           step size at the start; schedule 'constant' or 'cosine' (to zero over the run)
    batch         examples for each step, drawn without replacement within an epoch; None: the full batch.
                  A remainder smaller than a batch is left out of its epoch (another one each epoch).
    record_every  epochs between records of the observables; the state before training is always recorded
    """

    eta: Positive
    epochs: Count
    batch: Count | None = None
    momentum: ProperShare = 0.0
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    record_every: Count = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs % self.record_every:
            raise InputError(f"record_every must divide epochs={self.epochs}, got {self.record_every}")

    @property
    def as_stepped(self) -> "Training":
        """What its single steps depend on: how long it is matters to them only under a schedule, and records never."""
        return replace(self, epochs=1 if self.schedule == "constant" else self.epochs, record_every=1)

    def steps(self, n: int) -> int:
        """Whole batches in an epoch of n examples."""
        return n // (self.batch or n)
