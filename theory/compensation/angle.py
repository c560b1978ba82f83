r"""The angle between SAM's perturbation under noisy and under true labels, in closed form.

SAM's step is rho g/||g||: its angle is that of the gradients g_0 (true labels) and g_0 + Delta m, m = ||m|| e_1.

    theta = atan2( Delta ||m|| |u_2|,  u_1 (u_1 + Delta ||m||) + u_2^2 ),   g_0 = u_1 e_1 + u_2 w_perp/||w_perp||.

    mixture x = y (B e_1 + gamma z):  u_1 = kappa gamma_1^2 w_1 - A B,  u_2 = kappa gamma^2 ||w_perp||,  ||m|| = B,
        A = E sigma(-s), kappa = E sigma'(s), s ~ N(B w_1, gamma_1^2 w_1^2 + gamma^2 ||w_perp||^2)
        by Stein's lemma; gamma_1 is gamma for isotropic and 0 for orthogonal noise;
    teacher y = sign x_1:  u_1 = a w_1 - c, u_2 = a ||w_perp||, ||m|| = 2 c, a = E sigma'(||w|| z), c = 1/sqrt(2 pi).

gamma is the noise of the mixture. All results are derived; Xu et al. (2026) assert a rotation without computing it.
"""

from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize
from scipy.special import expit

from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.validation import require, require_integer, require_real
from theory.gaussian import expectation, normal
from theory.logistic import mixture

FloatArray = NDArray[np.float64]


@singledispatch
def clean_gradient(problem: Any, w: FloatArray) -> FloatArray:
    """g_0 = -E[y sigma(-y <w, x>) x], shape (d,): the population gradient under true labels.

    Checked by `xu2026.opposed_gradients`.
    """
    raise TypeError(f"no population gradient for {problem!r}")


@clean_gradient.register
def _(problem: SignalNoiseMixture, w: FloatArray) -> FloatArray:
    w = np.asarray(w, dtype=float)
    A, kappa = mixture.fixed_shift_moments(problem, w, 0.0, mislabelled=False)
    g = kappa * problem.gamma**2 * w
    g[0] = g[0] * (problem.noise == "isotropic") - A * problem.B
    return g


@clean_gradient.register
def _(problem: NoisyLinearTeacher, w: FloatArray) -> FloatArray:
    w = np.asarray(w, dtype=float)
    g = _mean_slope(float(np.linalg.norm(w))) * w
    g[0] -= 1 / np.sqrt(2 * np.pi)
    return g


@singledispatch
def mean_example(problem: Any) -> float:
    """||m||, m = E[y x] = ||m|| e_1."""
    raise TypeError(f"no mean example for {problem!r}")


@mean_example.register
def _(problem: SignalNoiseMixture) -> float:
    return problem.B


@mean_example.register
def _(problem: NoisyLinearTeacher) -> float:
    return float(np.sqrt(2 / np.pi))


def noisy_gradient(problem: Any, w: FloatArray) -> FloatArray:
    """g_0 + Delta m, shape (d,): the population gradient under observed labels."""
    g = clean_gradient(problem, w)
    g[0] += problem.Delta * mean_example(problem)
    return g


def angle_between(u: FloatArray, v: FloatArray) -> FloatArray:
    """Angles in [0, pi] between vectors (..., d), accurate near 0 and pi too; 0 where both are zero."""
    u, v = (a / np.where((n := np.linalg.norm(a, axis=-1, keepdims=True)) > 0, n, 1) for a in (u, v))
    return 2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))


def perturbation_angle(problem: Any, w: FloatArray) -> float:
    """theta in [0, pi], the formula above; 0 where a gradient is zero and has no direction.

    The two perturbations are 2 rho sin(theta/2) apart.

    Checked by `xu2026.angle`.

    >>> import numpy as np
    >>> from spec.problems import SignalNoiseMixture
    >>> problem = SignalNoiseMixture(n=100, d=3, B=1.0, Delta=0.3)
    >>> round(perturbation_angle(problem, np.array([0.5, 0.5, 0.0])), 4)
    1.3724
    """
    g, tilt = clean_gradient(problem, w), problem.Delta * mean_example(problem)
    along, across = g[0], float(np.linalg.norm(g[1:]))
    return float(np.arctan2(tilt * across, along * (along + tilt) + across**2))


@singledispatch
def overshoot_zone(problem: Any) -> tuple[float, float]:
    r"""The interval of a in which w = a e_1 has theta = pi: from the noisy to the clean minimiser of the loss.

    Along the signal the gradients are collinear; between the two minimisers they are opposite, and SAM's perturbation
    is exactly reversed by the noise. Elsewhere on the axis theta = 0. Clean minimiser: 2 B/gamma^2 for isotropic
    noise, infinity where the classes are separable (orthogonal noise, teacher). Empty at Delta = 0.

    Checked by `xu2026.overshoot_zone`.
    """
    raise TypeError(f"no overshoot zone for {problem!r}")


