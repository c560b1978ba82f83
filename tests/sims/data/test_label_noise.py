"""Label noise: exact counts, the laws of the random choices, and what a label may turn into.

Every statistical test has an error probability of at most LEVEL if the code is right.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sims.data.label_noise import choose, flip_binary, flip_classes, instance_rates, instance_transitions
from spec.problems import AsymmetricNoise, InstanceNoise, LabelNoise, SymmetricNoise
from spec.validation import InputError

LEVEL = 1e-4
# The same sizes throughout: JAX then compiles every operation once for the whole file.
N, D = 20_000, 8
EVERY_KIND = [SymmetricNoise(0.6), AsymmetricNoise(0.2, "bernoulli"), InstanceNoise(0.3)]


def assert_count(count: int, n: int, rate: float) -> None:
    low, high = stats.binom.interval(1 - LEVEL, n, rate)
    assert low <= count <= high


def assert_uniform(table: np.ndarray) -> None:
    """Chi-square test that the counts in each row are uniform."""
    expected = table.sum(1, keepdims=True) / table.shape[1]
    statistic = ((table - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, table.shape[0] * (table.shape[1] - 1)) > LEVEL


def examples(rng: np.random.Generator, classes: int) -> tuple[jax.Array, jax.Array]:
    return jnp.asarray(rng.normal(size=(N, D))), jnp.asarray(rng.integers(0, classes, N), jnp.int32)


@pytest.mark.parametrize(("n", "rate", "count"), [(N, 0.3, 6000), (N, 0.0, 0), (7, 0.4, 3), (7, 0.2, 1)])
def test_stratified_choice_has_an_exact_count(key: jax.Array, n: int, rate: float, count: int) -> None:
    chosen = choose(n, rate, "stratified", key)
    assert (chosen.shape, chosen.dtype) == ((n,), bool)
    assert chosen.sum() == count


def test_stratified_choice_is_fair(key: jax.Array) -> None:
    n, p, repeats = 10, 0.3, 4000
    chosen = jax.jit(jax.vmap(lambda k: choose(n, p, "stratified", k)))(jax.random.split(key, repeats))
    # Without replacement the counts of two examples have correlation -1/(n - 1), hence the last factor.
    statistic = ((chosen.sum(0) - repeats * p) ** 2).sum() / (repeats * p * (1 - p)) * (n - 1) / n
    assert stats.chi2.sf(statistic, n - 1) > LEVEL


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.45])
def test_bernoulli_choice_has_the_rate(key: jax.Array, rate: float) -> None:
    assert_count(int(choose(N, rate, "bernoulli", key).sum()), N, rate)


def test_bernoulli_choices_are_independent(key: jax.Array) -> None:
    counts = jax.jit(jax.vmap(lambda k: choose(20, 0.3, "bernoulli", k).sum()))(jax.random.split(key, 5000))
    observed = np.bincount(np.clip(counts, 2, 11), minlength=12)[2:]
    law = stats.binom.pmf(np.arange(21), 20, 0.3)
    expected = np.concatenate([[law[:3].sum()], law[3:11], [law[11:].sum()]])
    assert stats.chisquare(observed, 5000 * expected).pvalue > LEVEL


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_binary_flips_change_signs_only(rng: np.random.Generator, key: jax.Array, dtype: jnp.dtype) -> None:
    y = jnp.asarray(rng.choice([-1, 1], N), dtype)
    t = flip_binary(y, 0.2, "stratified", key)
    assert t.dtype == dtype
    np.testing.assert_array_equal(jnp.abs(t), 1)
    assert (t == -y).sum() == 4000


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("noise", [SymmetricNoise(0.3), AsymmetricNoise(0.3)])
def test_stratified_class_flips_have_an_exact_count(
    rng: np.random.Generator, key: jax.Array, noise: LabelNoise, classes: int
) -> None:
    x, y = examples(rng, classes)
    t = flip_classes(noise, x, y, classes, key)
    assert t.dtype == y.dtype
    assert (t != y).sum() == 6000
    assert ((t >= 0) & (t < classes)).all()


@pytest.mark.parametrize("noise", [SymmetricNoise(0.7, "bernoulli"), AsymmetricNoise(0.3, "bernoulli")])
def test_bernoulli_class_flips_have_the_rate(rng: np.random.Generator, key: jax.Array, noise: LabelNoise) -> None:
    x, y = examples(rng, 5)
    assert_count(int((flip_classes(noise, x, y, 5, key) != y).sum()), N, noise.Delta)


@pytest.mark.parametrize("flips", ["stratified", "bernoulli"])
def test_symmetric_targets_are_uniform_over_the_other_classes(
    rng: np.random.Generator, key: jax.Array, flips: str
) -> None:
    x, y = examples(rng, 5)
    t = flip_classes(SymmetricNoise(0.5, flips), x, y, 5, key)
    table = np.zeros((5, 5))
    np.add.at(table, (np.asarray(y), np.asarray((t - y) % 5)), 1)
    assert_uniform(table[:, 1:])


@pytest.mark.parametrize(("classes", "Delta"), [(2, 0.5), (2, 0.7), (10, 0.9), (10, 0.95)])
def test_symmetric_noise_must_leave_the_true_class_the_likeliest(
    rng: np.random.Generator, key: jax.Array, classes: int, Delta: float
) -> None:
    x, y = examples(rng, classes)
    with pytest.raises(InputError, match=f"Delta must be below 1 - 1/classes = .*, got {Delta}"):
        flip_classes(SymmetricNoise(Delta), x, y, classes, key)
    assert (flip_classes(SymmetricNoise(0.4), x, y, classes, key) != y).sum() == 8000


def test_asymmetric_targets_are_the_next_class(rng: np.random.Generator, key: jax.Array) -> None:
    x, y = examples(rng, 4)
    t = flip_classes(AsymmetricNoise(0.4), x, y, 4, key)
    np.testing.assert_array_equal(t, jnp.where(t == y, y, (y + 1) % 4))
    assert set(np.unique(y[t != y])) == {0, 1, 2, 3}


@pytest.mark.parametrize(("Delta", "spread"), [(0.3, 0.1), (0.1, 0.2), (0.0, 0.1), (0.4, 0.8)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_instance_rates_follow_the_cut_normal_law(
    key: jax.Array, Delta: float, spread: float, dtype: jnp.dtype
) -> None:
    q = instance_rates(InstanceNoise(Delta, spread), N, dtype, key)
    law = stats.truncnorm(-Delta / spread, (1 - Delta) / spread, Delta, spread)
    assert q.dtype == dtype
    assert ((q >= 0) & (q <= 1)).all()
    assert stats.kstest(np.asarray(q, float), law.cdf).pvalue > LEVEL


@pytest.mark.parametrize("Delta", [0.0, 0.05, 0.3, 0.49])
def test_instance_rates_without_spread_are_constant(key: jax.Array, Delta: float) -> None:
    np.testing.assert_array_equal(instance_rates(InstanceNoise(Delta, 0.0), N, jnp.float64, key), Delta)


def slow_transitions(q: np.ndarray, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    table = np.zeros((len(y), len(w)))
    for i in range(len(y)):
        weights = {k: np.exp(x[i] @ w[y[i]][:, k]) for k in range(len(w)) if k != y[i]}
        for k, weight in weights.items():
            table[i, k] = q[i] * weight / sum(weights.values())
        table[i, y[i]] = 1 - q[i]
    return table


@pytest.mark.parametrize("classes", [2, 5])
def test_instance_transitions_agree_with_a_plain_loop(rng: np.random.Generator, classes: int) -> None:
    x, y = (a[:100] for a in examples(rng, classes))
    q, w = rng.random(100), rng.normal(size=(classes, D, classes))
    fast = jax.jit(instance_transitions)(jnp.asarray(q), jnp.asarray(w), x, y)
    np.testing.assert_allclose(fast, slow_transitions(q, w, np.asarray(x), np.asarray(y)), rtol=1e-12)
    np.testing.assert_allclose(fast.sum(1), 1, rtol=1e-12)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_instance_noise_has_the_mean_rate(rng: np.random.Generator, key: jax.Array, spread: float) -> None:
    Delta = 0.3
    x, y = examples(rng, 5)
    t = flip_classes(InstanceNoise(Delta, spread), x, y, 5, key)
    mean = stats.truncnorm.mean(-Delta / spread, (1 - Delta) / spread, Delta, spread) if spread else Delta
    assert t.dtype == y.dtype
    assert_count(int((t != y).sum()), N, mean)


def test_instance_noise_at_rate_zero_changes_nothing(rng: np.random.Generator, key: jax.Array) -> None:
    x, y = examples(rng, 5)
    np.testing.assert_array_equal(flip_classes(InstanceNoise(0.0, 0.0), x, y, 5, key), y)


def observed_targets(inputs: np.ndarray, key: jax.Array) -> np.ndarray:
    """Counts (2, classes) of the observed labels of class 2, at each of two inputs (2, d)."""
    half = N // 2
    x = jnp.asarray(np.repeat(inputs / np.linalg.norm(inputs, axis=1, keepdims=True), half, axis=0))
    t = flip_classes(InstanceNoise(0.4), x, jnp.full(N, 2, jnp.int32), 5, key)
    return np.stack([np.bincount(part, minlength=5) for part in (t[:half], t[half:])])


def test_instance_targets_depend_on_the_input(rng: np.random.Generator, key: jax.Array) -> None:
    counts = observed_targets(rng.normal(size=(2, D)), key)
    assert_count(int(counts[0, 2]), N // 2, 0.6)
    assert stats.chi2_contingency(np.delete(counts, 2, axis=1)).pvalue < LEVEL


def test_equal_inputs_of_one_class_have_equal_instance_targets(rng: np.random.Generator, key: jax.Array) -> None:
    counts = observed_targets(np.repeat(rng.normal(size=(1, D)), 2, axis=0), key)
    assert stats.chi2_contingency(counts).pvalue > LEVEL


@pytest.mark.parametrize("noise", EVERY_KIND, ids=repr)
def test_flips_are_the_same_compiled_vectorised_and_repeated(
    rng: np.random.Generator, key: jax.Array, noise: LabelNoise
) -> None:
    x, y = examples(rng, 5)
    keys = jax.random.split(key, 3)
    batch = jax.jit(jax.vmap(lambda k: flip_classes(noise, x, y, 5, k)))(keys)
    for t, k in zip(batch, keys, strict=True):
        np.testing.assert_array_equal(t, flip_classes(noise, x, y, 5, k))
    assert (batch[0] != batch[1]).any()
    assert (batch[1] != batch[2]).any()


def test_only_label_noise_records_are_known(rng: np.random.Generator, key: jax.Array) -> None:
    x, y = examples(rng, 2)
    with pytest.raises(TypeError, match="cannot inject 'heavy'"):
        flip_classes("heavy", x, y, 2, key)
