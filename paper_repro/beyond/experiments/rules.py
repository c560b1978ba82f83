"""Every rule in one setting, predicted in seconds: what a reader moves in notebooks/high_dimension.ipynb."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from figures import mean_field as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from spec.clean_subset import CleanSubset
from spec.fields import Checked, Count, NoiseRate, NonNegative, Positive, Seeds
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.rules import (
    CompensationSchedule,
    DownWeight,
    FeatureReweight,
    Fsam,
    Gsam,
    MetaReweight,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    Rule,
    Sam,
    Sgd,
    Vasso,
)
from spec.training import Training
from theory.mean_field import Accuracy, prediction

D = 2000  # lengths of vectors are those of this dimension
READ = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy", "noise_norm", "test_accuracy_error")


@dataclass(frozen=True)
class Rules(Checked):
    """n/d, signal, noise rate, norm at the start; c = rho ||x|| of 1-SAM, rho of n-SAM and its family.

    strength: of the compensation; clean: trusted examples over d. samples, seeds: draws and their repetitions.
    """

    alpha: Positive = 1.0
    B: NonNegative = 1.5
    Delta: NoiseRate = 0.25
    scale: NonNegative = 1.0
    c: NonNegative = 5.0
    rho: NonNegative = 1.0
    strength: NonNegative = 1.0
    clean: Positive = 0.1
    training: Training = Training(eta=0.3, epochs=60)
    samples: Count = 1024
    seeds: Seeds = 4


@dataclass(frozen=True)
class Unit:
    """One rule of the setting."""

    config: Rules
    rule: Rule


def rules(config: Rules) -> tuple[Rule, ...]:
    """One of every kind that closes."""
    batch, one = Sam(config.rho, "batch"), Sam(config.c / float(np.hypot(config.B, D**0.5)))
    schedule = CompensationSchedule(config.training.epochs, 1, shape="constant")
    corrected = NoiseCompensated(batch, config.strength, schedule, OracleSelection(0.25, 0.8), project="sphere")
    kin = (Gsam(config.rho, 0.2), Fsam(config.rho), Vasso(config.rho))
    weighted = (FeatureReweight(), MetaReweight(0.5, config.training.eta))
    return Sgd(), one, batch, *kin, DownWeight(batch, 1.0), corrected, OracleAscent(batch), *weighted


def predict(unit: Unit) -> xr.Dataset:
    """Its curve."""
    config = unit.config
    problem = SignalNoiseMixture(n=round(config.alpha * D), d=D, B=config.B, Delta=config.Delta)
    options: dict[str, Any] = {
        "clean": CleanSubset(round(config.clean * D)),
        "accuracy": Accuracy(config.samples, config.seeds, "beyond.rules"),
    }
    return prediction.curves(unit.rule, problem, config.training, Linear(config.scale), **options)


def run(config: Rules, parts: Parts) -> xr.Dataset:
    """Curves of every rule, (rule, epoch), and the shares of coordinates in SANER's groups, (group, epoch)."""
    kinds = rules(config)
    found = parts.map(predict, [Unit(config, rule) for rule in kinds])
    whole = xr.concat([one[list(READ)] for one in found], dim="rule").drop_vars("margin", errors="ignore")
    masked = next(one for one, rule in zip(found, kinds, strict=True) if isinstance(rule, DownWeight))
    shares = [masked[f"share_{group}"].values for group in "ABC"]
    named = whole.assign_coords(rule=[rule.name for rule in kinds], group=list("ABC"))
    return named.assign(group_share=(("group", "epoch"), np.array(shares)))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Best and last accuracy, and what is memorised at the end."""
    rows = []
    for rule in dataset["rule"].values:
        at = dataset.sel(rule=rule)
        test = at["test_accuracy"].values
        last = at.isel(epoch=-1)
        cells = (test.max(), test[-1], float(last["clean_accuracy"]), float(last["mislabelled_accuracy"]))
        when = str(int(at["epoch"].values[int(np.argmax(test))]))
        error = f"{100 * float(at['test_accuracy_error'].max()):.3f}"
        rows.append((str(rule), *(f"{100 * float(v):.1f}" for v in cells), when, error))
    head = ("rule", "best", "last", "clean fitted", "mislabelled fitted", "best at step", "its Monte-Carlo error")
    return (Table("Predicted accuracies (%)", head, tuple(rows)),)


RULES = Experiment(
    id="beyond.rules",
    title="Every rule in one setting, predicted",
    question="How do the rules of the four papers compare, step by step and at equal norm, where nothing is sampled?",
    config={
        "smoke": Rules(training=Training(eta=0.3, epochs=5), samples=128, seeds=2),
        "standard": Rules(),
        "full": Rules(samples=8192, training=Training(eta=0.3, epochs=100)),
    },
    units=lambda config: len(rules(config)),
    run=run,
    figures=(
        FigureBinding(
            "beyond.rules",
            "Test accuracy of every rule, along training and at equal norm",
            "Left: against the step. Right: against the norm of the weights beside the signal, at which rules of "
            "different speed can be compared. FBR and meta-reweighting have trusted examples that the others lack; the "
            "compensation and the oracle ascent know labels.",
            draw.rules,
        ),
        FigureBinding(
            "beyond.groups",
            "Coordinates in the groups of n-SAM's ratio along training",
            "Shares of coordinates with ratios of one or more (A), between zero and one (B), below zero (C); SANER.",
            draw.groups,
        ),
    ),
    tables=tables,
)
