"""Bootstrapped and weighted losses, the weight net and Co-teaching, against what they mean, written out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, RHO, context, distance, fast, flat
from scipy.special import log_softmax

from sims.objectives import Batch, Minibatch, cross_entropy, logistic, squared
from sims.rules import begin_epoch, bind, gradient, init, report, weight_net
from sims.rules.noisy_labels import bootstrapped, redrawn, small_losses
from spec.rules import (
    Bootstrapped,
    CoTeaching,
    DownWeight,
    FixedReweight,
    MetaReweight,
    NormalisedReweight,
    Sam,
    Sgd,
    WeightedBy,
    WeightNet,
)
from spec.validation import InputError

CASE = CASES["linear"]
KEEP = 0.7


def bootstrap_by_hand(logits, t, target):
    """-sum_c (keep t_c + (1 - keep) q_c) log q_c for logits (C,), q their probabilities or the class."""
    log_q = log_softmax(logits)
    own = np.exp(log_q) if target == "soft" else np.eye(len(logits))[np.argmax(logits)]
    return -((KEEP * np.eye(len(logits))[t] + (1 - KEEP) * own) @ log_q)


@pytest.mark.parametrize("target", ["soft", "hard"])
def test_bootstrapped_losses_are_cross_entropies_with_a_mixed_target(target, rng):
    of_classes, of_signs = (bootstrapped(loss, KEEP, target) for loss in (cross_entropy, logistic))
    for t, logits in enumerate(rng.normal(0, 2, (3, 3))):
        expected = bootstrap_by_hand(logits, t, target)
        np.testing.assert_allclose(of_classes(jnp.asarray(logits), t), expected, rtol=1e-12)
        f = logits[0]  # two classes: logits 0 and f
        expected = bootstrap_by_hand(np.array([0.0, f]), int(t > 0), target)
        np.testing.assert_allclose(of_signs(jnp.asarray(f), 1.0 if t > 0 else -1.0), expected, rtol=1e-12)


def test_the_whole_observed_label_is_the_base_and_other_losses_are_refused(rng):
    params, batch = CASE.params(rng), CASE.batch(rng)
    base = Sam(RHO, "batch")
    whole = fast(CASE, Bootstrapped(base, 1.0, "soft"), params, batch)
    assert distance(whole, fast(CASE, base, params, batch)) < 1e-12
    with pytest.raises(InputError, match="loss must be one of log-odds"):
        bootstrapped(squared, KEEP, "soft")


def weighted_loss(params, batch, w):
    return jnp.mean(w * jax.vmap(CASE.loss)(CASE.model.apply(params, batch.x), batch.t))


def weighted_sam(params, batch, w, rho=RHO):
    """n-SAM on the weighted loss, by plain differentiation."""
    g = jax.grad(weighted_loss)(params, batch, w)
    norm = np.linalg.norm(flat(g))
    return jax.grad(weighted_loss)(jax.tree.map(lambda p, gi: p + rho * gi / norm, params, g), batch, w)


@pytest.mark.parametrize("scheme", [MetaReweight(2.0, 0.3), FixedReweight(0.9, 0.2)], ids=lambda s: s.name)
def test_around_sgd_it_is_the_scheme_and_around_sam_its_ascent_is_weighted(scheme, rng):
    params, batch = CASE.params(rng), CASE.batch(rng)
    given = context(CASE, batch)
    found = {}
    for rule in (scheme, WeightedBy(Sgd(), scheme), WeightedBy(Sam(RHO, "batch"), scheme)):
        bound = bind(rule, given)
        found[rule] = gradient(bound, begin_epoch(bound, init(bound, params)), CASE.objective, params, batch)
    (alone, weights), (around, state), (sam, _) = found.values()
    assert distance(around, alone) < 1e-12
    np.testing.assert_allclose(state.own.w, weights.w, rtol=1e-12)
    assert state.own.epoch == weights.epoch == 0
    assert distance(sam, weighted_sam(params, batch, weights.w)) < 1e-12
    assert distance(sam, alone) > 1e-3


def test_weights_follow_their_examples_into_shards(rng):
    """1-SAM: every example ascends its own loss, whose weight scales what it contributes."""
    params, batch = CASE.params(rng), CASE.batch(rng)
    rule = bind(WeightedBy(Sam(RHO), FixedReweight(0.9, 0.2)), context(CASE, batch))
    g, state = gradient(rule, init(rule, params), CASE.objective, params, batch)
    one = [
        weighted_sam(params, Batch(batch.x[i : i + 1], batch.t[i : i + 1]), state.own.w[i : i + 1]) for i in range(6)
    ]
    assert distance(g, jax.tree.map(lambda *leaves: sum(leaves) / 6, *one)) < 1e-12


def test_the_weight_net_descends_the_clean_loss_after_a_trial_step(rng):
    """Its step against the derivative of that loss through the trial step, by plain differentiation."""
    params, batch, clean = CASE.params(rng), CASE.batch(rng), CASE.batch(rng, 5)
    scheme, key = WeightNet(0.5, 0.3, hidden=4), jax.random.key(1)
    before = weight_net.start(scheme, key, jnp.float64)
    assert {n: float(jnp.max(jnp.abs(a))) < (1 if n in "ub" else 0.5) for n, a in before.items()} == dict.fromkeys(
        "ubvc", True
    )

    def after_a_step(Theta):
        losses = jax.vmap(CASE.loss)(CASE.model.apply(params, batch.x), batch.t)
        g = jax.grad(weighted_loss)(params, batch, weight_net.weights(Theta, losses))
        return weighted_loss(jax.tree.map(lambda p, gi: p - 0.3 * gi, params, g), clean, 1.0)

    w, Theta = weight_net.renewed(scheme, before, CASE.objective, params, batch, clean)
    down = jax.grad(after_a_step)(before)
    expected = jax.tree.map(lambda a, d: a - (0.5 / 0.3) * d, before, down)
    assert distance(Theta, expected) < 1e-12
    assert distance(Theta, before) > 1e-4
    losses = jax.vmap(CASE.loss)(CASE.model.apply(params, batch.x), batch.t)
    np.testing.assert_allclose(w, weight_net.weights(Theta, losses), rtol=1e-12)


def test_the_weight_net_is_remembered_from_batch_to_batch(rng):
    params, batch = CASE.params(rng), CASE.batch(rng)
    rule = bind(WeightNet(0.5, 0.3, hidden=4), context(CASE, batch))
    part = Minibatch(batch.x[:2], batch.t[:2], jnp.arange(2))
    first = gradient(rule, init(rule, params), CASE.objective, params, part)[1]
    second = gradient(rule, first, CASE.objective, params, part)[1]
    assert distance(second.own, first.own) > 1e-6
    np.testing.assert_array_equal(second.w[2:], 0.5)


def test_examples_of_small_loss_are_kept(rng):
    params, batch = CASE.params(rng), CASE.batch(rng)
    losses = np.asarray(jax.vmap(CASE.loss)(CASE.model.apply(params, batch.x), batch.t))
    for forget, kept in ((0.0, 6), (0.4, 4), (0.5, 3), (0.99, 1)):
        w = np.asarray(small_losses(CASE.objective, params, batch, forget))
        np.testing.assert_allclose(w, np.where(losses <= np.sort(losses)[kept - 1], 6 / kept, 0))


def test_co_teaching_is_two_networks_that_exchange_their_examples(rng):
    """Three epochs of two batches against a loop by hand, under SANER, with momentum and decay; forgetting grows."""
    params, whole = CASE.params(rng), CASE.batch(rng, 12)
    given = context(CASE, whole)._replace(key=jax.random.key(0))  # not the identity among the orders of three entries
    base, eta, momentum, decay = DownWeight(Sam(RHO, "batch")), 0.4, 0.5, 0.1
    rule = bind(CoTeaching(base, 0.5, eta, ramp=2, momentum=momentum, weight_decay=decay), given)
    state = init(rule, params)
    peer, velocities = redrawn(params, rule.key), [jax.tree.map(jnp.zeros_like, params)] * 2
    assert distance(peer, params) > 1e-3
    np.testing.assert_array_equal(np.sort(flat(peer)), np.sort(flat(params)))
    by_hand, mine = [params, peer], params
    for epoch, kept in enumerate((6, 4, 3)):
        state = begin_epoch(rule, state)
        for places in (np.arange(6), np.arange(6, 12)):
            part = Batch(whole.x[places], whole.t[places])
            g, state = gradient(rule, state, CASE.objective, mine, Minibatch(*part, jnp.asarray(places)))
            mine = _moved(mine, _mixed(momentum, velocities[0], _mixed(decay, mine, g)), eta)
            chosen = [_smallest(p, part, kept) for p in by_hand]
            steps = [_mixed(decay, p, _saner(p, part, w)) for p, w in zip(by_hand, reversed(chosen), strict=True)]
            velocities = [_mixed(momentum, v, s) for v, s in zip(velocities, steps, strict=True)]
            by_hand = [_moved(p, v, eta) for p, v in zip(by_hand, velocities, strict=True)]
            np.testing.assert_allclose(np.asarray(state.seen.w)[places], chosen[1], rtol=1e-12)
        assert state.seen.epoch == epoch
    assert distance(mine, by_hand[0]) < 1e-11
    assert distance(state.peer, by_hand[1]) < 1e-11
    noisy = np.asarray(given.train.mislabelled)
    w = np.asarray(state.seen.w)
    assert report(rule, state, given.train)["noise_share"] == pytest.approx(w[noisy].sum() / w.sum(), rel=1e-9)


def _moved(params, velocity, eta):
    return jax.tree.map(lambda p, v: p - eta * v, params, velocity)


def _mixed(momentum, v, g):
    return jax.tree.map(lambda a, b: momentum * a + b, v, g)


def _smallest(params, batch, kept):
    """Weights 6/kept on the examples of smallest loss."""
    losses = np.asarray(jax.vmap(CASE.loss)(CASE.model.apply(params, batch.x), batch.t))
    return np.where(losses <= np.sort(losses)[kept - 1], 6 / kept, 0.0)


def _saner(params, batch, w):
    """Half of n-SAM's gradient on the weighted loss where its ratio to the plain one is in (0, 1)."""
    h, g = (flat(weighted_sam(params, batch, w, rho)) for rho in (RHO, 0.0))
    return jax.tree.unflatten(jax.tree.structure(params), [np.where((h * g > 0) & (np.abs(h) < np.abs(g)), h / 2, h)])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (lambda: Bootstrapped(Sgd(), 1.2), r"keep must be a number in \[0, 1\], got 1.2"),
        (lambda: Bootstrapped(Sgd(), 0.5, "mixed"), "target must be one of 'soft', 'hard', got 'mixed'"),
        (lambda: WeightedBy(NormalisedReweight(), NormalisedReweight()), "base must be a rule that takes labels"),
        (lambda: WeightedBy(Sgd(), Sgd()), "scheme must be a scheme of example weights"),
        (lambda: CoTeaching(Sgd(), 1.0, 0.1), r"forget must be a number in \[0, 1\), got 1"),
        (lambda: CoTeaching(Sgd(), 0.4, 0.1, ramp=0), "ramp must be an integer >= 1"),
        (lambda: CoTeaching(Bootstrapped(Sgd()), 0.4, 0.1), "base must be a rule that takes labels"),
        (lambda: WeightNet(-1.0, 0.1), "rate must be a number"),
        (lambda: WeightNet(1.0, 0.1, 0), "hidden must be an integer"),
    ],
)
def test_bad_records_say_why(record, message):
    with pytest.raises(InputError, match=message):
        record()


def test_names_say_what_is_around_what():
    named = WeightedBy(DownWeight(Sam(0.1, "batch")), WeightNet(1.0, 0.1)), CoTeaching(Sam(0.1, "batch"), 0.4, 0.1)
    sam = Sam(0.1, "batch").name
    assert [rule.name for rule in named] == [f"{sam} ↓B, MW-Net", f"{sam}, Co-teaching"]
    assert Bootstrapped(Sgd()).name == "SGD, hard bootstrap"
    assert [rule.needs_clean_subset for rule in named] == [True, False]
