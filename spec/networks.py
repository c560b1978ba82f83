"""Architectures as records. Input and output sizes come from the problem; sims.models.build makes the functions."""

from dataclasses import dataclass
from typing import Literal

from spec.validation import require, require_choice, require_integer, require_real


@dataclass(frozen=True)
class Linear:
    """f(x) = <w, x>, w ~ N(0, scale^2/d I), no bias. scale = 0 starts at the origin."""

    scale: float = 1.0

    def __post_init__(self) -> None:
        require_real("scale", self.scale, low=0.0)


@dataclass(frozen=True)
class TwoLayerLinear:
    """f(x) = <v, W x> (or V W x for classes), entries N(0, scale^2/fan_in), no biases."""

    width: int = 50
    scale: float = 1.0

    def __post_init__(self) -> None:
        require_integer("width", self.width, at_least=1)
        require_real("scale", self.scale, low=0.0)


@dataclass(frozen=True)
class Mlp:
    """Fully connected ReLU network with biases, in standard or NTK scaling."""

    hidden: tuple[int, ...] = (256,)
    scaling: Literal["standard", "ntk"] = "standard"

    def __post_init__(self) -> None:
        require(len(self.hidden) >= 1, "hidden", self.hidden, "at least one width")
        for width in self.hidden:
            require_integer("hidden", width, at_least=1)
        require_choice("scaling", self.scaling, ("standard", "ntk"))


Network = Linear | TwoLayerLinear | Mlp
