"""`make mutants`: applies every slip of slips.toml to a copy of the tree, and fails if one turns no test red.

`python -m tests.mutants TEXT` takes the slips whose file or description has the text, `--jobs N` does N side by side.
First the tests that the slips name are run without any slip: a test that is red anyway says nothing. `--keep FILE` adds
a line to FILE for every slip, and leaves out those that are red there; `outcomes.jsonl` beside this module is the kept
one.
"""

import argparse
import compileall
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.mutants.forked import GREEN, HANGS, RED, Run, prepare
from tests.mutants.slips import FILE, ROOT, Applied, Slip, copy_tree, load, occurrences

KEPT = FILE.with_name("outcomes.jsonl")
VERDICTS = {RED: "red", GREEN: "SURVIVES", HANGS: "HANGS"}


class Outcome(NamedTuple):
    """verdict: 'red' as it should be; 'SURVIVES', 'HANGS'; 'LOST': text not found once, or tests that cannot run."""

    slip: Slip
    verdict: str
    seconds: float
    says: str


def run(slips: Sequence[Slip], root: Path, jobs: int) -> Iterator[Outcome]:
    """What becomes of every slip, in `jobs` copies of the tree. Raises SystemExit where tests are red without one."""
    with tempfile.TemporaryDirectory() as folder:
        first = copy_tree(root, Path(folder) / "tree0")
        compileall.compile_dir(first, quiet=2, workers=jobs)
        trees = [first, *(copy_tree(first, Path(folder) / f"tree{k}") for k in range(1, jobs))]
        _require_green(dict.fromkeys(test for slip in slips for test in slip.tests), trees)
        yield from _outcomes(slips, trees)


def _require_green(tests: dict[str, None], trees: Sequence[Path]) -> None:
    """All tests without any slip, shared out among the trees."""
    shares = [list(tests)[k :: len(trees)] for k in range(len(trees))]
    runs = [Run(t, s, t.with_suffix(".log")) for t, s in zip(trees, shares, strict=True) if s]
    for one in runs:
        one.process.join()
    red = [one.says() for one in runs if one.code() != GREEN]
    if red:
        raise SystemExit("\n".join([*red, "without any slip the tests must be green"]))


def _outcomes(slips: Sequence[Slip], trees: Sequence[Path]) -> Iterator[Outcome]:
    waiting, free, running = list(slips), list(trees), dict[Path, tuple[Slip, Applied, Run]]()
    while waiting or running:
        while waiting and free:
            slip, tree = waiting.pop(0), free.pop()
            if (found := occurrences(slip, tree)) != 1:
                yield Outcome(slip, "LOST", 0.0, f"the text to change occurs {found} times")
                free.append(tree)
                continue
            running[tree] = slip, Applied(slip, tree), Run(tree, slip.tests, tree.with_suffix(".log"))
        time.sleep(0.02)
        for tree, (slip, applied, one) in list(running.items()):
            if (code := one.code()) is not None:
                del running[tree]
                applied.undo()
                free.append(tree)
                verdict = VERDICTS.get(code, "LOST")
                last = (one.says().strip().splitlines() or [""])[-1]
                yield Outcome(slip, verdict, one.seconds, "" if verdict == "red" else last)


def kept(file: Path | None) -> dict[Slip, dict[str, Any]]:
    """The last that a file of outcomes has of every slip: verdict, seconds, date, machine; first: the first verdict."""
    found = dict[Slip, dict[str, Any]]()
    for one in map(json.loads, file.read_text().splitlines() if file and file.exists() else []):
        *texts, tests = one.pop("slip")
        slip = Slip(*texts, tests=tuple(tests))
        found[slip] = one | {"first": found.get(slip, {}).get("first", one["verdict"])}
    return found


def line(outcome: Outcome) -> str:
    """What is kept of an outcome."""
    about = {
        "verdict": outcome.verdict,
        "seconds": round(outcome.seconds, 1),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} CPU cores, Python {platform.python_version()}",
    }
    return json.dumps({"slip": outcome.slip} | about)


def main(arguments: Sequence[str], *, file: Path = FILE, root: Path = ROOT) -> int:
    """0 when every slip turns a test red, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("text", nargs="?", default="", help="only slips whose file or description has this text")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="copies side by side")
    parser.add_argument("--keep", type=Path, help="a file of outcomes, to add to and to go on from")
    options = parser.parse_args(arguments)
    slips = [slip for slip in load(file) if options.text in f"{slip.file} {slip.what}"]
    done = {slip for slip, one in kept(options.keep).items() if one["verdict"] == "red"}.intersection(slips)
    slips = [slip for slip in slips if slip not in done]
    start, bad = time.perf_counter(), []
    prepare()
    for k, outcome in enumerate(run(slips, root, options.jobs), start=1):
        head = f"{k:3}/{len(slips)} {outcome.verdict:8} {outcome.seconds:5.1f} s  {outcome.slip.file}: "
        print(head + f"{outcome.slip.what} {outcome.says}".rstrip(), flush=True)
        bad += [outcome] if outcome.verdict != "red" else []
        if options.keep:
            with options.keep.open("a") as out:
                print(line(outcome), file=out)
    minutes, files = (time.perf_counter() - start) / 60, len({slip.file for slip in slips})
    print(f"{len(slips)} slips in {files} files: {len(slips) - len(bad)} turn a test red ({minutes:.1f} min)")
    for outcome in bad:
        print(f"{outcome.verdict}: {outcome.slip.file}: {outcome.slip.what} {outcome.says}")
    return 1 if bad or not (done or slips) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
