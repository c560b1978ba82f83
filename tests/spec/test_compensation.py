"""Records of compensation: what they refuse, and their names."""

from dataclasses import replace

import pytest

from spec.rules import (
    ClusterSelection,
    CompensationSchedule,
    MarginSelection,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    RandomSelection,
    Sam,
    Sgd,
)
from spec.validation import InputError

SCHEDULE = CompensationSchedule(epochs=10, steps=4, warm_up=3)
RECORD = NoiseCompensated(Sam(0.1, "batch"), 0.2, SCHEDULE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", Sgd()),
        ("base", Sam(0.1, "batch", "adaptive")),
        ("base", None),
        ("strength", -1.0),
        ("strength", None),
        ("schedule", None),
        ("selection", 0.4),
        ("target", "other"),
        ("sign", 0),
        ("project", "cube"),
        ("smoothing", 1.0),
    ],
)
def test_bad_fields_are_named(name, value):
    with pytest.raises(InputError, match=f"^{name} must be"):
        replace(RECORD, **{name: value})


@pytest.mark.parametrize("kind", [MarginSelection, RandomSelection, OracleSelection])
@pytest.mark.parametrize("fraction", [0.0, 1.1, -0.1, "0.4"])
def test_fractions_lie_above_zero_and_up_to_one(kind, fraction):
    with pytest.raises(InputError, match="fraction"):
        kind(fraction)
    assert kind(1.0).fraction == 1.0


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: OracleSelection(0.4, 1.2), "precision"),
        (lambda: ClusterSelection(1.2), "largest_rate"),
        (lambda: ClusterSelection(0.2, 0), "clusters"),
        (lambda: ClusterSelection(0.2, 5, -1), "iterations"),
        (lambda: CompensationSchedule(0, 4), "epochs"),
        (lambda: CompensationSchedule(4, 0), "steps"),
        (lambda: CompensationSchedule(4, 4, -1), "warm_up"),
        (lambda: CompensationSchedule(4, 4, 0, "linear"), "shape"),
        (lambda: OracleAscent(Sgd()), "base"),
        (lambda: OracleAscent(Sam(0.1), -1), "warm_up_steps"),
    ],
)
def test_other_bad_fields_are_named(build, name):
    with pytest.raises(InputError, match=f"^{name} must be"):
        build()


def test_warm_up_counts_steps_and_names_tell_variants_apart():
    assert RECORD.warm_up_steps == 12
    variants = [RECORD, replace(RECORD, sign=-1), replace(RECORD, project=None), replace(RECORD, project="sphere"),
                replace(RECORD, selection=RandomSelection(0.4)), OracleAscent(Sam(0.1, "batch"))]  # fmt: skip
    assert len({v.name for v in variants}) == len(variants)
