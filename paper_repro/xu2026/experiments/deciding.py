"""Which sign is right on data, and how much of a gain is a longer perturbation: the factorial, and what it decides.

Every block has one data set, one kind of noise and one strength. Plain SAM comes first, with the same SGD warm-up, then
SAM at other lengths, the factorial of sign, selection and projection, and SAM with its ascent under true labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import xarray as xr

from figures import comparison as draw
from paper_repro.registry import Experiment, FigureBinding, Parts
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from paper_repro.xu2026.experiments.decisions import ORACLE, PUBLISHED, SAM, tables
from spec.fields import Checked, Grid, NonNegative, Positive, ProperShare, Seeds, Share
from spec.networks import Mlp
from spec.observables import Accuracies, Correction
from spec.problems import InstanceNoise, RealData, SymmetricNoise
from spec.rules import (
    ClusterSelection,
    Compensation,
    CompensationSchedule,
    MarginSelection,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    RandomSelection,
    Sam,
    Selection,
)
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require_choice, require_different

TRAINING = Training(eta=0.05, epochs=80, batch=50, momentum=0.9, weight_decay=1e-3, schedule="cosine", record_every=2)
PROJECTS = {"free": None, "ball": "ball", "sphere": "sphere"}


@dataclass(frozen=True)
class Deciding(Checked):
    """Blocks are problems times strengths; warmup is a share of the training, fraction that of the selection.

    The strengths after the first meet the first problem only. multiples: of rho, for plain SAM at other lengths. only:
    the methods to keep besides plain SAM; none: all.
    """

    problems: Grid[RealData] = (RealData(),)
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    rho: Positive = 0.05
    strength: Grid[NonNegative] = (0.1,)
    fraction: Share = 0.3
    warmup: ProperShare = 0.25
    multiples: Grid[NonNegative] = (2.0, 4.0, 8.0)
    only: Grid[str] | tuple[()] = ()
    seeds: Seeds = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_different("problems", [_place(problem) for problem in self.problems])
        if self.only:
            labels = tuple(label for label, _ in rules(replace(self, only=()), self.problems[0], self.strength[0]))
            for name in self.only:
                require_choice("only", name, labels)

    def keeps(self, name: str) -> bool:
        """Whether `only` lets it through."""
        return not self.only or name in self.only


def selections(fraction: float) -> dict[str, Selection]:
    """The published selection, by chance, of known precision, and by clusters with the same share as largest rate."""
    return {
        "margin": MarginSelection(fraction),
        "random": RandomSelection(fraction),
        "cluster": ClusterSelection(fraction),
        **{f"precision {p:g}": OracleSelection(fraction, p) for p in (0.5, 0.8, 1.0)},
    }


def rules(config: Deciding, problem: RealData, strength: float) -> Iterator[tuple[str, Compensation]]:
    """Labels and rules of one block. SAM is the published rule at strength zero: so one program serves them."""
    training = config.training
    steps = training.steps(problem.n_train)
    schedule = CompensationSchedule(training.epochs, steps, round(config.warmup * training.epochs))
    base = Sam(config.rho, "batch")
    plain = NoiseCompensated(base, 0.0, schedule, MarginSelection(config.fraction))
    yield SAM, plain
    for k in config.multiples:
        yield f"{SAM}, ρ × {k:g}", replace(plain, base=Sam(k * config.rho, "batch"))
    for name, selection in selections(config.fraction).items():
        for shape, project in PROJECTS.items():
            for mark, sign in (("+", 1), ("−", -1)):
                rule = NoiseCompensated(base, strength, schedule, selection, sign=sign, project=project)  # type: ignore[arg-type]
                if config.keeps(label := f"{mark} {name}, {shape}"):
                    yield label, rule
    if config.keeps(ORACLE):
        yield ORACLE, OracleAscent(base, plain.warm_up_steps)


def _place(problem: RealData) -> str:
    kind = type(problem.noise).__name__.removesuffix("Noise").lower()
    return f"{problem.name}, {kind} {problem.noise.Delta:g}"


def entries(config: Deciding) -> list[Entry]:
    """Every rule of every block, on the same seeds."""
    seeds = named_seeds("xu2026.deciding", config.seeds)
    found = []
    for problem in config.problems:
        observe = (Accuracies(), Correction(config.training.batch or problem.n_train))
        for strength in config.strength if problem == config.problems[0] else config.strength[:1]:
            block = f"{_place(problem)}, s = {strength:g}"
            for label, rule in rules(config, problem, strength):
                unit = TrainingRun(rule, problem, config.network, config.training, observe, seeds)
                found.append(Entry(block, label, unit))
    return found


def run(config: Deciding, parts: Parts) -> xr.Dataset:
    """Trajectories and readings of all entries (paper_repro.shared.comparison.compare)."""
    return comparison.compare(entries(config), parts)


_MINUS = "−" + PUBLISHED[1:]


def matched_in_length(dataset: xr.Dataset) -> xr.Dataset:
    """The methods whose length is that of plain SAM (sphere), the published one, its other sign, and the ceiling."""
    labels = [str(label) for label in dataset["label"].values]
    shown = (SAM, PUBLISHED, _MINUS, ORACLE)
    return dataset.isel(run=[k for k, label in enumerate(labels) if label in shown or label.endswith(", sphere")])


_PURE = tuple(f"{mark} precision 1, sphere" for mark in "+−")
_SPHERE = tuple(f"{mark} margin, sphere" for mark in "+−")
_ALL = tuple(
    replace(RealData(), name=name, noise=noise)
    for name in ("digits", "mnist1d")
    for noise in (SymmetricNoise(0.3), InstanceNoise(0.3))
)
DECIDING = Experiment(
    id="xu2026.deciding",
    title="Which sign is right, and how much of the gain is length",
    question="Does precision decide the sign on data, how much does a larger rho explain, and when does the published "
    "algorithm win?",
    config={
        "smoke": Deciding(
            problems=(RealData(n_train=250, n_validation=300),),
            network=Mlp((8,)),
            training=replace(TRAINING, epochs=2, record_every=1),
            warmup=0.0,
            multiples=(4.0,),
            only=(PUBLISHED, _MINUS),
            seeds=2,
        ),
        "standard": Deciding(
            training=replace(TRAINING, epochs=40), only=(PUBLISHED, *_SPHERE, *_PURE, ORACLE), seeds=3
        ),
        "full": Deciding(problems=_ALL, strength=(0.1, 0.01), multiples=(0.5, 2.0, 4.0, 8.0, 16.0, 32.0)),
    },
    units=lambda config: len(comparison.units(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "xu2026.deciding",
            "Sign, selection and projection against plain SAM",
            "Differences to plain SAM of the same warm-up in points, paired over seeds: test accuracy at the validated "
            "epoch, and mislabelled training examples fitted at the end. Shown are the methods of SAM's own length and "
            "the published one; the tables have all.",
            lambda dataset: draw.differences(matched_in_length(dataset)),
        ),
    ),
    tables=tables,
)
