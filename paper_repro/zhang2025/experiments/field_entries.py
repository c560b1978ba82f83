"""FBR against the field on data: rivals, FBR without each of its ingredients, and the oracle.

A block holds the methods of one data set, noise, clean subset and number V of extra clean epochs before every epoch, so
that training on the clean subset is never mistaken for a method. All on one protocol (paper_repro.shared.comparison),
paired over seeds; the clean subset is not trained on except by extra epochs, and no part of the validation split. With
imbalanced classes the training split alone is long-tailed; the clean subset, like the test split, is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from paper_repro.shared.comparison import Entry
from spec.clean_subset import CleanEpochs, CleanSubset
from spec.fields import Among, Checked, Grid, Natural, NonNegative, Seeds
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import AsymmetricNoise, InstanceNoise, LabelNoise, RealData, SymmetricNoise
from spec.rules import FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight, Scheme
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require_choice, require_different

NOISES: dict[str, LabelNoise] = {
    "symmetric .4": SymmetricNoise(0.4),
    "symmetric .8": SymmetricNoise(0.8),
    "pair .4": AsymmetricNoise(0.4),
    "instance-dependent .4": InstanceNoise(0.4),
}
TRAINING = Training(eta=0.1, epochs=80, batch=50, momentum=0.9, weight_decay=5e-4, record_every=4)
DIGITS, MNIST1D = RealData(n_validation=400), RealData("mnist1d", n_validation=400)
# Reference numbers are of 500 examples, where the first classes ran out: a ratio of 6.9 (mean of 8 splits), not 10.
IMBALANCED = replace(DIGITS, n_train=150, imbalance=10.0)
CE, CLEAN, L2RW, META, FBR, ORACLE = (
    "cross-entropy",
    "clean subset only",
    "L2RW",
    "clipped meta-reweighting",
    "FBR",
    "oracle",
)


@dataclass(frozen=True)
class Field(Checked):
    """Data sets, keys of NOISES, clean subsets, numbers V of extra clean epochs; a network and a training.

    The clean subsets after the first meet the first data set and noise only, and so do imbalanced problems the noise.
    FBR is taken apart at the first noise, clean subset and V of every data set. beta: those of clipped
    meta-reweighting. only: the methods to keep; none: all.
    """

    problems: Grid[RealData] = (DIGITS,)
    noises: Grid[Annotated[str, Among(tuple(NOISES))]] = ("symmetric .4",)
    subsets: Grid[CleanSubset] = (CleanSubset(),)
    extra: Grid[Natural] = (0, 1, 30)
    beta: Grid[NonNegative] = (1.0, 10.0, 100.0)
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    only: Grid[str] | tuple[()] = ()
    seeds: Seeds = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_different("problems", [_name(problem) for problem in self.problems])
        require_different("subsets", [(subset.m, f"{subset.wrong:.0%}") for subset in self.subsets])
        for name in self.only:
            require_choice("only", name, tuple(rivals(self) | ablations(self)))


def rivals(config: Field) -> dict[str, Scheme]:
    """Cross-entropy first; beta is the speed of the weights in the mean of a batch's losses."""
    eta = config.training.eta
    return {
        CE: FixedReweight(1.0, 1.0),
        CLEAN: FixedReweight(0.0, 0.0),
        L2RW: NormalisedReweight(),
        **{f"{META}, β = {beta:g}": MetaReweight(beta, eta) for beta in config.beta},
        FBR: fbr(config),
        ORACLE: FixedReweight(1.0, 0.0),
    }


def fbr(config: Field) -> FeatureReweight:
    """FBR with the schedule of the released code, in shares of the training: about 1/16 skipped, alpha 0 after 1/4."""
    return FeatureReweight(switch=config.training.epochs // 4, skip=config.training.epochs // 16)


def ablations(config: Field) -> dict[str, Scheme]:
    """FBR with one ingredient changed."""
    whole = fbr(config)
    return {
        "FBR, not centred": replace(whole, centred=False),
        "FBR, no row shift": replace(whole, shifted=False),
        "FBR, α = 1/(C−1) throughout": replace(whole, switch=config.training.epochs),
        "FBR, α = 0 throughout": replace(whole, switch=0),
        "FBR, α = 1 throughout": replace(whole, alpha=(1.0, 1.0)),
        "FBR, fixed rate and no threshold": replace(whole, rate=0.01, threshold=0.0),
        "FBR, no skipped epochs": replace(whole, skip=0),
    }


def _name(problem: RealData) -> str:
    return problem.name if problem.imbalance == 1 else f"{problem.name}, imbalance {problem.imbalance:g}"


def _places(config: Field) -> Iterator[tuple[str, RealData, CleanSubset, bool]]:
    """(name, problem, clean subset, whether FBR is taken apart there)."""
    for problem in config.problems:
        for noise in config.noises if problem.imbalance == 1 else config.noises[:1]:
            apart = noise == config.noises[0]
            yield f"{_name(problem)}, {noise}", replace(problem, noise=NOISES[noise]), config.subsets[0], apart
    for subset in config.subsets[1:]:
        name = f"{config.problems[0].name}, {config.noises[0]}, m = {subset.m}"
        if subset.wrong:
            name += f" with {subset.wrong:.0%} wrong"
        yield name, replace(config.problems[0], noise=NOISES[config.noises[0]]), subset, False


def block_name(place: str, extra: int) -> str:
    """The block of a place at V extra epochs."""
    return f"{place}, V = {extra}"


def entries(config: Field) -> list[Entry]:
    """Every method in every block; without extra epochs the clean subset alone teaches nothing, and is left out."""
    seeds = named_seeds("zhang2025.field", config.seeds)
    found = []
    for place, problem, subset, apart in _places(config):
        for extra in config.extra:
            epochs = CleanEpochs(extra, min(config.training.batch or subset.m, subset.m))
            taken_apart = ablations(config) if apart and extra == config.extra[0] else {}
            for label, scheme in (rivals(config) | taken_apart).items():
                if (config.only and label not in config.only) or (label == CLEAN and extra == 0):
                    continue
                unit = TrainingRun(
                    scheme,
                    problem,
                    config.network,
                    config.training,
                    (Accuracies(),),
                    seeds,
                    clean=subset,
                    extra=epochs,
                )
                found.append(Entry(block_name(place, extra), label, unit))
    return found
