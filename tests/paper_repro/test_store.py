"""Parts and results on disk: used again exactly when the whole key in the file is the one wanted."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paper_repro import files, keys, store
from paper_repro.baek2024.experiments.formulas import UPWEIGHTING
from spec.seeds import named_seed
from spec.validation import InputError, NonFiniteError


@dataclass(frozen=True)
class Unit:
    value: float


calls: list[float] = []


def compute(unit: Unit) -> xr.Dataset:
    calls.append(unit.value)
    return xr.Dataset({"a": ("seed", unit.value + np.arange(3.0)), "drawn": named_seed("test")})


def fails_on_two(unit: Unit) -> xr.Dataset:
    if unit.value == 2.0:
        raise ArithmeticError("two")
    return compute(unit)


def diverges_on_two(unit: Unit) -> xr.Dataset:
    if unit.value == 2.0:
        raise NonFiniteError("two")
    return compute(unit)


def make(tmp_path: Path, *, fresh: bool = False) -> store.Store:
    calls.clear()
    return store.Store(tmp_path, "baek2024.test", executor=ThreadPoolExecutor(2), fresh=fresh)


def kept(tmp_path: Path, value: float = 1.0) -> Path:
    return make(tmp_path).part(keys.of_part(compute, Unit(value)))


def test_finished_parts_are_reused_and_new_ones_computed(tmp_path: Path) -> None:
    make(tmp_path).map(compute, [Unit(1.0), Unit(2.0)])
    again, reused = make(tmp_path), []
    again.advance = reused.append
    again = again.map(compute, [Unit(1.0), Unit(3.0)])
    assert calls == [3.0]
    assert reused == [True, False]
    np.testing.assert_array_equal(again[0]["a"], [1.0, 2.0, 3.0])


def test_fresh_computes_everything_anew_and_deletes_nothing_before(tmp_path: Path) -> None:
    make(tmp_path).map(compute, [Unit(1.0)])
    make(tmp_path, fresh=True).map(compute, [Unit(1.0)])
    assert calls == [1.0]
    before = kept(tmp_path).read_bytes()
    with pytest.raises(ArithmeticError):
        make(tmp_path, fresh=True).map(fails_on_two, [Unit(2.0)])
    assert kept(tmp_path).read_bytes() == before


def test_another_function_means_another_part(tmp_path: Path) -> None:
    make(tmp_path).map(compute, [Unit(1.0)])
    make(tmp_path).map(fails_on_two, [Unit(1.0)])
    assert calls == [1.0]


def test_a_function_that_has_no_name_to_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="imported by its name"):
        make(tmp_path).map(lambda unit: compute(unit), [Unit(1.0)])


def test_seed_shift_means_other_parts_and_reaches_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED_SHIFT", "0")
    (one,) = make(tmp_path).map(compute, [Unit(1.0)])
    monkeypatch.setenv("SEED_SHIFT", "1")
    (other,) = make(tmp_path).map(compute, [Unit(1.0)])
    assert calls == [1.0]
    assert one["drawn"] != other["drawn"]


@pytest.mark.parametrize("entry", ["code", "versions", "precision"])
def test_each_other_ingredient_means_other_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    make(tmp_path).map(compute, [Unit(1.0)])
    change = {
        "code": lambda: monkeypatch.setattr(keys.SOURCE, "of", lambda *modules: {"sims.rules": "other"}),
        "versions": lambda: monkeypatch.setattr(keys, "_versions", lambda: {"jax": "0"}),
        "precision": lambda: monkeypatch.setenv("XLA_FLAGS", "--other"),
    }
    change[entry]()
    make(tmp_path).map(compute, [Unit(1.0)])
    assert calls == [1.0]


def copied(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def a_folder(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (copied, "holds another part than its name says"),
        (a_folder, "cannot be read"),
        (lambda path, other: path.write_bytes(b""), "is not a whole netCDF file"),
        (lambda path, other: path.write_bytes(path.read_bytes()[:-200]), "is "),
        (lambda path, other: path.write_bytes(path.read_bytes()[:-1]), "is damaged (its checksum is another)"),
        (lambda path, other: path.write_bytes(path.read_bytes().replace(b"drawn", b"drowN")), "is damaged"),
        (lambda path, other: xr.Dataset({"a": 1}).to_netcdf(path, engine="h5netcdf"), "holds another part"),
    ],
)
def test_what_is_not_the_part_is_named_set_aside_and_computed_again(tmp_path: Path, damage, words, capsys) -> None:
    first, _ = make(tmp_path).map(compute, [Unit(1.0), Unit(5.0)])
    path = kept(tmp_path)
    damage(path, kept(tmp_path, 5.0))
    (again,) = make(tmp_path).map(compute, [Unit(1.0)])
    assert calls == [1.0]
    assert again.drop_attrs().equals(first.drop_attrs())
    said = capsys.readouterr().err
    assert path.name in said
    assert words in said
    assert path.with_name(path.name + ".damaged").exists()


def test_a_failure_keeps_what_was_finished(tmp_path: Path) -> None:
    parts = store.Store(tmp_path, "baek2024.test", executor=ThreadPoolExecutor(1))
    with pytest.raises(ArithmeticError, match="two"):
        parts.map(fails_on_two, [Unit(1.0), Unit(2.0)])
    assert [files.load(p)["a"].values[0] for p in parts.folder.glob("*.nc")] == [1.0]


def test_a_part_that_diverges_is_said_after_the_others_are_kept(tmp_path: Path) -> None:
    parts = store.Store(tmp_path, "baek2024.test", executor=ThreadPoolExecutor(1))
    with pytest.raises(NonFiniteError, match="two"):
        parts.map(diverges_on_two, [Unit(1.0), Unit(2.0), Unit(3.0)])
    assert sorted(files.load(p)["a"].values[0] for p in parts.folder.glob("*.nc")) == [1.0, 3.0]


def test_a_process_that_would_compute_other_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = keys.text(keys.of_part(compute, Unit(1.0)))
    monkeypatch.setattr(keys, "_versions", lambda: {"jax": "0"})
    with pytest.raises(InputError, match=r"a worker must have .* versions \(jax, jaxlib"):
        store.computed(compute, Unit(1.0), wanted)
    monkeypatch.undo()
    wanted = keys.text(keys.of_part(compute, Unit(1.0)) | {"code": {"sims.rules": "other"}})
    with pytest.raises(InputError, match=r"a worker must have .* code \(.*sims.rules"):
        store.computed(compute, Unit(1.0), wanted)


def test_the_shift_travels_with_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED_SHIFT", "3")
    wanted, expected = keys.text(keys.of_part(compute, Unit(1.0))), named_seed("test")
    monkeypatch.setenv("SEED_SHIFT", "0")
    assert store.computed(compute, Unit(1.0), wanted)["drawn"] == expected != named_seed("test")


def test_result_carries_its_key_and_provenance(tmp_path: Path) -> None:
    parts, config = make(tmp_path), replace(UPWEIGHTING.config["smoke"], points=3)
    key = keys.of_result(UPWEIGHTING, config)
    parts.finish(xr.Dataset({"a": 1.0}), "smoke", key)
    attrs = files.load(parts.result).attrs
    assert attrs["preset"] == "smoke"
    assert json.loads(attrs["config"])["points"] == 3
    assert json.loads(attrs["key"]) == key
    assert {"version", "python", "packages", "platform", "cores", "seed_shift", "date", "code"} <= set(attrs)
