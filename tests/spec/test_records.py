"""Records are values: frozen, hashable, and described by plain data. Seeds are fixed by a name."""

import dataclasses
import hashlib
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spec import claims, records, seeds
from spec.problems import (
    AsymmetricNoise,
    InstanceNoise,
    NoisyLinearTeacher,
    RealData,
    SignalNoiseMixture,
    SymmetricNoise,
)
from spec.rules import DownWeight, Fsam, Gsam, JacobianSam, LogitSam, Only, Sam, Sgd, Vasso, Without
from spec.validation import InputError

# All different from each other, in one field or in the type alone.
RECORDS = [
    Sgd(),
    Sam(0.1),
    Sam(0.2),
    Sam(0.1, 1),
    Sam(0.1, 5),
    Sam(0.1, "batch"),
    LogitSam(0.1),
    LogitSam(0.1, 5),
    JacobianSam(0.1),
    JacobianSam(0.1, "batch"),
    Gsam(0.1),
    Gsam(0.1, 0.2),
    Fsam(0.1),
    Vasso(0.1),
    DownWeight(Sam(0.1)),
    DownWeight(Sam(0.1), 0.25),
    DownWeight(Sam(0.1), group="A"),
    DownWeight(Sam(0.1), warmup=7),
    DownWeight(LogitSam(0.1)),
    Without(Sam(0.1)),
    Only(Sam(0.1)),
    SignalNoiseMixture(),
    SignalNoiseMixture(n=60),
    SignalNoiseMixture(d=37),
    SignalNoiseMixture(B=1.3),
    SignalNoiseMixture(gamma=0.7),
    SignalNoiseMixture(Delta=0.3),
    SignalNoiseMixture(noise="orthogonal"),
    SignalNoiseMixture(flips="bernoulli"),
    NoisyLinearTeacher(),
    NoisyLinearTeacher(d=37),
    SymmetricNoise(0.3),
    SymmetricNoise(0.3, "bernoulli"),
    AsymmetricNoise(0.3),
    InstanceNoise(0.3),
    InstanceNoise(0.3, spread=0.2),
    RealData(),
    RealData(noise=SymmetricNoise(0.2)),
    RealData(noise=AsymmetricNoise(0.3)),
    RealData(noise=InstanceNoise(0.3)),
    RealData(classes=(3, 8)),
    RealData(classes=(8, 3)),
    RealData(imbalance=10.0),
    RealData("mnist", path="data"),
    claims.Exact(),
    claims.MonteCarlo(),
    claims.Asymptotic((10, 20), -1.0, (-0.5,)),
    claims.Ordering(),
    claims.AtMost(),
    claims.AtLeast(),
]


def names(values):
    return [f"{type(value).__name__}-{i}" for i, value in enumerate(values)]


# ---------------------------------------------------------------- records


@pytest.mark.parametrize("record", RECORDS, ids=names(RECORDS))
def test_records_are_values(record):
    """A copy is equal and finds the same entry of a dictionary."""
    copy = dataclasses.replace(record)
    assert copy is not record
    assert copy == record
    assert {record: "found"}[copy] == "found"


@pytest.mark.parametrize(
    "record", [r for r in RECORDS if dataclasses.fields(r)], ids=names([r for r in RECORDS if dataclasses.fields(r)])
)
def test_records_are_frozen(record):
    for field in dataclasses.fields(record):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field.name, getattr(record, field.name))


def test_distinct_records_differ():
    """In equality, and in their descriptions as text, which key the results on disk."""
    texts = [json.dumps(records.describe(record), sort_keys=True) for record in RECORDS]
    for (a, text_a), (b, text_b) in itertools.combinations(zip(RECORDS, texts, strict=True), 2):
        assert a != b
        assert text_a != text_b


@pytest.mark.parametrize("record", RECORDS, ids=names(RECORDS))
def test_descriptions_survive_json(record):
    description = records.describe(record)
    assert json.loads(json.dumps(description)) == description


@pytest.mark.parametrize("record", RECORDS, ids=names(RECORDS))
def test_descriptions_name_the_type_and_every_field(record):
    expected = {"record", *(field.name for field in dataclasses.fields(record))}
    description = records.describe(record)
    assert description["record"] == type(record).__name__
    assert set(description) == expected


