"""What is in a key: every ingredient that can change a number, and the data files by their contents."""

import gzip
import os
import struct
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from paper_repro import keys, papers
from paper_repro.baek2024.experiments.formulas import upweighting
from paper_repro.zhang2025.claims.regrowth import REGRET
from sims.data import sources
from sims.runs import simulate
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import RealData
from spec.rules import Sam
from spec.runs import TrainingRun
from spec.seeds import shifted
from spec.training import Training


@dataclass(frozen=True)
class Holder:
    problem: RealData
    others: tuple[RealData, ...] = ()


def idx(path: Path, values: np.ndarray) -> None:
    head = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes(), mtime=0))


@pytest.fixture
def mnist(tmp_path: Path) -> RealData:
    """Ten images in each part, one of each class."""
    for part in ("train", "t10k"):
        idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.tile(np.arange(10)[:, None, None], (1, 28, 28)))
        idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.arange(10))
    return RealData("mnist", n_train=10, n_validation=2, path=str(tmp_path))


def test_local_files_count_by_their_contents(mnist: RealData) -> None:
    before = keys.of_data(Holder(RealData(), (mnist,)))
    assert len(before) == 4
    path = Path(str(mnist.path)) / "train-labels-idx1-ubyte.gz"
    old, when = path.read_bytes(), path.stat()
    idx(path, np.arange(10)[::-1])
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))  # as if it had not changed
    after = keys.of_data(Holder(RealData(), (mnist,)))
    assert [name for name in before if before[name] != after[name]] == [str(path)]
    assert not sources.unchanged(before)
    path.write_bytes(old)
    assert keys.of_data(Holder(RealData(), (mnist,))) == before
    assert sources.unchanged(before)


def test_loaded_data_are_those_of_the_present_files(mnist: RealData) -> None:
    first = sources.source(mnist)
    assert sources.source(mnist) is first
    idx(Path(str(mnist.path)) / "train-labels-idx1-ubyte.gz", np.arange(10)[::-1])
    assert sources.source(mnist).y[0] == 9


def test_generated_data_move_with_the_shift() -> None:
    problem = RealData("mnist1d", n_train=100, n_validation=100)
    with shifted(0):
        first = sources.source(problem)
    with shifted(1):
        assert not np.array_equal(sources.source(problem).x, first.x)
    with shifted(0):
        np.testing.assert_array_equal(sources.source(problem).x, first.x)


UNIT = TrainingRun(Sam(0.1, "batch"), RealData(), Mlp((8,)), Training(eta=0.1, epochs=2), (Accuracies(),), (1, 2))


@pytest.mark.parametrize(
    "other",
    [
        replace(UNIT, rule=Sam(0.2, "batch")),
        replace(UNIT, problem=RealData(n_train=900)),
        replace(UNIT, network=Mlp((9,))),
        replace(UNIT, training=Training(eta=0.1, epochs=3)),
        replace(UNIT, observe=()),
        replace(UNIT, seeds=(1, 3)),
        replace(UNIT, dtype="float64"),
    ],
)
def test_every_field_of_a_unit_counts(other: TrainingRun) -> None:
    one, two = (keys.of_part(simulate, unit) for unit in (UNIT, other))
    assert one["record"] != two["record"]
    assert keys.digest(one) != keys.digest(two)


def test_equal_units_have_equal_keys() -> None:
    assert keys.text(keys.of_part(simulate, UNIT)) == keys.text(keys.of_part(simulate, replace(UNIT)))


def test_the_shift_and_the_function_count() -> None:
    with shifted(0):
        here = keys.of_part(simulate, UNIT)
    with shifted(2):
        there = keys.of_part(simulate, UNIT)
    assert keys.differences(here, there) == "seed_shift (0, 2)"
    assert "sims.runs.simulate" in keys.differences(here, keys.of_part(upweighting, UNIT))


def test_differences_name_modules() -> None:
    here = keys.of_part(simulate, UNIT)
    there = here | {"code": here["code"] | {"sims.rules": "other"}}
    assert keys.differences(here, there) == "code (sims.rules)"
    assert keys.differences(here, here) == ""


def test_claims_depend_on_both_sides_the_formula_and_the_judge() -> None:
    code = keys.of_claim(REGRET)
    assert {"paper_repro.zhang2025.claims.regrowth", "theory.reweighting.regrowth", "sims.rules"} <= code.keys()
    assert {"paper_repro.checking", "spec.seeds"} <= code.keys()
    elsewhere = replace(REGRET, predicted=partial(REGRET.predicted, 1), measured=lambda c: papers.claims())
    assert "tests.paper_repro.test_keys" not in keys.of_claim(elsewhere)  # only the package's own modules are keyed


def test_results_depend_on_what_runs_them_and_on_what_that_imports() -> None:
    by_id = {e.id: keys.of_result(e, e.config["smoke"])["code"] for e in papers.experiments()}
    assert all(
        "paper_repro.shared.comparison" in by_id[i] for i in ("zhang2025.field", "xu2026.deciding", "luong2026.family")
    )
    assert "paper_repro/xu2026/fig1.json" in by_id["xu2026.fig1"]
    assert "paper_repro/xu2026/fig1.json" not in by_id["xu2026.angle"]
    assert "paper_repro.shared.logistic_cases" in by_id["xu2026.angle"]
    assert not any(name.startswith("figures") for code in by_id.values() for name in code)
    assert all(any(n.startswith(i.split(".")[0], len("paper_repro.")) for n in code) for i, code in by_id.items())
