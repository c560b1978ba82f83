"""The paper's own numbers as we hold them: settings as records, and the curves of its Fig. 1."""

import numpy as np
import pytest

from paper_repro.xu2026 import bound_figures, cells
from spec.compensation import ClusterSelection, MarginSelection

CURVES = bound_figures.paper_curves(None)["accuracy"]


def test_settings_of_algorithm_1_are_as_printed():
    strengths = {cell: record.strength for cell, record in cells.PUBLISHED.items()}
    assert strengths == {
        ("CIFAR-10", "symmetric 20 %"): 0.1,
        ("CIFAR-100", "symmetric 20 %"): 0.3,
        ("Animal-10N", "natural"): 0.05,
        ("Food-101N", "natural"): 0.1,
    }
    for record in cells.PUBLISHED.values():
        assert (record.sign, record.project, record.target, record.smoothing) == (1, "ball", "highest", 0.0)
        assert isinstance(record.selection, MarginSelection)
        assert record.schedule.warm_up == 50


def test_settings_of_the_released_code_are_those_of_its_table():
    """gamma of the README is the strength: step size 0.05 times the code's multiple."""
    found = [(r.strength, r.selection.largest_rate) for r in cells.RELEASED.values()]
    expected = [(0.1, 0.2), (0.25, 0.4), (1.25, 0.4), (0.25, 0.2), (0.75, 0.4), (1.5, 0.4)]
    np.testing.assert_allclose(found, expected)
    for record in cells.RELEASED.values():
        assert (record.sign, record.project, record.target, record.smoothing) == (1, None, "uniform", 0.1)
        assert isinstance(record.selection, ClusterSelection)
        assert (record.selection.clusters, record.schedule.warm_up) == (5, 49)


@pytest.mark.parametrize(
    ("method", "best", "epoch", "last"),
    [("NCSAM", 0.9266, 196, 0.9265), ("SAM", 0.9090, 135, 0.7935), ("SGD", 0.8676, 113, 0.6992)],
)
def test_curves_have_the_best_and_final_values_of_the_legend(method, best, epoch, last):
    curve = CURVES.sel({"method": method})
    assert float(curve.max()) == pytest.approx(best, abs=1e-4)
    assert int(curve["epoch"][curve.argmax("epoch")]) == epoch
    assert float(curve[-1]) == pytest.approx(last, abs=1e-4)


def test_curves_share_their_warm_up_with_sgd_and_not_with_sam():
    ncsam, sam, sgd = (CURVES.sel({"method": m}, drop=True) for m in ("NCSAM", "SAM", "SGD"))
    warm_up = slice(1, 49)
    assert float(abs(ncsam - sgd).sel(epoch=warm_up).max()) < 2e-4
    assert float(abs(ncsam - sgd).sel(epoch=50)) > 0.05
    assert float(abs(ncsam - sam).sel(epoch=warm_up).mean()) > 0.01
    assert float((sam - ncsam).sel(epoch=slice(100, 140)).mean()) > 0
    assert float((ncsam - sam).sel(epoch=slice(160, 200)).min()) > 0
