r"""Expectations over independent standard variables, by adaptive cubature with a stated error.

    E f(U_1, ..., U_k) = int f(u) prod_j p_j(u_j) du

The only numerical helper of the theory. Sources: none needed; the rule is Gauss-Kronrod (scipy.integrate.cubature).
"""

import itertools
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
    """A numerical expectation and an estimate of its absolute error (tested against known values, not proved)."""

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


def distance(k: int, away: float) -> Variable:
    """The length of a vector of k independent standard normals about a mean of length `away`: noncentral chi."""
    if away == 0:
        return chi(k)
    law, central = stats.ncx2(k, away**2), stats.chi(k)
    low, high = max(central.ppf(_TAIL), away - stats.norm.isf(_TAIL)), away + central.isf(_TAIL)
    return Variable(lambda r: 2 * r * law.pdf(r**2), low, high)


def expectation(f: Callable[..., Any], *variables: Variable, rtol: float = 1e-10, atol: float = 1e-13) -> Estimate:
    """E f(U_1, ..., U_k) for independent variables.

    f takes one array (points,) for each variable and returns (points, ...): several expectations at once. The first
    variable should be the one in which f is steepest. Every result is computed on two unrelated subdivisions of its
    range, which must agree: one alone can miss a step between an edge and its nearest node, and report convergence.
    Raises ArithmeticError when the tolerance is not reached.

    >>> import numpy as np
    >>> round(float(expectation(np.cos, normal()).value), 6)
    0.606531
    """
    require(len(variables) >= 1, "variables", variables, "at least one variable")
    previous = _on_panels(f, variables, 2, rtol, atol)
    for panels in (3, 8, 21, 55):
        current = _on_panels(f, variables, panels, rtol, atol)
        difference = np.abs(np.asarray(current.value) - previous.value)
        if np.all(difference <= atol + rtol * np.abs(current.value)):
            return Estimate(current.value, max(current.error, float(np.max(difference))))
        previous = current
    raise ArithmeticError(
        f"expectation not converged: subdivisions differ by {np.max(difference):.1e}, asked {rtol:.0e}"
    )


def _on_panels(
    f: Callable[..., Any], variables: tuple[Variable, ...], panels: int, rtol: float, atol: float
) -> Estimate:
    """The sum of adaptive cubatures over panels of the first variable, with edges at multiples of the golden ratio."""
    fractions = np.sort(np.arange(1, panels) * (np.sqrt(5) - 1) / 2 % 1)
    first = variables[0]
    edges = first.low + (first.high - first.low) * np.concatenate([[0.0], fractions, [1.0]])

    def integrand(u: FloatArray) -> FloatArray:
        weight = np.prod([v.density(u[:, j]) for j, v in enumerate(variables)], axis=0)
        values = np.asarray(f(*(u[:, j] for j in range(len(variables)))))
        return values * weight.reshape(weight.shape + (1,) * (values.ndim - 1))

    total: Any = 0.0
    error = 0.0
    for left, right in itertools.pairwise(edges):
        low, high = [left, *(v.low for v in variables[1:])], [right, *(v.high for v in variables[1:])]
        result = integrate.cubature(integrand, low, high, rule="gk21", rtol=rtol, atol=atol, max_subdivisions=2000)
        if result.status != "converged":
            raise ArithmeticError(f"expectation not converged: error {np.max(result.error):.1e}, asked for {rtol:.0e}")
        total, error = total + result.estimate, error + float(np.max(result.error))
    return Estimate(total if np.ndim(total) else float(total), error)
