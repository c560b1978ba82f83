"""The reading of the threshold experiment: made-up terms whose sign is known, and what the reference run says."""

import numpy as np
import pytest
import xarray as xr

from paper_repro import reference
from paper_repro.xu2026.experiments import threshold
from paper_repro.xu2026.experiments.threshold import THEOREM, cases, tables
from theory.compensation import sign

BATCH, RIGHT, SEEDS = 20, 0.5, np.array([0.9, 1.0, 1.1])


def made_up(clean: float, slope: float) -> xr.Dataset:
    """Orthogonal inputs, one residual for clean and one for mislabelled examples: the threshold has a closed form."""
    products = sign.orthogonal_products(clean, 0.6, 0.3)
    own = np.stack([*products[:2], products[2], products[2]])
    values = {f"share_{kind}": share for kind, share in zip(threshold.KINDS, (RIGHT, 0.0, 1 - RIGHT), strict=True)}
    for i, row in enumerate(threshold.ROWS):
        for j, column in enumerate(threshold.COLUMNS):
            values |= {f"own_{row}_{column}": own[i, j], f"pair_{row}_{column}": 0.0}
    values |= {"kept": 0.7, "slope": slope, "turn": slope, "star_square": 1e-6}
    arrays = {name: (("run", "seed", "epoch"), np.full((1, 3, 1), v) * SEEDS[:, None]) for name, v in values.items()}
    arrays |= {n: (("run", "seed", "epoch"), np.full((1, 3, 1), values[n])) for n in ("share_right", "share_clean")}
    labels = {name: ("run", [name]) for name in ("data", "network", "selection")}
    return xr.Dataset(arrays | {"batch": ("run", [BATCH]), "strength": 1e-6}, coords=labels | {"epoch": [3]})


@pytest.mark.parametrize(("clean", "predicted"), [(0.3, 1), (0.05, -1)])
def test_the_sign_is_that_of_the_share_beyond_the_threshold(clean, predicted):
    (case,) = cases(made_up(clean, slope=0.2))
    at = sign.orthogonal_threshold(clean, 0.6, 0.3)
    assert case.at == pytest.approx(at)
    assert case.right == RIGHT
    assert np.sign(RIGHT - at) == predicted
    assert {case.predicted[outcome][THEOREM] for outcome in ("slope", "turn")} == {predicted}
    tally, each = tables(made_up(clean, slope=0.2))
    first = "1 of 1" if predicted > 0 else "0 of 1"
    assert [row[3] for row in tally.rows if row[2] == THEOREM] == [first] * 4
    assert each.rows[0][-1].endswith("as predicted" if predicted > 0 else "against")


def test_the_reference_run_decides_for_the_theorem_and_against_the_population_rule():
    kept = reference.read("xu2026.threshold")
    assert kept is not None
    right = {row[:3]: [int(n) for n in row[3].split(" of ")] for row in kept["tables"][0].rows if row[0] == "all"}
    for outcome in threshold.OUTCOMES.values():
        agree, decided = right["all", outcome, THEOREM]
        assert decided > 150
        assert agree >= 0.95 * decided
        agree, decided = right["all", outcome, threshold.POPULATION]
        assert agree < 0.9 * decided
