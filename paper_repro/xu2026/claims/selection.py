"""Claims on the schedule, the selection and the targets of NCSAM, and on its variant with clusters."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sims.rules import compensation
from sims.rules.selection import Seen, select, targets
from spec.claims import Claim, Exact, MonteCarlo, Mutant, Sample
from spec.rules import ClusterSelection, CompensationSchedule, MarginSelection
from theory.compensation import selection as stated

EPOCHS, STEPS, K, RATE, DRAWS = 40, 5, 5, 0.6, 800


def _strengths(_: Sample, start: int = 0) -> np.ndarray:
    """The simulator's share of the full strength in the middle of every epoch."""
    schedule = CompensationSchedule(EPOCHS, STEPS)
    return np.array([compensation.progress(schedule, jnp.int32(STEPS * (e + start) + 2)) for e in range(EPOCHS - 1)])


def _stated_strengths(_: Sample, shape: Callable[[Any], Any]) -> np.ndarray:
    return np.asarray(shape(np.arange(1, EPOCHS) / EPOCHS))


SCHEDULE = Claim(
    id="xu2026.schedule",
    origin="paper",
    source="Xu et al. (2026), equation 15",
    statement="The strength of the compensation rises as 2 (3 - 2 t) t^2, and is full from half of the training on.",
    regime="t = e/epochs in epoch e = 1, 2, ...",
    tolerance=Exact(),
    setup=lambda s: s,
    predicted=lambda s: _stated_strengths(s, stated.schedule),
    measured=_strengths,
    mutants=(
        Mutant("linear", predicted=partial(_stated_strengths, shape=lambda t: t)),
        Mutant("full only at the end", predicted=partial(_stated_strengths, shape=lambda t: (3 - 2 * t) * t**2)),
        Mutant("one epoch later", measured=partial(_strengths, start=1)),
    ),
    theory="theory.compensation.selection.schedule",
)


class Outputs(NamedTuple):
    """Logits (n, classes), last hidden values in two far groups (n, 2), observed labels, and a seed."""

    logits: np.ndarray
    hidden: np.ndarray
    t: np.ndarray
    seed: int


def _outputs(sample: Sample, n: int = 8, classes: int = 4) -> Outputs:
    rng = np.random.default_rng(sample.seed)
    directions = np.where(np.arange(n) < 5, 0.0, np.pi / 2) + rng.uniform(-0.1, 0.1, n)
    hidden = rng.uniform(0.5, 2, (n, 1)) * np.stack([np.cos(directions), np.sin(directions)], axis=1)
    return Outputs(rng.normal(0, 2.0, (n, classes)), hidden, rng.integers(classes, size=n), sample.seed)


def _gaps(case: Outputs) -> np.ndarray:
    first, second = np.sort(case.logits, axis=1).T[:-3:-1]
    return first - second


def _frequencies(case: Outputs, record: Any) -> np.ndarray:
    """How often each example is selected over DRAWS draws, (32 seeds, n)."""
    seen = Seen(*map(jnp.asarray, (case.logits, case.hidden, case.t, case.t)))
    keys = jax.random.split(jax.random.key(case.seed), (32, DRAWS))
    return np.asarray(jax.jit(jax.vmap(lambda row: jax.vmap(lambda key: select(record, seen, key))(row).mean(0)))(keys))


def _margin(case: Outputs) -> np.ndarray:
    return _frequencies(case, MarginSelection(K / len(case.t)))


SELECTION = Claim(
    id="xu2026.margin_selection",
    origin="paper",
    source="Xu et al. (2026), equations 16 and 17; 'without replacement' is ours",
    statement="Of n examples k are drawn one after another with weights 1/(1 + gap): an example is selected with the "
    "probability that fewer than k of the other exponential clocks of these rates ring before its own.",
    regime="any gaps",
    tolerance=MonteCarlo(),
    setup=_outputs,
    predicted=lambda c: stated.inclusion(_gaps(c), K),
    measured=_margin,
    mutants=(
        Mutant("uniformly", predicted=lambda c: np.full(len(c.t), K / len(c.t))),
        Mutant("with replacement", predicted=lambda c: K / (1 + _gaps(c)) / np.sum(1 / (1 + _gaps(c)))),
        Mutant("one example more", predicted=lambda c: stated.inclusion(_gaps(c), K + 1)),
    ),
    theory="theory.compensation.selection.inclusion",
)


def _stated_rates(case: Outputs, groups: Any = None) -> np.ndarray:
    clusters = np.where(np.arange(len(case.t)) < 5, 0, 1) if groups is None else groups
    return stated.cluster_rates(_gaps(case), clusters, RATE)


def _unlike_groups(sample: Sample) -> Outputs:
    """In one group a single gap is large, in the other all are: the rates of two groups at random may nearly agree."""
    case = _outputs(sample)
    logits = case.logits.copy()
    logits[[0, 5, 6, 7], 0] += 20
    return case._replace(logits=logits)


CLUSTERS = Claim(
    id="xu2026.cluster_selection",
    origin="paper",
    source="released code of Xu et al. (2026)",
    statement="With clusters an example is selected with probability r (1 - mean gap/largest gap) of its cluster.",
    regime="clusters that k-means finds: two groups of directions of the last hidden values, with unlike gaps",
    tolerance=MonteCarlo(),
    setup=_unlike_groups,
    predicted=_stated_rates,
    measured=lambda c: _frequencies(c, ClusterSelection(RATE, clusters=2)),
    mutants=(
        Mutant("one cluster", predicted=lambda c: _stated_rates(c, np.zeros(len(c.t)))),
        Mutant("mean gap/largest gap", predicted=lambda c: RATE - _stated_rates(c)),
    ),
    theory="theory.compensation.selection.cluster_rates",
)


def _targets(case: Outputs) -> np.ndarray:
    seen = Seen(*map(jnp.asarray, (case.logits, case.hidden, case.t, case.t)))
    return np.asarray(targets("highest", seen, jax.random.key(case.seed)), dtype=float)


TARGET = Claim(
    id="xu2026.highest_target",
    origin="paper",
    source="Xu et al. (2026), equation 18",
    statement="A selected example is taken under the class of its largest logit but the observed one.",
    regime="any logits and labels",
    tolerance=Exact(),
    setup=partial(_outputs, n=40),
    predicted=lambda c: stated.highest_other(c.logits, c.t),
    measured=_targets,
    mutants=(
        Mutant("the largest of all", predicted=lambda c: np.argmax(c.logits, axis=1)),
        Mutant("the lowest", predicted=lambda c: stated.highest_other(-c.logits, c.t)),
    ),
    theory="theory.compensation.selection.highest_other",
)

CLAIMS = (SCHEDULE, SELECTION, CLUSTERS, TARGET)
