"""What is kept of results and verdicts is what was found, or is refused."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from paper_repro import (
    cluster,
    costs,
    evidence,
    files,
    keys,
    page,
    papers,
    reference,
    user_cache,
    verdicts,
    workflow,
)
from paper_repro.explore import InMemory
from paper_repro.luong2026.experiments import toy
from spec.claims import Claim, MutantVerdict, Verdict
from spec.validation import InputError

FIRST, SECOND = papers.claims()[:2]


def verdict(claim: Claim, *, ok: bool = True) -> Verdict:
    """A made-up one."""
    mutants = (MutantVerdict("wrong", True, 3.0),)
    return Verdict(claim.id, ok, 0.5, 1.0, predicted=1.0, measured=1.0, power=3.0, mutants=mutants, summary="made up")


def test_a_changed_byte_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    values = np.arange(1000.0)
    files.save(xr.Dataset({"a": ("seed", values)}), path)
    content = path.read_bytes()
    at = content.index(values[500:503].tobytes())
    path.write_bytes(content[:at] + np.array([-1.0]).tobytes() + content[at + 8 :])
    with pytest.raises(files.DamagedError, match="checksum"):
        files.load(path)


def test_verdicts_are_those_of_their_claim_by_the_present_code(tmp_path: Path) -> None:
    verdicts.write(tmp_path, FIRST, verdict(FIRST), "smoke", keys.of_claim(FIRST))
    verdicts.write(tmp_path, SECOND, verdict(SECOND), "smoke", {"paper_repro.checking": "another"})
    found = verdicts.read_all(tmp_path, [FIRST, SECOND])
    assert {name: record["stale"] for name, record in found.items()} == {FIRST.id: False, SECOND.id: True}
    verdicts.path(tmp_path, SECOND).write_bytes(verdicts.path(tmp_path, FIRST).read_bytes())
    assert set(verdicts.read_all(tmp_path, [FIRST, SECOND])) == {FIRST.id}
    assert not verdicts.path(tmp_path, SECOND).exists()


@pytest.mark.parametrize("holds", [(True, True), (True, False), (False, True), (False, False)])
def test_a_check_passes_when_every_claim_holds(holds: tuple[bool, bool], tmp_path: Path, monkeypatch) -> None:
    made_up = dict(zip((FIRST.id, SECOND.id), holds, strict=True))
    monkeypatch.setattr(workflow, "check_claim", lambda claim, preset: verdict(claim, ok=made_up[claim.id]))
    with ThreadPoolExecutor(1) as executor:
        passed = workflow.check((FIRST, SECOND), "smoke", tmp_path, executor=executor, as_json=True)
    assert passed == all(holds)
    paper = replace(papers.PAPERS[0], experiments=(), claims=(FIRST, SECOND))
    assert f"{sum(holds)} of 2 checked claims hold" in page.write([paper], tmp_path).read_text()


def test_the_key_of_a_part_has_the_code_of_its_function_and_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "of_data", lambda record: {"images": f"digest for {record}"})
    key = keys.of_part(toy.toy, 3.0)
    assert key["data"] == {"images": "digest for 3.0"}
    assert {toy.__name__, "sims.train", "spec.rules.wrappers"} <= set(key["code"])


@pytest.mark.parametrize("preset", ["smoke", "standard"])
def test_reference_numbers_come_from_full_runs_alone(preset: str) -> None:
    with pytest.raises(InputError, match=f"must come from the preset full .*, got {preset}"):
        reference._require_worthy(papers.experiments()[0], xr.Dataset(attrs={"preset": preset}))


@dataclass(frozen=True)
class Unit:
    value: float


def test_results_in_memory_come_in_the_order_of_their_units() -> None:
    results = InMemory().map(lambda unit: xr.Dataset({"a": unit.value}), [Unit(1.0), Unit(2.0)])
    assert [float(one["a"]) for one in results] == [1.0, 2.0]


# ---------------------------------------------------------------- small parts of the front


def test_a_papers_key_stands_for_all_of_its_experiments_and_claims() -> None:
    for paper in papers.PAPERS:
        assert papers.chosen_experiments([paper.key]) == paper.experiments
        assert papers.chosen_claims([paper.key]) == paper.claims


def test_times_are_told_in_their_unit() -> None:
    assert [costs.in_words(s) for s in (89, 600, 7200)] == ["89 s", "10 min", "2.0 h"]


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache.folder() == tmp_path / "sharpness-under-label-noise"


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def client(*arguments: object, **options: object) -> None:
        raise OSError("nobody there")

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=client))
    with (
        pytest.raises(InputError, match="address of a Dask scheduler, got 'tcp://nowhere:1'"),
        cluster.executor("tcp://nowhere:1"),
    ):
        pass


def test_a_statement_counts_the_claims_that_hold() -> None:
    known = {FIRST.id: {"verdict": {"ok": True}}, SECOND.id: {"verdict": {"ok": False}}}
    assert evidence._words([FIRST, SECOND], None, known).endswith(", 1 of 2 checked hold")
