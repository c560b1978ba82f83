"""What is logged of a corrected perturbation, against the same quantities by hand."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, flat

from sims.data.sampling import Data, Split
from sims.objectives import Batch
from sims.observables.correction import SATURATED, correction
from sims.rules import Context, bind
from sims.rules.bound import Labelled
from sims.rules.compensation import noise_gradient, simulated_noise
from spec.observables import Correction
from spec.rules import (
    CompensationSchedule,
    MarginSelection,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    RandomSelection,
    Sam,
)
from spec.validation import InputError

CASE = CASES["deep relu, 3 classes"]
BATCH, RHO = 4, 0.3
LATE = CompensationSchedule(epochs=8, steps=2, warm_up=1)
PUBLISHED = NoiseCompensated(Sam(RHO, "batch"), 0.7, LATE, MarginSelection(0.5))


def problem(rng):
    n = 3 * BATCH + 1  # the remainder belongs to no batch
    x = jnp.asarray(rng.normal(size=(n, CASE.d)))
    y = jnp.asarray(np.arange(n) % CASE.classes)
    t = jnp.where(jnp.arange(n) % 3 == 0, (y + 1) % CASE.classes, y)
    split = Split(x, t, y)
    return CASE.params(rng), Data(split, None, split)


@cache
def program(batches):
    return jax.jit(lambda rule, p, data: correction(Correction(BATCH, batches))(rule, CASE.objective, p, data))


def logged(record, params, data, key, batches=3):
    log = program(batches)(bind(record, Context(data.train, None, key)), params, data)
    return {name: float(value) for name, value in log.items()}


def cosine(a, b):
    return np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)


NAMES = ("eps_norm", "clean_cosine", "sam_cosine", "precision", "right", "kept", "gamma")
gradient = jax.jit(jax.grad(CASE.objective.mean))


def drawn(record, params, part, key):
    return (np.asarray(a) for a in simulated_noise(record, CASE.objective, params, part, key))


def by_hand(record, params, data, key, batches):
    flips = jax.jit(lambda p, part, k: noise_gradient(record, CASE.objective, p, part, k))
    rows = []
    for k in range(batches):
        cut = slice(k * BATCH, (k + 1) * BATCH)
        x, t, y = (a[cut] for a in data.train)
        noisy, clean = (flat(gradient(params, Batch(x, labels))) for labels in (t, y))
        sam = RHO * noisy / np.linalg.norm(noisy)
        star = flat(flips(params, Labelled(x, t, y), jax.random.fold_in(key, SATURATED + k)))
        eps = sam + record.sign * record.strength * star
        if record.project == "ball":
            eps *= min(1, RHO / np.linalg.norm(eps))
        gamma = record.strength * np.linalg.norm(noisy) / RHO
        chosen, given = drawn(record, params, Labelled(x, t, y), jax.random.fold_in(key, SATURATED + k))
        labels = [np.mean((t != y)[chosen]), np.mean((given == y)[chosen]), np.mean(t == y)]
        rows.append([np.linalg.norm(eps), cosine(eps, clean), cosine(sam, clean), *labels, gamma])
    return dict(zip(NAMES, np.mean(rows, axis=0), strict=True))


@pytest.mark.parametrize(("sign", "project", "batches"), [(1, "ball", 3), (-1, None, 2)])
def test_log_is_what_the_algorithm_gives_at_full_strength(sign, project, batches, rng, key):
    record = replace(PUBLISHED, sign=sign, project=project)
    params, data = problem(rng)
    log = logged(record, params, data, key, batches)
    expected = by_hand(record, params, data, key, batches)
    assert log == pytest.approx(expected, rel=1e-8)


def test_ascent_under_true_labels_is_the_clean_direction(rng, key):
    params, data = problem(rng)
    log = logged(OracleAscent(Sam(RHO, "batch")), params, data, key)
    assert log["clean_cosine"] == pytest.approx(1)
    assert log["eps_norm"] == pytest.approx(RHO)
    assert log["sam_cosine"] < 0.999
    assert (log["precision"], log["right"], log["gamma"]) == (0, 0, 0)


def test_precision_and_right_labels_are_told_apart(rng, key):
    params, data = problem(rng)
    wrong = NoiseCompensated(Sam(RHO, "batch"), 0.7, LATE, OracleSelection(0.5), target="true")
    log = logged(wrong, params, data, key)
    assert (log["precision"], log["right"]) == (1, 1)
    everything = NoiseCompensated(Sam(RHO, "batch"), 0.7, LATE, RandomSelection(1.0), target="true")
    log = logged(everything, params, data, key)
    assert log["right"] == 1
    assert log["precision"] == pytest.approx(1 - log["kept"])


def test_without_strength_it_is_sam_and_without_rho_nothing(rng, key):
    params, data = problem(rng)
    log = logged(replace(PUBLISHED, strength=0.0), params, data, key)
    assert log["clean_cosine"] == pytest.approx(log["sam_cosine"])
    assert log["gamma"] == 0
    log = logged(replace(PUBLISHED, base=Sam(0.0, "batch")), params, data, key)
    assert (log["eps_norm"], log["clean_cosine"], log["gamma"]) == (0, 0, 0)


def test_bad_batches_and_shards_are_refused(rng, key):
    params, data = problem(rng)
    with pytest.raises(InputError, match="batch must be"):
        Correction(None)
    with pytest.raises(InputError, match="number of training examples 13"):
        correction(Correction(14))(bind(PUBLISHED, Context(data.train, None, key)), CASE.objective, params, data)
    shards = NoiseCompensated(Sam(RHO, 2), 0.7, LATE, MarginSelection(0.5))
    with pytest.raises(InputError, match="sharpness"):
        correction(Correction(BATCH))(bind(shards, Context(data.train, None, key)), CASE.objective, params, data)


def test_a_rule_without_a_correction_is_named(rng):
    params, data = problem(rng)
    with pytest.raises(InputError, match="rule must be NoiseCompensated or OracleAscent"):
        correction(Correction(BATCH))(Sam(RHO), CASE.objective, params, data)
