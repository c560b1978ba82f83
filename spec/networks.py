"""Architectures as records. Input and output sizes come from the problem; sims.models builds the functions."""

from dataclasses import dataclass
from typing import Literal

from spec.fields import Checked, Count, NonNegative
from spec.validation import require


@dataclass(frozen=True)
class Linear(Checked):
    """f(x) = <w, x> (or W x for classes), entries N(0, scale^2/d), no bias. scale = 0 starts at the origin."""

    scale: NonNegative = 1.0


@dataclass(frozen=True)
class TwoLayerLinear(Checked):
    """f(x) = <v, W x> (or V W x for classes), entries N(0, scale^2/fan_in), no biases."""

    width: Count = 50
    scale: NonNegative = 1.0


@dataclass(frozen=True)
class Mlp(Checked):
    """Fully connected ReLU network with biases, in standard or NTK scaling."""

    hidden: tuple[Count, ...] = (256,)
    scaling: Literal["standard", "ntk"] = "standard"


@dataclass(frozen=True)
class LeNet(Checked):
    """Convolutions with `kernel` x `kernel` weights, ReLU and 2 x 2 mean pooling, then fully connected ReLU layers.

    image: (height, width, colours) of the inputs, which come flat in that order. Every pooling halves height and width,
    which must stay whole. The sizes are those of LeCun et al. (1998), LeNet-5, with ReLU for the sigmoid.
    """

    image: tuple[Count, Count, Count]
    channels: tuple[Count, ...] = (6, 16)
    kernel: Count = 5
    hidden: tuple[Count, ...] = (120, 84)

    def __post_init__(self) -> None:
        super().__post_init__()
        halvings = 2 ** len(self.channels)
        whole = self.image[0] % halvings == 0 and self.image[1] % halvings == 0
        require(whole, "image", self.image, f"of a height and width that {halvings} divides")


Network = Linear | TwoLayerLinear | Mlp | LeNet
