r"""Update rules: which gradient a training step uses.

A rule is a *gradient*, not a step: momentum, weight decay and schedules are applied to it afterwards.
With per-example loss l_i and ascent step eps = rho g / ||g||, where g is the gradient of the mean loss of a shard,

    Sgd          mean_i  <residual_i(w),       grad f_i(w)>
    Sam          mean_i  <residual_i(w + eps), grad f_i(w + eps)>
    LogitSam     mean_i  <residual_i(w + eps), grad f_i(w)>
    JacobianSam  mean_i  <residual_i(w),       grad f_i(w + eps)>

where residual = d loss / d logits. `sharpness` says which examples share one eps:
'example' (1-SAM), an integer m (m-SAM: consecutive shards of m examples of the batch), 'batch' (n-SAM).
`ascent` says how the weights move: 'all' along the gradient; 'last' along the gradient of the last layer's parameters,
the others staying where they are; 'adaptive' (ASAM) by eps = rho T^2 g / ||T g|| with T = |w| + 0.01 entry by entry,
for weights and biases alike, so that rho is a length relative to the size of the weights.
Source: Baek, Kolter, Raghunathan (2024), Sections 2 and 4.1; m-sharpness after Foret et al. (2021); the adaptive ascent
after Kwon et al. (2021), equation 8, whose released code leaves biases unscaled.

With g the plain gradient and h the gradient at w + eps, both of the whole batch, the variants of n-SAM are

    Gsam    h - alpha (g - <g, u> u), u = h/||h||:  less of the part of g that is orthogonal to h
    Fsam    eps along g - sigma m, with m the average of earlier gradients (zero at the first step)
    Vasso   eps along the average of gradients up to this one, d = (1 - theta) d + theta g

Averages are exponential and start at the first gradient: rules with a memory carry it in a state. Sources: Zhuang et
al. (2022), "Surrogate gap", with constant rho; Li et al. (2024), "Friendly SAM", in the form of its released code; Li
and Giannakis (2023), "Variance suppression".

Wrappers work on the ratio r = h/g, coordinate by coordinate, of any rule's gradient h to the plain gradient g of the
same batch: group A is r >= 1, B is 0 < r < 1, C is r <= 0, and where g = 0 there is no group.

    DownWeight  (1 - alpha 1[group]) h;  SANER is DownWeight(Sam(rho, "batch"), alpha, "B", warmup)
    Without     g on the group, h elsewhere: the rule without its effect on the group (SGD-GrA, -GrB, -GrC)
    Only        h on the group, g elsewhere
Source: Luong et al. (2026), README and released optimisers, whose multiplier in code is 1 - alpha.
"""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np

from spec.validation import require, require_choice, require_integer, require_real

Sharpness = Literal["example", "batch"] | int
Ascent = Literal["all", "last", "adaptive"]
Group = Literal["A", "B", "C"]
ADAPTIVE_OFFSET = 0.01


def _require_number(name: str, value: Any, low: float, high: float = math.inf, *, high_open: bool = True) -> None:
    """Check a number or an array of them. Anything else is traced, or a placeholder of the tree machinery."""
    if isinstance(value, np.ndarray):
        require(value.size > 0, name, value, "one or more numbers")
        for number in value.ravel().tolist():
            require_real(name, number, low=low, high=high, high_open=high_open)
    elif isinstance(value, Real | np.generic | complex | str | list | tuple | None):
        require_real(name, value, low=low, high=high, high_open=high_open)


@dataclass(frozen=True)
class Sgd:
    """The plain gradient of the mean loss: the whole batch is one shard, without an ascent step."""

    sharpness: ClassVar[Sharpness] = "batch"
    perturbs_residual: ClassVar[bool] = False
    perturbs_jacobian: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "SGD"


@dataclass(frozen=True)
class _Perturbed:
    """rho >= 0 is the length of the ascent step, sharpness says which examples share it, ascent where it leads."""

    rho: float
    sharpness: Sharpness = "example"
    ascent: Ascent = "all"
    perturbs_residual: ClassVar[bool] = True
    perturbs_jacobian: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _require_number("rho", self.rho, 0.0)
        m = self.sharpness
        whole = isinstance(m, int | np.integer) and not isinstance(m, bool) and m >= 1
        named = isinstance(m, str) and m in ("example", "batch")
        require(bool(whole) or named, "sharpness", m, "'example', 'batch' or an integer >= 1")
        require_choice("ascent", self.ascent, ("all", "last", "adaptive"))

    def _suffix(self) -> str:
        words = [str(w) for w in (self.sharpness, self.ascent) if w not in ("example", "all")]
        return f" ({', '.join(words)})" if words else ""


@dataclass(frozen=True)
class Sam(_Perturbed):
    """Sharpness-aware minimisation: residual and Jacobian both at w + eps."""

    @property
    def name(self) -> str:
        prefix = {"example": "1", "batch": "n"}.get(str(self.sharpness), str(self.sharpness))
        return f"{prefix}-{'ASAM' if self.ascent == 'adaptive' else 'SAM'}{' (last)' if self.ascent == 'last' else ''}"


