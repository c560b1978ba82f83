r"""Update rules: which gradient a training step uses.

A rule is a *gradient*, not a step: momentum, weight decay and schedules are applied to it afterwards.
With per-example loss l_i and ascent step eps = rho g / ||g||, where g is the gradient of the mean loss of a shard,

    Sgd          mean_i  <residual_i(w),       grad f_i(w)>
    Sam          mean_i  <residual_i(w + eps), grad f_i(w + eps)>
    LogitSam     mean_i  <residual_i(w + eps), grad f_i(w)>
    JacobianSam  mean_i  <residual_i(w),       grad f_i(w + eps)>

where residual = d loss / d logits. `sharpness` says which examples share one eps:
'example' (1-SAM), an integer m (m-SAM: consecutive shards of m examples of the batch), 'batch' (n-SAM).
Source: Baek, Kolter, Raghunathan (2024), Sections 2 and 4.1; m-sharpness after Foret et al. (2021).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from spec.validation import InputError, require_integer, require_real

Sharpness = Literal["example", "batch"] | int


@dataclass(frozen=True)
class Sgd:
    """The plain gradient of the mean loss: the whole batch is one shard, without an ascent step."""

    sharpness: ClassVar[Sharpness] = "batch"

    @property
    def name(self) -> str:
        return "SGD"


@dataclass(frozen=True)
class _Perturbed:
    """rho >= 0 is the Euclidean length of the ascent step; sharpness says which examples share it."""

    rho: float
    sharpness: Sharpness = "example"

    def __post_init__(self) -> None:
        require_real("rho", self.rho, low=0.0)
        if isinstance(self.sharpness, str):
            if self.sharpness not in ("example", "batch"):
                raise InputError(f"sharpness must be 'example', 'batch' or an integer >= 1, got {self.sharpness!r}")
        else:
            require_integer("sharpness", self.sharpness, at_least=1)

    def _suffix(self) -> str:
        return "" if self.sharpness == "example" else f" ({self.sharpness})"


@dataclass(frozen=True)
class Sam(_Perturbed):
    """Sharpness-aware minimisation: residual and Jacobian both at w + eps."""

    @property
    def name(self) -> str:
        prefix = {"example": "1", "batch": "n"}.get(str(self.sharpness), str(self.sharpness))
        return f"{prefix}-SAM"


@dataclass(frozen=True)
class LogitSam(_Perturbed):
    """Only the residual (the logit scale) feels the perturbation."""

    @property
    def name(self) -> str:
        return "L-SAM" + self._suffix()


@dataclass(frozen=True)
class JacobianSam(_Perturbed):
    """Only the network Jacobian feels the perturbation."""

    @property
    def name(self) -> str:
        return "J-SAM" + self._suffix()


Rule = Sgd | Sam | LogitSam | JacobianSam
