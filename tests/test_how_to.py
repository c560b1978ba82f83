"""The steps of the tutorial and of docs/how_to_*.md, made on a copy of the project: what they promise is then there.

The page on rules has a test of its own (test_how_to_rule.py), which runs the contract suite.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOW_TO = {"claim": 3, "architecture": 2, "data_set": 2, "figure": 2, "experiment": 2, "paper": 2}
ELSEWHERE = (
    "rule",
    "cluster",
)  # test_how_to_rule.py; evidence/test_dask.py computes on workers
EDITS = {"tutorial": 4} | {f"how_to_{page}": count for page, count in HOW_TO.items()}
Step = tuple[str, str]

PROMISED = """
import dataclasses
import sys

import jax
import numpy as np
import xarray as xr

jax.config.update("jax_enable_x64", True)
from figures.logistic import bounds
from paper_repro import papers
from paper_repro.baek2024.experiments import step_sizes
from paper_repro.checking import check
from paper_repro.explore import explore
from sims import objectives, rules, simulate
from sims.models import networks
from spec.networks import Skip
from spec.observables import Accuracies
from spec.problems import RealData
from spec.rules import Sam
from spec.runs import TrainingRun
from spec.training import Training

verdict = check({c.id: c for c in papers.claims()}["baek2024.longest_gradient"], "smoke")
assert verdict.ok, verdict
assert any("baek2024.longest_gradient" in s.claims for p in papers.PAPERS for s in p.statements)

data, training = RealData("stripes", n_train=40, n_validation=20), Training(eta=0.1, epochs=1, batch=20)
run = TrainingRun(Sam(0.1), data, Skip(), training, (Accuracies(),), seeds=(0, 1))
assert np.isfinite(simulate(run)["test_accuracy"]).all()
model = networks.build(Skip(), 4, 3)
params = model.init(jax.random.key(0), np.float64)
batch = objectives.Batch(jax.random.normal(jax.random.key(1), (5, 4)), np.array([0, 1, 2, 0, 1]))
models = (model, model._replace(factored=False))
by_factors, plainly = (
    rules.gradient(Sam(0.1), (), objectives.Objective(m, objectives.cross_entropy), params, batch)[0] for m in models
)
for name in params:
    np.testing.assert_allclose(by_factors[name], plainly[name], rtol=1e-9, atol=1e-12)

(upweighting,) = papers.chosen_experiments(["baek2024.upweighting"])
assert "baek2024.amplification_bounds" in [f.id for f in upweighting.figures]
assert bounds(explore("baek2024.upweighting", "smoke")).axes[0].lines
assert papers.PAPERS[0].key == "doe2027"

verdict = check(papers.claims()[0], "smoke")
assert verdict.claim == "mine.first_step"
assert verdict.ok, verdict
first = papers.PAPERS[1].experiments[0]
assert first.figures[0].draw(explore("mine.first_step", "smoke", C=(0.0, 1.0))).axes[0].lines

two = explore("baek2024.step_sizes", "smoke", eta=(0.1,))
assert two["gain"].shape == (1, 2)
made_up = xr.Dataset(
    {"test_accuracy": (("run", "seed", "epoch"), [[[0.5, 0.8, 0.6]], [[0.5, 0.7, 0.9]]])},
    coords={"method": ("run", ["SGD", "1-SAM"]), "eta": ("run", [0.1, 0.1])},
)
np.testing.assert_allclose(step_sizes.readings(made_up)["gain"], [[0.1]])
print("kept")
"""


def steps(page: str) -> list[Step]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    return [(path, step) for path, step in re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.S)]


def edited(text: str, step: str) -> str:
    """A file after a step: a line `NAME = ...` takes the place of the one there is, and what stands in a bracket that
    the step leaves open goes to the beginning of that one. What is imported goes before the file's first import then,
    and all else before the bracket, or to the end of the file.
    """
    lines = step.splitlines(keepends=True)
    for line in lines:
        name = re.match(r"([A-Z]\w*(?:: .*)?) = .*[^(\[{]\n", line)
        if name and (there := re.search(rf"^{re.escape(name[1])} = .*\n", text, re.M)):
            return text.replace(there[0], step)
    opening = left_open(lines)
    if opening is None:
        return f"{text}\n\n{step}"
    before, _, inside = step.partition(opening)
    assert f"\n{opening}" in text
    imports = "".join(line for line in before.splitlines(keepends=True) if line.startswith("from "))
    text, before = text.replace("\nfrom ", f"\n{imports}from ", 1), before.removeprefix(imports).lstrip("\n")
    return text.replace(f"\n{opening}", f"\n{before}{opening}{inside}", 1)


def left_open(lines: list[str]) -> str | None:
    """The line with a bracket that no line closes."""
    stack: list[str] = []
    for line in lines:
        for letter in line:
            if letter in "([{":
                stack.append(line)
            elif letter in ")]}":
                stack.pop()
    return stack[0] if stack else None


@pytest.mark.parametrize("page", EDITS)
def test_the_number_of_edits_is_what_is_promised(page: str) -> None:
    assert len(steps(page)) == EDITS[page]


def test_every_page_is_tried() -> None:
    pages = {path.stem.removeprefix("how_to_") for path in (ROOT / "docs").glob("how_to_*.md")}
    assert pages == {*HOW_TO, *ELSEWHERE}


def test_the_steps_give_what_they_promise(tmp_path: Path) -> None:
    for folder in ("spec", "theory", "sims", "figures", "paper_repro"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "reference"))
    for path, step in (step for page in EDITS for step in steps(page)):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(edited(file.read_text(), step) if file.exists() else step)
    command = [sys.executable, "-c", PROMISED]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout == "kept\n", ended.stderr[-3000:]
