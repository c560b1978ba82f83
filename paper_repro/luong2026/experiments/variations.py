"""SANER under other kinds of noise, over other bases of the SAM family, and as its settings change."""

from dataclasses import replace

from paper_repro.luong2026.experiments.settings import ALPHA, BOTH, OnData, blocks, experiment, saner, unit_of, warm_up
from paper_repro.shared.comparison import Entry
from spec.networks import Mlp
from spec.problems import AsymmetricNoise, InstanceNoise, LabelNoise, RealData, SymmetricNoise
from spec.rules import DownWeight, Fsam, Gsam, OracleMask, Rule, Sam, Sgd, Vasso


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
    for block, problem, rho in blocks(config):
        for name, noise in kinds.items():
            if not config.keeps(name):
                continue
            noisy, base = replace(problem, noise=noise), Sam(rho, "batch")
            rules = {"SAM": base, "SGD": Sgd(), "SANER": saner(config, base, noisy)}
            if name != "none":
                rules["noise-dominated halved (oracle)"] = OracleMask(base, ALPHA)
            entries += [
                Entry(f"{block}, {name}", label, unit_of(config, rule, noisy, config.network, config.training))
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
        Entry(f"{block}, {name}", label, unit_of(config, rule, problem, config.network, config.training))
        for block, problem, rho in blocks(config)
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
        rule = DownWeight(base, alpha, "B", warm_up(config, problem, longer, share))
        return [
            Entry(name, label, unit_of(config, r, problem, network, longer))
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


NOISE_KINDS = experiment(
    "noise_kinds",
    "SANER under other kinds of noise, and without noise",
    "Does down-weighting help under asymmetric and instance-dependent noise, and what does it cost without?",
    noise_entries,
    OnData(rho=(0.1,), only=("instance-dependent .3",), seeds=2),
    OnData(BOTH, rho=(0.1,)),
    ("none",),
)
FAMILY = experiment(
    "family",
    "The SAM family with and without down-weighting",
    "Does down-weighting improve every member of the family?",
    family_entries,
    OnData(rho=(0.1,), only=("1-SAM", "VaSSO"), seeds=2),
    OnData(BOTH, rho=(0.1,)),
    ("VaSSO",),
)
ABLATIONS = experiment(
    "ablations",
    "SANER as its settings change",
    "How do alpha, warm-up, rho, width and the number of examples matter?",
    ablation_entries,
    OnData(rho=(0.1,), only=("α = 1", "250 examples"), seeds=2),
    OnData(rho=(0.1, 0.05, 0.2, 0.4)),
    ("width 32",),
)
VARIATIONS = (NOISE_KINDS, FAMILY, ABLATIONS)
