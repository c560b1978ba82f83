"""The command line as a user meets it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from paper_repro import __main__ as cli
from paper_repro import catalogue, lookup, papers, reference
from paper_repro.baek2024.claims.gradients import CLOSED_FORM
from paper_repro.baek2024.claims.predicted_gradients import closed_form
from paper_repro.files import load
from spec.claims import Claim
from spec.rules import Sam


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def repro(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["repro", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, *capsys.readouterr())

    return call


def test_list_is_short_and_all_of_it_on_demand(repro) -> None:
    shown = repro("list").out
    assert len(shown.splitlines()) < 40
    assert all(e.id in shown for e in papers.experiments())
    everything = repro("list", "--all").out
    assert all(found.id in everything for found in (*papers.experiments(), *papers.claims()))


def test_list_of_one_shows_its_settings(repro) -> None:
    assert "training.eta=0.1" in repro("list", "baek2024.digits").out


def test_show_has_formula_place_figure_and_verdict(repro, tmp_path: Path) -> None:
    repro("check", "baek2024.robust_loss", "--preset", "smoke", "--out", tmp_path)
    shown = repro("show", "baek2024.robust_loss", "baek2024", "--out", tmp_path).out
    place = re.search(r"^formula  theory\.logistic\.regression\.robust_loss  \((\S+):(\d+)\)$", shown, re.M)
    assert place
    assert "def robust_loss" in (catalogue.ROOT / place[1]).read_text().splitlines()[int(place[2]) - 1]
    assert re.search(r"^verdict  holds at the smoke preset: relative error", shown, re.M)
    assert papers.PAPERS[0].citation in shown
    other = repro("show", "baek2024.lemma_3_1", "--out", tmp_path).out
    assert re.search(r"^figure   baek2024\.upweighting \(not drawn in ", other, re.M)
    assert "verdict  none in" in other


@pytest.mark.parametrize("claim", papers.claims(), ids=lambda c: c.id)
def test_every_claim_is_explained_in_words(claim: Claim) -> None:
    words = "\n".join(lookup.explained(catalogue.read(), claim.id))
    assert claim.statement in words
    assert all(mutant.wrong in words for mutant in claim.mutants)
    assert not re.search(r"{|}|None\b.*is the formula", words.replace(claim.statement, ""))


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        (("last", "layer", "shrinks"), "claim", "baek2024.last_layer_decay"),
        (("LEMMA", "3.1"), "statement", "baek2024, Lemma 3.1"),
        (("ablation", "digits"), "experiment", "baek2024.digits"),
        (("rho", "ascent"), "symbol", "baek2024, ρ"),
    ],
)
def test_words_find_statements_claims_experiments_and_symbols(words, kind, name) -> None:
    assert (kind, name) in {(m.kind, m.name) for m in lookup.find(catalogue.read(), words)}


def test_words_that_no_entry_has_are_a_sentence(repro) -> None:
    ended = repro("find", "nonsense", "rho")
    assert ended.code == 2
    assert ended.err.startswith("error: WORDS must all occur in one entry, got 'nonsense rho'")


def test_ids_complete() -> None:
    assert cli._completed("baek2024.lemma") == ["baek2024.lemma_3_1"]
    assert "baek2024" in cli._completed("")


def test_figures_are_exported_as_wide_as_asked(repro, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    repro("run", "baek2024.upweighting", "--preset", "smoke", "--out", "here")
    ended = repro("export", "baek2024.upweighting", "--format", "svg", "--width", "3.25", "--out", "here")
    assert ended.code == 0
    assert 'width="234pt"' in (tmp_path / "baek2024.upweighting.svg").read_text()
    assert repro("export", "baek2024.upweighting", "--out", "here").code == 0
    assert (tmp_path / "baek2024.upweighting.pdf").read_bytes().startswith(b"%PDF")
    repro("export", "baek2024.upweighting", "--format", "csv", "--out", "here")
    assert "simulated_amplification" in (tmp_path / "baek2024.upweighting.csv").read_text()
    assert "--out must hold a result of" in repro("export", "baek2024.upweighting", "--out", "there").err
    monkeypatch.setattr(reference, "ROOT", tmp_path / "nothing kept")
    assert "--kept must name a figure whose data" in repro("export", "baek2024.upweighting", "--kept").err


def test_results_are_compared_with_the_reference(repro, tmp_path: Path) -> None:
    repro("run", "luong2026.signal_memory", "--preset", "smoke", "--out", tmp_path)
    ended = repro("diff", "luong2026.signal_memory", "--out", tmp_path)
    assert ended.code == 1
    assert re.search(r"^  settings: .*steps", ended.out, re.M)
    assert " -> " in ended.out


def test_a_reader_that_stops_early_ends_the_list_without_a_word() -> None:
    command = f"{sys.executable} -m paper_repro list --all | head -1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""


def test_help_needs_no_manual(repro) -> None:
    for command in ("list", "find", "show", "explain", "run", "check", "report", "diff", "export", "all"):
        assert command in repro("--help").out
    shown = repro("run", "--help").out
    for option in ("--preset", "--seeds", "--out", "--resume", "--fresh", "--set", "--jobs"):
        assert option in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "baek2024.nothing"), ("paper or experiment", "baek2024.nothing", "did you mean")),
        (("check", "baek2024.nothing"), ("paper or claim", "baek2024.nothing", "did you mean")),
        (("list", "nothing"), ("ID", "nothing")),
        (("run", "baek2024.linear_toy", "--set", "rho=-1,0.1"), ("rho", "-1", "[0, inf)")),
        (("run", "baek2024.digits", "--set", "rho=-0.5"), ("rho", "-0.5", "[0, inf)")),
        (("run", "baek2024.linear_toy", "--set", "Delta=0.2,0.5"), ("Delta", "0.5", "[0, 0.5)")),
        (("run", "baek2024.clean_noisy_ratio", "--set", "Delta=0.7"), ("Delta", "0.7", "[0, 0.5)")),
        (("run", "baek2024.digits", "--set", "Delta=0.95"), ("Delta", "0.95", "1 - 1/classes = 0.9")),
        (("run", "baek2024.digits", "--set", "nonsense=1"), ("--set name", "nonsense")),
        (("run", "baek2024.digits", "--set", "eta"), ("NAME=VALUE", "eta")),
        (("run", "baek2024.digits", "--set", "eta=fast"), ("eta", "fast")),
        (("run", "baek2024.digits", "--set", "classes=0,11"), ("classes", "11")),
        (("run", "baek2024.digits", "--set", "n_train=1700"), ("n_train", "1700")),
        (("run", "baek2024.digits", "--set", "batch=0"), ("batch", "0", ">= 1")),
        (("run", "baek2024.digits", "--set", "name=mnist"), ("path", "mnist")),
        (("run", "--seeds", "1"), ("--seeds", "1", ">= 2")),
        (("run", "--preset", "huge"), ("--preset", "huge", "smoke")),
        (("run", "--jobs", "0"), ("--jobs", "0")),
    ],
)
def test_bad_input_is_one_sentence_code_2_and_nothing_written(repro, tmp_path: Path, arguments, words) -> None:
    out = () if arguments[0] == "list" else ("--out", tmp_path / "out")
    preset = () if arguments[0] != "run" or "--preset" in arguments else ("--preset", "smoke")
    ended = repro(*arguments, *out, *preset)
    assert ended.code == 2
    assert all(word in ended.err for word in words), ended.err
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") <= 2
    assert not list(tmp_path.rglob("*.nc"))
    assert not list(tmp_path.rglob("*.html"))


def test_an_output_folder_that_cannot_be_written(repro, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = repro("run", "baek2024.upweighting", "--preset", "smoke", "--out", tmp_path / "file")
    assert ended.code == 2
    assert "--out" in ended.err


def test_a_diverging_run_names_quantity_step_and_seed(repro, tmp_path: Path) -> None:
    diverging = ("--set", "training.eta=1e30", "--set", "rho=0.1")
    ended = repro("run", "baek2024.digits", "--preset", "smoke", "--jobs", "1", "--out", tmp_path, *diverging)
    assert ended.code == 2
    assert "gradient is not finite at step" in ended.err
    assert "seed=" in ended.err
    assert not list(tmp_path.rglob("baek2024.digits.nc"))


def test_runs_that_diverge_are_named_and_the_others_kept(repro, tmp_path: Path) -> None:
    ended = repro(
        "run", "baek2024.shrinkage", "--preset", "smoke", "--jobs", "1", "--out", tmp_path, "--set", "rho=0.1,1e30"
    )
    assert ended.code == 2
    assert re.search(r"gradient is not finite .*\(L-SAM, rho=1e\+30, digits, Delta=0.3, .*seed=\d+\)", ended.err)
    assert "rho=0.1," not in ended.err
    (folder,) = (tmp_path / "changed").iterdir()
    result = load(folder / "baek2024.shrinkage.nc")
    assert result.attrs["diverged"].splitlines()[0] in ended.err
    decay = result["measured_decay"]
    assert np.isfinite(decay.where(result["rho"] == 0.1, drop=True)).all()
    lost = (result["rho"] > 1) & (result["method"] == "L-SAM")
    assert not np.isfinite(decay.where(lost, drop=True).isel(epoch=-1)).any()
    assert (folder / "figures" / "baek2024.shrinkage.png").exists()
    assert "left the finite numbers" in (folder / "index.html").read_text()


def test_check_prints_both_sides_and_its_json_is_whole(repro, tmp_path: Path) -> None:
    shown = repro("check", "baek2024.closed_form", "--preset", "smoke", "--out", tmp_path)
    assert shown.code == 0
    for word in ("holds", "predicted", "measured", "power", "mutants rejected 5/5"):
        assert word in shown.out
    ended = repro("check", "baek2024.closed_form", "--preset", "smoke", "--out", tmp_path, "--json")
    (verdict,) = json.loads(ended.out)
    assert verdict["ok"]
    assert len(verdict["mutants"]) == 5


def test_check_ends_with_1_when_a_claim_fails(repro, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {
        **CLOSED_FORM.__dict__,
        "predicted": lambda c: closed_form(Sam, c, 1.5),
    }
    monkeypatch.setattr(papers, "chosen_claims", lambda ids: (type(CLOSED_FORM)(**broken),))
    ended = repro("check", "--preset", "smoke", "--out", tmp_path)
    assert ended.code == 1
    assert "FAILS" in ended.out


def test_seeds_and_settings_reach_the_result(repro, tmp_path: Path) -> None:
    chosen = ("--seeds", 3, "--set", "Delta=0.3", "--set", "rho=0.2", "--set", "epochs=8")
    ended = repro("run", "baek2024.linear_toy", "--preset", "smoke", "--jobs", "1", "--out", tmp_path, *chosen)
    assert ended.code == 0, ended.err
    (folder,) = (tmp_path / "changed").iterdir()
    result = load(folder / "baek2024.linear_toy.nc")
    assert result.sizes["seed"] == 3
    assert set(result["Delta"].values) == {0.3}
    assert result["epoch"].values[-1] == 8
    assert "page:" in ended.out


def test_report_of_an_empty_folder_says_what_was_not_run(repro, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path / "nothing kept")
    assert repro("report", "--out", tmp_path).code == 0
    assert "not checked yet" in (tmp_path / "index.html").read_text()
    page = (tmp_path / "baek2024.html").read_text()
    assert "Not run yet" in page
    assert "not checked" in page


def test_a_killed_run_continues_without_redoing_finished_parts(repro, tmp_path: Path) -> None:
    """kill -9 a real process in the middle, then run the same command again; the whole run is made in this process."""
    command = [sys.executable, "-m", "paper_repro", "run", "baek2024.linear_toy", "--preset", "smoke", "--jobs", "1"]
    command += ["--set", "rho=0.05,0.1,0.2,0.3,0.4", "--seeds", "4", "--out"]
    environment = {**os.environ, "COLUMNS": "200"}
    parts = tmp_path / "killed" / "parts" / "baek2024.linear_toy"
    process = subprocess.Popen([*command, str(tmp_path / "killed")], stdout=subprocess.PIPE, env=environment)
    deadline = time.monotonic() + 240
    while len(list(parts.glob("*.nc"))) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {p: p.stat().st_mtime_ns for p in parts.glob("*.nc")}
    assert 2 <= len(finished) < 7
    assert not list((tmp_path / "killed").rglob("baek2024.linear_toy.nc"))
    assert all(load(p)["clean_accuracy"].notnull().all() for p in finished)

    resumed = subprocess.run([*command, str(tmp_path / "killed")], capture_output=True, text=True, env=environment)
    assert resumed.returncode == 0, resumed.stderr
    assert f"{len(finished)} parts reused" in resumed.stdout
    assert all(p.stat().st_mtime_ns == when for p, when in finished.items())

    assert repro(*command[3:], tmp_path / "whole").code == 0
    killed, whole = (load(next((tmp_path / n).rglob("baek2024.linear_toy.nc"))) for n in ("killed", "whole"))
    assert killed.equals(whole)