@overshoot_zone.register
def _(problem: SignalNoiseMixture) -> tuple[float, float]:
    require_real("B", problem.B, low=0.0, low_open=True)
    if problem.noise == "orthogonal":
        low = np.log1p(-problem.Delta) - np.log(problem.Delta) if problem.Delta > 0 else np.inf
        return float(low) / problem.B, np.inf
    high = 2 * problem.B / problem.gamma**2
    if problem.Delta == 0:
        return high, high
    return _zero_along_signal(problem, high), high


@overshoot_zone.register
def _(problem: NoisyLinearTeacher) -> tuple[float, float]:
    if problem.Delta == 0:
        return np.inf, np.inf
    high = 1.0
    while noisy_gradient(problem, _on_axis(problem, high))[0] <= 0:
        high *= 2
    return _zero_along_signal(problem, high), np.inf


def _zero_along_signal(problem: Any, high: float) -> float:
    """The noisy minimiser a: the derivative along the signal rises from negative at a = 0 to positive at high."""
    return float(optimize.brentq(lambda a: noisy_gradient(problem, _on_axis(problem, a))[0], 0.0, high, xtol=1e-13))


def _on_axis(problem: Any, a: float) -> FloatArray:
    return a * np.eye(1, problem.d)[0]


def _mean_slope(length: float) -> float:
    """E sigma'(length z)."""
    return float(expectation(lambda z: expit(length * z) * expit(-length * z), normal()).value)


class BatchMoments(NamedTuple):
    """Expectations over batches: E<g_y, g_t>, E||g_y||^2, E||g_t||^2, on the same inputs."""

    inner: float
    clean: float
    noisy: float

    @property
    def cosine(self) -> float:
        """inner/sqrt(clean noisy): the cosine of the two perturbations up to fluctuations of the moments."""
        return self.inner / float(np.sqrt(self.clean * self.noisy))


def batch_moments(problem: SignalNoiseMixture, w: FloatArray, batch: int) -> BatchMoments:
    r"""Exact moments for a batch of independent examples with independent flips. With residual s = sigma(-z),

    E<g_y, g_t>  = (1 - 1/batch) <g_0, g_0 + Delta m> + E[||x||^2 ((1 - Delta) s^2 - Delta s (1 - s))]/batch
    E||g_y||^2   = (1 - 1/batch) ||g_0||^2            + E[||x||^2 s^2]/batch
    E||g_t||^2   = (1 - 1/batch) ||g_0 + Delta m||^2  + E[||x||^2 ((1 - Delta) s^2 + Delta (1 - s)^2)]/batch

    Checked by `xu2026.batch_moments`.
    """
    require_integer("batch", batch, at_least=1)

    def squares(z: FloatArray, norm: FloatArray) -> FloatArray:
        s = expit(-z)
        return np.stack([s**2, s * (1 - s), (1 - s) ** 2], axis=-1) * norm[:, None] ** 2

    same, crossed, flipped = mixture.example_expectation(problem, w, squares, mislabelled=False).value
    g, h, Delta = clean_gradient(problem, w), noisy_gradient(problem, w), problem.Delta
    pairs = 1 - 1 / batch
    return BatchMoments(
        float(pairs * g @ h + ((1 - Delta) * same - Delta * crossed) / batch),
        float(pairs * g @ g + same / batch),
        float(pairs * h @ h + ((1 - Delta) * same + Delta * flipped) / batch),
    )


def orthogonal_cosine(residual: ArrayLike, Delta: ArrayLike) -> FloatArray:
    r"""(s - Delta)/sqrt((1 - Delta) s^2 + Delta (1 - s)^2) for orthogonal inputs of equal norm and common residual s.

    s = sigma(-z) under the true label, a share Delta of the labels flipped: the limit d >> batch of batch_moments.
    1 - 2 Delta at s = 1/2 (initialisation), and *negative* once the examples are fitted better than s = Delta: the
    mislabelled ones then have the larger gradients. nan at s = Delta = 0 and at s = 0 = 1 - Delta.

    Checked by `xu2026.orthogonal_cosine`.
    """
    s, Delta = np.asarray(residual, dtype=float), np.asarray(Delta, dtype=float)
    with np.errstate(invalid="ignore"):
        return (s - Delta) / np.sqrt((1 - Delta) * s**2 + Delta * (1 - s) ** 2)


def uniform_cosine(Delta: float, classes: int) -> float:
    r"""1 - Delta C/(C - 1): the same for C classes at uniform softmax, under symmetric noise.

    Checked by `xu2026.uniform_cosine`.
    """
    require_integer("classes", classes, at_least=2)
    require(0 <= Delta <= 1, "Delta", Delta, "a rate in [0, 1]")
    return 1 - Delta * classes / (classes - 1)
