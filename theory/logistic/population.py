r"""What a radius does to the clean/mislabelled ratio in population, at the shift rho ||x|| that 1-SAM has.

Let p(m, r) be the joint density of <w, y x> and ||x||; a clean example has the margin z = m, a mislabelled one z = -m.

Theorem. If p(m, r) >= p(-m, r) for all m > 0 and r, then for every power k of the norm

    R(rho) = E_clean[ ||x||^k sigma(rho ||x|| - z) ] / E_mislabelled[ the same ]

is at most one at every rho >= 0, and never falls with rho: it tends to one from below. Both are strict unless the two
sides are equal almost everywhere; with the opposite inequality R is at least one and never rises.

Proof. Let x = exp(-rho r) <= 1, c = cosh m and S, D = sigma(rho r + m) +- sigma(rho r - m), so that

    S = 2 (1 + x c)/(1 + 2 x c + x^2),    D = 2 x sinh m/(1 + 2 x c + x^2),
    dS/dx = -2 (c + 2 x + c x^2)/(...)^2 < 0,    dD/dx = 2 sinh m (1 - x^2)/(...)^2 >= 0   for m > 0.

So S grows with rho and D falls. With X = int r^k [p(m, r) + p(-m, r)] S and Y = int r^k [p(m, r) - p(-m, r)] D over
m > 0 the two expectations are (X -+ Y)/2: R = (X - Y)/(X + Y), where Y/X >= 0 falls with rho.

The hypothesis holds on the mixture exactly where w_1 >= 0: see margin_likelihood (isotropic noise); with orthogonal
noise, given the norm, m - B w_1 is a coordinate of a point that is uniform on a sphere in d - 1 >= 3 dimensions, whose
even density does not rise away from zero. Everything here is derived, not the paper's.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from spec.problems import SignalNoiseMixture
from spec.validation import require_choice, require_real
from theory.logistic.mixture import example_expectation

FloatArray = NDArray[np.float64]


def margin_likelihood(problem: SignalNoiseMixture, w: FloatArray) -> float:
    r"""2 B w_1/(gamma^2 ||w||^2) = k: given ||x||, a margin z is e^{k z} times as likely for a clean example.

    Isotropic noise. Proof. Given ||x|| = r, y x has on the sphere a density proportional to exp(B <e_1, y x>/gamma^2).
    Its part along w contributes exp(B w_1 z/(gamma^2 ||w||^2)), the part across w an even function of z.
    Hence E_clean f(z, ||x||) = E_mislabelled[ e^{k z} f(z, ||x||) ] for every f.
    Raises InputError for orthogonal noise, and for w = 0.

    Checked by `baek2024.margin_likelihood`.
    """
    require_choice("noise", problem.noise, ("isotropic",))
    square = float(np.sum(np.square(w)))
    require_real("||w||", square, low=0.0, low_open=True)
    return float(2 * problem.B * np.asarray(w)[0] / (problem.gamma**2 * square))


def ratio_log_slope(problem: SignalNoiseMixture, w: FloatArray, rho: float, *, rtol: float = 1e-8) -> float:
    r"""d log R/d rho of the mean gradient norms (k = 1): E_c[||x||^2 s (1 - s)]/E_c[||x|| s] - E_n[...]/E_n[...].

    s = sigma(rho ||x|| - z). Its sign is that of w_1, at every rho >= 0 (the theorem of this module).

    Checked by `baek2024.population_sign`.
    """
    require_real("rho", rho, low=0.0)

    def moments(z: FloatArray, norm: FloatArray) -> FloatArray:
        s = expit(rho * norm - z)
        return np.stack([norm * s, norm**2 * s * expit(z - rho * norm)], axis=1)

    groups = (
        np.asarray(example_expectation(problem, w, moments, mislabelled=m, rtol=rtol).value) for m in (False, True)
    )
    (clean, clean_slope), (noisy, noisy_slope) = groups
    return float(clean_slope / clean - noisy_slope / noisy)
