r"""Perturbations of SAM corrected for label noise.

With eps = rho g/||g|| the ascent step of a base rule and g* the gradient of the mean loss of some *selected* examples
of the batch under *other* labels,

    NoiseCompensated:  eps' = P( eps + sign s(e/E) g* ),      OracleAscent:  eps' = rho g_y/||g_y||,

with g_y under the true labels; the step then descends the base rule's gradient at w + eps' under observed labels. The
first epochs are plain SGD. A base that perturbs several shards of the batch gets the same s g* on every shard.
Source: Xu, Deng, Pang (2026), equations 10-18 and Algorithm 1; the cluster variant after the authors' released code.
The oracles, sign = -1 and project = 'sphere' are ours, for control.
"""

from dataclasses import dataclass, field
from typing import Literal

from spec.rules.base import Rule, Sharpness, require_number, shaping
from spec.rules.sam import Perturbed
from spec.validation import require, require_choice, require_integer, require_real

Target = Literal["highest", "uniform", "true"]


def _require_share(name: str, value: float) -> None:
    require_real(name, value, low=0.0, high=1.0, low_open=name == "fraction", high_open=False)


@dataclass(frozen=True)
class MarginSelection:
    """floor(fraction n) examples, drawn one after another without replacement with weights 1/(1 + gap), where gap is
    the difference of the two largest logits (|f| for one output). Equations 16-17; 'without replacement' is ours.
    """

    fraction: float

    def __post_init__(self) -> None:
        _require_share("fraction", self.fraction)


@dataclass(frozen=True)
class RandomSelection:
    """floor(fraction n) examples, uniformly without replacement."""

    fraction: float

    def __post_init__(self) -> None:
        _require_share("fraction", self.fraction)


@dataclass(frozen=True)
class OracleSelection:
    """Of m = floor(fraction n) examples round(precision m) are mislabelled and the others clean, each kind drawn
    uniformly, or all of a kind where the batch has fewer. OracleSelection(1.0): all mislabelled examples.
    """

    fraction: float
    precision: float = 1.0

    def __post_init__(self) -> None:
        _require_share("fraction", self.fraction)
        _require_share("precision", self.precision)


@dataclass(frozen=True)
class ClusterSelection:
    """k-means on the normalised inputs of the last layer; an example of cluster k is selected with probability

    r_k = largest_rate (1 - mean gap of k/largest gap of k). `iterations` steps of Lloyd from farthest-first centres,
    where the released code runs ten k-means++ starts to convergence.
    """

    largest_rate: float
    clusters: int = 5
    iterations: int = 10

    def __post_init__(self) -> None:
        _require_share("largest_rate", self.largest_rate)
        require_integer("clusters", self.clusters, at_least=1)
        require_integer("iterations", self.iterations, at_least=0)


Selection = MarginSelection | RandomSelection | OracleSelection | ClusterSelection


@dataclass(frozen=True)
class CompensationSchedule:
    """s in epoch e = 1, ..., epochs: 0 and no ascent (plain SGD) for e <= warm_up; then strength min(1, r(e/epochs)).

    'cubic': r(t) = 2 (3 - 2 t) t^2, which reaches 1 at half time (equation 15); 'constant': r = 1.
    steps: how many steps an epoch has.
    """

    epochs: int
    steps: int
    warm_up: int = 0
    shape: Literal["cubic", "constant"] = "cubic"

    def __post_init__(self) -> None:
        require_integer("epochs", self.epochs, at_least=1)
        require_integer("steps", self.steps, at_least=1)
        require_integer("warm_up", self.warm_up, at_least=0)
        require_choice("shape", self.shape, ("cubic", "constant"))


@dataclass(frozen=True)
class Compensation(Rule):
    """A rule that corrects the ascent step of `base`: Sam, LogitSam or JacobianSam along the whole gradient."""

    base: Perturbed

    def __post_init__(self) -> None:
        plain = isinstance(self.base, Perturbed) and self.base.ascent == "all"
        accepted = "Sam, LogitSam or JacobianSam with ascent='all', because their ascent step is what is corrected"
        require(plain, "base", self.base, accepted)

    @property
    def sharpness(self) -> Sharpness:
        """That of the base."""
        return self.base.sharpness

    @property
    def warm_up_steps(self) -> int:
        """How many steps of plain SGD come first."""
        return 0


@dataclass(frozen=True)
class NoiseCompensated(Compensation):
    """eps' = P( eps + sign s g* ).

    base       the rule whose ascent is corrected
    strength   s at full schedule (kappa of the paper), in the units of the weights over those of the gradient
    selection  which examples of the batch give g*
    target     their label in g*: 'highest' other class (equation 18), a 'uniform' other one, the 'true' one (ours)
    sign       +1 as published, or -1
    project    'ball': v min(1, rho/||v||) (equation 13); 'sphere': rho v/||v||, the length of plain SAM; None: v
    smoothing  of the labels in g*: 1 - smoothing on the target, the rest spread over the other classes
    """

    strength: float
    schedule: CompensationSchedule
    selection: Selection = field(default=MarginSelection(0.4))
    target: Target = "highest"
    sign: Literal[1, -1] = 1
    project: Literal["ball", "sphere"] | None = "ball"
    smoothing: float = shaping(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("strength", self.strength, 0.0)
        require(isinstance(self.schedule, CompensationSchedule), "schedule", self.schedule, "a CompensationSchedule")
        require(isinstance(self.selection, Selection), "selection", self.selection, "a selection record")
        require_choice("target", self.target, ("highest", "uniform", "true"))
        require_choice("sign", self.sign, (1, -1))
        require_choice("project", self.project, ("ball", "sphere", None))
        require_real("smoothing", self.smoothing, low=0.0, high=1.0)

    @property
    def warm_up_steps(self) -> int:
        return self.schedule.warm_up * self.schedule.steps

    @property
    def name(self) -> str:
        kind = type(self.selection).__name__.removesuffix("Selection").lower()
        return f"NC{'+' if self.sign > 0 else '−'} ({kind}, {self.project or 'free'})"


@dataclass(frozen=True)
class OracleAscent(Compensation):
    """The base rule with its ascent step taken from the true labels, after some steps of plain SGD: the best that a
    correction of eps towards the clean direction can do.
    """

    warm_up_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_integer("warm_up_steps", self.warm_up_steps, at_least=0)

    @property
    def name(self) -> str:
        return f"{self.base.name} (oracle)"
