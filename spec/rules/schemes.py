r"""Schemes that weight training examples with the help of a small clean subset.

A scheme gives every example a weight; the model then descends (1/n) sum_i w_i l_i over its batch of n. With
c_i = <grad L, grad l_i>, where L is the mean loss of the clean subset,

    MetaReweight        w_i <- clip(w_i + beta c_i), L at a trial step (look-ahead): theta - (eta/n) sum_i w_i grad l_i
    NormalisedReweight  w_i = n max(c_i, 0)/sum_j max(c_j, 0), L at theta (L2RW)
    FeatureReweight     weights from inner products of centred last-layer features, without gradients (FBR)
    WeightNet           w_i = V(l_i; Theta), a net of the loss (MW-Net); Theta <- Theta + (rate/n) sum_i c_i dV_i/dTheta
    FixedReweight       references: plain training, and the oracle that knows who is mislabelled

MetaReweight accumulates: -dL/dw_i = (eta/n) c_i, so that beta is its rate alpha times eta/n. Theory writes the step of
the sum, eta/n, as eta. For WeightNet likewise rate is that of Theta's meta-gradient times eta.
Sources: Zhang et al. (2025) for the first, and its first author's code for the last; Ren et al. (2018), "Learning to
reweight examples", for the second; Shu et al. (2019), "Meta-Weight-Net", for WeightNet.
"""

from dataclasses import dataclass

from spec.rules.base import Rule, require_number, shaping
from spec.validation import require, require_integer, require_real


@dataclass(frozen=True)
class Scheme(Rule):
    """A rule that descends a weighted mean of the losses of its batch."""

    @property
    def needs_clean_subset(self) -> bool:
        """Weights come from clean examples, unless they are fixed."""
        return True


@dataclass(frozen=True)
class MetaReweight(Scheme):
    """Accumulated weights in [0, 1], all `initial` at the start. eta: step of the look-ahead; 0 drops it."""

    beta: float
    eta: float
    initial: float = 0.5

    def __post_init__(self) -> None:
        require_number("beta", self.beta, 0.0)
        require_number("eta", self.eta, 0.0)
        require_number("initial", self.initial, 0.0, 1.0, high_open=False)

    @property
    def name(self) -> str:
        return "clipped meta-reweighting"


@dataclass(frozen=True)
class NormalisedReweight(Scheme):
    """Weights from one meta-gradient at zero weights, cut at 0 and scaled to mean one; all 0 where none is positive."""

    @property
    def name(self) -> str:
        return "L2RW"


@dataclass(frozen=True)
class FeatureReweight(Scheme):
    """With phi the inputs of the last layer, mu_c the clean mean of class c, mu the mean of the mu_c, C classes:

        K_ic = <phi_i - mu, mu_c - mu>                    centred False: without mu
        K_ic <- K_ic - (second largest of row i)          shifted False: not
        d_i = K_it - alpha sum_{c != t} K_ic              t the observed class of i
        w_i = clip(1/2 + rate d_i, 0, 1);  w_i = 0 where w_i <= threshold;  all 1 where every d_i >= 0

    alpha: before and from epoch `switch` on; None: 1/(C - 1) before, 0 after. rate None: adaptive, 1/(2 |d|) for the
    smallest negative d of the batch: exactly the negative ones get 0, and the threshold decides on d = 0 alone. The
    first `skip` epochs train with 1/2.
    """

    alpha: tuple[float, float] | None = None
    switch: int = 40
    skip: int = 0
    centred: bool = True
    shifted: bool = True
    rate: float | None = None
    threshold: float = shaping(0.5)

    def __post_init__(self) -> None:
        if self.alpha is not None:
            require(isinstance(self.alpha, tuple) and len(self.alpha) == 2, "alpha", self.alpha, "two numbers, or None")
            for value in self.alpha:
                require_real("alpha", value, low=0.0)
        require_integer("switch", self.switch, at_least=0)
        require_integer("skip", self.skip, at_least=0)
        if self.rate is not None:
            require_real("rate", self.rate, low=0.0, low_open=True)
        require_real("threshold", self.threshold, low=0.0, high=1.0)

    @property
    def name(self) -> str:
        return "FBR"


@dataclass(frozen=True)
class WeightNet(Scheme):
    """MW-Net: V(l) = sigmoid(<v, relu(u l + b)> + c) with `hidden` units. eta: step of the look-ahead."""

    rate: float
    eta: float
    hidden: int = 100

    def __post_init__(self) -> None:
        require_number("rate", self.rate, 0.0)
        require_number("eta", self.eta, 0.0)
        require_integer("hidden", self.hidden, at_least=1)

    @property
    def name(self) -> str:
        return "MW-Net"


@dataclass(frozen=True)
class FixedReweight(Scheme):
    """Weights that never move, one for correctly labelled and one for mislabelled examples: it needs the true labels.

    (1, 0) is the oracle, (1, 1) plain training, (0, 0) leaves all learning to extra clean epochs.
    """

    clean: float = 1.0
    mislabelled: float = 0.0

    def __post_init__(self) -> None:
        require_number("clean", self.clean, 0.0)
        require_number("mislabelled", self.mislabelled, 0.0)

    @property
    def name(self) -> str:
        return "fixed weights"

    @property
    def needs_clean_subset(self) -> bool:
        """The true labels of the training split are enough."""
        return False
