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


@dataclass(frozen=True)
class ResNet(Checked):
    """Residual blocks of two convolutions of width 3, means over all places, and a linear layer.

    image: sizes and colours of the inputs, (length, colours) or (height, width, colours), which come flat in that
    order. channels: those of every stage, each after the first with half the places. blocks: how many a stage has.
    A block is relu(skip(h) + N W_2 relu(N W_1 h)), with N a normalisation by groups of channels, scaled and shifted;
    skip is a 1 x 1 convolution where the shape changes. After He et al. (2016), with group normalisation (Wu and He,
    2018) for their batch normalisation: the statistics of a batch make an output depend on the other examples, and
    then there is no gradient of one example, which 1-SAM needs.
    """

    image: tuple[Count, ...]
    channels: tuple[Count, ...] = (8, 16)
    blocks: Count = 1
    groups: Count = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.image) in (2, 3), "image", self.image, "(length, colours) or (height, width, colours)")
        require(len(self.channels) > 0, "channels", self.channels, "of at least one stage")
        whole = all(c % self.groups == 0 for c in self.channels)
        require(whole, "groups", self.groups, f"a divisor of every one of the channels {self.channels}")


Network = Linear | TwoLayerLinear | Mlp | LeNet | ResNet
