"""Training against a hand-written loop, and what it promises about batches, keys, records and divergence."""

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, D, N, distance, flat, plain

from sims.data.sampling import Data, Split
from sims.models.networks import linear
from sims.objectives import Batch
from sims.observables.scalars import accuracies, losses, overlaps, together
from sims.train import train
from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from spec.training import Training
from spec.validation import InputError

PLAIN = Training(eta=0.3, epochs=4)


def weights(rule, objective, params, data):
    return {"params": params}


def run(case, rule, training, params, data, key, observe=weights):
    return train(rule, training, model=case.model, loss=case.loss, params=params, data=data, observe=observe, key=key)


@cache
def value(case):
    """The gradient alone, compiled."""
    return jax.jit(partial(plain, case))


def batches(training, n, key):
    """Indices of every batch, epoch by epoch, with the keys that training splits off."""
    keys = jax.random.split(key, (training.epochs // training.record_every, training.record_every))
    for k in keys.reshape(-1):
        size = training.batch or n
        order = np.arange(n) if size == n else np.asarray(jax.random.permutation(k, n))
        yield [order[i : i + size] for i in range(0, n - size + 1, size)]


def by_hand(case, rule, training, params, data, key):
    """The parameters before training and after every epoch."""
    epochs = list(batches(training, len(data.train.t), key))
    steps, step = sum(map(len, epochs)), 0
    velocity = jax.tree.map(jnp.zeros_like, params)
    history = [params]
    for epoch in epochs:
        for index in epoch:
            g = value(case)(rule, params, Batch(data.train.x[index], data.train.t[index]))
            g = jax.tree.map(lambda a, w: a + training.weight_decay * w, g, params)
            velocity = jax.tree.map(lambda m, a: training.momentum * m + a, velocity, g)
            cosine = (1 + np.cos(np.pi * step / steps)) / 2 if training.schedule == "cosine" else 1.0
            params = jax.tree.map(lambda w, m, rate=training.eta * cosine: w - rate * m, params, velocity)
            step += 1
        history.append(params)
    return history


TRAININGS = {
    "plain": PLAIN,
    "momentum": replace(PLAIN, momentum=0.9),
    "weight decay": replace(PLAIN, weight_decay=0.2),
    "cosine": replace(PLAIN, schedule="cosine"),
    "everything": replace(PLAIN, momentum=0.8, weight_decay=0.1, schedule="cosine", batch=4, record_every=2),
    "batches": replace(PLAIN, batch=2),
    "batch of all": replace(PLAIN, batch=N),
}


@pytest.mark.parametrize("training", TRAININGS.values(), ids=TRAININGS.keys())
def test_training_is_the_loop_written_by_hand(training, key, rng):
    case, rule = CASES["two layers"], LogitSam(0.3, 2)
    params, data = case.params(rng), case.data(rng)
    final, trajectory = run(case, rule, training, params, data, key)
    history = by_hand(case, rule, training, params, data, key)
    recorded = history[:: training.record_every]
    assert distance(final, history[-1]) < 1e-12
    assert len(jax.tree.leaves(trajectory["params"])[0]) == len(recorded) == 1 + 4 // training.record_every
    for i, expected in enumerate(recorded):
        assert distance(jax.tree.map(lambda leaf, i=i: leaf[i], trajectory["params"]), expected) < 1e-12
    assert trajectory["first_nonfinite_step"] == -1


def test_ways_of_training_differ(key, rng):
    """Otherwise the comparison above would not see an option that is ignored."""
    case = CASES["two layers"]
    params, data = case.params(rng), case.data(rng)
    ends = [by_hand(case, Sgd(), t, params, data, key)[-1] for name, t in TRAININGS.items() if name != "batch of all"]
    assert all(distance(a, b) > 1e-3 for i, a in enumerate(ends) for b in ends[:i])


@pytest.mark.parametrize("rule", [Sam(0.3), JacobianSam(0.3, "batch")], ids=repr)
def test_training_of_a_network_with_classes(rule, key, rng):
    case, training = CASES["deep relu, 3 classes"], replace(PLAIN, epochs=2, batch=3)
    params, data = case.params(rng), case.data(rng)
    final, _ = run(case, rule, training, params, data, key)
    assert distance(final, by_hand(case, rule, training, params, data, key)[-1]) < 1e-12


def visits(n, batch, epochs, key, decay=0.0):
    """Weights after every epoch of a model where a visit of example i subtracts 1 from weight i."""
    split = Split(jnp.eye(n), jnp.ones(n), jnp.ones(n))
    training = Training(eta=float(batch), epochs=epochs, batch=batch, weight_decay=decay / batch)
    _, trajectory = train(
        Sgd(),
        training,
        model=linear(n),
        loss=lambda f, t: f * t,
        params={"w": jnp.zeros(n)},
        data=Data(split, None, split),
        observe=weights,
        key=key,
    )
    return np.asarray(trajectory["params"]["w"])


def test_an_epoch_visits_every_example_once(key):
    w = visits(6, 2, 5, key)
    np.testing.assert_array_equal(w, -np.arange(6.0)[:, None] * np.ones((1, 6)))


def test_a_remainder_is_left_out_of_its_epoch(key):
    seen = -np.diff(visits(5, 2, 100, key), axis=0)
    assert set(np.unique(seen)) == {0.0, 1.0}
    assert np.all(seen.sum(axis=1) == 4)
    assert np.all(seen.sum(axis=0) < 100), "the same examples are left out every time"


def test_epochs_have_different_orders(key):
    """Weights halve at every step, so that the exponent of weight i tells when example i was last seen."""
    w = visits(8, 1, 3, key, decay=0.5)
    last = -np.diff(w * 2.0 ** (8 * np.arange(4))[:, None], axis=0) / 2.0 ** (8 * np.arange(1, 4))[:, None]
    orders = np.argsort(last, axis=1)
    for epoch in last:
        np.testing.assert_array_equal(np.sort(epoch), 2.0 ** -np.arange(7.0, -1, -1))
    assert len({tuple(order) for order in orders}) == 3


def test_a_key_fixes_the_run_bitwise(key, rng):
    case, training = CASES["two layers"], replace(PLAIN, batch=2, momentum=0.5)
    params, data = case.params(rng), case.data(rng)
    first, again = (flat(run(case, Sam(0.1), training, params, data, key)) for _ in range(2))
    assert np.array_equal(first, again)
    other = flat(run(case, Sam(0.1), training, params, data, jax.random.split(key)[0]))
    assert not np.array_equal(first, other)


def test_the_key_does_not_matter_for_the_full_batch(key, rng):
    case = CASES["two layers"]
    params, data = case.params(rng), case.data(rng)
    first, other = (flat(run(case, Sgd(), PLAIN, params, data, k)) for k in jax.random.split(key))
    assert np.array_equal(first, other)


def test_observables_see_the_run(key, rng):
    """They get the rule, the current parameters and the data, at the epochs 0, record_every, ..."""
    case, rule, training = CASES["linear"], Sam(0.3, "batch"), replace(PLAIN, epochs=6, record_every=3)
    params, data = case.params(rng), case.data(rng)
    _, trajectory = run(case, rule, training, params, data, key, together(accuracies, losses, overlaps))
    history = by_hand(case, rule, training, params, data, key)
    assert {v.shape for k, v in trajectory.items() if k != "first_nonfinite_step"} == {(3,)}
    for i, epoch in enumerate((0, 3, 6)):
        record = together(accuracies, losses, overlaps)(rule, case.objective, history[epoch], data)
        assert record.keys() | {"first_nonfinite_step"} == trajectory.keys()
        for name, value in record.items():
            assert trajectory[name][i] == pytest.approx(float(value), rel=1e-12, abs=1e-14)


@cache
def parabola(batch):
    """f = w with loss factor/2 f^2: with eta = 1, every step multiplies w by 1 - factor."""
    model = linear(1)
    split = Split(jnp.ones((2, 1)), jnp.ones(2), jnp.ones(2))

    def steps(factor, key):
        return train(
            Sgd(),
            Training(eta=1.0, epochs=40, batch=batch),
            model=model,
            loss=lambda f, t: factor * t * f**2 / 2,
            params={"w": jnp.ones(1)},
            data=Data(split, None, split),
            observe=weights,
            key=key,
        )[1]["first_nonfinite_step"]

    return jax.jit(steps)


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize(("factor", "step"), [(1e100, 3), (1e150, 2), (1e60, 5), (1e10, 30), (0.5, -1)])
def test_the_first_step_without_a_finite_gradient_is_named(factor, step, batch, key):
    """|w| = factor^k before step k = 0, 1, ...: its gradient factor^(k + 1) first exceeds 1.8e308 at the stated one."""
    assert parabola(batch)(factor, key) == step


def test_not_a_number_in_the_data_is_found_at_once(key, rng):
    case = CASES["linear"]
    data = case.data(rng)
    data = data._replace(train=data.train._replace(x=data.train.x.at[0, 0].set(jnp.nan)))
    assert run(case, Sgd(), PLAIN, case.params(rng), data, key)[1]["first_nonfinite_step"] == 0


def test_a_batch_cannot_exceed_the_examples(key, rng):
    case = CASES["linear"]
    with pytest.raises(InputError, match=f"batch must be at most the number of training examples {N}, got {N + 1}"):
        run(case, Sgd(), replace(PLAIN, batch=N + 1), case.params(rng), case.data(rng), key)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("training", [TRAININGS["momentum"], TRAININGS["everything"]], ids=["momentum", "everything"])
def test_single_precision_stays_single(training, traced, key, rng):
    """Also with rho in double precision, as it comes from a grid of hyper-parameters."""
    case = CASES["two layers"]
    params, data = case.params(rng, jnp.float32), case.data(rng, N, jnp.float32)

    def one(rho):
        return run(case, Sam(rho), training, params, data, key, together(accuracies, losses))

    final, trajectory = jax.eval_shape(one, jnp.float64(0.1)) if traced else one(0.1)
    assert {leaf.dtype for leaf in jax.tree.leaves(final)} == {jnp.dtype("float32")}
    assert trajectory.pop("first_nonfinite_step").dtype == jnp.int32
    assert {leaf.dtype for leaf in trajectory.values()} == {jnp.dtype("float32")}


@pytest.mark.parametrize("rule", [Sgd(), Sam(0.1), LogitSam(0.1), JacobianSam(0.1)], ids=repr)
def test_separable_data_are_learnt(rule, key, rng):
    """The sense of the whole: descent, not ascent."""
    case, t = CASES["linear"], np.where(np.arange(8) % 2, 1.0, -1.0)
    split = Split(jnp.asarray(rng.normal(size=(8, D)) + 3 * t[:, None]), jnp.asarray(t), jnp.asarray(t))
    params, training = {"w": jnp.zeros(D)}, replace(PLAIN, epochs=30)
    learn = jax.jit(lambda data: run(case, rule, training, params, data, key, losses)[1]["clean_loss"])
    record = learn(Data(split, None, split))
    assert record[0] == pytest.approx(np.log(2), rel=1e-12)
    assert record[-1] < 0.1
