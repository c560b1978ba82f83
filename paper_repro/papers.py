"""Every paper of the project: one import line each."""

from typing import TypeVar

from paper_repro import baek2024, beyond, luong2026, xu2026, zhang2025
from paper_repro.registry import Experiment, Paper
from spec.claims import Claim
from spec.validation import InputError

T = TypeVar("T", Experiment, Claim)

PAPERS: tuple[Paper, ...] = (
    baek2024.PAPER,
    luong2026.PAPER,
    zhang2025.PAPER,
    xu2026.PAPER,
    beyond.PAPER,
)


def experiments() -> tuple[Experiment, ...]:
    """All experiments, in registered order."""
    return tuple(e for paper in PAPERS for e in paper.experiments)


def claims() -> tuple[Claim, ...]:
    """All claims, in registered order."""
    return tuple(c for paper in PAPERS for c in paper.claims)


def chosen_experiments(ids: list[str]) -> tuple[Experiment, ...]:
    """The experiments with these ids, in registered order; none given: all. A paper's key stands for all of its."""
    return _choose(ids, experiments(), "experiment")


def chosen_claims(ids: list[str]) -> tuple[Claim, ...]:
    """The claims with these ids, in registered order; none given: all. A paper's key stands for all of its."""
    return _choose(ids, claims(), "claim")


def _choose(ids: list[str], known: tuple[T, ...], kind: str) -> tuple[T, ...]:
    keys: set[str] = {paper.key for paper in PAPERS}
    for wanted in ids:
        if wanted not in keys and wanted not in {k.id for k in known}:
            names = ", ".join([*sorted(keys), *(k.id for k in known)])
            raise InputError(f"{kind} ID must be one of {names}; got {wanted!r}")
    return tuple(k for k in known if not ids or k.id in ids or k.id.split(".")[0] in ids)
