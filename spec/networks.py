"""Architectures as records. Input and output sizes come from the problem; sims.models builds the functions."""

from dataclasses import dataclass
from typing import Literal

from spec.validation import require, require_choice, require_integer, require_real


@dataclass(frozen=True)
class Linear:
    """f(x) = <w, x> (or W x for classes), entries N(0, scale^2/d), no bias. scale = 0 starts at the origin."""

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


@dataclass(frozen=True)
class LeNet:
    """Convolutions with `kernel` x `kernel` weights, ReLU and 2 x 2 mean pooling, then fully connected ReLU layers.

    image: (height, width, colours) of the inputs, which come flat in that order. Every pooling halves height and width,
    which must stay whole. The sizes are those of LeCun et al. (1998), LeNet-5, with ReLU for the sigmoid. It has no
    factored form: rules perturb it by the plain path.
    """

    image: tuple[int, int, int]
    channels: tuple[int, ...] = (6, 16)
    kernel: int = 5
    hidden: tuple[int, ...] = (120, 84)

    def __post_init__(self) -> None:
        require(isinstance(self.image, tuple) and len(self.image) == 3, "image", self.image, "(height, width, colours)")
        for name in ("image", "channels", "hidden"):
            values = getattr(self, name)
            require(isinstance(values, tuple) and len(values) >= 1, name, values, "at least one size")
            for size in values:
                require_integer(name, size, at_least=1)
        require_integer("kernel", self.kernel, at_least=1)
        halvings = 2 ** len(self.channels)
        whole = self.image[0] % halvings == 0 and self.image[1] % halvings == 0
        require(whole, "image", self.image, f"of a height and width that {halvings} divides")


Network = Linear | TwoLayerLinear | Mlp | LeNet
