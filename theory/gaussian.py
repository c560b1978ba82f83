r"""Expectations over independent standard variables, by adaptive cubature with a stated error.

    E f(U_1, ..., U_k) = int f(u) prod_j p_j(u_j) du

The only numerical helper of the theory. Sources: none needed; the rule is Gauss-Kronrod (scipy.integrate.cubature).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

from spec.validation import require

FloatArray = NDArray[np.float64]

# Mass beyond these quantiles: far below the accuracy asked for, for any f that grows at most polynomially.
_TAIL = 1e-20


class Estimate(NamedTuple):
    """A numerical expectation and a bound on its absolute error."""

    value: Any
    error: float


class Variable(NamedTuple):
    """A one-dimensional density on [low, high], which holds all but a negligible tail of its mass."""

    density: Callable[[FloatArray], FloatArray]
    low: float
    high: float


def normal() -> Variable:
    """N(0, 1)."""
    return Variable(stats.norm.pdf, stats.norm.ppf(_TAIL), stats.norm.isf(_TAIL))


def chi(k: int) -> Variable:
    """The length of a vector of k independent standard normals."""
    law = stats.chi(k)
    return Variable(law.pdf, law.ppf(_TAIL), law.isf(_TAIL))


def expectation(f: Callable[..., Any], *variables: Variable, rtol: float = 1e-10, atol: float = 1e-13) -> Estimate:
    """E f(U_1, ..., U_k) for independent variables.

    f takes one array (points,) for each variable and returns shape (points, ...): several expectations at once.
    Raises ArithmeticError when the tolerance is not reached, so that no unconverged number is ever used.
    """
    require(len(variables) >= 1, "variables", variables, "at least one variable")

    def integrand(u: FloatArray) -> FloatArray:
        weight = np.prod([v.density(u[:, j]) for j, v in enumerate(variables)], axis=0)
        values = np.asarray(f(*(u[:, j] for j in range(len(variables)))))
        return values * weight.reshape(weight.shape + (1,) * (values.ndim - 1))

    low, high = [v.low for v in variables], [v.high for v in variables]
    result = integrate.cubature(integrand, low, high, rule="gk21", rtol=rtol, atol=atol, max_subdivisions=2000)
    if result.status != "converged":
        raise ArithmeticError(f"expectation not converged: error {np.max(result.error):.1e}, asked for {rtol:.0e}")
    value = result.estimate if np.ndim(result.estimate) else float(result.estimate)
    return Estimate(value, float(np.max(result.error)))
