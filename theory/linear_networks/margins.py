r"""What J-SAM does to the margins m = t f of a two-layer linear network f = <v, W x> with labels t in {-1, 1}.

J_i = ||grad f_i|| = sqrt(||W x_i||^2 + ||x_i||^2 ||v||^2). Baek et al. (2024) read Proposition 4.1 so: by constraining
the output, J-SAM keeps the loss of correctly fit points high. What holds exactly (all derived here):

* The penalty pulls margins towards zero from *both* sides (penalty_on_margins with one example): it lowers the margin
  of a fit example and raises that of a misfit one, and the pull is strongest, by sigma(-m), on the misfit.
* At fixed J the margin of one example stops growing at the ceiling m* = J^3/(2 rho ||x||^2).
* But |m| <= J^2/(2 ||x||), so no network has m >= m* unless J <= rho ||x||; and J grows with m. For one example and
  J > rho ||x|| the velocity is between 1 - rho ||x||/J and 1 + rho ||x||/J times the SGD one: growth is slowed, never
  stopped. On the balanced line (W x = t ||x|| v) the point m = m* is J = rho ||x||, and it repels: larger networks
  grow for ever, smaller ones collapse to zero. So the ceiling is not a level that training rests at.
* The penalties of *other* examples act through the shared v, and shrink every margin: that part has no threshold.

Arrays of one length n: m, J, norms = ||x||. All float64.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from spec.validation import require_real
from theory.linear_networks.gradients import statistics

FloatArray = NDArray[np.float64]


def jacobian_norms(W: FloatArray, v: FloatArray, x: FloatArray) -> FloatArray:
    """J_i = sqrt(||W x_i||^2 + ||x_i||^2 ||v||^2), (n,)."""
    at = statistics(W, v)
    return np.sqrt(np.einsum("nd,de,ne->n", x, at.K, x) + np.sum(x**2, axis=1) * at.N[0, 0])


def penalty_coefficients(
    rho: float, W: FloatArray, v: FloatArray, x: FloatArray, t: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Coefficients of ||W x_i||^2/2 and of ||v||^2/2 in example i's J-SAM gradient, (n,) each (Baek et al., 4.2).

    rho sigma(-t f)/J and rho sigma(-t f) ||x||^2/J; zero where J = 0. The division by J makes the penalty one of norms,
    not of squares.

    Checked by `baek2024.penalty_coefficients`.
    """
    require_real("rho", rho, low=0.0)
    J = jacobian_norms(W, v, x)
    hidden = np.divide(rho * expit(-t * (x @ W.T @ v)), J, out=np.zeros(len(t)), where=J > 0)
    return hidden, hidden * np.sum(x**2, axis=1)


def perturbed_output(f: ArrayLike, J: ArrayLike, norms: ArrayLike, t: ArrayLike, rho: ArrayLike) -> FloatArray:
    r"""f(w + eps) = f (1 + rho^2 ||x||^2/J^2) - rho t J for the 1-SAM ascent, J > 0.

    sigma(-t f(w + eps)) is the weight under L-SAM and 1-SAM. In logistic regression J = ||x|| and the rho^2 is absent.

    Checked by `baek2024.perturbed_output`.

    >>> float(perturbed_output(f=1.0, J=2.0, norms=1.0, t=1.0, rho=0.5))
    0.0625
    """
    f, J, norms, t, rho = (np.asarray(a, dtype=float) for a in (f, J, norms, t, rho))
    return f * (1 + (rho * norms / J) ** 2) - rho * t * J


def margin_velocity(m: ArrayLike, J: ArrayLike, norms: ArrayLike, rho: ArrayLike) -> FloatArray:
    r"""dm/dtau = sigma(-m) (J^2 - 2 rho ||x||^2 m/J) of one example under its own J-SAM flow, J > 0.

    Checked by `baek2024.margin_velocity`.
    """
    m, J, norms, rho = (np.asarray(a, dtype=float) for a in (m, J, norms, rho))
    return expit(-m) * (J**2 - 2 * rho * norms**2 * m / J)


def margin_ceiling(J: ArrayLike, norms: ArrayLike, rho: ArrayLike) -> FloatArray:
    r"""m* = J^3/(2 rho ||x||^2), where margin_velocity changes sign at fixed J. Reachable only if J <= rho ||x||.

    Checked by `baek2024.margin_threshold`, `baek2024.balanced_line`.

    >>> float(margin_ceiling(J=2.0, norms=1.0, rho=0.5))
    8.0
    """
    J, norms, rho = (np.asarray(a, dtype=float) for a in (J, norms, rho))
    return J**3 / (2 * rho * norms**2)


def penalty_on_margins(rho: float, W: FloatArray, v: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    r"""What J-SAM adds to the margin velocities of SGD on a whole training set, (n,):

    -(1/n) sum_j (rho sigma(-m_j)/J_j) (||x_j||^2 m_i + t_i t_j <x_i, x_j> m_j).

    The first part, from the last layer, has the sign of -m_i whatever the data. The second, from the activations, does
    for orthogonal inputs; in general it pulls m_i the way that examples similar to i are pulled.

    Checked by `baek2024.penalty_on_margins`, `baek2024.margin_pull`.
    """
    hidden, last = penalty_coefficients(rho, W, v, x, t)
    signed = t[:, None] * x
    m = signed @ W.T @ v
    return -(last.mean() * m + signed @ (signed.T @ (hidden * m)) / len(t))
