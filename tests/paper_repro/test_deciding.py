"""The deciding experiment: its methods are the whole factorial, and its verdicts fit made-up results."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import xarray as xr

from paper_repro.shared.comparison import units
from paper_repro.xu2026.experiments import decisions
from paper_repro.xu2026.experiments.deciding import DECIDING, Deciding, entries, matched_in_length
from paper_repro.xu2026.experiments.decisions import ORACLE, PUBLISHED, SAM
from spec.rules import MarginSelection, OracleAscent, OracleSelection
from spec.validation import InputError

NOISE = np.array([0.0, 0.01, -0.01, 0.0])  # over seeds
MINUS = "−" + PUBLISHED[1:]


# ---------------------------------------------------------------- the factorial


def test_every_block_of_the_full_preset_is_the_whole_factorial_after_plain_sam():
    config = DECIDING.config["full"]
    found = entries(config)
    blocks = list(dict.fromkeys(e.block for e in found))
    assert len(blocks) == len(config.problems) - 1 + len(config.strength)  # other strengths at the first problem alone
    for block in blocks:
        here = [e for e in found if e.block == block]
        assert here[0].label == SAM
        assert len({e.label for e in here}) == len(here) == 1 + len(config.multiples) + 6 * 3 * 2 + 1
        assert len({(e.unit.problem, e.unit.seeds, e.unit.training) for e in here}) == 1
        factors = {(e.unit.rule.sign, e.unit.rule.project, e.unit.rule.selection) for e in here if e.label[0] in "+−"}
        assert len(factors) == 36
    assert config.seeds >= 8


def test_the_published_method_and_the_ceiling_are_what_their_labels_say():
    found = {e.label: e.unit.rule for e in entries(DECIDING.config["full"])}
    rule = found[PUBLISHED]
    assert (rule.sign, rule.project, rule.target, rule.selection) == (1, "ball", "highest", MarginSelection(0.3))
    assert found["− precision 0.8, free"] == replace(rule, sign=-1, project=None, selection=OracleSelection(0.3, 0.8))
    assert isinstance(found[ORACLE], OracleAscent)
    assert {r.warm_up_steps for r in found.values()} == {20 * 20}
    assert found[SAM].strength == found[f"{SAM}, ρ × 2"].strength == 0
    assert found[f"{SAM}, ρ × 2"].base.rho == 2 * found[SAM].base.rho


@pytest.mark.parametrize(("preset", "programs"), [("smoke", 2), ("standard", 6)])
def test_small_presets_compile_few_programs(preset, programs):
    config = DECIDING.config[preset]
    runs = units(entries(config))
    assert len({jax.tree.structure(u.rule) for u in runs}) == programs
    assert {e.label for e in entries(config)} >= {SAM, *config.only}


@pytest.mark.parametrize("bad", [{"rho": 0.0}, {"strength": (-1.0,)}, {"multiples": (-2.0,)}, {"warmup": 1.5}])
def test_bad_settings_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Deciding(**bad)


# ---------------------------------------------------------------- verdicts of made-up results


def made_up(**changes):
    """One block: labels -> (level of selected, length, share of right labels); every other reading is constant."""
    rows = {SAM: (0.80, 0.05, 0.0), f"{SAM}, ρ × 4": (0.84, 0.2, 0.0), PUBLISHED: (0.85, 0.19, 0.2)} | {
        MINUS: (0.90, 0.05, 0.2),
        ORACLE: (0.95, 0.05, 0.0),
    }
    rows |= changes
    levels, lengths, right = np.array(list(rows.values())).T
    seeds = (1 + np.arange(len(rows)))[:, None] * NOISE  # differences of two methods vary over seeds
    early = np.array([9.0, 1.0])  # the first half of the training must not count

    def log(values):
        return ("run", "seed", "record"), np.array(values)[:, None, None] * np.ones((1, 4, 1)) * early

    reading = ("run", "seed"), levels[:, None] + 0.1 * seeds
    logs = {n: log(0.3 * levels) for n in decisions.LATE}
    logs |= {"eps_norm": log(lengths), "right": log(right), "kept": log(0.7 + 0 * right), "gamma": log(0.1 + 0 * right)}
    cosine = {"clean_cosine": (("run", "seed", "record"), (levels[:, None] + seeds)[..., None] * early)}
    accuracy = {"validation_accuracy": (("run", "seed", "record"), reading[1][..., None] * np.array([1.0, 0.5]))}
    return xr.Dataset(
        logs | cosine | accuracy | {"selected": reading, "final": reading},
        coords={"block": ("run", ["b"] * len(rows)), "label": ("run", list(rows))},
    )


def test_the_sign_rule_is_confirmed_by_results_that_follow_it_and_refuted_by_others():
    follows, opposes = made_up(), made_up(**{PUBLISHED: (0.97, 0.19, 0.2)})
    for dataset, expected in ((follows, "as predicted"), (opposes, "against")):
        (pair,) = decisions.pairs(decisions.late(dataset))
        assert (pair.predicted, pair.right, pair.kept) == pytest.approx((-1, 0.2, 0.7))
        assert pair.window == pytest.approx(2 * 0.3 / (1 + 0.3 - 0.2))
        tally, each = decisions.sign_rule(decisions.late(dataset))
        assert {row[2:] for row in tally.rows} == {("1", "0", "0") if expected == "as predicted" else ("0", "1", "0")}
        assert each.rows[0][-1].endswith(expected)
    (precise,) = decisions.pairs(decisions.late(made_up(**{PUBLISHED: (0.85, 0.19, 0.9), MINUS: (0.9, 0.05, 0.9)})))
    assert (precise.predicted, precise.window) == (1, 1)


def test_an_interval_that_holds_zero_decides_nothing():
    tally, _ = decisions.sign_rule(decisions.late(made_up(**{PUBLISHED: (0.9, 0.19, 0.2)})))
    assert {row[2:] for row in tally.rows} == {("0", "0", "1")}


def test_the_gain_is_split_at_the_plain_sam_of_nearest_length():
    dataset = decisions.late(made_up())
    assert decisions.matched(dataset, PUBLISHED) == f"{SAM}, ρ × 4"
    assert decisions.matched(dataset, ORACLE) == SAM
    (row,) = [row for row in decisions.length(dataset).rows if row[1] == PUBLISHED]
    gain, longer, rest = (float(cell.split()[0]) for cell in row[4:])
    assert (gain, longer, rest) == pytest.approx((5.0, 4.0, 1.0), abs=0.06)
    assert row[-1].endswith(": shown")


def test_regimes_name_the_best_plain_sam_and_who_wins():
    rows = {row[1]: row[2] for row in decisions.regimes(decisions.late(made_up())).rows}
    assert decisions.best_sam(made_up()) == f"{SAM}, ρ × 4"
    assert rows[f"published − SAM of the best ρ ({SAM}, ρ × 4)"].endswith(": shown")
    assert rows[f"published − its other sign ({MINUS})"].endswith(": reversed")
    assert not any("random" in says for says in rows)  # not among these methods


def test_the_figure_keeps_every_method_of_the_length_of_sam():
    dataset = made_up(**{"− random, sphere": (0.8, 0.05, 0.2), "+ random, free": (0.8, 0.3, 0.2)})
    shown = [str(label) for label in matched_in_length(dataset)["label"].values]
    assert shown == [SAM, PUBLISHED, MINUS, ORACLE, "− random, sphere"]
