"""The page shows what is there, says by name what is not usable, and stops for none of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paper_repro import files, keys, page, papers, reference, verdicts
from paper_repro.baek2024.experiments.formulas import UPWEIGHTING, upweighting
from paper_repro.checking import check
from paper_repro.store import Store
from paper_repro.zhang2025.claims.regrowth import REGRET
from spec.claims import MutantVerdict, Verdict
from spec.validation import InputError

(CLAIM, OTHER) = [claim for claim in papers.claims() if claim.id in ("baek2024.closed_form", "baek2024.lemma_3_1")]
GOOD = Verdict(
    claim="", ok=True, worst=0.5, threshold=1.0, predicted=1.0, measured=np.inf, power=2.0, summary="within bounds",
    mutants=(MutantVerdict("wrong", True, 2.0),),
)  # fmt: skip
PAPERS = papers.PAPERS[:1]


def write(out: Path) -> str:
    return text_of(page.write(PAPERS, out))


def text_of(index: Path) -> str:
    """All pages in one."""
    return "\n".join(path.read_text() for path in (index, *sorted(index.parent.glob("*20*.html"))))


def keep(out: Path, claim=CLAIM, **changes) -> Path:
    verdicts.write(out, claim, replace(GOOD, claim=claim.id, **changes), "smoke", keys.of_claim(claim))
    return verdicts.path(out, claim)


@cache
def _computed(config) -> xr.Dataset:
    return upweighting(config)


def result(out: Path) -> Path:
    config = replace(UPWEIGHTING.config["smoke"], points=3)
    key = keys.of_result(UPWEIGHTING, config)
    store = Store(out, UPWEIGHTING.id, executor=ThreadPoolExecutor(1))
    store.finish(_computed(config), "smoke", key)
    return store.result


def test_a_result_of_the_present_code_is_not_flagged(tmp_path: Path) -> None:
    result(tmp_path)
    text = write(tmp_path)
    assert "Settings and provenance" in text
    assert "These numbers were computed by other code" not in text


@pytest.mark.parametrize("name", ["sims.rules", "theory.ntk", "spec.seeds", "paper_repro/xu2026/fig1.json"])
def test_a_result_of_other_code_is_flagged(tmp_path: Path, name: str) -> None:
    path = result(tmp_path)
    dataset = files.load(path)
    key = json.loads(dataset.attrs["key"])
    files.save(dataset.assign_attrs(key=keys.text(key | {"code": key["code"] | {name: "other"}})), path)
    assert "These numbers were computed by other code" in write(tmp_path)


def test_a_result_of_other_data_files_is_flagged(tmp_path: Path) -> None:
    path, used = result(tmp_path), tmp_path / "images"
    used.write_text("now")
    dataset = files.load(path)
    key = json.loads(dataset.attrs["key"]) | {"data": {str(used): "other"}}
    files.save(dataset.assign_attrs(key=keys.text(key)), path)
    assert "from other data files" in write(tmp_path)
    used.unlink()  # gone: nothing can be said
    assert "from other data files" not in write(tmp_path)


def old(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.drop_attrs()


def lacking(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.drop_vars(list(dataset.data_vars))


@pytest.mark.parametrize("change", [old, lacking])
def test_a_result_of_another_version_is_flagged_and_the_page_goes_on(tmp_path: Path, change) -> None:
    path = result(tmp_path)
    changed = change(files.load(path))
    changed.to_netcdf(path, engine="h5netcdf") if not changed.attrs else files.save(changed, path)
    keep(tmp_path)
    text = write(tmp_path)
    assert f"{path.name} is not a result of this version" in text
    assert "1 of 1 checked claims hold" in text
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"foreign", None])
def test_a_damaged_result_is_named_and_set_aside(tmp_path: Path, content: bytes | None, capsys, monkeypatch) -> None:
    path = result(tmp_path)
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    text = write(tmp_path)
    assert f"{path.name} is" in text
    assert "set aside" in capsys.readouterr().err
    assert path.with_name(path.name + ".damaged").exists()
    monkeypatch.setattr(reference, "ROOT", tmp_path / "nothing kept")
    assert "Not run yet" in write(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text("[1, 2]"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: path.write_text(path.read_text()[:-10]),
        lambda path: path.write_text(path.read_text().replace('"ok": true', '"ok": false')),
        lambda path: path.write_text(path.read_text().replace("0.5", "0.4")),
        lambda path: path.write_bytes(verdicts.path(path.parent.parent, OTHER).read_bytes()),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_damaged_or_foreign_verdict_is_named_and_not_counted(tmp_path: Path, damage, capsys) -> None:
    keep(tmp_path, OTHER)
    path = keep(tmp_path)
    assert "2 of 2 checked claims hold" in write(tmp_path)
    damage(path)
    assert "1 of 1 checked claims hold" in write(tmp_path)
    assert path.name in capsys.readouterr().err


def test_unknown_claims_are_not_counted_and_failing_ones_are(tmp_path: Path) -> None:
    keep(tmp_path, ok=False)
    (tmp_path / "claims" / "baek2024.nothing.json").write_bytes(keep(tmp_path, OTHER).read_bytes())
    assert "1 of 2 checked claims hold" in write(tmp_path)


def test_a_verdict_by_other_code_is_flagged(tmp_path: Path) -> None:
    keep(tmp_path)
    assert "checked by other code" not in write(tmp_path)
    code = keys.of_claim(CLAIM) | {"paper_repro.checking": "other"}
    verdicts.write(tmp_path, CLAIM, replace(GOOD, claim=CLAIM.id), "smoke", code)
    assert "1 of them were checked by other code" in write(tmp_path)


def test_a_real_verdict_survives_being_written(tmp_path: Path) -> None:
    verdict = check(CLAIM, "smoke")
    verdicts.write(tmp_path, CLAIM, verdict, "smoke", keys.of_claim(CLAIM))
    (record,) = verdicts.read_all(tmp_path, [CLAIM, OTHER, REGRET]).values()
    assert record["verdict"]["ok"] == verdict.ok
    assert record["verdict"]["measured"] == verdict.measured
    assert not record["stale"]


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(InputError, match=r"index\.html"):
        write(tmp_path)
