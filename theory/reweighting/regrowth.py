r"""When can a weight grow back? Exact bounds for clipped meta-reweighting with look-ahead.

Let F_t(u) be the mean loss of the clean subset after a model step with weights u from the state of step t: the weights
make a projected gradient step, w' = clip(w - alpha grad F_t(w)), and the model then a step with w'. For F_t convex and
L_t-smooth on [0, 1]^n (a linearised model and a convex loss) and alpha L_t <= 1, for every fixed u in [0, 1]^n

    F_t(w') - F_t(u)  <=  ( ||w - u||^2 - ||w' - u||^2 ) / (2 alpha)                                     (regret)

Proof. The projection gives <w - alpha grad F(w) - w', u - w'> <= 0, so that <grad F(w), w' - u> <= (||w - u||^2 -
||w' - u||^2 - ||w' - w||^2)/(2 alpha); smoothness and convexity give F(w') <= F(u) + <grad F(w), w' - u> +
(L/2)||w' - w||^2.  Two choices of u say most:
u = 0 is no step at all, F_t(0) = L_v(t):  E(t) = L_v(t) + ||w(t)||^2/(2 alpha) never rises. Hence the clean-subset loss
never exceeds its start by more than ||w(0)||^2/(2 alpha), and weights can only grow out of a fall of the clean-subset
loss or of other weights: after a time T the mislabelled ones hold at most
||w_N(t)||^2 <= 2 alpha L_v(T) + ||w(T)||^2 - ||w_C(t)||^2.
u = 1 on clean examples: on average over T steps the clean-subset loss is at most that of a step with clean data alone
from the same point, plus ||w(0) - u||^2/(2 alpha T).
For squared loss F_t is quadratic with Hessian H = (eta^2/m) diag(r) K_tv K_vt diag(r), and L_t = lambda_max(H).

All of it is derived here, and none of it is the statement of Zhang et al. (2025); so are the bounds on the coupling.
Arrays: as in theory.reweighting.recursion.
"""

import numpy as np

from spec.validation import require_real
from theory.reweighting.recursion import Blocks, FloatArray, State, look_ahead


def clean_loss(r_clean: FloatArray) -> FloatArray:
    """L = (1/2m) sum_j r_j^2, along the last axis."""
    return np.mean(r_clean**2, axis=-1) / 2


def largest_rate(K: Blocks, state: State, eta: float) -> float:
    """1/L_t: up to this alpha = beta/eta the bounds hold at a state. inf where no residual is left."""
    curvature = eta**2 * np.linalg.norm(K.clean * state.r, ord=2) ** 2 / len(K.clean)
    return float(1 / curvature) if curvature > 0 else np.inf


def regret(K: Blocks, state: State, following: State, u: FloatArray, *, eta: float) -> float:
    """By how much one step's clean loss exceeds that of fixed weights u, taken from the same point."""
    return float(clean_loss(following.r_clean) - clean_loss(look_ahead(K, state._replace(w=u), eta)))


def regret_bound(state: State, following: State, u: FloatArray, alpha: float) -> float:
    """(||w - u||^2 - ||w' - u||^2)/(2 alpha): the regret of a step of the algorithm is at most this.

    Checked by `zhang2025.regret`.
    """
    require_real("alpha", alpha, low=0.0, low_open=True)
    return float(np.sum((state.w - u) ** 2) - np.sum((following.w - u) ** 2)) / (2 * alpha)


def regret_slack(K: Blocks, state: State, following: State, u: FloatArray, *, alpha: float, eta: float) -> float:
    """The right side of the regret bound minus its left side: not negative for a step of the algorithm."""
    return regret_bound(state, following, u, alpha) - regret(K, state, following, u, eta=eta)


def energy(state: State, alpha: float) -> FloatArray:
    """E = L_v + ||w||^2/(2 alpha): never rises under the algorithm.

    Checked by `zhang2025.no_free_regrowth`.
    """
    return energy_of(clean_loss(state.r_clean), np.sum(state.w**2, axis=-1), alpha)


def energy_of(loss: FloatArray, squares: FloatArray, alpha: float) -> FloatArray:
    """L_v + ||w||^2/(2 alpha) of any convex loss, squares = ||w||^2.

    Checked by `zhang2025.energy_of_classes`.
    """
    require_real("alpha", alpha, low=0.0, low_open=True)
    return loss + squares / (2 * alpha)


def coupling_bound(cross: FloatArray, r: FloatArray, ahead: FloatArray) -> FloatArray:
    """|c_i| <= |r_i| kappa_i sqrt(2 L(ahead)), kappa_i the root mean square of K_ij over the clean subset, (..., n).

    So a small clean-subset loss silences the weights: the coupling vanishes with its square root.

    Checked by `zhang2025.vanishing_coupling`.
    """
    return np.abs(r) * np.sqrt(np.mean(cross**2, axis=0) * 2 * clean_loss(ahead)[..., None])


def regain_bound(beta: float, kappa: float, epsilon: float, rate: float, *, largest: float = 2.0) -> float:
    """What a weight can regain in all if rms(r^_v) <= epsilon e^{-rate t} and |r_i| <= largest:

    largest beta kappa epsilon/(1 - e^{-rate}). Below 1/2, a filtered weight never passes one half again.

    Checked by `zhang2025.regain_bound`.
    """
    require_real("rate", rate, low=0.0, low_open=True)
    return largest * beta * kappa * epsilon / -float(np.expm1(-rate))


def sign_tolerance(k_clean: FloatArray, rho: FloatArray) -> FloatArray:
    """The largest relative error of every kernel entry at which G_i surely keeps its sign, (..., n):

    |sum_j k_ij rho_j| / sum_j |k_ij rho_j|. It does not change when all residuals shrink: a relative kernel error is
    multiplicative in them and cannot turn an update round late; it is 1 where all k_ij rho_j have one sign.

    Checked by `zhang2025.relative_kernel_error`.
    """
    return np.abs(rho @ k_clean) / (np.abs(rho) @ np.abs(k_clean))


def coupling_noise(cross: FloatArray, s: float) -> FloatArray:
    """s ||K_i||/m, (n,): standard deviation of the error of sum_j K_ij r_j/m under independent errors of r_j, each of

    standard deviation s. It is additive, and falls as m^{-1/2}.

    Checked by `zhang2025.coupling_noise`.
    """
    return s * np.linalg.norm(cross, axis=0) / len(cross)


def centring_threshold(same: float, different: float) -> float:
    """(a - b)/(a + b): for kernel means a within and b between two classes, both positive, G is positive for both of

    them exactly where the mean clean residuals obey |rho_+ - rho_-|/(rho_+ + rho_-) < (a - b)/(a + b). A common part c
    adds to a and b alike and shrinks the range; centring removes it.

    Checked by `zhang2025.centring_threshold`.
    """
    return (same - different) / (same + different)
