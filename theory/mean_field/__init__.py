r"""Training of the linear model on the noisy mixture in the proportional limit: n, d -> inf with n/d = alpha.

prediction the whole training curve of a rule, with its Monte-Carlo error
stopping   the best stopping of a curve, and its value at a given norm
matrix     the data matrix as an operator with a memory
weights    vectors of the weight space, and functions of their entries
examples   the batch that a rule sees
rules      SGD, the SAM family and its variants as half-steps
setting    what determines a curve, and what is drawn for it
masks      rules that act coordinate by coordinate
compensation   ascents corrected for label noise
schemes    example weights from a clean subset
long_time  the end of 1-SAM with weight decay, and its limits, from a few scalar equations
networks   two-layer networks of a few units, linear or not
basis      orthonormal rows that grow
"""

from theory.mean_field import compensation, masks, schemes  # noqa: F401  registers its rules
from theory.mean_field.prediction import at_end, curves
from theory.mean_field.setting import Accuracy, Closure, Start

__all__ = ["Accuracy", "Closure", "Start", "at_end", "curves"]
