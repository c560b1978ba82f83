r"""Data laws. Each record determines a law completely; sims samples it, theory reads its parameters.

Labels: y is the true label, t the observed one, which differs from y on the mislabelled examples.
"""

from dataclasses import dataclass
from typing import Literal

from spec.validation import InputError, require, require_choice, require_integer, require_real

Flips = Literal["stratified", "bernoulli"]


def _require_flips(Delta: float, flips: str, n: int) -> None:
    require_real("Delta", Delta, low=0.0, high=0.5)
    require_choice("flips", flips, ("stratified", "bernoulli"))
    _require_some_flips(Delta, flips, n)


def _require_some_flips(Delta: float, flips: str, n: int) -> None:
    if Delta > 0 and flips == "stratified" and round(Delta * n) == 0:
        raise InputError(f"Delta * n must round to at least one mislabelled example, got Delta={Delta!r} with n={n!r}")


@dataclass(frozen=True)
class SignalNoiseMixture:
    r"""Signal plus noise with flipped labels:  x = y (B mu_hat + gamma z),  t = -y at rate Delta.

    mu_hat = e_1 (the law is rotation invariant otherwise) and y is +1 on exactly half of the examples.
    noise='isotropic':  z ~ N(0, I_d).
    noise='orthogonal': z ~ N(0, I_d - e_1 e_1^T), so that x = y [B, gamma z] with z in d - 1 dimensions.
    flips='stratified': exactly round(Delta n) labels flipped; 'bernoulli': each with probability Delta.
    Source: the linear toy of Baek et al. (2024), Section 3; its published parameters are not known to us.
    """

    n: int = 500
    d: int = 1000
    B: float = 2.0
    gamma: float = 1.0
    Delta: float = 0.2
    noise: Literal["isotropic", "orthogonal"] = "isotropic"
    flips: Flips = "stratified"

    def __post_init__(self) -> None:
        require_integer("n", self.n, at_least=2)
        require_integer("d", self.d, at_least=3)
        require_real("B", self.B, low=0.0)
        require_real("gamma", self.gamma, low=0.0, low_open=True)
        require_choice("noise", self.noise, ("isotropic", "orthogonal"))
        _require_flips(self.Delta, self.flips, self.n)


@dataclass(frozen=True)
class NoisyLinearTeacher:
    r"""x ~ N(0, I_d),  y = sign(<e_1, x>),  t = -y at rate Delta."""

    n: int = 500
    d: int = 100
    Delta: float = 0.2
    flips: Flips = "stratified"

    def __post_init__(self) -> None:
        require_integer("n", self.n, at_least=2)
        require_integer("d", self.d, at_least=2)
        _require_flips(self.Delta, self.flips, self.n)


@dataclass(frozen=True)
class SymmetricNoise:
    """A fraction Delta of the labels moves to one of the other classes, uniformly. Delta < 1 - 1/classes."""

    Delta: float
    flips: Flips = "stratified"

    def __post_init__(self) -> None:
        require_real("Delta", self.Delta, low=0.0, high=1.0)
        require_choice("flips", self.flips, ("stratified", "bernoulli"))


@dataclass(frozen=True)
class AsymmetricNoise:
    """A fraction Delta of the labels moves to the next class (pair flips: c -> c + 1 mod classes)."""

    Delta: float
    flips: Flips = "stratified"

    def __post_init__(self) -> None:
        require_real("Delta", self.Delta, low=0.0, high=0.5)
        require_choice("flips", self.flips, ("stratified", "bernoulli"))


@dataclass(frozen=True)
class InstanceNoise:
    r"""Flip rates and targets depend on the input: q_i ~ N(Delta, spread^2) cut to [0, 1]; the target class is drawn
    from softmax(x_i^T W_y) over the other classes, with a random projection W_y for every class.

    Source: the generator of Xia et al. (2020), "Part-dependent label noise", Algorithm 2.
    """

    Delta: float
    spread: float = 0.1

    def __post_init__(self) -> None:
        require_real("Delta", self.Delta, low=0.0, high=0.5)
        require_real("spread", self.spread, low=0.0, high=1.0, high_open=False)


LabelNoise = SymmetricNoise | AsymmetricNoise | InstanceNoise


@dataclass(frozen=True)
class RealData:
    """A real data set, split at random, with noise injected into the training labels only.

    name: 'digits' (bundled with scikit-learn), 'mnist1d' (generated), or 'mnist', 'cifar10', 'cifar100' read from local
    files under `path`.
    classes: keep only these labels, renumbered 0, 1, ... in the order given (None: all).
    Validation and test labels stay clean. All examples that are left after n_train and n_validation are the test split.
    imbalance: how many times as many training examples the first class has as the last one; numbers of true labels fall
    geometrically in between (long-tailed, after Cui et al., 2019), and a class that runs out is filled up from the
    others. Validation and test keep the classes' own shares: where imbalance > 1, half of the examples that n_train and
    n_validation leave are the test split, and the training split is chosen among the others.
    """

    name: Literal["digits", "mnist1d", "mnist", "cifar10", "cifar100"] = "digits"
    n_train: int = 1000
    n_validation: int = 297
    noise: LabelNoise = SymmetricNoise(0.3)
    path: str | None = None
    classes: tuple[int, ...] | None = None
    imbalance: float = 1.0

    def __post_init__(self) -> None:
        require_choice("name", self.name, ("digits", "mnist1d", "mnist", "cifar10", "cifar100"))
        require_integer("n_train", self.n_train, at_least=2)
        require_integer("n_validation", self.n_validation, at_least=1)
        require(isinstance(self.noise, LabelNoise), "noise", self.noise, "a label-noise record")
        if not isinstance(self.noise, InstanceNoise):
            _require_some_flips(self.noise.Delta, self.noise.flips, self.n_train)
        if self.name not in ("digits", "mnist1d") and self.path is None:
            raise InputError(f"path must name the folder that holds the {self.name} files, got None")
        if self.classes is not None:
            distinct = isinstance(self.classes, tuple) and len(set(self.classes)) == len(self.classes) >= 2
            require(distinct, "classes", self.classes, "a tuple of at least two distinct labels")
        require_real("imbalance", self.imbalance, low=1.0)


Problem = SignalNoiseMixture | NoisyLinearTeacher | RealData
