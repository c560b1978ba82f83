"""SANER on data, and what its choice of coordinates contributes: controls, kinds of noise, the SAM family, ablations.

All on one protocol (paper_repro.comparison), paired over seeds. rho is one for all methods of a block and given in the
label of the block; the full preset has two.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import xarray as xr

from figures import comparison as draw
from paper_repro import comparison
from paper_repro.comparison import Entry
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval, verdict
from paper_repro.training_runs import TrainingRun
from spec.masks import OracleMask, RandomMask
from spec.networks import Mlp
from spec.problems import AsymmetricNoise, InstanceNoise, LabelNoise, RealData, SymmetricNoise
from spec.rules import DownWeight, Fsam, Gsam, Only, Rule, Sam, Sgd, Vasso, Without
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require_reals

ALPHA = 0.5
TRAINING = Training(eta=0.1, epochs=80, batch=50, momentum=0.9, weight_decay=5e-4, record_every=2)
MNIST1D = RealData("mnist1d")


@dataclass(frozen=True)
class OnData:
    """Data sets, a network and a training; every block at every rho. warmup: its length as a share of the training.

    only: the methods, kinds of noise, members of the family or settings to keep; none: all.
    """

    problems: tuple[RealData, ...] = (RealData(),)
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    rho: tuple[float, ...] = (0.1,)
    warmup: float = 0.25
    only: tuple[str, ...] = ()
    seeds: int = 8

    def __post_init__(self) -> None:
        require_reals("rho", self.rho, low=0.0)

    def keeps(self, name: str) -> bool:
        """Whether `only` lets it through."""
        return not self.only or name in self.only


def _unit(config: OnData, rule: object, problem: RealData, network: Mlp, training: Training) -> TrainingRun:
    seeds = named_seeds("luong2026.controls", config.seeds)
    return TrainingRun(rule, problem, network, training, ("accuracies",), seeds)  # type: ignore[arg-type]


def _warm(config: OnData, problem: RealData, training: Training, share: float | None = None) -> int:
    steps = training.epochs * (problem.n_train // (training.batch or problem.n_train))
    return round((config.warmup if share is None else share) * steps)


def saner(config: OnData, base: object, problem: RealData) -> DownWeight:
    """Half of group B removed, after the warm-up."""
    return DownWeight(base, ALPHA, "B", _warm(config, problem, config.training))


def _blocks(config: OnData) -> Iterator[tuple[str, RealData, float]]:
    for problem in config.problems:
        for rho in config.rho:
            yield f"{problem.name}, ρ = {rho:g}", problem, rho


def control_entries(config: OnData) -> list[Entry]:
    """SAM first, then SGD, SANER, and everything that SANER could be mistaken for."""
    entries = []
    for block, problem, rho in _blocks(config):
        base = Sam(rho, "batch")
        rules = {
            "SAM": base,
            "SGD": Sgd(),
            "SANER": saner(config, base, problem),
            "SANER, no warm-up": DownWeight(base, ALPHA),
            "A halved": DownWeight(base, ALPHA, "A"),
            "C halved": DownWeight(base, ALPHA, "C"),
            "B boosted by half": DownWeight(base, -ALPHA),
            "random halved, count of B": RandomMask(base, ALPHA),
            "random halved, energy of B": RandomMask(base, ALPHA, "B", "energy"),
            "noise-dominated halved (oracle)": OracleMask(base, ALPHA),
            "SGD-GrA": Without(base, "A"),
            "SGD-GrB": Without(base, "B"),
            "SGD-GrC": Without(base, "C"),
            "SAM only on B": Only(base, "B"),
        }
        slower = replace(config.training, eta=0.75 * config.training.eta)
        units = {label: _unit(config, rule, problem, config.network, config.training) for label, rule in rules.items()}
        units["SAM, step size × 0.75"] = _unit(config, base, problem, config.network, slower)
        entries += [Entry(block, label, unit) for label, unit in units.items() if config.keeps(label)]
    return entries


def noise_entries(config: OnData) -> list[Entry]:
    """SAM, SGD, SANER and the oracle under three kinds of noise, and SANER without label noise."""
    kinds: dict[str, LabelNoise] = {
        "symmetric .3": SymmetricNoise(0.3),
        "symmetric .5": SymmetricNoise(0.5),
        "asymmetric .3": AsymmetricNoise(0.3),
        "instance-dependent .3": InstanceNoise(0.3),
        "none": SymmetricNoise(0.0),
    }
    entries = []
    for block, problem, rho in _blocks(config):
        for name, noise in kinds.items():
            if not config.keeps(name):
                continue
            noisy, base = replace(problem, noise=noise), Sam(rho, "batch")
            rules = {"SAM": base, "SGD": Sgd(), "SANER": saner(config, base, noisy)}
            if name != "none":
                rules["noise-dominated halved (oracle)"] = OracleMask(base, ALPHA)
            entries += [
                Entry(f"{block}, {name}", label, _unit(config, rule, noisy, config.network, config.training))
                for label, rule in rules.items()
            ]
    return entries


def family(rho: float) -> dict[str, Rule]:
    """The SAM family at one rho; ASAM's is relative to the weights, and ten times as large."""
    return {
        "SAM": Sam(rho, "batch"),
        "1-SAM": Sam(rho),
        "ASAM": Sam(10 * rho, "batch", "adaptive"),
        "GSAM": Gsam(rho),
        "FSAM": Fsam(rho),
        "VaSSO": Vasso(rho),
    }


