"""Figures of kept results are drawn once, for every state of their data and of the code that draws."""

from pathlib import Path

import pytest
import xarray as xr

from figures import style
from paper_repro import drawing, files, reference, user_cache
from paper_repro.baek2024.experiments.formulas import UPWEIGHTING

NAMES = {"baek2024.upweighting.png", "baek2024.upweighting.svg", "baek2024.upweighting.csv", "baek2024.upweighting.nc"}


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(reference, "data_path", lambda experiment: tmp_path / f"{experiment}.nc")
    made = xr.Dataset({"gain": ("rho", [1.0, 3.0])}, {"rho": [0.1, 0.2]})
    files.save(made, reference.data_path(UPWEIGHTING.id))
    return made


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where figures were drawn, in order."""
    places: list[Path] = []

    def save(draw, dataset, path: Path) -> None:
        places.append(path.parent)
        for suffix in (".png", ".svg"):
            path.with_name(path.name + suffix).write_text("drawn")

    monkeypatch.setattr(style, "save", save)
    return places


def test_a_kept_result_is_drawn_once_wherever_it_is_shown(dataset, drawn, tmp_path: Path) -> None:
    for out in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        drawing.kept(UPWEIGHTING, lambda: dataset, out)
        folder = out / "reference" / UPWEIGHTING.id
        assert {path.name for path in folder.iterdir()} == {*NAMES, "state"}
        assert (folder / "baek2024.upweighting.nc").read_bytes() == reference.data_path(UPWEIGHTING.id).read_bytes()
    assert len(drawn) == 1


def test_other_data_and_other_drawing_code_are_drawn_anew(dataset, drawn, tmp_path: Path, monkeypatch) -> None:
    drawing.kept(UPWEIGHTING, lambda: dataset, tmp_path)
    files.save(dataset + 1, reference.data_path(UPWEIGHTING.id))
    drawing.kept(UPWEIGHTING, lambda: dataset, tmp_path)
    assert len(drawn) == 2
    monkeypatch.setattr(drawing, "_drawing_code", lambda: ["edited"])
    drawing.kept(UPWEIGHTING, lambda: dataset, tmp_path)
    assert len(drawn) == 3


def test_without_a_cache_it_is_drawn_all_the_same(dataset, drawn, tmp_path: Path) -> None:
    user_cache.folder().parent.mkdir(parents=True)
    user_cache.folder().write_text("in the way")
    drawing.kept(UPWEIGHTING, lambda: dataset, tmp_path)
    assert {path.name for path in (tmp_path / "reference" / UPWEIGHTING.id).iterdir()} == {*NAMES, "state"}


def test_numbers_are_written_with_their_labels_and_over_seeds_with_their_spread(tmp_path: Path) -> None:
    values = xr.Dataset({"gain": (("rho", "seed"), [[1.0, 3.0]]), "law": ("rho", [0.5]), "n": 7}, {"rho": [0.1]})
    drawing.numbers(values, tmp_path / "numbers.csv")
    lines = (tmp_path / "numbers.csv").read_text().split()
    assert lines[:2] == ["rho,mean,sd,seeds,variable", "0.1,2.0,1.4142135623730951,2,gain"]
    assert "0.1,0.5,law" in lines
    assert lines[-1] == "7,n"
