"""Selections against their definitions: loops, exact laws of small draws, and exact counts."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sims.rules.selection import Seen, cluster_rates, gaps, k_means, select, targets
from spec.rules import ClusterSelection, MarginSelection, OracleSelection, RandomSelection
from spec.validation import InputError


@pytest.fixture
def seen(rng):
    """Twelve examples of three classes, five of them mislabelled."""
    y = jnp.asarray(rng.integers(3, size=12), jnp.int32)
    t = jnp.where(jnp.arange(12) < 5, (y + 1) % 3, y)
    return Seen(jnp.asarray(rng.normal(size=(12, 3))), jnp.asarray(rng.normal(size=(12, 4))), t, y)


def binary(seen):
    return seen._replace(logits=seen.logits[:, 0], t=jnp.sign(seen.t - 0.5), y=jnp.sign(seen.y - 0.5))


def many(selection, seen, key, count=4000):
    return np.asarray(jax.jit(jax.vmap(lambda k: select(selection, seen, k)))(jax.random.split(key, count)))


def test_gaps_are_between_the_two_largest_logits(seen):
    ordered = np.sort(seen.logits, axis=1)
    np.testing.assert_array_equal(gaps(seen.logits), ordered[:, 2] - ordered[:, 1])
    np.testing.assert_array_equal(gaps(seen.logits[:, 0]), np.abs(seen.logits[:, 0]))
    two = jnp.stack([jnp.zeros(12), seen.logits[:, 0]], axis=1)
    np.testing.assert_array_equal(gaps(two), gaps(seen.logits[:, 0]))


@pytest.mark.parametrize("kind", [MarginSelection, RandomSelection])
def test_law_of_successive_draws(kind, seen, key):
    """Every pair out of five, with the probability of drawing it in either order, by a chi-square test at 1e-5."""
    few = jax.tree.map(lambda a: a[:5], seen)
    q = 1 / (1 + np.asarray(gaps(few.logits))) if kind is MarginSelection else np.ones(5)
    q = q / q.sum()
    pairs = list(itertools.combinations(range(5), 2))
    expected = np.array([q[i] * q[j] / (1 - q[i]) + q[j] * q[i] / (1 - q[j]) for i, j in pairs])
    masks = many(kind(0.4), few, key, 20_000)
    counts = np.array([np.sum(masks[:, i] & masks[:, j]) for i, j in pairs])
    assert counts.sum() == 20_000
    assert stats.chisquare(counts, 20_000 * expected).pvalue > 1e-5
    other = np.full(10, 0.1) if kind is MarginSelection else np.arange(1, 11) / 55
    assert stats.chisquare(counts, 20_000 * other).pvalue < 1e-10


@pytest.mark.parametrize(("fraction", "size"), [(0.3, 3), (0.25, 3), (1.0, 12), (0.0834, 1)])
def test_sizes_are_rounded_down(fraction, size, seen, key):
    assert select(RandomSelection(fraction), seen, key).sum() == size


def test_a_fraction_is_not_lost_to_rounding(seen, key):
    ten = jax.tree.map(lambda a: a[:10], seen)
    assert int(0.29 * 100) == 28
    assert [int(select(RandomSelection(k / 10), ten, key).sum()) for k in range(1, 11)] == list(range(1, 11))


def test_nothing_to_select_is_an_error(seen, key):
    with pytest.raises(InputError, match=r"fraction must select at least one of 12 examples, got 0\.05"):
        select(MarginSelection(0.05), seen, key)


@pytest.mark.parametrize(("precision", "right", "wrong"), [(1.0, 4, 0), (0.75, 3, 1), (0.0, 0, 4)])
def test_the_oracle_has_exactly_its_precision(precision, right, wrong, seen, key):
    masks, noisy = many(OracleSelection(0.34, precision), seen, key, 2000), np.asarray(seen.t != seen.y)
    assert set(masks[:, noisy].sum(axis=1)) == {right}
    assert set(masks[:, ~noisy].sum(axis=1)) == {wrong}
    for group, count in ((noisy, right), (~noisy, wrong)):
        share = count / group.sum()
        error = np.sqrt(share * (1 - share) / 2000)
        assert np.abs(masks[:, group].mean(axis=0) - share).max() <= 5 * error


def test_the_oracle_takes_all_there_are(seen, key):
    np.testing.assert_array_equal(select(OracleSelection(1.0), seen, key), seen.t != seen.y)
    assert not select(OracleSelection(1.0), seen._replace(t=seen.y), key).any()


@pytest.mark.parametrize("target", ["highest", "uniform"])
def test_targets_differ_from_the_observed_label(target, seen, key):
    labels = np.asarray(jax.jit(jax.vmap(lambda k: targets(target, seen, k)))(jax.random.split(key, 50)))
    assert (labels != np.asarray(seen.t)).all()
    if target == "highest":
        best = [
            max((c for c in range(3) if c != t), key=lambda c: f[c]) for f, t in zip(seen.logits, seen.t, strict=True)
        ]
        np.testing.assert_array_equal(labels, np.broadcast_to(best, labels.shape))
    else:
        assert {len(set(column)) for column in labels.T} == {2}


def test_with_two_classes_there_is_one_other_label(seen, key):
    two = binary(seen)
    for target in ("highest", "uniform"):
        np.testing.assert_array_equal(targets(target, two, key), -two.t)
    np.testing.assert_array_equal(targets("true", two, key), two.y)


def slow_k_means(rows, clusters, iterations):
    rows = [r / np.linalg.norm(r) if np.any(r) else r for r in np.asarray(rows)]
    mean = sum(rows) / len(rows)
    centres = [max(rows, key=lambda r: np.sum((r - mean) ** 2))]
    while len(centres) < clusters:
        centres.append(max(rows, key=lambda r: min(np.sum((r - c) ** 2) for c in centres)))
    for _ in range(iterations + 1):
        nearest = [min(range(clusters), key=lambda k: np.sum((r - centres[k]) ** 2)) for r in rows]
        for k in range(clusters):
            members = [r for r, c in zip(rows, nearest, strict=True) if c == k]
            if members:
                centres[k] = sum(members) / len(members)
    return nearest


@pytest.mark.parametrize(("clusters", "iterations"), [(1, 3), (3, 0), (3, 1), (4, 10), (12, 2)])
def test_k_means_follows_lloyd_on_the_sphere(clusters, iterations, seen):
    selection = ClusterSelection(0.5, clusters, iterations)
    found = np.asarray(jax.jit(lambda hidden: k_means(selection, hidden))(seen.hidden))
    expected = slow_k_means(seen.hidden, clusters, iterations)
    # Centres are numbered in another order: compare the partitions.
    assert {frozenset(np.flatnonzero(found == k)) for k in set(found)} == {
        frozenset(np.flatnonzero(np.array(expected) == k)) for k in set(expected)
    }


def test_cluster_rates_by_hand(seen):
    selection = ClusterSelection(0.6, 3)
    gap, cluster = np.asarray(gaps(seen.logits)), np.array(slow_k_means(seen.hidden, 3, 10))
    expected = [0.6 * (1 - gap[cluster == k].mean() / gap[cluster == k].max()) for k in cluster]
    rates = jax.jit(lambda gap: cluster_rates(selection, gap, seen.hidden))
    np.testing.assert_allclose(rates(jnp.asarray(gap)), expected, atol=1e-14)
    assert not rates(jnp.zeros(12)).any()


def test_clusters_are_selected_at_their_rates(seen, key):
    selection = ClusterSelection(0.9, 2)
    rates = np.asarray(cluster_rates(selection, gaps(seen.logits), seen.hidden))
    error = np.abs(many(selection, seen, key).mean(axis=0) - rates)
    assert (error <= 5 * np.sqrt(rates * (1 - rates) / 4000)).all()
    assert rates.max() > 0.2


def test_unknown_selections_are_refused(seen, key):
    with pytest.raises(TypeError):
        select("all", seen, key)