def test_describe_goes_into_records_tuples_and_dicts():
    description = records.describe({"data": RealData(classes=(3, 8)), 1: [Sam(0.1), None]})
    assert description["data"]["noise"] == {"record": "SymmetricNoise", "Delta": 0.3, "flips": "stratified"}
    assert description["data"]["classes"] == [3, 8]
    assert description["1"] == [{"record": "Sam", "rho": 0.1, "sharpness": "example", "ascent": "all"}, None]


@pytest.mark.parametrize(
    ("value", "plain"), [(np.float64(0.1), 0.1), (np.int64(5), 5), (np.bool_(True), True), (np.float32(0.5), 0.5)]
)
def test_numpy_scalars_become_numbers(value, plain):
    """So a sweep over np.linspace and one over a list of floats share their results."""
    described = records.describe(value)
    assert described == plain
    assert type(described) is type(plain)


def test_a_record_with_a_numpy_scalar_has_the_same_text():
    plain, scalar = (json.dumps(records.describe(Sam(rho, m))) for rho, m in ((0.1, 5), (np.float64(0.1), np.int64(5))))
    assert plain == scalar


@pytest.mark.parametrize("value", [np.zeros(2), jnp.zeros(()), {1, 2}, Sam, len])
def test_what_is_not_plain_data_has_no_description(value):
    """Better an error than a key that depends on an address in memory."""
    with pytest.raises(TypeError, match=r"^cannot describe .* of type "):
        records.describe(value)


def test_a_record_with_an_array_has_no_description():
    with pytest.raises(TypeError, match="cannot describe array"):
        records.describe(Sam(np.array([0.1, 0.2])))


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (Sgd(), "SGD"),
        (Sam(0.1), "1-SAM"),
        (Sam(0.1, 1), "1-SAM"),
        (Sam(0.1, 5), "5-SAM"),
        (Sam(0.1, np.int64(5)), "5-SAM"),
        (Sam(0.1, "batch"), "n-SAM"),
        (LogitSam(0.1), "L-SAM"),
        (LogitSam(0.1, 5), "L-SAM (5)"),
        (LogitSam(0.1, "batch"), "L-SAM (batch)"),
        (JacobianSam(0.1), "J-SAM"),
        (JacobianSam(0.1, 5), "J-SAM (5)"),
        (JacobianSam(0.1, "batch"), "J-SAM (batch)"),
    ],
)
def test_names_of_rules(rule, name):
    assert rule.name == name


@pytest.mark.parametrize("kind", [Sam, LogitSam, JacobianSam])
def test_one_ascent_step_per_example_is_the_default(kind):
    assert kind(0.1).sharpness == "example"


def test_sgd_has_one_shard_and_no_radius():
    assert Sgd().sharpness == "batch"
    assert not hasattr(Sgd(), "rho")


@pytest.mark.parametrize("kind", [Sam, LogitSam, JacobianSam])
def test_rules_accept_a_traced_radius(kind):
    """Inside jit and vmap the radius has no value, and a rule can still be built around it."""

    def double(rho):
        assert isinstance(rho, jax.core.Tracer)
        return 2 * kind(rho).rho

    assert float(jax.jit(double)(0.25)) == 0.5
    np.testing.assert_array_equal(jax.vmap(double)(jnp.arange(3.0)), [0.0, 2.0, 4.0])
    assert float(jax.grad(double)(0.25)) == 2.0


@pytest.mark.parametrize("kind", [Sam, LogitSam, JacobianSam])
def test_rules_accept_arrays_of_radii(kind):
    radii = np.linspace(0, 1, 5)
    assert kind(radii).rho is radii
    assert kind(jnp.asarray(radii)).rho.shape == (5,)


@pytest.mark.parametrize("kind", [Sam, LogitSam, JacobianSam])
def test_rules_look_into_numpy_arrays(kind):
    with pytest.raises(InputError, match=r"^rho must be a number in \[0, inf\), got -0.1$"):
        kind(np.array([0.1, -0.1]))


