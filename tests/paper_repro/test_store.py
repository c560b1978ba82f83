"""Results on disk: whole files only, reused exactly when record, function and code are the same."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paper_repro import store
from paper_repro.baek2024.experiments.formulas import Upweighting, upweighting
from spec.validation import InputError


@dataclass(frozen=True)
class Unit:
    value: float


calls: list[float] = []


def compute(unit: Unit) -> xr.Dataset:
    calls.append(unit.value)
    return xr.Dataset({"a": ("seed", unit.value + np.arange(3.0))})


def make(tmp_path: Path, *, fresh: bool = False) -> store.Store:
    calls.clear()
    return store.Store(tmp_path, "baek2024.test", executor=ThreadPoolExecutor(2), fresh=fresh)


def test_finished_parts_are_reused_and_new_ones_computed(tmp_path: Path) -> None:
    make(tmp_path).map(compute, [Unit(1.0), Unit(2.0)])
    again = make(tmp_path).map(compute, [Unit(1.0), Unit(3.0)])
    assert calls == [3.0]
    np.testing.assert_array_equal(again[0]["a"], [1.0, 2.0, 3.0])


def test_fresh_computes_everything_anew(tmp_path: Path) -> None:
    make(tmp_path).map(compute, [Unit(1.0)])
    make(tmp_path, fresh=True).map(compute, [Unit(1.0)])
    assert calls == [1.0]


def test_other_code_means_other_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path).map(compute, [Unit(1.0)])
    monkeypatch.setattr(store, "fingerprint", lambda *extra: "other code")
    make(tmp_path).map(compute, [Unit(1.0)])
    assert calls == [1.0]


def test_fingerprint_depends_on_every_source_file_that_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.fingerprint.__wrapped__()
    for place in ("spec", "theory", "sims", "paper_repro"):
        (tmp_path / place).mkdir()
    for name in ("spec/a.py", "theory/a.py", "sims/a.py", "paper_repro/trajectories.py", "paper_repro/statistics.py"):
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(store, "ROOT", tmp_path)
    first = store.fingerprint.__wrapped__()
    (tmp_path / "sims/a.py").write_text("x = 2\n")
    assert len({before, first, store.fingerprint.__wrapped__()}) == 3


def test_a_failure_keeps_what_was_finished(tmp_path: Path) -> None:
    def fails_on_two(unit: Unit) -> xr.Dataset:
        if unit.value == 2.0:
            raise ArithmeticError("two")
        return compute(unit)

    parts = store.Store(tmp_path, "baek2024.test", executor=ThreadPoolExecutor(1))
    with pytest.raises(ArithmeticError, match="two"):
        parts.map(fails_on_two, [Unit(1.0), Unit(2.0)])
    assert [store.load(p)["a"].values[0] for p in parts.folder.glob("*.nc")] == [1.0]


def test_writing_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    store.write_atomically(path, b"old")

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write_atomically(path, b"new, but never whole")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_result_carries_its_provenance(tmp_path: Path) -> None:
    parts = make(tmp_path)
    parts.finish(parts.map(compute, [Unit(1.0)])[0], Unit(1.0), "smoke")
    attrs = store.load(parts.result).attrs
    assert attrs["preset"] == "smoke"
    assert '"value": 1.0' in attrs["config"]
    assert {"version", "python", "packages", "platform", "cores", "seed_shift", "date", "code"} <= set(attrs)


def test_parts_travel_to_other_processes(tmp_path: Path) -> None:
    """Any concurrent.futures executor will do: units and functions can be sent elsewhere and give the same numbers."""
    unit = Upweighting(C=(1.0,), points=3)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        (there,) = store.Store(tmp_path, "baek2024.there", executor=executor).map(upweighting, [unit])
    assert upweighting(unit).drop_attrs().equals(there.drop_attrs())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="--out"):
        store.require_writable(tmp_path / "file" / "results")
