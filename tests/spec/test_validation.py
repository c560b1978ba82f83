"""Every refusal names the argument, its value and what is accepted."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from spec import validation
from spec.problems import (
    AsymmetricNoise,
    InstanceNoise,
    NoisyLinearTeacher,
    RealData,
    SignalNoiseMixture,
    SymmetricNoise,
)
from spec.rules import JacobianSam, LogitSam, Regularised, Sam
from spec.validation import InputError

FLIPS = "one of 'stratified', 'bernoulli'"
SHARPNESS = "'example', 'batch' or an integer >= 1"

# (call with its wrong argument, the argument's name, what is accepted, the value)
REFUSED = [
    *[
        (lambda rule=rule, rho=rho: rule(rho), "rho", "a number in [0, inf)", repr(rho))
        for rule in (Sam, LogitSam, JacobianSam)
        for rho in (-0.1, float("nan"), float("inf"), "0.1", None, True)
    ],
    (lambda: Sam(np.array([0.1, -1.0])), "rho", "a number in [0, inf)", "-1.0"),
    (lambda: Sam(np.float64(-1.0)), "rho", "a number in [0, inf)", "np.float64(-1.0)"),
    (lambda: Sam(0.1, "shard"), "sharpness", SHARPNESS, "'shard'"),
    *[(lambda m=m: Sam(0.1, m), "sharpness", SHARPNESS, repr(m)) for m in (0, -3, 2.0, True, None, np.int64(0))],
    (lambda: SignalNoiseMixture(n=1), "n", "an integer >= 2", "1"),
    (lambda: SignalNoiseMixture(n=2.0), "n", "an integer >= 2", "2.0"),
    (lambda: SignalNoiseMixture(d=2), "d", "an integer >= 3", "2"),
    (lambda: SignalNoiseMixture(B=-1.0), "B", "a number in [0, inf)", "-1.0"),
    (lambda: SignalNoiseMixture(gamma=0.0), "gamma", "a number in (0, inf)", "0.0"),
    (lambda: SignalNoiseMixture(Delta=0.5), "Delta", "a number in [0, 0.5)", "0.5"),
    (lambda: SignalNoiseMixture(Delta=-0.1), "Delta", "a number in [0, 0.5)", "-0.1"),
    (lambda: SignalNoiseMixture(noise="white"), "noise", "one of 'isotropic', 'orthogonal'", "'white'"),
    (lambda: SignalNoiseMixture(flips="all"), "flips", FLIPS, "'all'"),
    (lambda: NoisyLinearTeacher(n=0), "n", "an integer >= 2", "0"),
    (lambda: NoisyLinearTeacher(d=1), "d", "an integer >= 2", "1"),
    (lambda: NoisyLinearTeacher(Delta=0.7), "Delta", "a number in [0, 0.5)", "0.7"),
    (lambda: NoisyLinearTeacher(flips=None), "flips", FLIPS, "None"),
    (lambda: SymmetricNoise(1.0), "Delta", "a number in [0, 1)", "1.0"),
    (lambda: SymmetricNoise(0.3, "all"), "flips", FLIPS, "'all'"),
    (lambda: AsymmetricNoise(0.5), "Delta", "a number in [0, 0.5)", "0.5"),
    (lambda: AsymmetricNoise(0.3, "all"), "flips", FLIPS, "'all'"),
    (lambda: InstanceNoise(0.5), "Delta", "a number in [0, 0.5)", "0.5"),
    (lambda: InstanceNoise(0.3, spread=-0.1), "spread", "a number in [0, 1]", "-0.1"),
    (
        lambda: RealData("imagenet"),
        "name",
        "one of 'digits', 'mnist1d', 'mnist1d_standard', 'mnist', 'cifar10', 'cifar100', 'own'",
        "'imagenet'",
    ),
    (lambda: RealData(n_train=1), "n_train", "an integer >= 2", "1"),
    (lambda: RealData(n_validation=0), "n_validation", "an integer >= 1", "0"),
    (
        lambda: RealData(noise=0.3),
        "noise",
        "SymmetricNoise(...) or AsymmetricNoise(...) or InstanceNoise(...) or GivenNoise(...)",
        "0.3",
    ),
    (lambda: RealData(classes=(3,)), "classes", "a tuple of at least two distinct labels", "(3,)"),
    (lambda: RealData(classes=(3, 3)), "classes", "a tuple of at least two distinct labels", "(3, 3)"),
    (lambda: RealData(classes=(0, -1)), "classes", "an integer >= 0", "-1"),
    (lambda: RealData(imbalance=0.5), "imbalance", "a number in [1, inf)", "0.5"),
    (lambda: RealData(classes=[1, 2]), "classes", "one or more values, each an integer >= 0", "[1, 2]"),
    (lambda: Regularised(-0.1, 0.2), "activation", "a number in [0, inf)", "-0.1"),
    (lambda: Regularised(0.1, None), "last_layer", "a number in [0, inf)", "None"),
    (lambda: Regularised(0.1, 0.1, "l1"), "form", "one of 'norm', 'squared'", "'l1'"),
    (lambda: Sam(10**400), "rho", "a number in [0, inf)", repr(10**400)),
    (lambda: Sam(1 + 2j), "rho", "a number in [0, inf)", "(1+2j)"),
    (lambda: Sam([0.1]), "rho", "a number in [0, inf)", "[0.1]"),
    (lambda: Sam(np.bool_(True)), "rho", "a number in [0, inf)", "np.True_"),
    (lambda: Sam(np.array(["a"])), "rho", "a number in [0, inf)", "'a'"),
    (lambda: SignalNoiseMixture(Delta=(0.1, 0.2)), "Delta", "a number in [0, 0.5)", "(0.1, 0.2)"),
    (lambda: validation.require_reals("rho", (), low=0.0), "rho", "one or more numbers in [0, inf)", "()"),
    (lambda: validation.require_reals("rho", (0.1, -2.0), low=0.0), "rho", "a number in [0, inf)", "-2.0"),
    (lambda: validation.require(False, "shape", (2, 3), "square"), "shape", "square", "(2, 3)"),
]


@pytest.mark.parametrize(
    ("call", "name", "accepted", "value"), REFUSED, ids=[f"{case[1]}-{case[3]}-{i}" for i, case in enumerate(REFUSED)]
)
def test_refusals_are_one_sentence_in_one_form(call, name, accepted, value):
    with pytest.raises(InputError, match=f"^{re.escape(f'{name} must be {accepted}, got {value}')}$"):
        call()


@pytest.mark.parametrize("problem", [SignalNoiseMixture, NoisyLinearTeacher])
def test_a_positive_flip_rate_must_flip_something(problem):
    """Exactly round(Delta n) flips: 0.2 of 2 examples is none, and that is not what Delta = 0.2 says."""
    message = "Delta * n must round to at least one mislabelled example, got Delta=0.2 with n=2"
    with pytest.raises(InputError, match=re.escape(message)):
        problem(n=2, Delta=0.2)
    assert problem(n=2, Delta=0.2, flips="bernoulli").Delta == 0.2
    assert problem(n=2, Delta=0.0).Delta == 0.0


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_data_sets_on_disk_need_a_path(name):
    with pytest.raises(InputError, match=f"^path must name the folder that holds the {name} files, got None$"):
        RealData(name)
    assert RealData(name, path="data").path == "data"


def test_an_input_error_is_a_value_error():
    """Callers that know nothing of the project can still catch it."""
    assert issubclass(InputError, ValueError)


def test_require_is_silent_when_the_condition_holds():
    validation.require(True, "shape", (2, 2), "square")


@pytest.mark.parametrize("value", [1, 5, np.int64(3), np.uint8(3)])
def test_integers_of_every_kind_pass(value):
    validation.require_integer("m", value, at_least=1)


@pytest.mark.parametrize("value", [0, 2, 0.5, np.float32(0.5), np.int64(1)])
def test_reals_of_every_kind_pass(value):
    validation.require_real("rho", value, low=0.0)


def test_values_without_a_number_to_look_at_pass():
    """A rule does not look into a traced or jax value, even where it would be wrong."""
    assert Sam(jnp.asarray(-1.0)).name == "1-SAM"
    assert Sam(object()).name == "1-SAM"


@pytest.mark.parametrize(
    ("low_open", "high_open", "interval", "inside", "outside"),
    [
        (False, True, "[0, 1)", [0.0, 0.5], [1.0, -0.1, 1.1]),
        (True, True, "(0, 1)", [0.5], [0.0, 1.0]),
        (False, False, "[0, 1]", [0.0, 1.0], [-0.1, 1.1]),
        (True, False, "(0, 1]", [1.0], [0.0, 1.1]),
    ],
)
def test_ends_of_the_interval(low_open, high_open, interval, inside, outside):
    limits = {"low": 0.0, "high": 1.0, "low_open": low_open, "high_open": high_open}
    for value in inside:
        validation.require_real("q", value, **limits)
    for value in (*outside, float("nan")):
        message = f"q must be a number in {interval}, got {value!r}"
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            validation.require_real("q", value, **limits)


def test_one_bad_number_spoils_the_array():
    for bad in (-0.1, float("inf"), float("nan")):
        with pytest.raises(InputError, match=r"^rho must be a number in \[0, inf\), got"):
            Sam(np.array([[0.5, 0.2], [bad, 0.1]]))


def test_an_infinite_upper_end_still_excludes_infinity():
    with pytest.raises(InputError, match=re.escape("q must be a number in [0, inf], got inf")):
        validation.require_real("q", float("inf"), low=0.0, high_open=False)


def test_require_choice():
    validation.require_choice("mode", "a", ("a", "b"))
    with pytest.raises(InputError, match=r"^mode must be one of 'a', 'b', got 'c'$"):
        validation.require_choice("mode", "c", ("a", "b"))


@pytest.mark.parametrize("values", [np.zeros((2, 3)), [1.0, 2.0], 3.0, np.arange(4), jnp.ones(2)])
def test_finite_values_pass(values):
    validation.require_finite("w", values)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_value_that_is_not_finite_is_named(bad):
    """In reading order; later ones are not mentioned."""
    values = np.zeros((2, 3))
    values[0, 2], values[1, 0] = bad, -bad
    with pytest.raises(InputError, match=re.escape(f"w must be finite everywhere, got {bad} at index (0, 2)")):
        validation.require_finite("w", values)


def test_a_number_that_is_not_finite_is_named():
    with pytest.raises(InputError, match=re.escape("w must be finite everywhere, got nan at index ()")):
        validation.require_finite("w", float("nan"))