def test_rules_of_different_kinds_are_not_equal():
    """They share their fields, so only the type tells them apart."""
    assert len({Sam(0.1), LogitSam(0.1), JacobianSam(0.1)}) == 3


# ---------------------------------------------------------------- problems


def test_the_boundaries_of_the_problems_are_accepted():
    assert SignalNoiseMixture(n=2, d=3, B=0.0, gamma=1e-9, Delta=0.0).d == 3
    assert NoisyLinearTeacher(n=2, d=2, Delta=0.0).d == 2
    assert RealData(n_train=2, n_validation=1, classes=(0, 1)).n_train == 2
    assert SymmetricNoise(0.0).Delta == 0.0
    assert [InstanceNoise(0.0, spread=s).spread for s in (0.0, 1.0)] == [0.0, 1.0]


@pytest.mark.parametrize("noise", [SymmetricNoise(0.9), AsymmetricNoise(0.49), InstanceNoise(0.49)])
def test_every_label_noise_goes_with_real_data(noise):
    assert RealData(noise=noise).noise == noise


def test_one_flipped_example_is_enough():
    """round(0.3 * 2) is 1."""
    assert SignalNoiseMixture(n=2, Delta=0.3).Delta == 0.3


# ---------------------------------------------------------------- seeds


def test_named_seed_is_stable(monkeypatch, seed):
    monkeypatch.setenv("SEED_SHIFT", str(seed))
    assert seeds.named_seed("data/7") == seeds.named_seed("data/7")


def test_named_seed_is_a_hash_of_the_name_and_the_shift(monkeypatch):
    """The leading 31 bits of sha256, so it does not depend on the platform or on the process."""
    for shift in ("0", "3"):
        monkeypatch.setenv("SEED_SHIFT", shift)
        bits = hashlib.sha256(f"data/7/{shift}".encode()).hexdigest()[:8]
        assert seeds.named_seed("data/7") == int(bits, 16) // 2


def test_no_shift_is_shift_zero(monkeypatch):
    monkeypatch.setenv("SEED_SHIFT", "0")
    zero = seeds.named_seed("data/7")
    monkeypatch.delenv("SEED_SHIFT")
    assert seeds.seed_shift() == 0
    assert seeds.named_seed("data/7") == zero


def test_the_shift_moves_every_seed(monkeypatch):
    drawn = []
    for shift in ("0", "1", "2", "-1"):
        monkeypatch.setenv("SEED_SHIFT", shift)
        assert seeds.seed_shift() == int(shift)
        drawn.append(seeds.named_seeds("data", 50))
    assert all(a != b for column in zip(*drawn, strict=True) for a, b in itertools.combinations(column, 2))


@pytest.mark.parametrize("text", ["", "one", "1.5"])
def test_a_shift_that_is_no_integer_is_refused(monkeypatch, text):
    monkeypatch.setenv("SEED_SHIFT", text)
    for draw in (seeds.seed_shift, lambda: seeds.named_seed("data"), lambda: seeds.named_seeds("data", 3)):
        with pytest.raises(InputError, match=f"^SEED_SHIFT must be an integer, got {text!r}$"):
            draw()


def test_seeds_fit_into_31_bits_and_fill_them():
    """Accepted by every generator; the top bit is used by about half of them (all or none: probability 2^-199)."""
    drawn = seeds.named_seeds("range", 200)
    assert all(isinstance(s, int) and 0 <= s < 2**31 for s in drawn)
    assert {s >> 30 for s in drawn} == {0, 1}


def test_different_names_have_different_seeds():
    drawn = [seeds.named_seed(f"{name}/{i}") for name in ("data", "model", "path") for i in range(50)]
    assert len(set(drawn)) == 150


def test_a_longer_run_contains_a_shorter_one():
    longer = seeds.named_seeds("data", 64)
    assert seeds.named_seeds("data", 32) == longer[:32]
    assert seeds.named_seeds("data", 0) == ()
    assert len(set(longer)) == 64


def test_named_seeds_are_named_by_their_index():
    assert seeds.named_seeds("data", 3)[2] == seeds.named_seed("data/2")
