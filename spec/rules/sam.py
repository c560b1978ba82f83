r"""SGD and the SAM family: the residual, the network Jacobian, or both at an ascended point.

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
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from spec.rules.base import Rule, Sharpness, require_number
from spec.validation import require, require_choice

Ascent = Literal["all", "last", "adaptive"]
ADAPTIVE_OFFSET = 0.01


@dataclass(frozen=True)
class SamFamily(Rule):
    """Rules whose gradient is mean_i <residual_i, grad f_i>, either at w or at w + eps; they differ in which."""

    perturbs_residual: ClassVar[bool] = False
    perturbs_jacobian: ClassVar[bool] = False


@dataclass(frozen=True)
class Sgd(SamFamily):
    """The plain gradient of the mean loss: the whole batch is one shard, without an ascent step."""

    @property
    def name(self) -> str:
        return "SGD"


@dataclass(frozen=True)
class Perturbed(SamFamily):
    """rho >= 0 is the length of the ascent step, sharpness says which examples share it, ascent where it leads."""

    rho: float
    sharpness: Sharpness = "example"
    ascent: Ascent = "all"
    perturbs_residual: ClassVar[bool] = True
    perturbs_jacobian: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number("rho", self.rho, 0.0)
        m = self.sharpness
        whole = isinstance(m, int | np.integer) and not isinstance(m, bool) and m >= 1
        named = isinstance(m, str) and m in ("example", "batch")
        require(bool(whole) or named, "sharpness", m, "'example', 'batch' or an integer >= 1")
        require_choice("ascent", self.ascent, ("all", "last", "adaptive"))

    def _suffix(self) -> str:
        words = [str(w) for w in (self.sharpness, self.ascent) if w not in ("example", "all")]
        return f" ({', '.join(words)})" if words else ""


@dataclass(frozen=True)
class Sam(Perturbed):
    """Sharpness-aware minimisation: residual and Jacobian both at w + eps."""

    @property
    def name(self) -> str:
        prefix = {"example": "1", "batch": "n"}.get(str(self.sharpness), str(self.sharpness))
        return f"{prefix}-{'ASAM' if self.ascent == 'adaptive' else 'SAM'}{' (last)' if self.ascent == 'last' else ''}"


@dataclass(frozen=True)
class LogitSam(Perturbed):
    """Only the residual (the logit scale) feels the perturbation."""

    perturbs_jacobian: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "L-SAM" + self._suffix()


@dataclass(frozen=True)
class JacobianSam(Perturbed):
    """Only the network Jacobian feels the perturbation."""

    perturbs_residual: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "J-SAM" + self._suffix()


@dataclass(frozen=True)
class Regularised(Rule):
    r"""The plain gradient of  mean_i l_i + activation * mean_i N(h_i) + last_layer * N(V),  without an ascent step.

    h_i are the inputs of the last layer, V its weights without biases. form: 'norm', N(a) = ||a||, or 'squared',
    N(a) = ||a||^2/2. Source: the regulariser of Baek et al. (2024), Section 4, of which only the words are known to us
    ("norm" of last hidden activations and last-layer weights); the squared form is added for comparison.
    """

    activation: float
    last_layer: float
    form: Literal["norm", "squared"] = "norm"

    def __post_init__(self) -> None:
        for name in ("activation", "last_layer"):
            require_number(name, getattr(self, name), 0.0)
        require_choice("form", self.form, ("norm", "squared"))

    @property
    def name(self) -> str:
        return "SGD + norms" if self.form == "norm" else "SGD + squared norms"
