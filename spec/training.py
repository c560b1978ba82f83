"""How a rule's gradient becomes steps: step size, momentum, decay, batches, length, and when to record."""

from dataclasses import dataclass
from typing import Literal

from spec.validation import InputError, require_choice, require_integer, require_real


@dataclass(frozen=True)
class Training:
    """SGD with momentum and (coupled) weight decay.

    eta           step size at the start; schedule 'constant' or 'cosine' (to zero over the run)
    batch         examples for each step, drawn without replacement within an epoch; None: the full batch.
                  A remainder smaller than a batch is left out of its epoch (another one each epoch).
    record_every  epochs between records of the observables; the state before training is always recorded
    """

    eta: float
    epochs: int
    batch: int | None = None
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    record_every: int = 1

    def __post_init__(self) -> None:
        require_real("eta", self.eta, low=0.0, low_open=True)
        require_integer("epochs", self.epochs, at_least=1)
        require_integer("record_every", self.record_every, at_least=1)
        if self.batch is not None:
            require_integer("batch", self.batch, at_least=1)
        require_real("momentum", self.momentum, low=0.0, high=1.0)
        require_real("weight_decay", self.weight_decay, low=0.0)
        require_choice("schedule", self.schedule, ("constant", "cosine"))
        if self.epochs % self.record_every:
            raise InputError(f"record_every must divide epochs={self.epochs}, got {self.record_every}")

    def steps(self, n: int) -> int:
        """Whole batches in an epoch of n examples."""
        return n // (self.batch or n)
