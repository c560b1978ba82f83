"""Predicted curves of two-layer networks against the full per-example rules in plain numpy, and known limits."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, ndtr

from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import DownWeight, FixedReweight, JacobianSam, LogitSam, Regularised, Sam, Sgd
from spec.training import Training
from spec.validation import InputError
from tests.networks_by_hand import READ, UNITS, gradient, trained
from theory.mean_field import Accuracy, Start, networks
from theory.mean_field import curves as linear_curves
from theory.mean_field.networks import TwoLayer, collapse, curves, inputs, rules, units
from theory.mean_field.networks.prediction import test_accuracy as accuracy_of_weights
from theory.mean_field.setting import Draws
from theory.mean_field.weights import SIGNAL, START, WeightSpace

PROBLEM = SignalNoiseMixture(n=480, d=600, B=1.5, gamma=1.2, Delta=0.25)
NETWORK = TwoLayer((1.0, 0.8, -0.6), "tanh", scale=1.0, overlap=0.2, second=0.5)
TRAINING = Training(0.7, 6, momentum=0.3, weight_decay=0.02)
QUICK = Accuracy(samples=1024, repeats=4)
RHO = 1.0 / np.hypot(PROBLEM.B, PROBLEM.gamma * PROBLEM.d**0.5)
TEACHER = NoisyLinearTeacher(n=480, d=600, Delta=0.25)


def written_out(rule, unit: str, x: np.ndarray, t: np.ndarray, W: np.ndarray, v: np.ndarray) -> tuple:
    """(gradient of W, of v): every example's own copy of all weights moves along its own gradient, or all along one."""
    phi, slope = UNITS[unit]
    h = x @ W.T
    q = -t * expit(-t * (phi(h) @ v))
    G = [np.einsum("i,k,ik,ij->ikj", q, v, slope(h), x), q[:, None] * phi(h)]
    if rule.sharpness == "batch":
        G = [np.mean(part, axis=0, keepdims=True) for part in G]
    square = np.sum(G[0] ** 2, axis=(1, 2)) + np.sum(G[1] ** 2, axis=1)
    size = rule.rho / np.sqrt(np.where(square > 0, square, np.inf))
    moved = np.einsum("ij,ikj->ik", x, np.broadcast_to(W + size[:, None, None] * G[0], (len(t), *W.shape)))
    ahead = v + size[:, None] * G[1]
    qs, hs, vs = [q, q], [h, h], [v, v]
    if rule.perturbs_residual:
        qs[1] = -t * expit(-t * np.sum(phi(moved) * ahead, axis=1))
    if rule.perturbs_jacobian:
        hs[1], vs[1] = moved, ahead
    F = qs[1][:, None] * vs[1] * slope(hs[1])
    return F.T @ x / len(t), phi(hs[1]).T @ qs[1] / len(t)


@pytest.mark.parametrize("unit", UNITS)
def test_copies_need_not_be_written_out(unit, rng) -> None:
    x, W, v = rng.normal(size=(12, 7)), rng.normal(size=(3, 7)), rng.normal(size=3)
    t = rng.choice([-1.0, 1.0], 12)
    for rule in (Sam(0.3), LogitSam(0.3), JacobianSam(0.3), Sam(0.3, "batch"), JacobianSam(0.3, "batch")):
        for ours, theirs in zip(gradient(rule, unit, x, t, W, v), written_out(rule, unit, x, t, W, v), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-13)


@pytest.mark.parametrize("unit", UNITS)
def test_units_and_their_slopes(unit) -> None:
    H = np.linspace(-2, 2, 21) + 0.03
    np.testing.assert_allclose(units.value(unit, H), UNITS[unit][0](H), atol=1e-14)
    rise = (units.value(unit, H + 1e-6) - units.value(unit, H - 1e-6)) / 2e-6
    np.testing.assert_allclose(units.slope(unit, H), rise, atol=1e-8)


CASES = {
    "J-SAM of linear units": (JacobianSam(RHO), "linear", PROBLEM),
    "1-SAM": (Sam(RHO), "tanh", PROBLEM),
    "L-SAM": (LogitSam(RHO), "tanh", PROBLEM),
    "J-SAM at kinks": (JacobianSam(RHO), "relu", PROBLEM),
    "n-SAM": (Sam(0.5, "batch"), "erf", PROBLEM),
    "penalties": (Regularised(0.3, 0.2), "tanh", PROBLEM),
    "1-SAM of a mask": (DownWeight(Sam(RHO), 0.8), "tanh", PROBLEM),
    "n-SAM of a mask": (DownWeight(Sam(0.5, "batch"), 1.0, "C"), "tanh", PROBLEM),
    "1-SAM under a teacher": (Sam(RHO), "tanh", TEACHER),
    "J-SAM under a teacher": (JacobianSam(RHO), "relu", TEACHER),
}


