"""Claims on how the gains over descent depend on the strength of a rule and on the size of the signal."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from paper_repro.beyond.claims.curves import OURS
from paper_repro.beyond.claims.gains import PROBLEM, REGIME, measured_gains, one_sam, stated_gains
from spec.claims import Claim, Mutant, Ordering
from spec.problems import SignalNoiseMixture
from spec.rules import Rule, Sam

RULES = (*(one_sam(c) for c in (0.5, 2.0, 8.0)), *(Sam(rho, "batch") for rho in (0.3, 1.0, 3.0)))


def _steps(gains: np.ndarray) -> np.ndarray:
    """From one strength to the next, of each kind of rule, (..., rules, 2) -> (..., 8)."""
    kinds = gains.reshape(*gains.shape[:-2], 2, 3, 2)
    return np.diff(kinds, axis=-2).reshape(*gains.shape[:-2], -1)


STRENGTHS = Claim(
    id="beyond.strengths",
    origin="derived",
    source=OURS,
    statement="From c = .5 to 2 to 8 the gain of 1-SAM over descent grows at the best stopping and at the end; from "
    "rho = .3 to 1 to 3 that of n-SAM grows at the best stopping, and its loss at the end grows too.",
    regime=REGIME,
    tolerance=Ordering(),
    setup=lambda sample: sample,
    predicted=lambda sample: _steps(stated_gains(RULES)),
    measured=lambda sample: _steps(measured_gains(RULES, sample)),
    mutants=(
        Mutant("more strength is better", predicted=lambda sample: np.ones(8)),
        Mutant("what is gained at the best stopping is lost at the end", predicted=lambda sample: np.tile([1, -1], 4)),
        Mutant("the two rules exchanged", predicted=lambda sample: np.array([1, -1, 1, -1, 1, 1, 1, 1])),
    ),
    theory="theory.mean_field.stopping.stopping",
    figure="beyond.strengths",
)

OVER = (0.5, 1.0, 2.0, 5.0)


def _over_signals(gains: Callable[[tuple[Rule, ...], SignalNoiseMixture], np.ndarray]) -> np.ndarray:
    """Of 1-SAM from one B to the next, at the best stopping and at the end; n-SAM's at B = 1 and 2, (..., 10)."""
    problems = [replace(PROBLEM, B=B) for B in OVER]
    found = np.stack([gains((one_sam(8.0, p.B), Sam(1.0, "batch")), p) for p in problems], axis=-3)
    one, batch = np.diff(found[..., 0, :], axis=-2), found[..., 1:3, 1, :]
    return np.concatenate([one, batch], axis=-2).reshape(*found.shape[:-3], -1)


SIGNALS = Claim(
    id="beyond.signals",
    origin="derived",
    source=OURS,
    statement="From B = .5 to 1 to 2 the gain of 1-SAM (c = 8) over descent grows, at the best stopping and at the "
    "end; at B = 5 it is smaller than at B = 2 at the best stopping, and larger at the end. n-SAM (rho = 1) gains at "
    "the best stopping and loses at the end, for B = 1 and for B = 2.",
    regime=REGIME + "; B as said",
    tolerance=Ordering(),
    setup=lambda sample: sample,
    predicted=lambda sample: _over_signals(stated_gains),
    measured=lambda sample: _over_signals(lambda rules, problem: measured_gains(rules, sample, problem)),
    mutants=(
        Mutant("a larger signal, a larger gain", predicted=lambda sample: np.r_[np.ones(6), [1, -1, 1, -1]]),
        Mutant(
            "the easier the problem, the less is gained", predicted=lambda sample: np.r_[-np.ones(6), [1, -1, 1, -1]]
        ),
        Mutant("n-SAM keeps its gain", predicted=lambda sample: np.r_[1, 1, 1, 1, -1, 1, np.ones(4)]),
    ),
    theory="theory.mean_field.stopping.stopping",
    figure="beyond.signals",
)


CLAIMS = (STRENGTHS, SIGNALS)
