"""What a statement rests on, derived and not typed: its claims with their verdicts, and the kept run behind its figure.

Its kinds are the tolerances of its claims (identity: up to rounding; bound; expectation; signs; rate), and 'reference
run' where numbers of the experiment that draws its figure are kept.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from paper_repro import console, reference
from paper_repro.files import DamagedError
from paper_repro.registry import STATUSES, Experiment, Paper, Statement
from spec.claims import Claim

KINDS = {
    "Exact": "identity",
    "MonteCarlo": "expectation",
    "Asymptotic": "rate",
    "Ordering": "signs",
    "AtMost": "bound",
    "AtLeast": "bound",
}
RUN, NOTHING = "reference run", "nothing yet"


class Evidence(NamedTuple):
    """kinds, words: what it is; seeds, data: of the kept run; worst: the claim nearest to its limit, where checked."""

    kinds: tuple[str, ...]
    words: str
    experiment: str | None
    seeds: int | None
    data: str
    worst: str


def of(paper: Paper, statement: Statement, known: Mapping[str, Any]) -> Evidence:
    """The evidence of a statement, from the papers' records, kept numbers, and the verdicts that are at hand."""
    claims = [claim for claim in paper.claims if claim.id in statement.claims]
    experiment = drawing(paper, statement.figure)
    kept = _kept(experiment)
    kinds = [KINDS[type(claim.tolerance).__name__] for claim in claims] + [RUN] * bool(kept)
    return Evidence(
        kinds=tuple(dict.fromkeys(kinds)) or (NOTHING,),
        words=_words(claims, kept, known),
        experiment=experiment.id if experiment else None,
        seeds=kept["seeds"] if kept else None,
        data=_data(kept) if kept else "",
        worst=_worst(claims, known),
    )


def drawing(paper: Paper, figure: str | None) -> Experiment | None:
    """The experiment that draws a figure."""
    return next((e for e in paper.experiments if figure in {f.id for f in e.figures}), None)


def counted(statements: Sequence[Statement]) -> dict[str, int]:
    """How many statements have each status, in the order of STATUSES."""
    found = Counter(statement.status for statement in statements)
    return {status: found[status] for status in STATUSES if found[status]}


def _kept(experiment: Experiment | None) -> dict[str, Any] | None:
    try:
        return reference.read(experiment.id) if experiment else None
    except DamagedError as error:
        console.note(f"{experiment.id if experiment else ''}: {error}")
        return None


def _words(claims: Sequence[Claim], kept: Mapping[str, Any] | None, known: Mapping[str, Any]) -> str:
    parts = []
    if claims:
        kinds = Counter(KINDS[type(claim.tolerance).__name__] for claim in claims)
        verdicts = [known[claim.id]["verdict"]["ok"] for claim in claims if claim.id in known]
        checked = f", {sum(verdicts)} of {len(verdicts)} checked hold" if verdicts else ", not checked yet"
        parts.append(
            f"{_plural(len(claims), 'claim')} ({', '.join(f'{n} {kind}' for kind, n in kinds.items())}){checked}"
        )
    if kept:
        parts.append(f"{RUN}, {_plural(kept['seeds'], 'seed')}" + f", {_data(kept)}" * bool(_data(kept)))
    return "; ".join(parts) or NOTHING


def _plural(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _data(kept: Mapping[str, Any]) -> str:
    """The names of the data sets that a kept run's settings name."""
    names: dict[str, None] = {}
    todo = [kept["config"]]
    while todo:
        value = todo.pop(0)
        if isinstance(value, dict):
            if value.get("record", "").endswith("RealData"):
                names[str(value["name"])] = None
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return ", ".join(names)


def _worst(claims: Sequence[Claim], known: Mapping[str, Any]) -> str:
    """The claim nearest to its limit: 'of closed_form: relative error 3e-16 <= 1e-10'."""
    checked = [known[claim.id]["verdict"] for claim in claims if claim.id in known]
    if not checked:
        return ""
    worst = max(checked, key=lambda v: (not v["ok"], _used(v)))
    return f"{worst['claim'].split('.')[1]}: {worst.get('summary', '')}"


def _used(verdict: Mapping[str, Any]) -> float:
    """Which share of what is allowed was used."""
    worst, allowed = float(verdict["worst"]), float(verdict["threshold"])
    return worst / allowed if allowed > 0 else allowed - worst if allowed < 0 else worst
