"""Controls of down-weighting: the oracle against per-example gradients, random masks against the shares they match."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import RHO, distance, flat

from sims.data.sampling import Split
from sims.models.networks import mlp
from sims.objectives import Batch, Minibatch, Objective, cross_entropy
from sims.rules import Context, bind, gradient, init
from spec.rules import DownWeight, OracleMask, RandomMask, Sam, Sgd
from spec.validation import InputError

N, D, CLASSES = 8, 5, 3
OBJECTIVE = Objective(mlp((D, 40, CLASSES)), cross_entropy)
BASE = Sam(RHO, "batch")


@pytest.fixture
def problem(rng):
    """Parameters, a split with every third label wrong, and all of it as one batch."""
    y = jnp.asarray(rng.integers(CLASSES, size=N))
    t = jnp.where(jnp.arange(N) % 3 == 0, (y + 1) % CLASSES, y)
    split = Split(jnp.asarray(rng.normal(size=(N, D))), t, y)
    return OBJECTIVE.model.init(jax.random.key(1), jnp.float64), split, Batch(split.x, split.t)


def stepped(record, problem, key, batch=None):
    params, split, whole = problem
    rule = bind(record, Context(split, None, key))
    return gradient(rule, init(rule, params), OBJECTIVE, params, whole if batch is None else batch)[0]


def of(rule, problem):
    params, _, batch = problem
    return gradient(rule, init(rule, params), OBJECTIVE, params, batch)[0]


def test_the_oracle_halves_exactly_the_noise_dominated_coordinates(problem, key):
    params, split, batch = problem
    each = [flat(jax.grad(OBJECTIVE.mean)(params, Batch(x[None], t[None]))) for x, t in zip(*batch, strict=True)]
    wrong = np.asarray(split.t != split.y)
    clean, noisy = (
        np.sum([g for g, w in zip(each, wrong, strict=True) if w == kind], axis=0) for kind in (False, True)
    )
    mask = (clean * noisy < 0) & (np.abs(noisy) > np.abs(clean))
    assert 0 < mask.mean() < 1
    expected = np.where(mask, 0.5, 1) * flat(of(BASE, problem))
    np.testing.assert_allclose(flat(stepped(OracleMask(BASE), problem, key)), expected, rtol=1e-10, atol=1e-14)


def test_the_oracle_finds_the_labels_of_a_part(problem, key):
    _, split, _ = problem
    places = jnp.array([3, 0, 5])
    part = Minibatch(split.x[places], split.t[places], places)
    small = Split(*(a[places] for a in split))
    alone = stepped(OracleMask(BASE), (problem[0], small, Batch(small.x, small.t)), key)
    assert distance(stepped(OracleMask(BASE), problem, key, part), alone) < 1e-12


@pytest.mark.parametrize("match", ["count", "energy"])
def test_random_masks_match_their_group_on_average(match, problem, key):
    h, group = flat(of(BASE, problem)), flat(of(DownWeight(BASE, 1.0), problem))
    weights = np.ones_like(h) if match == "count" else h**2
    share = np.sum(weights[(group == 0) & (h != 0)]) / np.sum(weights)
    keys = jax.random.split(key, 400)
    step = jax.jit(jax.vmap(lambda k: stepped(RandomMask(BASE, 1.0, "B", match), problem, k)))
    rows = np.concatenate([np.asarray(leaf).reshape(len(keys), -1) for leaf in jax.tree.leaves(step(keys))], axis=1)
    removed = (rows[:, h != 0] == 0).mean(axis=1)
    assert 0.001 < share < 0.999
    assert abs(removed.mean() - share) < 5 * removed.std() / np.sqrt(len(keys))
    assert np.all(np.isclose(rows, 0) | np.isclose(rows, h[None]))


@pytest.mark.parametrize("record", [OracleMask(BASE, 0.0), RandomMask(BASE, 0.0)])
def test_nothing_removed_is_the_base(record, problem, key):
    assert distance(stepped(record, problem, key), of(BASE, problem)) < 1e-14


def test_draws_change_from_step_to_step(problem, key):
    params, split, batch = problem
    rule = bind(RandomMask(BASE), Context(split, None, key))
    one, state = gradient(rule, init(rule, params), OBJECTIVE, params, batch)
    two, _ = gradient(rule, state, OBJECTIVE, params, batch)
    assert distance(one, two) > 0.1


def test_other_rules_are_bound_as_they_are(problem, key):
    assert bind(Sgd(), Context(problem[1], None, key)) == Sgd()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OracleMask(0.1), "base must be a rule"),
        (lambda: RandomMask(BASE, 1.5), "alpha must be a number in"),
        (lambda: RandomMask(BASE, 0.5, "D"), "group must be one of 'A', 'B', 'C'"),
        (lambda: RandomMask(BASE, 0.5, "B", "size"), "match must be one of 'count', 'energy'"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
