"""The catalogue says what the papers say, is made again when a source changes, and needs nothing that computes."""

import json
import subprocess
import sys

import pytest

from paper_repro import catalogue, papers
from spec.validation import InputError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_it_holds_every_paper_experiment_and_claim():
    content = catalogue.read()
    assert catalogue.known(content, catalogue.EXPERIMENT) == [e.id for e in papers.experiments()]
    assert catalogue.known(content, catalogue.CLAIM) == [c.id for c in papers.claims()]
    assert catalogue.known(content, catalogue.PAPER) == [p.key for p in papers.PAPERS]


def test_it_is_read_from_the_cache_until_a_source_changes(monkeypatch):
    first = catalogue.read()
    monkeypatch.setattr(catalogue, "_papers", list)
    assert catalogue.read() == first
    monkeypatch.setattr(catalogue, "_state", lambda: "another")
    assert catalogue.read()["papers"] == []


@pytest.mark.parametrize("content", ["", "[]", "{", '{"state": 1}', "\0\0"])
def test_a_damaged_cache_is_made_again(tmp_path, content):
    kept = tmp_path / "sharpness-under-label-noise" / "catalogue.json"
    kept.parent.mkdir()
    kept.write_text(content)
    assert len(catalogue.read()["papers"]) == len(papers.PAPERS)
    assert json.loads(kept.read_text())["papers"]


def test_a_cache_that_cannot_be_written_is_none(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(catalogue.read()["papers"]) == len(papers.PAPERS)


@pytest.mark.parametrize(
    ("given", "hint"),
    [("baek2024.digit", "baek2024.digits"), ("lemma_3_1", "baek2024.lemma_3_1"), ("??", "repro list")],
)
def test_a_misspelt_id_is_answered_with_what_comes_close(given, hint):
    with pytest.raises(InputError, match=hint):
        catalogue.require_known([given])


def test_a_claim_is_no_experiment():
    with pytest.raises(InputError, match=r"ID must be that of a paper or experiment, got 'baek2024\.lemma_3_1'"):
        catalogue.require_known(["baek2024.lemma_3_1"], catalogue.PAPER, catalogue.EXPERIMENT)


def test_a_folder_of_the_users_with_the_name_of_ours_is_said(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "__init__.py").write_text("")
    program = f"import sys; sys.path.append({str(catalogue.ROOT)!r}); import paper_repro"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    said = found.stderr.splitlines()[-1]
    assert said.startswith(f"ImportError: 'figures' must be this package's own folder, got {tmp_path}")


QUICK = [
    ["--help"],
    ["--version"],
    ["list"],
    ["list", "baek2024.digits"],
    ["show", "baek2024.lemma_3_1"],
    ["explain", "baek2024.lemma_3_1"],
    ["find", "rho"],
    ["list", "nonsense"],
    ["run", "baek2024.digit"],
    ["run", "--preset", "huge"],
    ["run", "--set", "Delta"],
    ["check", "baek2024.digits", "--jobs", "0"],
]


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_what_computes_nothing_imports_nothing_that_computes(arguments):
    catalogue.read()
    program = f"""
import sys
from paper_repro.__main__ import main
sys.argv = ["repro", *{arguments!r}]
try:
    main()
except SystemExit as ended:
    assert ended.code in (0, 2), ended.code
print(sorted({{'jax', 'scipy', 'matplotlib', 'xarray', 'sympy', 'sklearn'}} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