@pytest.mark.parametrize("case", CASES)
def test_curves_are_those_of_training(case, rng) -> None:
    """Within five standard errors of the mean over trainings, and the limit's own error of order 1/d."""
    rule, unit, problem = CASES[case]
    network = replace(NETWORK, unit=unit)
    predicted = curves(rule, problem, TRAINING, network, accuracy=QUICK).isel(epoch=-1)
    measured = np.array([trained(rule, problem, TRAINING, network, rng)[-1] for _ in range(12)])
    error = np.hypot(measured.std(axis=0, ddof=1) / 12**0.5, [float(predicted[f"{n}_error"]) for n in READ])
    difference = np.abs(measured.mean(axis=0) - [float(predicted[n]) for n in READ])
    assert np.all(difference < 5 * error + 5 / problem.d), dict(zip(READ, difference / error, strict=True))
    assert np.all(error < [0.01, 0.015, 0.03, 0.04, 0.04, 0.02])


@pytest.mark.parametrize("rule", [Sam(RHO), LogitSam(RHO), JacobianSam(RHO)], ids=str)
def test_one_linear_unit_under_a_fixed_layer_is_the_linear_model(rule) -> None:
    training = Training(0.5, 5, batch=240_000, weight_decay=0.1)
    narrow = TwoLayer((1.0,), "linear", scale=0.7, second=0.0)
    far = replace(PROBLEM, n=480_000, d=600_000)  # v has no share in the ascent
    rule = replace(rule, rho=rule.rho / 1000**0.5)
    found = curves(rule, far, training, narrow, accuracy=QUICK)
    known = linear_curves(rule, far, training, Start(0.7), accuracy=replace(QUICK, seed="another"))
    for name in ("test_accuracy", "clean_loss", "mislabelled_loss"):
        error = np.hypot(found[f"{name}_error"], known[f"{name}_error"])
        assert bool((np.abs(found[name] - known[name]) <= 6 * error + 1e-5).all()), name


def look_and_weights(d: int, unit: str = "linear") -> tuple[rules.Pass, np.ndarray]:
    problem = replace(PROBLEM, n=round(0.8 * d), d=d)
    space, draws = WeightSpace(20), Draws(QUICK, 0)
    matrix = inputs.inputs(problem, space, draws, 512)
    batch = next(inputs.batches(problem, Training(1.0, 1), matrix, draws))
    w = np.zeros((2, 1 + len(space.zero())))
    w[:, 0], w[:, 1 + SIGNAL], w[:, 1 + START] = [0.9, -0.5], [0.4, 0.1], [0.8, 0.3]
    return rules.Pass(batch, unit), w


def test_jacobian_sam_of_linear_units_is_descent_with_a_shrinking_last_layer() -> None:
    """Proposition 4.1: v shrinks by c E|q| v/||v||; the penalty of activations falls as 1/d at fixed c."""
    errors = []
    for d in (200, 2000):
        look, w = look_and_weights(d)
        here = look.at(w)
        c = 1.3
        extra = rules.direction(JacobianSam(c / look.batch.length), 0, look, w) - rules.direction(Sgd(), 0, look, w)
        pull = np.zeros_like(w)
        pull[:, 0] = c * look.batch.mean(np.abs(look.residual(here))) * w[:, 0] / np.linalg.norm(w[:, 0])
        errors.append(np.linalg.norm(extra - pull))
    assert errors[0] < 0.01
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.05)


def test_fields_move_by_c_along_their_own_gradient() -> None:
    look, w = look_and_weights(10**8, "tanh")
    here = look.at(w)
    moved = look.shifted(0.7 / look.batch.length, here)
    p = w[:, :1] * (1 - np.tanh(here.H) ** 2)
    np.testing.assert_allclose(moved.H - here.H, -0.7 * look.t * p / np.linalg.norm(p, axis=0), atol=1e-5)
    np.testing.assert_allclose(np.broadcast_to(moved.v, here.H.shape), np.broadcast_to(here.v, here.H.shape), atol=1e-3)
    assert np.all(look.t * (look.output(moved) - look.output(here)) < 0)


def test_a_mask_that_removes_nothing_is_its_base() -> None:
    masked, base = (
        curves(r, PROBLEM, Training(0.5, 3), NETWORK, accuracy=replace(QUICK, samples=256))
        for r in (DownWeight(Sam(0.5, "batch"), 0.0), Sam(0.5, "batch"))
    )
    np.testing.assert_allclose(masked["last_norm"], base["last_norm"], rtol=1e-3)
    np.testing.assert_allclose(masked["clean_loss"], base["clean_loss"], rtol=0.02)


