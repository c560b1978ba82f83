"""What is read from the results of the experiments on Xu et al.: made-up results whose right answer is known."""

import numpy as np
import pytest
import xarray as xr

from paper_repro.shared import comparison
from paper_repro.statistics import Interval, interval
from paper_repro.xu2026.experiments import angle, bound, curves, decisions, effective_rate, natural_noise, threshold
from paper_repro.xu2026.experiments.decisions import PUBLISHED, SAM
from spec.problems import SignalNoiseMixture
from theory.compensation import pac_bayes
from theory.logistic import mixture

SEEDS = np.array([0.0, 0.01, 0.03])
MINUS = "−" + PUBLISHED[1:]


# ---------------------------------------------------------------- formulas beside samples


def test_zones_go_from_the_noisy_to_the_clean_minimiser():
    dataset = xr.Dataset({"noisy_minimiser": ("Delta", [2.0, 1.0]), "clean_minimiser": 3.0}, {"Delta": [0.1, 0.3]})
    assert angle._zones(dataset).rows == (("0.1", "2.0000", "3.0000"), ("0.3", "1.0000", "3.0000"))


def test_cosines_are_read_at_the_smallest_residual():
    cosine = (("seed", "Delta", "mark"), [[[-0.5, 0.3]], [[-0.7, 0.5]]])
    table = angle._signs(xr.Dataset({"sampled_cosine": cosine}, {"Delta": [0.4], "mark": [0.01, 0.8]}))
    assert table.rows == (("0.4", "0.2", "-0.600 at s = 0.01"),)


def test_the_sign_is_that_of_the_precision_at_the_noise_rate_of_the_problem():
    table = effective_rate._sign_table(xr.Dataset({"noise_rate": 0.3}, {"precision": [0.4, 0.7, 0.9]}))
    assert table.rows == (
        ("0.4", "subtract", "-0.500"),
        ("0.7", "neither", "none above −1"),
        ("0.9", "add", "none above −1"),
    )


def test_reversals_belong_to_their_dimension():
    dataset = xr.Dataset({"reversal": ("d", [9.0, 3.25])}, {"d": [20, 5]})
    assert effective_rate._reversals(dataset).rows == (("20", "9.0"), ("5", "3.2"))


def test_terms_of_the_bound_are_those_of_the_worst_classifier_in_the_ball():
    law = SignalNoiseMixture(n=3000, d=5, B=1.0, gamma=0.8)
    found = bound.bound_terms(bound.BoundTerms(law, rho=0.6, norm=1.5))
    w = np.array([np.sqrt(1.5**2 - 0.6**2), 0.6, 0, 0, 0])
    worst = 1 - float(mixture.accuracy(law, w))
    assert float(found["error"]) == pytest.approx(1 - float(mixture.accuracy(law, np.eye(1, 5)[0])))
    assert worst > float(found["error"])
    at = found.sel(Delta=0.2, method="nearest")
    D = float(at["Delta"])
    assert float(at["sharpness"]) == pytest.approx((D + (1 - 2 * D) * worst) / (1 - D))
    assert float(at["total"]) == pytest.approx(float(at["sharpness"] + at["tail"] + at["complexity"]))
    assert float(at["memoriser"]) == pytest.approx(float(at["tail"] + at["complexity"]))
    repaired = pac_bayes.repaired(D + (1 - 2 * D) * worst, 1.5, rho=0.6, K=5, n=3000, largest_rate=D)
    assert float(at["repaired"]) == pytest.approx(repaired.total)
    table = bound._bound_table(found)
    assert table.rows[1][1:5] == tuple(f"{float(at[n]):.3f}" for n in ("sharpness", "tail", "complexity", "total"))
    assert table.rows[1][5:] == tuple(f"{float(at[n]):.3f}" for n in ("memoriser", "repaired", "network"))


# ---------------------------------------------------------------- Fig. 1


@pytest.fixture
def ours():
    """SGD, SAM and NCSAM in this order; the published curves peak in the middle and end lower."""
    levels = {"selected": [0.70, 0.72, 0.76], "final": [0.5, 0.55, 0.65], "memorised": [0.9, 0.8, 0.4]}
    scale = 1 + 0.05 * np.arange(3)[:, None]
    variables = {n: (("run", "seed"), np.array(v)[:, None] + scale * SEEDS) for n, v in levels.items()}
    epochs = np.arange(1, 11)
    curve = np.array([[0.6], [0.5], [0.7]]) + np.array([0, 0.1, 0.2, 0.3, 0.2, 0.1, 0.1, 0.0, 0.0, 0.15])
    variables["reported"] = (("reported_method", "reported_epoch"), curve)
    labels = {"block": ("run", ["ours"] * 3), "label": ("run", list(curves.METHODS))}
    return xr.Dataset(variables, labels | {"reported_method": list(curves.METHODS), "reported_epoch": epochs})


