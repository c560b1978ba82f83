"""What is recorded while training, as records; sims gives each its meaning. Every one records named scalars."""

from dataclasses import dataclass
from typing import ClassVar

from spec.rules import Rule
from spec.validation import require_integer


@dataclass(frozen=True)
class Observable:
    """Something to record. looks_at_rule: whether it depends on the rule being trained."""

    looks_at_rule: ClassVar[bool] = False


@dataclass(frozen=True)
class Accuracies(Observable):
    """Test, validation, clean, mislabelled and recovered accuracy."""


@dataclass(frozen=True)
class Losses(Observable):
    """Mean loss on observed labels of clean and of mislabelled training examples."""


@dataclass(frozen=True)
class GradientNorms(Observable):
    """Mean per-example gradient norm and example weight of both groups, under the rule being trained."""

    looks_at_rule: ClassVar[bool] = True


@dataclass(frozen=True)
class LayerNorms(Observable):
    """Mean norm of the last hidden activations, and norm of the last layer's weights."""


@dataclass(frozen=True)
class LastLayerDecay(Observable):
    """How fast a rule with a rho shrinks the last layer beyond SGD: measured, and predicted for J-SAM."""

    looks_at_rule: ClassVar[bool] = True


@dataclass(frozen=True)
class Overlaps(Observable):
    """For the linear model: overlap of the weights with the signal, and norm of the rest."""


@dataclass(frozen=True)
class Composition(Observable):
    """What the rule `probe` does to the coordinates of the gradient, whatever rule is being trained."""

    probe: Rule


@dataclass(frozen=True)
class Correction(Observable):
    """What a compensated rule does to the perturbation of a batch: means over `batches` batches of size `batch`."""

    looks_at_rule: ClassVar[bool] = True
    batch: int
    batches: int = 4  # the mean over a few is enough, and every batch costs three gradients

    def __post_init__(self) -> None:
        require_integer("batch", self.batch, at_least=1)
        require_integer("batches", self.batches, at_least=1)


@dataclass(frozen=True)
class SignTerms(Observable):
    """What decides whether adding the simulated noise of a compensated rule helps: terms from `batches` batches of size
    `batch`, and what the rule does to the perturbation of as many others.
    """

    looks_at_rule: ClassVar[bool] = True
    batch: int
    batches: int = 10

    def __post_init__(self) -> None:
        require_integer("batch", self.batch, at_least=1)
        require_integer("batches", self.batches, at_least=1)