@dataclass(frozen=True)
class LogitSam(_Perturbed):
    """Only the residual (the logit scale) feels the perturbation."""

    perturbs_jacobian: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "L-SAM" + self._suffix()


@dataclass(frozen=True)
class JacobianSam(_Perturbed):
    """Only the network Jacobian feels the perturbation."""

    perturbs_residual: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "J-SAM" + self._suffix()


@dataclass(frozen=True)
class Regularised:
    r"""The plain gradient of  mean_i l_i + activation * mean_i N(h_i) + last_layer * N(V),  without an ascent step.

    h_i are the inputs of the last layer, V its weights without biases. form: 'norm', N(a) = ||a||, or 'squared',
    N(a) = ||a||^2/2. Source: the regulariser of Baek et al. (2024), Section 4, of which only the words are known to us
    ("norm" of last hidden activations and last-layer weights); the squared form is added for comparison.
    """

    activation: float
    last_layer: float
    form: Literal["norm", "squared"] = "norm"
    sharpness: ClassVar[Sharpness] = "batch"
    perturbs_residual: ClassVar[bool] = False
    perturbs_jacobian: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("activation", "last_layer"):
            _require_number(name, getattr(self, name), 0.0)
        require_choice("form", self.form, ("norm", "squared"))

    @property
    def name(self) -> str:
        return "SGD + norms" if self.form == "norm" else "SGD + squared norms"


@dataclass(frozen=True)
class Gsam:
    """n-SAM with the part of the plain gradient that is orthogonal to its own subtracted alpha >= 0 times."""

    rho: float
    alpha: float = 0.01
    sharpness: ClassVar[Sharpness] = "batch"

    def __post_init__(self) -> None:
        _require_number("rho", self.rho, 0.0)
        _require_number("alpha", self.alpha, 0.0)

    @property
    def name(self) -> str:
        return "GSAM"


@dataclass(frozen=True)
class Fsam:
    """Ascent along what is new in the gradient: sigma >= 0 times the average of earlier ones is subtracted.

    The average keeps a fraction `decay` in [0, 1] of itself at every step.
    """

    rho: float
    sigma: float = 1.0
    decay: float = 0.9
    sharpness: ClassVar[Sharpness] = "batch"

    def __post_init__(self) -> None:
        _require_number("rho", self.rho, 0.0)
        _require_number("sigma", self.sigma, 0.0)
        _require_number("decay", self.decay, 0.0, 1.0, high_open=False)

    @property
    def name(self) -> str:
        return "FSAM"


@dataclass(frozen=True)
class Vasso:
    """Ascent along the average of gradients, into which theta in [0, 1] of the present one goes."""

    rho: float
    theta: float = 0.2
    sharpness: ClassVar[Sharpness] = "batch"

    def __post_init__(self) -> None:
        _require_number("rho", self.rho, 0.0)
        _require_number("theta", self.theta, 0.0, 1.0, high_open=False)

    @property
    def name(self) -> str:
        return "VaSSO"


@dataclass(frozen=True)
class Wrapper:
    """A rule that changes the gradient of `base`, another rule."""

    base: Any

    def __post_init__(self) -> None:
        is_rule = hasattr(self.base, "sharpness") and not isinstance(self.base, type)
        require(is_rule, "base", self.base, "a rule, such as Sam(0.1)")

    @property
    def sharpness(self) -> Sharpness:
        """That of the base."""
        sharpness: Sharpness = self.base.sharpness
        return sharpness


@dataclass(frozen=True)
class DownWeight(Wrapper):
    """A fraction alpha <= 1 of the base's gradient is removed on a group of coordinates; a negative alpha boosts it.

    In step k = 0, 1, ... the fraction is alpha min(1, k/warmup); warmup 0 means alpha from the first step on.
    """

    alpha: float = 0.5
    group: Group = "B"
    warmup: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_number("alpha", self.alpha, -math.inf, 1.0, high_open=False)
        require_choice("group", self.group, ("A", "B", "C"))
        require_integer("warmup", self.warmup, at_least=0)

    @property
    def name(self) -> str:
        return f"{self.base.name} {'↑' if self.alpha < 0 else '↓'}{self.group}"


@dataclass(frozen=True)
class _Exchange(Wrapper):
    """The base on some coordinates, the plain gradient on the others."""

    group: Group = "B"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("group", self.group, ("A", "B", "C"))


@dataclass(frozen=True)
class Without(_Exchange):
    """The base, but the plain gradient on a group."""

    @property
    def name(self) -> str:
        return f"{self.base.name} without {self.group}"


@dataclass(frozen=True)
class Only(_Exchange):
    """The plain gradient, but the base on a group."""

    @property
    def name(self) -> str:
        return f"{self.base.name} only {self.group}"


SamFamily = Sgd | Sam | LogitSam | JacobianSam
Rule = SamFamily | Regularised | Gsam | Fsam | Vasso | DownWeight | Without | Only
