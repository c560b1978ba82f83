"""A few examples set aside with labels that are trusted, and extra training on them."""

from dataclasses import dataclass

from spec.validation import require_integer, require_real


@dataclass(frozen=True)
class CleanSubset:
    """m examples set aside from the validation split. wrong: the share of their labels moved to other classes."""

    m: int = 100
    wrong: float = 0.0

    def __post_init__(self) -> None:
        require_integer("m", self.m, at_least=1)
        require_real("wrong", self.wrong, low=0.0, high=1.0)


@dataclass(frozen=True)
class CleanEpochs:
    """Extra training on the clean subset: `epochs` plain epochs of it before every epoch, in batches of `batch`

    (None: all of it at once). Kept apart from the schemes, so that its gain is not mistaken for theirs.
    """

    epochs: int
    batch: int | None = None

    def __post_init__(self) -> None:
        require_integer("epochs", self.epochs, at_least=0)
        if self.batch is not None:
            require_integer("batch", self.batch, at_least=1)
