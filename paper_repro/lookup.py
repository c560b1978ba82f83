"""What there is, found by words or by name: texts for the terminal, from the catalogue alone."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from paper_repro import costs
from paper_repro.registry import STATUSES

WIDTH = 96
# How the two sides of a claim of each kind are compared; the numbers are those of its tolerance.
JUDGED = {
    "Exact": "Both sides are computed at finite size and agree up to rounding: relative error at most {relative:g}.",
    "MonteCarlo": "The measured side is drawn independently many times. The formula lies within Student's interval of "
    "the mean at every point; all of them together err with probability {family_error:g}.",
    "Asymptotic": "The error falls as size^({exponent:g}) over the sizes {sizes}; exponents {wrong_exponents} are "
    "rejected.",
    "Ordering": "Signs are compared: every measured mean has the sign that is predicted, beyond chance at "
    "{family_error:g}.",
    "AtMost": "The predicted side bounds the measured one from above, at every point.",
    "AtLeast": "The predicted side bounds the measured one from below, at every point.",
}


class Match(NamedTuple):
    """What was found: statement, claim, experiment or symbol; its name; what it says."""

    kind: str
    name: str
    says: str


def find(catalogue: dict[str, Any], words: Sequence[str]) -> list[Match]:
    """All that has every word, in whatever field; case and accents do not matter, Greek letters have their names."""
    wanted = [_plain(word) for word in words]
    return [match for match, text in _everything(catalogue) if all(word in text for word in wanted)]


def _everything(catalogue: dict[str, Any]) -> Iterator[tuple[Match, str]]:
    for paper in catalogue["papers"]:
        for s in paper["statements"]:
            match = Match("statement", f"{paper['key']}, {s['where']}", s["says"])
            yield match, _plain(f"{paper['key']} {s['where']} {s['says']} {s['finding']} {s['theory']} {s['status']}")
        for c in paper["claims"]:
            match = Match("claim", c["id"], c["statement"])
            yield match, _plain(f"{c['id']} {c['statement']} {c['source']} {c['regime']} {c['theory']}")
        for e in paper["experiments"]:
            match = Match("experiment", e["id"], e["title"])
            yield match, _plain(f"{e['id']} {e['title']} {e['question']} {' '.join(e['figures'])}")
        for theirs, ours, meaning in paper["symbols"]:
            match = Match("symbol", f"{paper['key']}, {theirs}", f"{ours}: {meaning}")
            yield match, _plain(f"{paper['key']} {theirs} {ours} {meaning}")


def _plain(text: str) -> str:
    """Lower case without accents and underscores, and Greek letters by name besides."""
    letters = unicodedata.normalize("NFKD", text)
    names = [unicodedata.name(c).split()[-1] for c in letters if "GREEK" in unicodedata.name(c, "")]
    return " ".join([letters, *names]).replace("_", " ").casefold()


def overview(catalogue: dict[str, Any]) -> list[str]:
    """Every paper in a few lines: how many statements have which status, claims, experiments with their cost."""
    lines: list[str] = []
    for paper in catalogue["papers"]:
        counts = Counter(s["status"] for s in paper["statements"])
        statuses = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        experiments = ", ".join(f"{e['id']} ({_cost(e['id'])})" for e in paper["experiments"])
        lines += [f"{paper['key']}: {len(paper['claims'])} claims, {len(paper['statements'])} statements ({statuses})"]
        lines += fill(experiments, WIDTH, initial_indent="  ", subsequent_indent="  ").splitlines()
    return lines


def _cost(experiment: str, preset: str = "standard", parts: int = 1) -> str:
    seconds = costs.estimate(experiment, preset)
    return costs.in_words(seconds and seconds / parts)


def shown(catalogue: dict[str, Any], name: str, out: Path) -> list[str]:
    """All that is known of an id: of each experiment and claim that has it, or of a paper."""
    lines: list[str] = []
    for paper in catalogue["papers"]:
        if paper["key"] == name:
            lines += _of_paper(paper)
        lines += [line for e in paper["experiments"] if e["id"] == name for line in _of_experiment(e, out)]
        lines += [line for c in paper["claims"] if c["id"] == name for line in _of_claim(paper, c, out)]
    return lines


def _of_paper(paper: dict[str, Any]) -> list[str]:
    lines = [paper["citation"], paper["url"]]
    for s in paper["statements"]:
        lines += [f"{s['where']}: {s['says']}", f"  {s['status']}: {s['finding']}"]
    return lines


def _of_experiment(experiment: dict[str, Any], out: Path) -> list[str]:
    name = experiment["id"]
    lines = [f"experiment {name}: {experiment['title']}", experiment["question"], f"code     {experiment['place']}"]
    for preset, parts in experiment["parts"].items():
        lines.append(f"{preset:8} {parts} parts, {_cost(name, preset)}, {_cost(name, preset, parts)} each")
    settings = ", ".join(flat("", experiment["presets"]["standard"]))
    lines.append(f"settings {settings}")
    result = out / f"{name}.nc"
    lines.append(f"result   {result}" if result.exists() else f"result   none in {out}: repro run {name}")
    return lines + [f"figure   {_figure(figure, out)}" for figure in experiment["figures"]]


def _of_claim(paper: dict[str, Any], claim: dict[str, Any], out: Path) -> list[str]:
    lines = [
        f"claim {claim['id']}: {claim['statement']}",
        f"source   {claim['source']}",
        f"regime   {claim['regime']}",
        f"formula  {claim['theory']}  ({claim['place']})",
        *(f"           {line}" for line in claim["formula"].splitlines()),
        f"measured {claim['by']}",
        f"verdict  {_verdict(claim['id'], out)}",
    ]
    if claim["figure"]:
        lines.append(f"figure   {_figure(claim['figure'], out)}")
    for s in paper["statements"]:
        if claim["id"] in s["claims"]:
            lines.append(f"rests    {s['where']}: {s['says']} ({s['status']})")
    return lines


def explained(catalogue: dict[str, Any], name: str) -> list[str]:
    """A claim in words: what it says, of what, how it is checked, and what the check must reject."""
    (claim,) = (c for paper in catalogue["papers"] for c in paper["claims"] if c["id"] == name)
    numbers = {key: _listed(value) for key, value in claim["tolerance"].items()}
    return [
        claim["statement"],
        f"Where: {claim['regime']}",
        f"It is from: {claim['source']}",
        f"One side is the formula {claim['theory']} ({claim['place']}).",
        f"The other is measured without it ({claim['by']}).",
        JUDGED[claim["kind"]].format(**numbers),
        "The same check must reject:",
        *(f"  - {wrong}" for wrong in claim["mutants"]),
        f"Check it yourself: repro check {name}",
    ]


def _listed(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _figure(figure: str, out: Path) -> str:
    path = out / "figures" / f"{figure}.png"
    return str(path) if path.exists() else f"{figure} (not drawn in {out})"


def _verdict(claim: str, out: Path) -> str:
    """The last verdict in a folder; whether today's code came to it, the page says."""
    try:
        record = json.loads((out / "claims" / f"{claim}.json").read_text("utf-8"))
        found = record["verdict"]
        return f"{'holds' if found['ok'] else 'FAILS'} at the {record['preset']} preset: {found['summary']}"
    except (OSError, ValueError, LookupError, TypeError):
        return f"none in {out}: repro check {claim}"


def flat(prefix: str, value: Any) -> Iterator[str]:
    """Settings by dotted name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "record":
                yield from flat(f"{prefix}.{name}" if prefix else name, inner)
    else:
        yield f"{prefix}={value}"
