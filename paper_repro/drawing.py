"""What lies beside the pages: figures of kept and of fresh results, and their numbers as netCDF and CSV.

Kept results are drawn once for each state of the data and of the code that draws: the user's cache has them.
"""

import hashlib
import shutil
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

import xarray as xr

from figures import style
from paper_repro import keys, papers, reference, user_cache
from paper_repro.files import write_atomically, writing
from paper_repro.registry import Experiment
from paper_repro.source import ROOT
from spec.validation import InputError


def figures(experiment: Experiment, dataset: xr.Dataset, folder: Path) -> None:
    """PNG and SVG of every figure of a result."""
    with writing(folder):
        for figure in experiment.figures:
            style.save(figure.draw, dataset, folder / figure.id)


def export(figure: str, folder: Path, *, out: Path | None, kind: str, width: float) -> Path:
    """A figure of the result in `out` (None: of the reference evidence), or its numbers, as a file in the folder.

    Raises InputError where there is no such result.
    """
    experiment = next(e for e in papers.experiments() if figure in {f.id for f in e.figures})
    (binding,) = (f for f in experiment.figures if f.id == figure)
    dataset = reference.result(experiment, out) if out is not None else _kept_data(experiment)
    target = folder / f"{figure}.{kind}"
    with writing(target):
        if kind == "csv":
            numbers(dataset, target)
        else:
            style.export(binding.draw, dataset, target, width)
    return target


def _kept_data(experiment: Experiment) -> xr.Dataset:
    found = reference.read(experiment.id)
    if found is None or found["data"] is None:
        raise InputError(
            f"--kept must name a figure whose data are kept, got one of {experiment.id}, of which none are"
        )
    dataset: xr.Dataset = found["data"]()
    return dataset


def kept(experiment: Experiment, data: Callable[[], xr.Dataset], out: Path) -> None:
    """Figures and numbers of the kept result in out/reference/<experiment>; nothing where they are there already."""
    folder, state = out / "reference" / experiment.id, _state(experiment)
    said = folder / "state"
    if said.exists() and said.read_text("utf-8") == state:
        return

    def draw(into: Path) -> None:
        dataset = data()
        figures(experiment, dataset, into)
        numbers(dataset, into / f"{experiment.id}.csv")
        shutil.copyfile(reference.data_path(experiment.id), into / f"{experiment.id}.nc")

    with writing(folder):
        user_cache.filled(Path("drawn") / state, draw, folder)
    write_atomically(said, state.encode())


def _state(experiment: Experiment) -> str:
    """The data, the code that reads and draws them, and the library that draws."""
    data = hashlib.sha256(reference.data_path(experiment.id).read_bytes()).hexdigest()
    return keys.digest([data, _drawing_code(), keys.of_result(experiment, None)["code"]])


@cache
def _drawing_code() -> list[str]:
    files = [*sorted((ROOT / "figures").glob("*.py")), Path(__file__)]
    return [metadata.version("matplotlib"), *(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)]


def numbers(dataset: xr.Dataset, path: Path) -> None:
    """Every number of a result as a line of CSV, with its labels; over seeds: mean, standard deviation and number."""
    tables = []
    for name, values in dataset.data_vars.items():
        if "seed" in values.dims and values.dtype.kind in "fiub":
            columns = {
                "mean": values.mean("seed"),
                "sd": values.std("seed", ddof=1),
                "seeds": values.notnull().sum("seed"),
            }
        else:
            columns = {"mean": values}
        table = xr.Dataset(columns).to_dataframe().reset_index() if columns["mean"].ndim else None
        table = xr.Dataset(columns).expand_dims("point").to_dataframe() if table is None else table
        tables.append(table.assign(variable=name).to_csv(index=False))
    write_atomically(path, "\n".join(tables).encode())
