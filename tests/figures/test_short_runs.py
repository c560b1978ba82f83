"""Runs of one or two epochs have figures too."""

import numpy as np
import pytest
import xarray as xr

from figures import composition, networks, reweighting

NAMES = ("clean_accuracy", "mislabelled_accuracy", "clean_loss", "mislabelled_loss", "test_accuracy")
SHARES = [f"{group}_given_{who}" for group in "ABC" for who in ("noise", "clean")]
OTHERS = ("share_noise", "clean_more_on_noise", "clean_more_on_noise_B", "clean_accuracy", "mislabelled_accuracy")


def runs(names: list[str] | tuple[str, ...], records: int, methods: tuple[str, ...]) -> xr.Dataset:
    """Made-up trajectories (run, seed, epoch) that rise with the epoch."""
    shape = (len(methods), 2, records)
    values = 0.5 + 0.1 * np.arange(records) * np.ones(shape)
    dataset = xr.Dataset(dict.fromkeys(names, (("run", "seed", "epoch"), values)))
    labels = {"method": ("run", list(methods)), "probe": ("run", ["1-SAM"] * len(methods))}
    return dataset.assign_coords(epoch=np.arange(records), rho=("run", 0.1 * np.arange(len(methods))), **labels)


@pytest.mark.parametrize("records", [1, 2, 3, 4, 6])
def test_training_curves_start_their_axis_below_what_is_late(records: int) -> None:
    figure = networks.training_curves(runs(NAMES, records, ("SGD", "1-SAM")))
    low, high = figure.axes[2].get_ylim()
    assert np.isclose(low, 0.5 + 0.1 * min(3, records - 1) - 0.05)
    assert high > low


@pytest.mark.parametrize("records", [1, 2])
def test_groups_of_coordinates(records: int) -> None:
    dataset = runs([*SHARES, *OTHERS], records, ("SGD", "1-SAM", "SANER"))
    for draw in (composition.composition, composition.groups):
        assert len(draw(dataset).axes[0].lines) >= 6


@pytest.mark.parametrize("count", [1, 4, 12])
def test_any_number_of_speeds_has_markers(count: int) -> None:
    beta = np.linspace(0.1, 2, count)
    values = np.full((2, 3, count, 2), 0.4)
    dims = ("subset", "perturbation", "beta", "seed")
    coords = {"subset": ["held out", "contained"], "perturbation": list("abc"), "beta": beta}
    figure = reweighting.post_filtering(xr.Dataset({"memorised": (dims, values)}, coords))
    assert len(figure.axes[1].containers) == count
