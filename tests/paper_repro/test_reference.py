"""Reference numbers: what is kept is what the tables said, and the page shows it with or without a fresh run."""

import json
import re
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from paper_repro import __main__ as cli
from paper_repro import keys, page, papers, reference, user_cache
from paper_repro.baek2024.experiments.formulas import UPWEIGHTING
from paper_repro.files import DamagedError, load, save
from paper_repro.settings import Written, adjusted, fitted
from spec.fields import Count, Finite, Grid
from spec.records import describe
from spec.validation import InputError
from tests.paper_repro.test_page import text_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Reference numbers of the smallest experiment, and the results that they are from."""
    folder = tmp_path_factory.mktemp("made")
    for arguments in (["run", UPWEIGHTING.id, "--preset", "smoke"], ["reference", UPWEIGHTING.id, "--force"]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reference, "ROOT", folder)
            patch.setattr(sys, "argv", ["repro", *arguments, "--out", str(folder / "results")])
            with pytest.raises(SystemExit):
                cli.main()
    return folder


@pytest.fixture
def kept(made, tmp_path, monkeypatch):
    """A copy of them, in a folder of its own."""
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "results"


def test_tables_and_command_are_kept(kept):
    content = reference.read(UPWEIGHTING.id)
    dataset = load(kept / f"{UPWEIGHTING.id}.nc")
    assert tuple(content["tables"]) == UPWEIGHTING.tables(dataset)
    assert content["command"] == f"repro run {UPWEIGHTING.id} --preset smoke"
    assert content["config"] == json.loads(dataset.attrs["config"])


def test_changed_settings_have_a_folder_and_a_page_of_their_own_and_are_part_of_the_command(kept, monkeypatch, capsys):
    before = (kept / f"{UPWEIGHTING.id}.nc").read_bytes()
    arguments = ["run", UPWEIGHTING.id, "--preset", "smoke", "--set", "d=7", "--out", str(kept)]
    monkeypatch.setattr(sys, "argv", ["repro", *arguments])
    with pytest.raises(SystemExit):
        cli.main()
    assert (kept / f"{UPWEIGHTING.id}.nc").read_bytes() == before
    (folder,) = (kept / "changed").iterdir()
    assert folder.name.startswith(f"{UPWEIGHTING.id}-")
    text = (folder / "index.html").read_text()
    assert "smoke, modified: d = 7" in text
    assert "Not run yet" not in text
    assert f"page: {folder.resolve() / 'index.html'}" in capsys.readouterr().out.replace("\n", "")
    assert f'href="changed/{folder.name}/index.html"' in (kept / "index.html").read_text()
    assert "modified" not in (kept / f"{UPWEIGHTING.id}.html").read_text()
    for target in re.findall(r'(?:href|src)="((?!http|data:|file:)[^"#]+)', text):
        assert (folder / target).exists(), target
    reference.keep(UPWEIGHTING, folder, force=True)
    assert reference.read(UPWEIGHTING.id)["command"].endswith(" --preset smoke --set d=7")


def test_only_full_results_by_the_present_code_are_kept(kept, capsys):
    before = reference.path(UPWEIGHTING.id).read_bytes()
    with pytest.raises(InputError, match=r"must come from the preset full \(or --force\), got smoke"):
        reference.keep(UPWEIGHTING, kept)
    assert reference.path(UPWEIGHTING.id).read_bytes() == before
    assert "not kept: nothing changed" in capsys.readouterr().err
    path = kept / f"{UPWEIGHTING.id}.nc"
    result = load(path)
    key = json.loads(result.attrs["key"])
    save(result.assign_attrs(preset="full"), path)
    assert reference.keep(UPWEIGHTING, kept) == ["nothing changed"]
    old = json.dumps(key | {"code": key["code"] | {"spec.seeds": "other"}})
    save(result.assign_attrs(preset="full", key=old), path)
    with pytest.raises(InputError, match="must come from the present code"):
        reference.keep(UPWEIGHTING, kept)


def test_data_are_kept_and_tables_come_from_them(kept):
    content, fresh = reference.read(UPWEIGHTING.id), load(kept / f"{UPWEIGHTING.id}.nc")
    assert content["state"] == reference.CURRENT
    xr.testing.assert_identical(content["data"]().drop_attrs(), fresh.drop_attrs())  # its table shows roundings
    file = reference.data_path(UPWEIGHTING.id)
    assert reference.check(UPWEIGHTING) == []
    data = load(file)
    save(data.assign(simulated_amplification=2 * data["simulated_amplification"]), file)
    changed = reference.check(UPWEIGHTING)
    assert changed
    assert all(" -> " in line for line in changed)


def test_what_data_say_is_made_once_for_each_state_of_data_and_code(kept, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept / "cache"))
    made = []
    monkeypatch.setattr(
        reference,
        "_said_by",
        lambda experiment, dataset, make=reference._said_by: made.append(experiment.id) or make(experiment, dataset),
    )

    def read_anew() -> list:
        reference._from_data.cache_clear()
        return reference.read(UPWEIGHTING.id)["tables"]

    before = read_anew()
    assert read_anew() == before
    assert len(made) == 1
    data = load(reference.data_path(UPWEIGHTING.id))
    save(data.assign(simulated_amplification=2 * data["simulated_amplification"]), reference.data_path(UPWEIGHTING.id))
    assert read_anew() != before
    assert len(made) == 2
    monkeypatch.setattr(keys, "of_tables", lambda experiment: {"edited": "code"})
    read_anew()
    assert len(made) == 3
    for file in (user_cache.folder() / "tables").iterdir():
        file.write_text("[1]")
    read_anew()
    assert len(made) == 4


def test_data_are_of_single_precision_where_no_table_changes(kept):
    fresh = load(kept / f"{UPWEIGHTING.id}.nc")
    coarse = replace(UPWEIGHTING, tables=lambda dataset: (f"{float(dataset.amplification.mean()):.3g}",))
    small = reference.compact(coarse, fresh)
    assert {v.dtype for v in small.data_vars.values()} == {np.dtype("float32")}
    assert small.attrs == fresh.attrs
    xr.testing.assert_allclose(small, fresh, rtol=1e-6)
    assert {v.dtype for v in reference.compact(UPWEIGHTING, fresh).data_vars.values()} == {np.dtype("float64")}


def test_data_by_other_code_and_tables_without_data_are_named(kept):
    file = reference.data_path(UPWEIGHTING.id)
    data = load(file)
    key = json.loads(data.attrs["key"])
    save(data.assign_attrs(key=json.dumps(key | {"code": key["code"] | {"spec.seeds": "other"}})), file)
    assert reference.check(UPWEIGHTING) == [reference.OTHER_CODE]
    file.unlink()
    assert reference.check(UPWEIGHTING) == [reference.TABLES_ONLY]
    assert reference.TABLES_ONLY in text_of(page.write(papers.PAPERS[:1], kept))


def test_what_changes_is_said_cell_by_cell(kept):
    file = reference.path(UPWEIGHTING.id)
    content = json.loads(file.read_text())
    caption, row = content["tables"][0]["caption"], content["tables"][0]["rows"][0]
    new, row[1] = row[1], "other"
    file.write_text(json.dumps(content))
    (line,) = reference.keep(UPWEIGHTING, kept, force=True)
    assert line.startswith(f"{caption}, row 1 ({row[0]}), ")
    assert line.endswith(f": other -> {new}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("problem.n_train", "170"),
        ("training.eta", "0.07"),
        ("rho", "0.1,0.3"),
        ("network", "Linear(0.5)"),
        ("seeds", "5"),
    ],
)
def test_a_change_is_named_as_the_command_line_takes_it(name, text):
    (experiment,) = papers.chosen_experiments(["baek2024.digits"])
    usual = experiment.config["smoke"]
    config = adjusted(usual, {name: Written(text)})
    attrs = {"preset": "smoke", "config": json.dumps(describe(config))}
    ((found, value),) = reference.changed(experiment, xr.Dataset(attrs=attrs)).items()
    assert found == name
    assert adjusted(usual, {found: Written(value)}) == config


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"tables": [1]}', '{"tables": []}'])
def test_a_damaged_file_is_said_and_stops_no_page(kept, text, capsys):
    reference.path(UPWEIGHTING.id).write_text(text)
    with pytest.raises(DamagedError):
        reference.read(UPWEIGHTING.id)
    assert "Reference numbers" not in text_of(page.write(papers.PAPERS[:1], kept))
    assert reference.path(UPWEIGHTING.id).name in capsys.readouterr().err


def test_a_result_of_another_version_is_no_source(kept):
    path = kept / f"{UPWEIGHTING.id}.nc"
    save(load(path).drop_attrs(), path)
    with pytest.raises(InputError, match="must be a result of this version"):
        reference.keep(UPWEIGHTING, kept, force=True)


@pytest.mark.parametrize(
    ("value", "declared"),
    [([0.1, 0.3], Grid[Finite]), (["+ margin, ball", "SAM"], Grid[str]), (["SAM"], Grid[str]), (7, Count), ("a", str)],
)
def test_the_command_line_reads_settings_back(value, declared):
    expected = tuple(value) if isinstance(value, list) else value
    assert fitted(cli._parse([f"name={reference._literal(value)}"])["name"], declared) == expected


def test_the_page_shows_them(kept):
    command = reference.read(UPWEIGHTING.id)["command"]
    assert f"<code>{command}</code>" in text_of(page.write(papers.PAPERS[:1], kept))
    empty = kept.parent / "empty"
    assert f"<code>{command}</code>" in text_of(page.write(papers.PAPERS[:1], empty))


def test_without_a_result_there_is_nothing_to_keep(tmp_path):
    with pytest.raises(InputError, match=r"--out must hold a result of baek2024.upweighting \(run it first\)"):
        reference.keep(UPWEIGHTING, tmp_path)


def test_committed_numbers_name_experiments_that_exist():
    known = {e.id for e in papers.experiments()}
    files = sorted((reference.ROOT / "paper_repro").glob("*/reference/*.json"))
    assert {f"{file.parent.parent.name}.{file.stem}" for file in files} <= known
    for file in files:
        content = reference.read(f"{file.parent.parent.name}.{file.stem}")
        assert content["command"].startswith("repro run ")
        assert all(len(row) == len(table.head) for table in content["tables"] for row in table.rows)
