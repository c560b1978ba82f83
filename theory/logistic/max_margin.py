r"""Where 1-SAM ends on separable data: at the maximum margin, as gradient descent does, with margins rho ||x|| apart.

Hypotheses: some w has t_i <w, x_i> > 0 for every i (observed labels, right or wrong: with d >= n generic inputs always
have one); the support vectors S of the maximum-margin w^, ||w^|| least with t_i <w, x_i> >= 1, are linearly independent
and have positive multipliers, w^ = sum_S alpha_i t_i x_i. Both hold for almost every input with a density.

1-SAM descends mean_i log(1 + e^{rho ||x_i|| - z_i}): every example keeps an exponential tail, times e^{rho ||x_i||}. So
along dw/dtau = -grad, for every rho >= 0 and start,

    w(tau) = w^ log tau + O(1),    z_i - log tau  ->  rho ||x_i|| - log(n alpha_i)   for i in S.

The direction tends to w^ like 1/log tau, whatever rho: what 1-SAM gains it gains on the way. What is left of rho at the
end is that late margins of support vectors are rho ||x_i|| larger than without it. In steps of length h tau_k with
tau_{k+1} = (1 + h) tau_k the limit is log(h/log(1 + h)) larger.

Proof. With z_i = log tau + c_i on S and z_j - log tau -> inf elsewhere, d/dtau [w^ log tau + w~] = w^/tau has to be
(1/n) sum_i t_i x_i e^{rho ||x_i|| - z_i} = (1/tau) (1/n) sum_S t_i x_i e^{rho ||x_i|| - c_i}, so that e^{rho ||x_i|| -
c_i} = n alpha_i; that the flow gets there is the theorem of Soudry et al. (2018), which allows for positive factors of
the examples' losses. The application to 1-SAM is derived here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from spec.validation import require, require_real

FloatArray = NDArray[np.float64]


class MaximumMargin(NamedTuple):
    """w^ (d,) of margin one, and the multipliers alpha (n,), zero off the support vectors."""

    w: FloatArray
    alpha: FloatArray


def maximum_margin(x: FloatArray, t: FloatArray) -> MaximumMargin:
    """The shortest w with t_i <w, x_i> >= 1 for all i, by non-negative least squares (Lawson and Hanson, chapter 23).

    Raises InputError where no w separates the data.

    Checked by `baek2024.maximum_margin`.

    >>> import numpy as np
    >>> maximum_margin(np.array([[2.0, 1.0], [-2.0, 1.0]]), np.array([1.0, -1.0])).w.round(6).tolist()
    [0.5, 0.0]
    """
    signed = t[:, None] * x
    A, b = np.vstack([signed.T, np.ones(len(t))]), np.append(np.zeros(x.shape[1]), 1.0)
    u, left = nnls(A, b)
    require(left > 1e-9, "x and t", (x.shape, t.shape), "separable by some w")
    residual = b - A @ u
    return MaximumMargin(-residual[:-1] / residual[-1], u / residual[-1])


def late_margins(x: FloatArray, t: FloatArray, rho: float, *, h: float) -> FloatArray:
    """The limit of z_i - log tau for support vectors, inf for the other examples, (n,), in steps that grow by 1 + h.

    Checked by `baek2024.late_margins`.
    """
    require_real("rho", rho, low=0.0)
    require_real("h", h, low=0.0, low_open=True)
    alpha = maximum_margin(x, t).alpha
    support = alpha > 0
    limit = rho * np.linalg.norm(x, axis=1) - np.log(len(t) * np.where(support, alpha, 1)) + np.log(h / np.log1p(h))
    return np.where(support, limit, np.inf)
