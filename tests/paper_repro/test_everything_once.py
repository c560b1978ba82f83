"""`repro all` at the smoke preset: every experiment, every figure, every claim, the page. Run once for the module."""

import json
import re
import sys
from pathlib import Path

import broken
import numpy as np
import pytest

from figures import style
from paper_repro import __main__ as cli
from paper_repro import checking, costs, papers
from paper_repro.files import load
from paper_repro.registry import Experiment
from spec.claims import Claim
from tests.figures.same_looks import checked

TRIALS: dict[str, checking.Trial] = {}  # of every claim that `out` checked
TRIAL = checking.trial


def _kept_trial(claim: Claim, preset: str) -> checking.Trial:
    TRIALS[claim.id] = TRIAL(claim, preset)
    return TRIALS[claim.id]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["repro", "all", "--preset", "smoke", "--jobs", "1", "--out", str(folder)])
        patch.setattr(checking, "trial", _kept_trial)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 0
    return folder


@pytest.mark.parametrize("experiment", papers.experiments(), ids=lambda e: e.id)
def test_every_result_is_finite_and_labelled(out: Path, experiment: Experiment) -> None:
    result = load(out / f"{experiment.id}.nc")
    numbers = [v for v in result.data_vars.values() if np.issubdtype(v.dtype, np.number)]
    assert numbers
    assert all(np.isfinite(v).all() for v in numbers)
    assert result.attrs["preset"] == "smoke"


@pytest.mark.parametrize("claim", papers.claims(), ids=lambda c: c.id)
def test_claim_holds_and_rejects_its_mutants(out: Path, claim: Claim) -> None:
    verdict = json.loads((out / "claims" / f"{claim.id}.json").read_text())["verdict"]
    assert [m["wrong"] for m in verdict["mutants"] if not m["rejected"]] == []
    assert len(verdict["mutants"]) >= len(claim.mutants) >= 1
    assert float(verdict["worst"]) <= float(verdict["threshold"])
    assert verdict["ok"]


@pytest.mark.parametrize("claim", papers.claims(), ids=lambda c: c.id)
def test_claim_turns_red_when_the_formula_it_names_is_wrong(out: Path, claim: Claim) -> None:
    """Turned, or else one per cent up: a bound is not missed where it becomes looser."""
    at = TRIALS[claim.id]
    assert broken.accepted(claim, at)
    assert any(broken.red(claim, at, way) for way in broken.WAYS)


@pytest.mark.parametrize("experiment", papers.experiments(), ids=lambda e: e.id)
def test_figures_are_drawn_deterministically_and_rules_look_as_ever(
    out: Path, experiment: Experiment, tmp_path: Path
) -> None:
    result = load(out / f"{experiment.id}.nc")
    for figure in experiment.figures:
        again = style.save(lambda dataset, draw=figure.draw: checked(draw(dataset)), result, tmp_path / figure.id)
        assert again == (out / "figures" / f"{figure.id}.png").read_bytes()
        assert (tmp_path / f"{figure.id}.svg").read_bytes() == (out / "figures" / f"{figure.id}.svg").read_bytes()


@pytest.mark.parametrize("experiment", papers.experiments(), ids=lambda e: e.id)
def test_tables_have_a_cell_for_every_head(out: Path, experiment: Experiment) -> None:
    for table in experiment.tables(load(out / f"{experiment.id}.nc")):
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.head)}


@pytest.mark.parametrize("experiment", papers.experiments(), ids=lambda e: e.id)
def test_every_preset_has_an_estimate(experiment: Experiment) -> None:
    assert set(experiment.config) == {"smoke", "standard", "full"}
    assert all((costs.estimate(experiment.id, preset) or 0) > 0 for preset in experiment.config)


def test_the_pages_have_everything_and_no_dead_links(out: Path) -> None:
    pages = {path.name: path.read_text() for path in out.glob("*.html")}
    names = [*(paper.key for paper in papers.PAPERS), *(experiment.id for experiment in papers.experiments())]
    assert set(pages) == {"index.html", "explorer.html", *(f"{name}.html" for name in names)}
    assert all(len(page) < 3_000_000 for page in pages.values())
    text = "".join(pages.values())
    assert all(f'src="figures/{f.id}.png"' in text for e in papers.experiments() for f in e.figures)
    assert f"{len(papers.claims())} of {len(papers.claims())} checked claims hold" in text
    anchors = {name: set(re.findall(r'id="([^"]+)"', page)) for name, page in pages.items()}
    for name, page in pages.items():
        for target in re.findall(r'(?:href|src)="((?!http|data:)[^"]+)"', page):
            file, _, anchor = target.partition("#")
            place = Path(file.removeprefix("file://")) if file.startswith("file:") else out / (file or name)
            assert place.exists(), target
            assert not anchor or anchor in anchors[file or name], target


def test_the_page_flags_results_of_other_code(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paper_repro import drawing, keys, page

    monkeypatch.setattr(drawing, "kept", lambda *_: None)  # else all would be drawn anew
    monkeypatch.setattr(keys.SOURCE, "of", lambda *modules: dict.fromkeys(modules, "changed since"))
    page.write(papers.PAPERS, out)
    text = "".join(path.read_text() for path in out.glob("*.html"))
    assert "These numbers were computed by other code" in text
    assert "by other code" in text


def test_exact_and_sampled_test_accuracy_agree_along_training(out: Path) -> None:
    """Theory's accuracy of the simulated weights against the sampled test set, within its binomial error."""
    toy = load(out / "baek2024.linear_toy.nc")
    gap = (toy["test_accuracy"] - toy["exact_test_accuracy"]).isel(epoch=-1).values.ravel()
    assert np.abs(gap).max() < 5 * np.sqrt(0.25 / 1000)
