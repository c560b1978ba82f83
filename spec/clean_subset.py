"""A few examples set aside with labels that are trusted, and extra training on them."""

from dataclasses import dataclass

from spec.fields import Checked, Count, Natural, ProperShare


@dataclass(frozen=True)
class CleanSubset(Checked):
    """m examples set aside from the validation split. wrong: the share of their labels moved to other classes."""

    m: Count = 100
    wrong: ProperShare = 0.0


@dataclass(frozen=True)
class CleanEpochs(Checked):
    """Extra training on the clean subset: `epochs` plain epochs of it before every epoch, in batches of `batch`

    (None: all of it at once). Kept apart from the schemes, so that its gain is not mistaken for theirs.
    """

    epochs: Natural
    batch: Count | None = None
