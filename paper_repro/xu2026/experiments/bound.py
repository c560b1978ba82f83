"""The terms of the bound against the noise rate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from figures import noise_compensation as draw
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.xu2026.claims.measured_gradients import once
from spec.fields import Checked, Count, Positive
from spec.problems import SignalNoiseMixture
from spec.validation import require
from theory.compensation import pac_bayes
from theory.logistic import mixture

TERMS = ("sharpness", "tail", "complexity", "total")


@dataclass(frozen=True)
class BoundTerms(Checked):
    """A linear classifier along the signal of the problem, with ||w|| = norm; seeds is not used: nothing is drawn."""

    problem: SignalNoiseMixture = SignalNoiseMixture(n=50_000, d=20, B=1.5, gamma=1.0)
    rho: Positive = 0.05
    norm: Positive = 2.0
    seeds: Count = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.norm >= self.rho, "norm", self.norm, f"at least rho = {self.rho:g}, the length of the ascent")


def bound_terms(config: BoundTerms) -> xr.Dataset:
    """Terms of Theorem 1 against the noise rate, for the best classifier and for a memoriser; the repaired bound.

    Losses are 0-1 losses in population. The worst classifier within rho of w = norm e_1 is w turned by asin(rho/norm).
    """
    law, Delta = config.problem, np.linspace(0.0, 0.48, 49)
    turned = np.array([np.sqrt(config.norm**2 - config.rho**2), config.rho]) @ np.eye(2, law.d)
    error, worst = (1 - float(mixture.accuracy(law, w)) for w in (config.norm * np.eye(1, law.d)[0], turned))
    size: Any = {"rho": config.rho, "K": law.d, "n": law.n}
    published = [pac_bayes.theorem_1(pac_bayes.observed_error(worst, D), config.norm, Delta=D, **size) for D in Delta]
    general = [
        pac_bayes.repaired(pac_bayes.observed_error(worst, D), config.norm, largest_rate=D, **size) for D in Delta
    ]
    network = [pac_bayes.theorem_1(0.0, 30.0, rho=0.05, K=11_170_000, n=50_000, Delta=D).complexity for D in Delta]
    return xr.Dataset(
        {
            **{name: ("Delta", [getattr(b, name) for b in published]) for name in TERMS},
            "memoriser": ("Delta", [b.total - b.sharpness for b in published]),
            "repaired": ("Delta", [b.total for b in general]),
            "network": ("Delta", network),
            "error": error,
        },
        coords={"Delta": Delta},
    )


def _bound_table(dataset: xr.Dataset) -> Table:
    rows = []
    for D in (0.0, 0.2, 0.4):
        row = dataset.sel(Delta=D, method="nearest")
        names = ("sharpness", "tail", "complexity", "total", "memoriser", "repaired", "network")
        rows.append((f"{D:g}", *(f"{float(row[n]):.3f}" for n in names)))
    head = (
        "Δ",
        "first term",
        "tail",
        "complexity",
        "bound",
        "bound of a memoriser",
        "repaired",
        "complexity, ResNet-18",
    )
    return Table(f"Terms of Theorem 1; the classifier's error is {float(dataset['error']):.3f}", head, tuple(rows))


BOUND = Experiment(
    id="xu2026.bound",
    title="What the bound says",
    question="How large are the terms of Theorem 1, and which classifier do they prefer?",
    config={name: BoundTerms() for name in ("smoke", "standard", "full")},
    run=once(bound_terms),
    figures=(
        FigureBinding(
            "xu2026.bound",
            "Terms of Theorem 1 against the noise rate",
            "Linear classifier along the signal, K = 20, ‖w‖ = 2, ρ = 0.05, n = 50000, 0–1 loss in population. The "
            "first term grows like Δ/(1 − Δ), and vanishes for a classifier that has memorised all labels.",
            draw.bound,
        ),
    ),
    tables=lambda dataset: (_bound_table(dataset),),
    drawn=lambda c: 0,
)
