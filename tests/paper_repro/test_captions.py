"""A caption says how many seeds, data sets and blocks are behind a figure, and whether it has intervals."""

import pytest
import xarray as xr

from paper_repro import captions

BLOCKS = xr.Dataset(coords={"block": ("run", ["a", "a", "b"])})


@pytest.mark.parametrize(
    ("config", "dataset", "words"),
    [
        ({"seeds": 1}, xr.Dataset(), "n = 1 seed; one draw, without intervals"),
        ({"seeds": 3}, xr.Dataset(), "n = 3 seeds; no bars below 4 seeds"),
        ({"seeds": 8}, BLOCKS, "n = 8 seeds, 2 blocks; bars and bands over seeds, where drawn: 95 % Student intervals"),
        ({"seeds": 8, "problem": {"name": "digits"}}, None, "n = 8 seeds, digits"),
        (
            {"seeds": 2, "problems": [{"name": "digits"}, {"name": "mnist1d"}, {"n": 3}]},
            None,
            "n = 2 seeds, digits, mnist1d",
        ),
    ],
)
def test_what_a_caption_says_of_a_run(config, dataset, words) -> None:
    assert captions.of_kept(config, None if dataset is None else captions.blocks(dataset)) == words
