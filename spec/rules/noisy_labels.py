r"""Methods against noisy labels around a base rule, which may be SAM or SANER.

    Bootstrapped  every loss l(f, t) becomes  keep l(f, t) + (1 - keep) H(q)        soft: q the predicted probabilities
                                          or  keep l(f, t) + (1 - keep) l(f, z)     hard: z the predicted label
    WeightedBy    the base's gradient of (1/n) sum_i w_i l_i, with the weights of a scheme (spec.rules.schemes)
    CoTeaching    two networks; in every batch each descends the losses of the round((1 - R) n) examples on which the
                  *other* has the smallest losses, R = forget min(1, epoch/ramp)

H(q) = -sum_c q_c log q_c is what the soft target q leaves of -sum_c (keep t_c + (1 - keep) q_c) log q_c.
The second network of CoTeaching is the rule's: it starts from the entries of the first, drawn in another order within
each tensor (a fresh draw where these are independent), and takes steps of its own: a constant rate eta, momentum, and
(coupled) weight decay.
Sources: Reed et al. (2015), "Training deep neural networks on noisy labels with bootstrapping"; Han et al. (2018),
"Co-teaching"; and for WeightedBy the sources of the schemes.
"""

from dataclasses import dataclass
from typing import Literal

from spec.rules.base import Rule, require_number
from spec.rules.compensation import Compensation
from spec.rules.masks import Mask
from spec.rules.schemes import Scheme
from spec.rules.wrappers import Wrapper
from spec.validation import require, require_choice, require_integer


@dataclass(frozen=True)
class Bootstrapped(Wrapper):
    """The base on bootstrapped losses; keep: what is left of the observed label. Losses logistic or cross_entropy."""

    keep: float = 0.8
    target: Literal["soft", "hard"] = "hard"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("keep", self.keep, 0.0, 1.0, high_open=False)
        require_choice("target", self.target, ("soft", "hard"))

    @property
    def name(self) -> str:
        return f"{self.base.name}, {self.target} bootstrap"


@dataclass(frozen=True)
class OnWeights(Wrapper):
    """A rule whose base sees every loss times a weight: one that takes labels through the loss alone (InputError)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        accepted = "a rule that takes labels through its loss alone (SGD, the SAM family, DownWeight around them)"
        require(_through_losses(self.base), "base", self.base, accepted)


@dataclass(frozen=True)
class WeightedBy(OnWeights):
    """The base on losses that a scheme weights; around Sgd() it is the scheme."""

    scheme: Scheme

    def __post_init__(self) -> None:
        super().__post_init__()
        require(isinstance(self.scheme, Scheme), "scheme", self.scheme, "a scheme of example weights")

    @property
    def name(self) -> str:
        return f"{self.base.name}, {self.scheme.name}"


@dataclass(frozen=True)
class CoTeaching(OnWeights):
    """The base on the examples of small loss of a second network. forget: share left out from epoch `ramp` on."""

    forget: float
    eta: float
    ramp: int = 10
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("forget", self.forget, 0.0, 1.0)
        require_number("eta", self.eta, 0.0)
        require_integer("ramp", self.ramp, at_least=1)
        require_number("momentum", self.momentum, 0.0, 1.0)
        require_number("weight_decay", self.weight_decay, 0.0)

    @property
    def name(self) -> str:
        return f"{self.base.name}, Co-teaching"


def _through_losses(rule: Rule) -> bool:
    here = isinstance(rule, Scheme | Mask | Compensation | Bootstrapped | OnWeights)
    return not here and all(_through_losses(inner) for inner in rule.inner().values())