def test_reported_curves_are_read_at_their_best_and_over_the_last_five_epochs(ours):
    rows = curves._curve_table(ours).rows
    assert [row[:3] for row in rows] == [
        ("SGD", "90.00 (epoch 4)", "67.00"), ("SAM", "80.00 (epoch 4)", "57.00"), ("NCSAM", "100.00 (epoch 4)", "77.00")
    ]  # fmt: skip
    for k, row in enumerate(rows):
        assert row[3:] == tuple(interval(ours[n][k].values).points() for n in ("selected", "final"))


def test_gains_are_paired_and_signed_as_their_label_says(ours):
    for row, (a, b) in zip(curves._gains(ours).rows, ((2, 1), (2, 0), (1, 0)), strict=True):
        names = ("selected", "final", "memorised")
        assert row[2:] == tuple(interval((ours[n][a] - ours[n][b]).values).points(signed=True) for n in names)
        assert row[0] == f"{curves.METHODS[a]} − {curves.METHODS[b]}"
    assert [row[1] for row in curves._gains(ours).rows] == ["+20.0", "+10.0", "-10.0"]


# ---------------------------------------------------------------- the deciding experiment


def decided(**changes):
    """{label: (selected, final, clean_cosine, length, right)}; .7 are kept, so that .5 right labels are too few."""
    rows = {
        SAM: (0.80, 0.60, 0.5, 0.05, 0.0), f"{SAM}, ρ × 4": (0.84, 0.55, 0.4, 0.20, 0.0),
        PUBLISHED: (0.85, 0.70, 0.3, 0.19, 0.5), MINUS: (0.90, 0.65, 0.6, 0.05, 0.5),
        "+ random, ball": (0.86, 0.40, 0.2, 0.06, 0.5),
    } | changes  # fmt: skip
    numbers = np.array(list(rows.values()))
    scale = 1 + 0.05 * np.arange(len(rows))[:, None]
    readings = {n: (("run", "seed"), numbers[:, k, None] + scale * SEEDS) for k, n in enumerate(("selected", "final"))}
    late = {"clean_cosine": numbers[:, 2], "eps_norm": numbers[:, 3], "right": numbers[:, 4]}
    late |= {"kept": np.full(len(rows), 0.7), "gamma": np.full(len(rows), 0.2), "precision": np.full(len(rows), 0.9)}
    late["sam_cosine"] = late["clean_cosine"] / 2
    records = np.array([5.0, 5.0, 0.5, 1.5])  # the second half has mean one, the first does not
    logs = {n: (("run", "seed", "record"), v[:, None, None] * np.ones((1, 3, 1)) * records) for n, v in late.items()}
    validation = np.array([0.5, 0.4, 0.6, 0.6, 0.6])[:, None, None] + np.array([0.1, 0.3, 0.2, 0.0])
    logs["validation_accuracy"] = (("run", "seed", "record"), validation * np.ones((1, 3, 1)))
    return xr.Dataset(readings | logs, {"block": ("run", ["b"] * len(rows)), "label": ("run", list(rows))})


def test_right_labels_are_compared_with_those_that_the_batch_keeps():
    """.5 are right and .7 kept: subtract. Taken for the noise rate, .7 (or .5) would say add."""
    (pair,) = [p for p in decisions.pairs(decisions.late(decided())) if p.name == "margin, ball"]
    assert (pair.right, pair.kept, pair.gamma) == pytest.approx((0.5, 0.7, 0.2))
    assert pair.predicted == -1
    assert pair.window == pytest.approx(2 * 0.3 / (1 + 0.3 - 0.5))
    gaps = [pair.gaps[n].mean for n in ("clean_cosine", "selected", "final")]
    assert gaps == pytest.approx([-0.3, -0.05, 0.05], abs=2e-3)


def test_the_tally_tells_outcomes_and_windows_apart():
    tally, each = decisions.sign_rule(decisions.late(decided()))
    found = {row[:2]: row[2:] for row in tally.rows}
    for scope in ("all", "γ inside the window", "b"):
        assert found[scope, "cosine with the clean gradient"] == found[scope, "test"] == ("1", "0", "0")
        assert found[scope, "test, final"] == ("0", "1", "0")
    assert each.rows[0][2:5] == ("0.50 / 0.70", "−", "0.2 / 0.75")
    wide = decided()
    wide["gamma"] = wide["gamma"] * 5
    outside = {row[:2]: row[2:] for row in decisions.sign_rule(decisions.late(wide))[0].rows}
    assert outside["γ inside the window", "test"] == ("0", "0", "0")
    assert outside["all", "test"] == ("1", "0", "0")


