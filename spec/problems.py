r"""Data laws. Each record determines a law completely; sims samples it, theory reads its parameters.

Labels: y is the true label, t the observed one, which differs from y on the mislabelled examples.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from spec.fields import Checked, Distinct, Natural, NoiseRate, NonNegative, Positive, ProperShare, Share, Whole, Within
from spec.validation import InputError

Flips = Literal["stratified", "bernoulli"]


def _require_some_flips(Delta: float, flips: str, n: int) -> None:
    if Delta > 0 and flips == "stratified" and round(Delta * n) == 0:
        raise InputError(f"Delta * n must round to at least one mislabelled example, got Delta={Delta!r} with n={n!r}")


@dataclass(frozen=True)
class SignalNoiseMixture(Checked):
    r"""Signal plus noise with flipped labels:  x = y (B mu_hat + gamma z),  t = -y at rate Delta.

    mu_hat = e_1 (the law is rotation invariant otherwise) and y is +1 on exactly half of the examples.
    noise='isotropic':  z ~ N(0, I_d).
    noise='orthogonal': z ~ N(0, I_d - e_1 e_1^T), so that x = y [B, gamma z] with z in d - 1 dimensions.
    flips='stratified': exactly round(Delta n) labels flipped; 'bernoulli': each with probability Delta.
    Source: the linear toy of Baek et al. (2024), Section 3; its published parameters are not known to us.
    """

    n: Annotated[int, Whole(2)] = 500
    d: Annotated[int, Whole(3)] = 1000
    B: NonNegative = 2.0
    gamma: Positive = 1.0
    Delta: NoiseRate = 0.2
    noise: Literal["isotropic", "orthogonal"] = "isotropic"
    flips: Flips = "stratified"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_some_flips(self.Delta, self.flips, self.n)


@dataclass(frozen=True)
class NoisyLinearTeacher(Checked):
    r"""x ~ N(0, I_d),  y = sign(<e_1, x>),  t = -y at rate Delta."""

    n: Annotated[int, Whole(2)] = 500
    d: Annotated[int, Whole(2)] = 100
    Delta: NoiseRate = 0.2
    flips: Flips = "stratified"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_some_flips(self.Delta, self.flips, self.n)


@dataclass(frozen=True)
class SymmetricNoise(Checked):
    """A fraction Delta of the labels moves to one of the other classes, uniformly. Delta < 1 - 1/classes."""

    Delta: ProperShare
    flips: Flips = "stratified"


@dataclass(frozen=True)
class AsymmetricNoise(Checked):
    """A fraction Delta of the labels moves to the next class (pair flips: c -> c + 1 mod classes)."""

    Delta: NoiseRate
    flips: Flips = "stratified"


@dataclass(frozen=True)
class InstanceNoise(Checked):
    r"""Flip rates and targets depend on the input: q_i ~ N(Delta, spread^2) cut to [0, 1]; the target class is drawn
    from softmax(x_i^T W_y) over the other classes, with a random projection W_y for every class.

    Source: the generator of Xia et al. (2020), "Part-dependent label noise", Algorithm 2.
    """

    Delta: NoiseRate
    spread: Share = 0.1


@dataclass(frozen=True)
class GivenNoise(Checked):
    """Observed labels from a file (text, .npy, or a column of an .npz): of the first examples, in the data set's order.

    Examples beyond those are left out, as the test files of CIFAR-10 are for the labels of CIFAR-10N. Delta: the rate
    that those rules are told which need one; the labels do not depend on it.
    """

    path: str
    column: str | None = None
    Delta: NoiseRate = 0.3


LabelNoise = SymmetricNoise | AsymmetricNoise | InstanceNoise | GivenNoise


WithoutFiles = Literal["digits", "mnist1d", "mnist1d_standard"]
InFiles = Literal["mnist", "cifar10", "cifar100", "own"]


@dataclass(frozen=True)
class RealData(Checked):
    """A real data set, split at random, with noise injected into the training labels only.

    name: 'digits' (bundled with scikit-learn), 'mnist1d' (generated), 'mnist1d_standard' (the published set, by its
    package, an extra), 'mnist', 'cifar10', 'cifar100' read from local files under `path`, or 'own': `path` is an .npz
    file with x (n, ...) and classes y (n,).
    classes: keep only these labels, renumbered 0, 1, ... in the order given (None: all).
    Validation and test labels stay clean. All examples that are left after n_train and n_validation are the test split.
    imbalance: how many times as many training examples the first class has as the last one; numbers of true labels fall
    geometrically in between (long-tailed, after Cui et al., 2019); loaders refuse more than the classes can give.
    Validation and test keep the classes' own shares: where imbalance > 1, half of the examples that n_train and
    n_validation leave are the test split, and the training split is chosen among the others.
    """

    name: Literal[WithoutFiles, InFiles] = "digits"
    n_train: Annotated[int, Whole(2)] = 1000
    n_validation: Annotated[int, Whole(1)] = 297
    noise: LabelNoise = SymmetricNoise(0.3)
    path: str | None = None
    classes: Annotated[tuple[Natural, ...], Distinct(2, "a tuple of at least two distinct labels")] | None = None
    imbalance: Annotated[float, Within(1.0)] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.noise, InstanceNoise | GivenNoise):
            _require_some_flips(self.noise.Delta, self.noise.flips, self.n_train)
        if self.name in get_args(InFiles) and self.path is None:
            holds = (
                "an .npz file with x and y" if self.name == "own" else f"the folder that holds the {self.name} files"
            )
            raise InputError(f"path must name {holds}, got None")


Problem = SignalNoiseMixture | NoisyLinearTeacher | RealData
