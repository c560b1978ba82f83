"""The terms of the sign of a compensation, against gradients written out one by one."""

import subprocess
import sys
from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, flat

from sims.data.sampling import Data, Split
from sims.objectives import Batch
from sims.observables.correction import SATURATED
from sims.observables.sign_terms import COLUMNS, ROWS, sign_terms
from sims.rules import Context, bind
from sims.rules.bound import Labelled
from sims.rules.compensation import noise_gradient, simulated_noise
from spec.observables import SignTerms
from spec.rules import CompensationSchedule, MarginSelection, NoiseCompensated, OracleAscent, Sam
from spec.seeds import named_seed
from spec.validation import InputError

CASE = CASES["deep relu, 3 classes"]
BATCH = 4
LATE = CompensationSchedule(epochs=8, steps=2, warm_up=1)
PUBLISHED = NoiseCompensated(Sam(0.3, "batch"), 0.7, LATE, MarginSelection(0.5))
gradient = jax.jit(jax.grad(CASE.objective.mean))


def drawn():
    """Parameters, and a split of four batches and a remainder."""
    rng, n = np.random.default_rng(named_seed("sign terms")), 4 * BATCH + 1
    x, y = jnp.asarray(rng.normal(size=(n, CASE.d))), jnp.asarray(np.arange(n) % CASE.classes)
    t = jnp.where(jnp.arange(n) % 3 == 0, (y + 1) % CASE.classes, y)
    return CASE.params(rng), Split(x, t, y)


@pytest.fixture(scope="module")
def logged():
    """Parameters, the batches, the keys of their draws, and what is logged."""
    params, split = drawn()
    key = jax.random.key(3)
    parts = [Labelled(*(a[k * BATCH : (k + 1) * BATCH] for a in split)) for k in range(4)]
    keys = [jax.random.fold_in(key, SATURATED + k) for k in range(4)]
    rule = bind(PUBLISHED, Context(split, None, key))
    log = jax.jit(lambda p: sign_terms(SignTerms(BATCH, 2))(rule, CASE.objective, p, Data(split, None, split)))
    return params, parts, keys, {name: float(value) for name, value in log(params).items()}


def single(params, x, label):
    return flat(gradient(params, Batch(x[None], label[None])))


def test_terms_are_means_of_products_of_single_gradients(logged):
    params, parts, keys, logged = logged
    own, pair = ({place: [] for place in product(ROWS, COLUMNS)} for _ in range(2))
    for part, key in zip(parts[:2], keys[:2], strict=True):
        given = simulated_noise(PUBLISHED, CASE.objective, params, part, key)[1]
        columns = {"clean": part.y, "noisy": part.t}
        for i, c in product(range(BATCH), COLUMNS):
            wrong, hit = part.t[i] != part.y[i], given[i] == part.y[i]
            kind = ("right" if hit else "missed") if wrong else "clean"
            others = [single(params, part.x[j], columns[c][j]) for j in range(BATCH) if j != i]
            for row, label in (("noisy", part.t[i]), (kind, given[i])):
                a = single(params, part.x[i], label)
                own[row, c].append(a @ single(params, part.x[i], columns[c][i]))
                pair[row, c].append(a @ np.mean(others, axis=0))
    stars = [
        flat(noise_gradient(PUBLISHED, CASE.objective, params, *at)) for at in zip(parts[:2], keys[:2], strict=True)
    ]
    np.testing.assert_allclose(logged["star_square"], np.mean([star @ star for star in stars]), rtol=1e-9)
    assert len(own["right", "clean"]) + len(own["missed", "clean"]) == 3
    for name, found in (("own", own), ("pair", pair)):
        for (row, column), values in found.items():
            mean = np.mean(values) if values else 0  # which of the mislabelled are hit, the draw says
            np.testing.assert_allclose(logged[f"{name}_{row}_{column}"], mean, rtol=1e-9)


def test_the_turn_is_that_of_the_other_batches(logged):
    params, parts, keys, logged = logged
    found = {"slope": [], "turn": [], "share_right": [], "share_missed": [], "share_clean": [], "kept": []}
    for part, key in zip(parts[2:], keys[2:], strict=True):
        star = flat(noise_gradient(PUBLISHED, CASE.objective, params, part, key))
        clean, noisy = (flat(gradient(params, Batch(part.x, labels))) for labels in (part.y, part.t))

        def cosine(gamma, star=star, noisy=noisy, clean=clean):
            g = noisy / np.linalg.norm(noisy) + gamma * star
            return g @ clean / np.linalg.norm(g) / np.linalg.norm(clean)

        found["slope"].append((cosine(1e-6) - cosine(-1e-6)) / 2e-6 / np.linalg.norm(star))
        found["turn"].append(cosine(PUBLISHED.strength / PUBLISHED.base.rho) - cosine(0))
        chosen, given = simulated_noise(PUBLISHED, CASE.objective, params, part, key)
        wrong, right = part.t != part.y, given == part.y
        for name, mask in (("right", wrong & right), ("missed", wrong & ~right), ("clean", ~wrong)):
            found[f"share_{name}"].append(mask[chosen].mean())
        found["kept"].append((~wrong).mean())
    for name, values in found.items():
        np.testing.assert_allclose(logged[name], np.mean(values), rtol=1e-6)
    assert abs(logged["turn"]) > 1e-4


@pytest.mark.parametrize(
    ("record", "wanted", "message"),
    [
        (OracleAscent(Sam(0.3, "batch")), SignTerms(BATCH), "rule"),
        (replace(PUBLISHED, base=Sam(0.3)), SignTerms(BATCH), "base"),
        (replace(PUBLISHED, smoothing=0.1), SignTerms(BATCH), "smoothing"),
        (PUBLISHED, SignTerms(9), "batch"),
    ],
)
def test_what_it_cannot_measure_is_refused(record, wanted, message):
    params, split = drawn()
    with pytest.raises(InputError, match=message):
        sign_terms(wanted)(bind(record, Context(split, None, jax.random.key(0))), CASE.objective, params,
                           Data(split, None, split))  # fmt: skip


def test_importing_sims_gives_every_observable_its_meaning():
    """In a fresh interpreter: here other tests have imported every module."""
    code = (
        "import sims; from typing import get_args; from sims.observables.scalars import observable; "
        "from spec.observables import Observable; default = observable.dispatch(object); "
        "print([r.__name__ for r in get_args(Observable) if observable.dispatch(r) is default])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