def test_agreement_is_with_the_predicted_side():
    assert decisions.agreement(Interval(0.1, 0.05, 0.15), 1.0) == "as predicted"
    assert decisions.agreement(Interval(0.1, 0.05, 0.15), -1.0) == "against"
    assert decisions.agreement(Interval(-0.1, -0.15, -0.05), -1.0) == "as predicted"
    assert decisions.agreement(Interval(0.1, -0.05, 0.25), 1.0) == "open"


def test_lengths_and_cosines_are_means_of_the_second_half():
    late = decisions.late(decided())
    np.testing.assert_allclose(late["eps_norm"].isel(seed=0), [0.05, 0.2, 0.19, 0.05, 0.06])
    row = next(r for r in decisions.length(late).rows if r[1] == PUBLISHED)
    assert row[2:4] == ("0.19 / 0.2", "0.30 / 0.15")
    assert [float(cell.split()[0]) for cell in row[4:]] == pytest.approx([5, 4, 1], abs=0.2)


def test_the_record_at_half_time_is_not_in_the_second_half():
    short = decided().isel(record=slice(1, None))
    np.testing.assert_allclose(decisions.late(short)["eps_norm"].isel(seed=0)[0], 1.5 * 0.05)


def test_winners_are_named_for_both_readings():
    rows = {row[1]: row[2:] for row in decisions.regimes(decisions.late(decided())).rows}
    assert decisions.best_sam(decided()) == SAM  # by validation; on test ρ × 4 is better
    for name, selected, final in (
        (f"published − SAM ({SAM})", 5, 10), (f"published − its other sign ({MINUS})", -5, 5),
        ("published − random selection (+ random, ball)", -1, 30),
    ):  # fmt: skip
        assert [float(cell.split()[0]) for cell in rows[name]] == pytest.approx([selected, final], abs=0.3)


def test_differences_belong_to_their_block_and_reading():
    one, two = decided(), decided(**{PUBLISHED: (0.2, 0.9, 0, 0.1, 0)}).assign_coords(block=("run", ["c"] * 5))
    dataset = xr.concat([one, two], "run")
    found = [
        comparison.difference(dataset, block, PUBLISHED, SAM, reading).mean()
        for block, reading in (("b", "selected"), ("b", "final"), ("c", "selected"), ("c", "final"))
    ]
    assert found == pytest.approx([0.05, 0.1, -0.6, 0.3], abs=2e-3)


def test_the_population_rule_takes_the_noise_rate_from_the_labels_that_are_kept():
    """.7 are kept and .5 of the given labels right: by the population, subtract."""
    terms = {f"{n}_{r}_{c}": 1.0 for n in ("own", "pair") for r in threshold.ROWS for c in threshold.COLUMNS}
    here = xr.Dataset({n: ("seed", [v, v]) for n, v in (terms | {"kept": 0.7, "star_square": 1.0}).items()})
    here = here.assign(batch=50, strength=2.0)
    found = threshold.predictions(here, np.array([0.5, 0.2, 0.3]))
    assert found["slope"][threshold.POPULATION] == found["turn"][threshold.POPULATION] == -1


def test_columns_of_tables_are_read_against_sam_beside_their_reported_numbers():
    name = "V: instance-dependent .2"
    levels = {"SAM": (0.80, 0.70), "NCSAM": (0.83, 0.66), "SGD": (0.75, 0.71)}
    scale = 1 + 0.01 * np.arange(3)[:, None]
    variables = {
        n: (("run", "seed"), np.array([[v[k]] for v in levels.values()]) + scale * SEEDS)
        for k, n in enumerate(("selected", "final"))
    }
    labels = {"block": ("run", [name] * 3), "label": ("run", list(levels))}
    (row,) = natural_noise.verdicts(xr.Dataset(variables, labels)).rows
    assert [float(cell.split()[0]) for cell in row[1:5]] == pytest.approx([3, -4, 5, -1], abs=0.1)
    assert [cell.rpartition(": ")[2] for cell in row[1:5]] == ["shown", "reversed", "shown", "reversed"]
    assert row[5] == "86.93 − 86.54 (Food-101N)"


def test_every_column_compares_ncsam_with_itself_at_strength_zero():
    entries = natural_noise.entries(natural_noise.NaturalNoise(seeds=2))
    assert [e.label for e in entries] == ["SAM", "NCSAM", "SGD"] * 4
    for sam, ncsam, sgd in zip(entries[::3], entries[1::3], entries[2::3], strict=True):
        column = natural_noise.COLUMNS[sam.block]
        assert sam.unit.problem.noise == column.noise
        assert (sam.unit.rule.strength, ncsam.unit.rule.strength) == (0, column.strength)
        assert ncsam.unit.rule.selection.fraction == column.fraction
        assert sam.unit.rule.schedule == ncsam.unit.rule.schedule
        assert sgd.unit.rule.name == "SGD"
