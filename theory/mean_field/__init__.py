r"""Training of the linear model on the noisy mixture in the proportional limit: n, d -> inf with n/d = alpha.

curves     the whole training curve of a rule, with its Monte-Carlo error
matrix     the data matrix as an operator with a memory
weights    vectors of the weight space, and functions of their entries
examples   the batch that a rule sees
rules      SGD, the SAM family and its variants as half-steps
masks      rules that act coordinate by coordinate
basis      orthonormal rows that grow
"""

from theory.mean_field import masks  # noqa: F401  registers its rules
from theory.mean_field.curves import Accuracy, Start, curves

__all__ = ["Accuracy", "Start", "curves"]
