"""Comparisons: what is read from a run, pairing within blocks, and the verdicts on SANER's controls."""

import numpy as np
import pytest
import xarray as xr

from paper_repro.explore import InMemory
from paper_repro.luong2026.experiments import controls, variations
from paper_repro.luong2026.experiments.settings import OnData
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import RealData
from spec.rules import Sam
from spec.runs import TrainingRun
from spec.training import Training

SEEDS = (1, 2, 3)


def unit(rho: float) -> TrainingRun:
    return TrainingRun(Sam(rho), RealData(), Mlp((4,)), Training(0.1, 2), (Accuracies(),), SEEDS)


def made_up(run: TrainingRun) -> xr.Dataset:
    """Validation peaks at the second record; test there is rho plus a seed effect, at the end twice that."""
    seed, rho = np.array(SEEDS)[:, None] / 100, run.rule.rho
    rows = {
        "validation_accuracy": [0.1, 0.9, 0.5],
        "test_accuracy": [0.0, rho, 2 * rho],
        "clean_accuracy": [0.2, 0.9, 1.0],
        "mislabelled_accuracy": [0.1, 0.3, 0.8],
    }
    shift = {"test_accuracy": seed}
    variables = {n: (("seed", "epoch"), np.array(v)[None] + shift.get(n, 0 * seed)) for n, v in rows.items()}
    return xr.Dataset(variables, {"epoch": [0, 1, 2], "seed": list(SEEDS)})


@pytest.fixture
def dataset(monkeypatch):
    monkeypatch.setattr(comparison, "simulate", made_up)
    entries = [Entry("one", "a", unit(0.1)), Entry("one", "b", unit(0.3)), Entry("two", "a", unit(0.1))]
    assert len(comparison.units(entries)) == 2
    return comparison.compare(entries, InMemory())


def test_readings(dataset):
    first = dataset.isel(run=0)
    np.testing.assert_allclose(first["selected"], 0.1 + np.array(SEEDS) / 100)
    np.testing.assert_allclose(first["final"], 0.2 + np.array(SEEDS) / 100)
    np.testing.assert_allclose(first["gap"], 0.6)
    np.testing.assert_allclose(first["memorised"], 0.8)
    np.testing.assert_allclose(first["fit"], 1.0)


def test_differences_are_paired_within_a_block(dataset):
    np.testing.assert_allclose(comparison.difference(dataset, "one", "b", "a"), 0.2)
    rows = comparison.table(dataset, "caption").rows
    assert [row[:2] for row in rows] == [("one", "a"), ("one", "b"), ("two", "a")]
    assert rows[1][3] == "+20.0 [20.0, 20.0]"
    assert rows[0][3] == rows[2][3] == ""


@pytest.mark.parametrize("experiment", [controls.CONTROLS, *variations.VARIATIONS], ids=lambda e: e.id)
def test_every_entry_has_its_own_label_and_warm_up_is_a_share_of_its_run(experiment):
    config = experiment.config["full"]
    entries = {
        "controls": controls.control_entries,
        "noise_kinds": variations.noise_entries,
        "family": variations.family_entries,
        "ablations": variations.ablation_entries,
    }[experiment.id.split(".")[1]](config)
    assert len({(e.block, e.label) for e in entries}) == len(entries)
    for entry in entries:
        steps = entry.unit.training.epochs * (entry.unit.problem.n_train // entry.unit.training.batch)
        assert getattr(entry.unit.rule, "warmup", 0) in (0, steps // 4, steps // 2)


def test_only_keeps_what_is_named():
    config = OnData(only=("SAM", "SANER"))
    assert [e.label for e in controls.control_entries(config)] == ["SAM", "SANER"]