def family_entries(config: OnData) -> list[Entry]:
    """Every rule of the family, plain first and then down-weighted."""
    return [
        Entry(f"{block}, {name}", label, _unit(config, rule, problem, config.network, config.training))
        for block, problem, rho in _blocks(config)
        for name, base in family(rho).items()
        if config.keeps(name)
        for label, rule in (("plain", base), ("with down-weighting", saner(config, base, problem)))
    ]


def ablation_entries(config: OnData) -> list[Entry]:
    """SAM and SANER as alpha, warm-up, rho, width and the number of examples change one at a time."""
    entries: list[Entry] = []
    problem, network, training = config.problems[0], config.network, config.training

    def pair(name: str, rho: float, problem: RealData, network: Mlp, alpha: float, share: float) -> list[Entry]:
        base, factor = Sam(rho, "batch"), config.problems[0].n_train // problem.n_train
        longer = replace(training, epochs=factor * training.epochs, record_every=factor * training.record_every)
        rule = DownWeight(base, alpha, "B", _warm(config, problem, longer, share))
        return [
            Entry(name, label, _unit(config, r, problem, network, longer))
            for label, r in (("SAM", base), ("SANER", rule))
        ]

    rho, share = config.rho[0], config.warmup
    for alpha in (0.25, 0.5, 0.75, 1.0):
        entries += pair(f"α = {alpha:g}", rho, problem, network, alpha, share)
    for warm in (0.0, 0.5):
        entries += pair(f"warm-up over {warm:.0%} of training", rho, problem, network, ALPHA, warm)
    for other in config.rho[1:]:
        entries += pair(f"ρ = {other:g}", other, problem, network, ALPHA, share)
    for width in (32, 1024):
        entries += pair(f"width {width}", rho, problem, Mlp((width,)), ALPHA, share)
    for n in (problem.n_train // 4, problem.n_train // 2):
        entries += pair(f"{n} examples", rho, replace(problem, n_train=n), network, ALPHA, share)
    return [entry for entry in entries if config.keeps(entry.block)]


def survives(dataset: xr.Dataset) -> Table:
    """Which claims about down-weighting the controls leave standing, block by block, from paired intervals."""
    questions = (
        ("SANER tests better than SAM", "SANER", "SAM", "selected"),
        ("... at the final epoch", "SANER", "SAM", "final"),
        ("SANER memorises less than SAM", "SAM", "SANER", "memorised"),
        ("better than random coordinates, as many", "SANER", "random halved, count of B", "selected"),
        ("better than random coordinates of the same energy", "SANER", "random halved, energy of B", "selected"),
        ("... and memorises less than they do", "random halved, energy of B", "SANER", "memorised"),
        ("better than a smaller step size", "SANER", "SAM, step size × 0.75", "selected"),
        ("halving B memorises less than halving A", "A halved", "SANER, no warm-up", "memorised"),
        ("... or C", "C halved", "SANER, no warm-up", "memorised"),
        ("boosting B memorises more", "B boosted by half", "SAM", "memorised"),
        ("SAM without its effect on B memorises more", "SGD-GrB", "SAM", "memorised"),
        ("B matters more than A to memorisation", "SGD-GrB", "SGD-GrA", "memorised"),
        ("the oracle memorises less than SANER", "SANER, no warm-up", "noise-dominated halved (oracle)", "memorised"),
        ("the oracle tests better than SANER", "noise-dominated halved (oracle)", "SANER", "selected"),
    )
    blocks = list(dict.fromkeys(dataset["block"].values))
    rows = []
    for says, first, second, reading in questions:
        if not {first, second} <= set(dataset["label"].values):
            continue
        gaps = [interval(comparison.difference(dataset, b, first, second, reading)) for b in blocks]
        rows.append((says, f"{first} − {second}: {reading}", *(f"{g.points(signed=True)}: {verdict(g)}" for g in gaps)))
    caption = "Which statements the controls leave standing (differences in points, paired 95 % intervals)"
    return Table(caption, ("statement", "difference", *map(str, blocks)), tuple(rows))


def _experiment(
    name: str,
    title: str,
    question: str,
    entries: Callable[[OnData], list[Entry]],
    standard: OnData,
    full: OnData,
    smallest: tuple[str, ...],
    extra: Callable[[xr.Dataset], Sequence[Table]] = lambda dataset: (),
) -> Experiment:
    def run(config: OnData, parts: Parts) -> xr.Dataset:
        return comparison.compare(entries(config), parts)

    small = replace(TRAINING, epochs=2, record_every=1)
    smoke = OnData((RealData(n_train=250, n_validation=300),), Mlp((8,)), small, (0.1,), 0.5, smallest, 2)
    return Experiment(
        id=f"luong2026.{name}",
        title=title,
        question=question,
        config={"smoke": smoke, "standard": standard, "full": full},
        units=lambda config: len(comparison.units(entries(config))),
        run=run,
        figures=(
            FigureBinding(
                f"luong2026.{name}",
                title,
                "Differences to the first method of each block in points (paired, ± 2 standard errors): test accuracy "
                "at the validated epoch, and mislabelled training examples fitted at the end.",
                draw.differences,
            ),
        ),
        tables=lambda dataset: (*extra(dataset), comparison.table(dataset, f"{title}: all readings")),
        seconds={"smoke": 60, "standard": 120, "full": 1200},
    )


_BOTH = (RealData(), MNIST1D)
CONTROLS = _experiment(
    "controls",
    "SANER and its controls",
    "Is it the choice of coordinates that makes SANER robust?",
    control_entries,
    OnData(rho=(0.1,), seeds=4),
    OnData(_BOTH, rho=(0.1, 0.4)),
    ("SAM", "SANER", "random halved, count of B", "noise-dominated halved (oracle)"),
    lambda dataset: (survives(dataset),),
)
NOISE_KINDS = _experiment(
    "noise_kinds",
    "SANER under other kinds of noise, and without noise",
    "Does down-weighting help under asymmetric and instance-dependent noise, and what does it cost without?",
    noise_entries,
    OnData(rho=(0.1,), seeds=2),
    OnData(_BOTH, rho=(0.1,)),
    ("none",),
)
FAMILY = _experiment(
    "family",
    "The SAM family with and without down-weighting",
    "Does down-weighting improve every member of the family?",
    family_entries,
    OnData(rho=(0.1,), seeds=2),
    OnData(_BOTH, rho=(0.1,)),
    ("VaSSO",),
)
ABLATIONS = _experiment(
    "ablations",
    "SANER as its settings change",
    "How do alpha, warm-up, rho, width and the number of examples matter?",
    ablation_entries,
    OnData(rho=(0.1,), seeds=2),
    OnData(rho=(0.1, 0.05, 0.2, 0.4)),
    ("width 32",),
)
EXPERIMENTS = (CONTROLS, NOISE_KINDS, FAMILY, ABLATIONS)
