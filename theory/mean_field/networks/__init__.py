r"""Training of two-layer networks of finite width on the noisy mixture, in the same limit: n, d -> inf, n/d = alpha.

f(x) = sum_k v_k phi(<w_k, x>) with a few units, so that an example is seen through K numbers <w_k, x> instead of one.

prediction the whole training curve of a rule, with its Monte-Carlo error
rules      SGD, 1-SAM, n-SAM, L-SAM, J-SAM, penalties and masks, in the K fields of an example
inputs     what an example is in the limit: its true and its observed label, and the data matrix
units      phi and its derivative
collapse   the shift from which the last layer shrinks to nothing
"""

from theory.mean_field.networks.prediction import curves
from theory.mean_field.networks.units import TwoLayer

__all__ = ["TwoLayer", "curves"]
