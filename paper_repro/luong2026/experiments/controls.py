"""SANER beside everything that it could be mistaken for, and which statements the controls leave standing."""

from dataclasses import replace

import xarray as xr

from paper_repro.luong2026.experiments.settings import ALPHA, BOTH, TRAINING, OnData, blocks, experiment, saner, unit_of
from paper_repro.registry import Table
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from paper_repro.statistics import decision, interval
from spec.rules import DownWeight, Only, OracleMask, RandomMask, Sam, Sgd, Without


def control_entries(config: OnData) -> list[Entry]:
    """SAM first, then SGD, SANER, and everything that SANER could be mistaken for."""
    entries = []
    for block, problem, rho in blocks(config):
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
        units = {
            label: unit_of(config, rule, problem, config.network, config.training) for label, rule in rules.items()
        }
        units["SAM, step size × 0.75"] = unit_of(config, base, problem, config.network, slower)
        entries += [Entry(block, label, unit) for label, unit in units.items() if config.keeps(label)]
    return entries


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
    places = list(dict.fromkeys(dataset["block"].values))
    rows = []
    for says, first, second, reading in questions:
        if not {first, second} <= set(dataset["label"].values):
            continue
        gaps = [interval(comparison.difference(dataset, b, first, second, reading)) for b in places]
        rows.append(
            (says, f"{first} − {second}: {reading}", *(f"{g.points(signed=True)}: {decision(g)}" for g in gaps))
        )
    caption = "Which statements the controls leave standing (differences in points, paired 95 % intervals)"
    return Table(caption, ("statement", "difference", *map(str, places)), tuple(rows))


CONTROLS = experiment(
    "controls",
    "SANER and its controls",
    "Is it the choice of coordinates that makes SANER robust?",
    control_entries,
    OnData(rho=(0.1,), training=replace(TRAINING, epochs=40), seeds=2),
    OnData(BOTH, rho=(0.1, 0.4)),
    ("SAM", "SANER", "random halved, count of B", "noise-dominated halved (oracle)"),
    lambda dataset: (survives(dataset),),
)
