"""The paper's own numbers as we hold them: settings as records, curves, tables; and what we run beside them."""

import numpy as np
import pytest

from paper_repro.xu2026.experiments import ablations, curves, printed_settings
from spec.rules import ClusterSelection, MarginSelection, NoiseCompensated, Sam, Sgd

CURVES = curves.reported().rename(reported_method="method", reported_epoch="epoch")


def test_settings_of_algorithm_1_are_as_printed():
    strengths = {cell: record.strength for cell, record in printed_settings.PUBLISHED.items()}
    assert strengths == {
        ("CIFAR-10", "symmetric 20 %"): 0.1,
        ("CIFAR-100", "symmetric 20 %"): 0.3,
        ("Animal-10N", "natural"): 0.05,
        ("Food-101N", "natural"): 0.1,
    }
    for record in printed_settings.PUBLISHED.values():
        assert (record.sign, record.project, record.target, record.smoothing) == (1, "ball", "highest", 0.0)
        assert isinstance(record.selection, MarginSelection)
        assert record.schedule.warm_up == 50


def test_settings_of_the_released_code_are_those_of_its_table():
    """gamma of the README is the strength: step size 0.05 times the code's multiple."""
    found = [(r.strength, r.selection.largest_rate) for r in printed_settings.RELEASED.values()]
    expected = [(0.1, 0.2), (0.25, 0.4), (1.25, 0.4), (0.25, 0.2), (0.75, 0.4), (1.5, 0.4)]
    np.testing.assert_allclose(found, expected)
    for record in printed_settings.RELEASED.values():
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


def test_our_curves_are_of_the_three_methods_as_published():
    sgd, sam, ncsam = (entry.unit.rule for entry in curves.entries(curves.Curves()))
    assert (sgd, sam) == (Sgd(), Sam(0.05, "batch"))
    assert (ncsam.sign, ncsam.project, ncsam.selection, ncsam.strength) == (1, "ball", MarginSelection(0.4), 0.1)
    assert ncsam.warm_up_steps == 20 * 20


def test_ablations_change_one_setting_at_a_time_under_the_noise_of_their_table():
    entries = ablations.entries(ablations.Ablations())
    blocks = {}
    for entry in entries:
        blocks.setdefault(entry.block, []).append(entry.unit)
    assert [len(units) for units in blocks.values()] == [7, 7, 3, 7]
    assert [{u.problem.noise.Delta for u in units} for units in blocks.values()] == [{0.4}, {0.6}, {0.2}, {0.2}]
    for units in blocks.values():
        first, *others = (unit.rule for unit in units)
        assert isinstance(first, NoiseCompensated)
        assert first.strength == 0
        assert len({u.seeds for u in units}) == 1
        for name in ("base", "target", "sign", "project", "smoothing"):
            assert len({getattr(rule, name) for rule in (first, *others)}) == 1
    fractions, strengths = ([u.rule for u in units[1:]] for units in (blocks[n] for n in list(blocks)[::3]))
    assert [rule.selection.fraction for rule in fractions] == [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert {rule.strength for rule in fractions} == {0.1}
    assert [rule.strength for rule in strengths] == [0.03, 0.05, 0.1, 0.2, 0.3, 0.4]
    assert {rule.selection.fraction for rule in strengths} == {0.2}