def test_more_samples_change_nothing_beyond_the_stated_error() -> None:
    few, many = (
        curves(Sam(RHO), PROBLEM, TRAINING, NETWORK, accuracy=Accuracy(m, 4, f"doubling {m}")) for m in (1024, 2048)
    )
    for name in READ:
        error = np.hypot(few[f"{name}_error"], many[f"{name}_error"])
        assert bool((np.abs(few[name] - many[name]) <= 8 * error + 1e-9).all()), name
    assert float(few.test_accuracy_error.max()) < 2e-3


@pytest.mark.parametrize("unit", ["linear", "tanh", "erf"])
def test_accuracy_of_one_odd_unit_is_the_normal_integral(unit) -> None:
    _, w = look_and_weights(1000, unit)
    normals = Draws(QUICK, 0).normals("test", 2, 8192)
    row = w[:1]
    exact = ndtr(PROBLEM.B * row[0, 1 + SIGNAL] / (PROBLEM.gamma * np.linalg.norm(row[0, 1:])))
    found = accuracy_of_weights(PROBLEM, unit, row, normals)
    assert found == pytest.approx(exact, abs=1e-12 if unit == "linear" else 5e-4)


@pytest.mark.parametrize("second", [1.0, 0.4])
def test_linear_units_without_a_drive_collapse_at_the_closed_form(second) -> None:
    network = TwoLayer((0.1, 0.08, -0.06), "linear", second=second)
    s, S = PROBLEM.gamma**2, (0.5 * PROBLEM.B) ** 2 + PROBLEM.gamma**2 / 0.8
    expected = np.linalg.norm(network.v) * (np.sqrt(s**2 / 16 + S / second) - s / 4)
    assert collapse.threshold(PROBLEM, network) == pytest.approx(expected, rel=0.01)


FAR = replace(PROBLEM, n=480_000, d=600_000)
SMALL = (0.1, 0.08, -0.06)
COLLAPSES = {
    "linear": (JacobianSam, TwoLayer(SMALL, "linear", overlap=0.1), FAR),
    "tanh": (Sam, TwoLayer(SMALL, "tanh"), FAR),
    "erf, larger": (JacobianSam, TwoLayer((0.3, 0.24, -0.18), "erf"), FAR),
    "relu": (JacobianSam, TwoLayer(SMALL, "relu", overlap=0.1), FAR),
    "teacher": (JacobianSam, TwoLayer(SMALL, "tanh", second=0.6), NoisyLinearTeacher(480_000, 600_000, 0.25)),
}


@pytest.mark.parametrize("case", COLLAPSES)
def test_the_last_layer_collapses_above_the_threshold(case) -> None:
    """c = .9 c* and 1.1 c* on either side, in the limit."""
    rule, network, problem = COLLAPSES[case]
    c = collapse.threshold(problem, network)
    length = np.hypot(FAR.B, FAR.gamma * FAR.d**0.5) if problem == FAR else problem.d**0.5
    quick = Accuracy(samples=256, repeats=2)
    for factor, falls in ((0.9, False), (1.1, True)):
        curve = curves(rule(factor * c / length), problem, Training(0.15, 60), network, accuracy=quick)
        assert (collapse.collapsed(curve) is not None) == falls, (factor, curve.last_norm.values)


@pytest.mark.parametrize(
    ("rule", "problem", "network", "words"),
    [
        (Sam(0.1, 4), PROBLEM, NETWORK, "sharpness must be 'example' or 'batch'"),
        (Sam(0.1, "example", "last"), PROBLEM, NETWORK, "ascent must be along 'all'"),
        (FixedReweight(1.0, 0.5), PROBLEM, NETWORK, "rule must be SGD"),
        (Sgd(), SignalNoiseMixture(flips="bernoulli"), NETWORK, "stratified"),
        (Sgd(), "mnist", NETWORK, "SignalNoiseMixture"),
        (Sgd(), PROBLEM, "wide", "TwoLayer"),
    ],
    ids=lambda value: None,
)
def test_what_is_not_predicted_is_refused_in_one_sentence(rule, problem, network, words) -> None:
    with pytest.raises(InputError, match=words):
        curves(rule, problem, TRAINING, network)


def test_bad_networks_are_named() -> None:
    with pytest.raises(InputError, match="v must be of at most 8 units"):
        networks.TwoLayer((1.0,) * 9)
    with pytest.raises(InputError, match="unit must be one of"):
        networks.TwoLayer(unit="sigmoid")
    with pytest.raises(InputError, match="a last layer that learns"):
        collapse.threshold(PROBLEM, replace(NETWORK, second=0.0))
