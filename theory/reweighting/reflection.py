r"""After filtering: a weight at zero as a reflected random walk, and how long memorisation then takes.

Independent errors of deviation s in the clean residuals, fresh at every step, move the weight of a filtered example by
w' = max(w + xi, 0), xi ~ N(-b, sigma^2), while its coupling, residual and kernel stand still:

    sigma = beta |r| s ||K_i||/m  (beta times theory.reweighting.regrowth.coupling_noise),   b = beta |r| G >= 0.

From w = 0 Spitzer's identity gives the mean after any number of steps, with S_k ~ N(-k b, k sigma^2):

    E w_t = sum_{k=1}^t E[S_k^+]/k,    E[S_k^+] = sigma sqrt(k) phi(a sqrt k) - k b Phi(-a sqrt k),   a = b/sigma.   (1)

1. Held out, G > 0: it stays bounded, and for b << sigma its limit is sigma^2/(2 b) - c sigma + O(b), c = -zeta(1/2)/
   sqrt(2 pi) = .5826: the diffusion's stationary mean, less what a walk in steps misses.
2. Contained, G -> 0: it grows as sigma sqrt(2 t/pi), without bound.
3. Then the example is memorised: with an individual kernel delta its residual falls as exp(-eta delta sum w), and
   eta delta sum w = 1 in the mean at

    t* = [ (3/2) sqrt(pi/2) / (eta delta sigma) ]^{2/3}  ~  (s beta)^{-2/3} m^{1/3},                                (2)

   up to one factor for all, because sigma falls with the residual. It holds while w stays below 1 and what the example
   does to the clean residuals is restored faster than t*.

Derived here; Spitzer (1956). It is what 'sensitive to perturbations' (Zhang et al. 2025, phase 3) amounts to.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from spec.validation import require_integer, require_real

FloatArray = NDArray[np.float64]
OVERSHOOT = 0.5825971579390106
"""c = -zeta(1/2)/sqrt(2 pi)."""


def mean_weight(steps: int, drift: ArrayLike, sigma: ArrayLike) -> FloatArray:
    """E w_t from zero for t = 0, ..., steps, shape (steps + 1, *s): formula (1), exact.

    drift b >= 0 towards zero, sigma > 0, of one broadcast shape s.

    Checked by `zhang2025.reflected_walk`.
    """
    require_integer("steps", steps, at_least=0)
    b, sigma = np.broadcast_arrays(np.asarray(drift, dtype=float), np.asarray(sigma, dtype=float))
    k = np.arange(1, steps + 1).reshape(-1, *[1] * b.ndim)
    z = b * np.sqrt(k) / sigma
    gains = sigma / np.sqrt(k) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) - b * ndtr(-z)
    return np.concatenate([np.zeros((1, *b.shape)), np.cumsum(gains, axis=0)])


def stationary_mean(drift: ArrayLike, sigma: ArrayLike) -> FloatArray:
    """sigma^2/(2 b) - c sigma: the limit of mean_weight, up to O(b)."""
    sigma = np.asarray(sigma, dtype=float)
    return sigma**2 / (2 * np.asarray(drift, dtype=float)) - OVERSHOOT * sigma


def memorisation_time(sigma: float, eta: float, delta: float) -> float:
    """t* of formula (2): steps until a contained, filtered example is memorised through its individual kernel delta.

    Checked by `zhang2025.memorisation_time`, `zhang2025.memorisation_time_and_speed`,
    `zhang2025.memorisation_time_and_clean_subset`.
    """
    for name, value in (("sigma", sigma), ("eta", eta), ("delta", delta)):
        require_real(name, value, low=0.0, low_open=True)
    return float((1.5 * np.sqrt(np.pi / 2) / (eta * delta * sigma)) ** (2 / 3))
