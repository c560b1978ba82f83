r"""Variants of n-SAM, with a correction of its gradient or a memory of earlier ones.

With g the plain gradient and h the gradient at w + eps, both of the whole batch,

    Gsam    h - alpha (g - <g, u> u), u = h/||h||:  less of the part of g that is orthogonal to h
    Fsam    eps along g - sigma m, with m the average of earlier gradients (zero at the first step)
    Vasso   eps along the average of gradients up to this one, d = (1 - theta) d + theta g

Averages are exponential and start at the first gradient: rules with a memory carry it in a state. Sources: Zhuang et
al. (2022), "Surrogate gap", with constant rho; Li et al. (2024), "Friendly SAM", in the form of its released code; Li
and Giannakis (2023), "Variance suppression".
"""

from dataclasses import dataclass

from spec.rules.base import Rule, require_number


@dataclass(frozen=True)
class Gsam(Rule):
    """n-SAM with the part of the plain gradient that is orthogonal to its own subtracted alpha >= 0 times."""

    rho: float
    alpha: float = 0.01

    def __post_init__(self) -> None:
        require_number("rho", self.rho, 0.0)
        require_number("alpha", self.alpha, 0.0)

    @property
    def name(self) -> str:
        return "GSAM"


@dataclass(frozen=True)
class Fsam(Rule):
    """Ascent along what is new in the gradient: sigma >= 0 times the average of earlier ones is subtracted.

    The average keeps a fraction `decay` in [0, 1] of itself at every step.
    """

    rho: float
    sigma: float = 1.0
    decay: float = 0.9

    def __post_init__(self) -> None:
        require_number("rho", self.rho, 0.0)
        require_number("sigma", self.sigma, 0.0)
        require_number("decay", self.decay, 0.0, 1.0, high_open=False)

    @property
    def name(self) -> str:
        return "FSAM"


@dataclass(frozen=True)
class Vasso(Rule):
    """Ascent along the average of gradients, into which theta in [0, 1] of the present one goes."""

    rho: float
    theta: float = 0.2

    def __post_init__(self) -> None:
        require_number("rho", self.rho, 0.0)
        require_number("theta", self.theta, 0.0, 1.0, high_open=False)

    @property
    def name(self) -> str:
        return "VaSSO"
