r"""Training of the linear model on the noisy mixture in the proportional limit: n, d -> inf with n/d = alpha."""

from theory.mean_field import masks  # noqa: F401  registers its rules
from theory.mean_field.curves import Accuracy, Start, curves

__all__ = ["Accuracy", "Start", "curves"]
