"""Tables VI to VIII of the paper at our scale: share of flips, schedule, strength; with the reported numbers beside."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import xarray as xr

from figures import comparison as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from paper_repro.xu2026.experiments.deciding import TRAINING
from paper_repro.xu2026.experiments.printed_settings import REPORTED_ABLATIONS, RHO
from spec.fields import Checked, Grid, NonNegative, ProperShare, Seeds, Share
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import RealData, SymmetricNoise
from spec.rules import CompensationSchedule, MarginSelection, NoiseCompensated, Sam
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training


@dataclass(frozen=True)
class Ablations(Checked):
    """Algorithm 1 at several shares of flips under the noise rates flipped_at; elsewhere at the problem's own noise.

    warm-up: SGD for a quarter of the training. The share of flips is the noise rate where it is not varied.
    """

    problem: RealData = RealData(noise=SymmetricNoise(0.2))
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    fraction: Grid[Share] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    flipped_at: Grid[ProperShare] = (0.4, 0.6)
    strength: Grid[NonNegative] = (0.03, 0.05, 0.1, 0.2, 0.3, 0.4)
    usual_strength: NonNegative = 0.1
    seeds: Seeds = 8


def _rules(config: Ablations) -> Iterator[tuple[str, float, str, NoiseCompensated]]:
    """(block, noise rate, label, rule); SAM, as strength zero, comes first in every block."""
    training, Delta = config.training, config.problem.noise.Delta
    schedule = CompensationSchedule(training.epochs, training.steps(config.problem.n_train), training.epochs // 4)

    def rule(strength: float, fraction: float, schedule: CompensationSchedule = schedule) -> NoiseCompensated:
        return NoiseCompensated(Sam(RHO, "batch"), strength, schedule, MarginSelection(fraction))

    for rate in config.flipped_at:
        block = f"VI: share of flips, Δ = {rate:g}"
        yield block, rate, "SAM", rule(0.0, rate)
        for fraction in config.fraction:
            yield block, rate, f"r = {fraction:g}", rule(config.usual_strength, fraction)
    block = f"VII: schedule, Δ = {Delta:g}"
    yield block, Delta, "SAM", rule(0.0, Delta)
    yield block, Delta, "cubic", rule(config.usual_strength, Delta)
    yield block, Delta, "constant", rule(config.usual_strength, Delta, replace(schedule, shape="constant"))
    block = f"VIII: strength, Δ = {Delta:g}"
    yield block, Delta, "SAM", rule(0.0, Delta)
    for strength in config.strength:
        yield block, Delta, f"κ = {strength:g}", rule(strength, Delta)


def entries(config: Ablations) -> list[Entry]:
    """Every setting, on the same seeds."""
    seeds = named_seeds("xu2026.ablations", config.seeds)
    found = []
    for block, rate, label, rule in _rules(config):
        problem = replace(config.problem, noise=SymmetricNoise(rate))
        unit = TrainingRun(rule, problem, config.network, config.training, (Accuracies(),), seeds)
        found.append(Entry(block, label, unit))
    return found


def run(config: Ablations, parts: Parts) -> xr.Dataset:
    """Trajectories and readings of all entries (paper_repro.shared.comparison.compare)."""
    return comparison.compare(entries(config), parts)


def _reported() -> Table:
    return Table(
        "Tables VI to VIII as reported: test accuracy (%)", ("table", "settings", "accuracy"), REPORTED_ABLATIONS
    )


ABLATIONS = Experiment(
    id="xu2026.ablations",
    title="Tables VI to VIII at our scale",
    question="Is the best share of flips the noise rate, does the schedule matter, and is there a best strength?",
    config={
        "smoke": Ablations(
            RealData(n_train=250, n_validation=300, noise=SymmetricNoise(0.2)),
            Mlp((8,)),
            replace(TRAINING, epochs=4, record_every=1),
            fraction=(0.4,),
            flipped_at=(0.4,),
            strength=(0.1,),
            seeds=2,
        ),
        "standard": Ablations(
            training=replace(TRAINING, epochs=40),
            fraction=(0.2, 0.4, 0.6),
            flipped_at=(0.4,),
            strength=(0.05, 0.1, 0.4),
            seeds=2,
        ),
        "full": Ablations(),
    },
    units=lambda config: len(comparison.units(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "xu2026.ablations",
            "Settings of NCSAM against SAM of the same warm-up",
            "Differences to SAM in points, paired over seeds: test accuracy at the validated epoch, and "
            "mislabelled training examples fitted at the end.",
            draw.differences,
        ),
    ),
    tables=lambda dataset: (comparison.table(dataset, "Tables VI to VIII: all readings"), _reported()),
)
