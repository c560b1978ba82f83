"""FBR against the field: what each block holds, how comparisons are paired, and what a verdict takes."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from paper_repro.zhang2025.experiments import field
from paper_repro.zhang2025.experiments import field_entries as sets
from sims import simulate
from spec.clean_subset import CleanEpochs, CleanSubset
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import RealData, SignalNoiseMixture, SymmetricNoise
from spec.rules import FeatureReweight, FixedReweight, Sgd
from spec.runs import TrainingRun
from spec.training import Training
from spec.validation import InputError

FULL = field.FIELD.config["full"]


def test_blocks_share_everything_but_the_scheme_and_start_with_cross_entropy():
    entries = sets.entries(FULL)
    for block in dict.fromkeys(e.block for e in entries):
        here = [e for e in entries if e.block == block]
        assert here[0].label == sets.CE
        assert len({(e.unit.problem, e.unit.clean, e.unit.extra, e.unit.seeds, e.unit.training) for e in here}) == 1
        assert len({e.unit.rule for e in here}) == len({e.label for e in here}) == len(here)
        assert (sets.CLEAN in {e.label for e in here}) == (here[0].unit.extra.epochs > 0)


def test_the_full_field_has_what_is_asked_for():
    units = [e.unit for e in sets.entries(FULL)]
    main = [u for u in units if u.clean == CleanSubset()]
    balanced = [u for u in main if u.problem.imbalance == 1]
    assert len({(u.problem.name, u.problem.noise) for u in balanced}) == 8
    assert {(u.problem.name, u.problem.noise) for u in main if u not in balanced} == {("digits", SymmetricNoise(0.4))}
    assert {u.extra.epochs for u in units} == {0, 1, 30}
    assert {(u.clean.m, u.clean.wrong) for u in units} == {(100, 0), (20, 0), (200, 0), (100, 0.2)}
    assert all(u.clean.m < u.problem.n_validation and len(u.seeds) == 8 for u in units)
    apart = {e.block for e in sets.entries(FULL) if e.label in sets.ablations(FULL)}
    assert apart == {f"{name}, symmetric .4, V = 0" for name in ("digits", "mnist1d", "digits, imbalance 10")}
    assert len(sets.ablations(FULL)) == len(set(sets.ablations(FULL).values()) - {sets.fbr(FULL)})


def made_up(values, seeds=4):
    """Results {(place, V, label): accuracy}, with a common seed effect that pairing removes, up to a tenth."""
    effect = 0.05 * np.arange(seeds)
    rows = [v + effect * (1 + 0.01 * i) for i, v in enumerate(values.values())]
    places, extra, labels = zip(*values, strict=True)
    blocks = [sets.block_name(p, v) for p, v in zip(places, extra, strict=True)]
    names = {"block": blocks, "label": labels, "place": places, "extra": extra, "seen": [1000] * len(rows)}
    readings = dict.fromkeys(("selected", "final"), (("run", "seed"), np.array(rows)))
    return xr.Dataset(readings, {n: ("run", list(v)) for n, v in names.items()})


def test_verdicts_are_paired_within_a_block():
    dataset = made_up(
        {
            ("a", 0, sets.CE): 0.5, ("a", 0, sets.FBR): 0.6, ("a", 0, sets.L2RW): 0.7,
            ("a", 30, sets.CE): 0.8, ("a", 30, sets.FBR): 0.8, ("a", 30, sets.CLEAN): 0.7,
        }
    )  # fmt: skip
    others = (sets.CE, sets.CLEAN, sets.L2RW)
    assert field.consistent(dataset, others) == {"selected": (2, 1, 4), "final": (2, 1, 4)}
    zero, thirty, total = field.against(dataset, others, "selected", "").rows
    assert [cell.rsplit(" ", 1)[-1] for cell in zero[1:]] == ["better", "–", "worse"]
    assert [cell.rsplit(" ", 1)[-1] for cell in thirty[1:]] == ["shown", "better", "–"]
    assert total[1:] == ("better in 1, worse in 0 of 2", "better in 1, worse in 0 of 1", "better in 0, worse in 1 of 1")


@pytest.mark.parametrize(
    ("final", "shown"), [((4, 0, 4), True), ((3, 0, 4), False), ((3, 1, 4), False), ((0, 0, 0), False)]
)
def test_outperforming_consistently_takes_every_comparison_and_one_at_least(final, shown):
    assert field.is_shown({"selected": (4, 0, 4), "final": final}) == shown


def test_credit_tells_the_gain_of_extra_epochs_from_that_of_the_method():
    dataset = made_up(
        {
            ("a", 0, sets.CE): 0.5, ("a", 0, sets.FBR): 0.5, ("a", 30, sets.CE): 0.8,
            ("a", 30, sets.FBR): 0.8, ("a", 30, sets.CLEAN): 0.7,
        }
    )  # fmt: skip
    ((place, *cells),) = field.credit(dataset).rows
    assert place == "a"
    assert [float(cell.split(" ", 1)[0]) for cell in cells] == pytest.approx([30, 30, 20, 0, 0], abs=0.5)
    assert [cell.rsplit(" ", 1)[-1] for cell in cells[:3]] == ["better"] * 3


def test_runs_see_the_clean_subset_through_weights_and_extra_epochs_alone():
    """Without weights extra epochs on the clean subset teach the true classes; with weights the noise comes in."""
    problem = RealData(n_train=200, n_validation=300, noise=SymmetricNoise(0.8))
    training, seeds = Training(0.2, epochs=6, batch=20), (0, 1)

    def final(scheme):
        run = TrainingRun(scheme, problem, Mlp((16,)), training, (Accuracies(),), seeds, clean=CleanSubset(100))
        found = simulate(replace(run, extra=CleanEpochs(3, 20)))
        # Shares of the 200 examples that are left to validate on; those of 300 would be multiples of 1/300.
        counts = 200 * found["validation_accuracy"].values.astype(float)
        np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
        return found.isel(epoch=-1)

    without, noisy = final(FixedReweight(0.0, 0.0)), final(FixedReweight(0.0, 1.0))
    assert (without["test_accuracy"] > 0.6).all()
    assert (without["mislabelled_accuracy"] < 0.2).all()
    assert (noisy["test_accuracy"] < without["test_accuracy"]).all()
    np.testing.assert_allclose([without["noise_share"], noisy["noise_share"]], [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rule": FeatureReweight()}, "clean must be a clean subset"),
        ({"extra": CleanEpochs(1)}, "clean must be a clean subset"),
        (
            {"clean": CleanSubset(), "extra": CleanEpochs(1), "problem": SignalNoiseMixture()},
            "problem must be real data",
        ),
    ],
)
def test_runs_without_a_clean_subset_are_refused(values, message):
    run = {"rule": Sgd(), "problem": RealData(), "network": Mlp((4,)), "training": Training(0.1, 1), "observe": ()}
    with pytest.raises(InputError, match=message):
        TrainingRun(**run | {"seeds": (0, 1)} | values)


def test_unknown_noise_is_refused():
    with pytest.raises(InputError, match="noises must be one of"):
        sets.Field(noises=("symmetric",))
