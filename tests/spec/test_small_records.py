"""Names, defaults and limits of the smaller records."""

import pytest

from spec.clean_subset import CleanEpochs, CleanSubset
from spec.networks import LeNet, Mlp
from spec.observables import Correction, SignTerms
from spec.rules import (
    DownWeight,
    FeatureReweight,
    FixedReweight,
    Fsam,
    Gsam,
    MetaReweight,
    NormalisedReweight,
    Only,
    OracleMask,
    RandomMask,
    Sam,
    Sgd,
    Vasso,
    Without,
)
from spec.training import Training
from spec.validation import InputError

BASE = Sam(0.1, "batch")


def test_names_tell_rules_apart():
    named = {
        Gsam(0.1): "GSAM",
        Fsam(0.1): "FSAM",
        Vasso(0.1): "VaSSO",
        DownWeight(BASE): "n-SAM ↓B",
        DownWeight(BASE, -0.5, "A"): "n-SAM ↑A",
        Without(BASE, "C"): "n-SAM without C",
        Only(BASE, "A"): "n-SAM only A",
        OracleMask(BASE): "n-SAM noise-dominated halved",
        OracleMask(BASE, 1.0): "n-SAM oracle",
        RandomMask(BASE, match="energy"): "n-SAM random as B by energy",
    }
    assert {rule: rule.name for rule in named} == named


def test_schemes_that_know_who_is_mislabelled_need_no_clean_subset():
    needs = (MetaReweight(1.0, 0.1), NormalisedReweight(), FeatureReweight())
    assert [rule.needs_clean_subset for rule in (*needs, FixedReweight(), Sgd(), DownWeight(BASE))] == [True] * 3 + [
        False
    ] * 3


def test_an_epoch_has_whole_batches_alone():
    assert Training(0.1, 1, batch=50).steps(125) == 2
    assert Training(0.1, 1).steps(125) == 1


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: Mlp((4, 0)), "hidden"),
        (lambda: LeNet((12, 12, 1), channels=(2, 2, 2)), "image"),
        (lambda: Correction(0), "batch"),
        (lambda: Correction(5, 0), "batches"),
        (lambda: SignTerms(0), "batch"),
        (lambda: CleanSubset(0), "m"),
        (lambda: CleanEpochs(-1), "epochs"),
        (lambda: Training(0.1, 10, record_every=3), "record_every"),
    ],
)
def test_sizes_are_at_least_one(build, name):
    with pytest.raises(InputError, match=f"^{name} must"):
        build()
