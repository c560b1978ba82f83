"""The factored path against the plain one, and the operations on factors against gradients written out one by one."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, CONVOLVED, MODELS, PERTURBED, RHO, D, N, at_home, distance, flat, plain

from sims import factors, per_example
from sims.models.networks import mlp
from sims.objectives import Batch, Objective, cross_entropy, logistic
from sims.rules import gradient, is_factored
from spec.rules import JacobianSam, LogitSam, Sam, Sgd

DEPTHS = {
    f"{activation.__name__} {len(sizes) - 1} layers": (mlp(sizes, activation=activation), loss)
    for activation, sizes, loss in (
        (jnp.tanh, (D, 3), cross_entropy),
        (jax.nn.gelu, (D, 4, 1), logistic),
        (jax.nn.relu, (D, 4, 5, 4, 3), cross_entropy),
    )
}


def takes_factors(case, rule):
    params = jax.eval_shape(lambda: case.model.init(jax.random.key(0), jnp.float64))
    return is_factored(rule, case.objective, params, Batch(np.zeros((N, case.d)), np.zeros(N)))


# The others have one path only, whatever the model offers.
FACTORED = [rule for rule in PERTURBED if takes_factors(MODELS[0], rule)]


def both_paths(model, loss):
    """(rule, params, batch) -> gradients by the factored and by the plain path."""

    def gradients(rule, params, batch):
        return [
            gradient(rule, (), Objective(m, loss), params, batch)[0] for m in (model, model._replace(factored=False))
        ]

    return gradients


SETTINGS = {"double": (jnp.float64, N, 1e-12), "smallest": (jnp.float64, None, 1e-12), "single": (jnp.float32, N, 1e-5)}


def everywhere():
    """In both precisions and on the smallest batch, with every model; evidence, but for one model and for two rules."""
    for case, rule, setting in product(MODELS, FACTORED, SETTINGS):
        kept = at_home(case, rule) or (rule in CONVOLVED and setting == "double")
        marks = () if kept else pytest.mark.evidence
        yield pytest.param(case, rule, setting, id=f"{rule}-{case.name}-{setting}", marks=marks)


@pytest.mark.parametrize(("case", "rule", "setting"), [*everywhere()])
def test_both_paths_agree(case, rule, setting, rng):
    dtype, n, tolerance = SETTINGS[setting]
    smallest = rule.sharpness if isinstance(rule.sharpness, int) else 1
    params, batch = case.params(rng, dtype), case.batch(rng, n or smallest, dtype)
    fast, slow = jax.tree.map(np.asarray, jax.jit(both_paths(case.model, case.loss))(rule, params, batch))
    assert distance(fast, slow) < tolerance
    assert {leaf.dtype for leaf in jax.tree.leaves(fast)} == {np.dtype(dtype)}


@pytest.mark.parametrize(("model", "loss"), DEPTHS.values(), ids=DEPTHS.keys())
@pytest.mark.parametrize("rule", [Sam(RHO), LogitSam(RHO, 2), JacobianSam(RHO), Sam(RHO, 3, "last")], ids=repr)
def test_both_paths_agree_at_every_depth(model, loss, rule, rng):
    params = jax.tree.map(lambda p: jnp.asarray(rng.normal(0.2, 0.7, p.shape)), model.init(jax.random.key(0), float))
    t = np.arange(N) % 3 if loss is cross_entropy else np.where(np.arange(N) % 2, 1.0, -1.0)
    fast, slow = jax.jit(both_paths(model, loss))(rule, params, Batch(jnp.asarray(rng.normal(size=(N, D))), t))
    assert distance(fast, slow) < 1e-12


@pytest.mark.parametrize("rule", [Sam(RHO), LogitSam(RHO, "example", "adaptive"), JacobianSam(RHO, 2)], ids=repr)
def test_both_paths_have_the_same_derivatives(rule, rng):
    """Meta-gradients differentiate through a step: by rho, parameters and inputs, and vectorised."""
    case = CASES["ntk tanh"]
    params, batch = case.params(rng), case.batch(rng)

    def loss_after_a_step(path, rule, params, x):
        g = both_paths(case.model, case.loss)(rule, params, batch._replace(x=x))[path]
        return case.objective.mean(jax.tree.map(lambda p, q: p - 0.3 * q, params, g), batch)

    derivatives = [
        jax.jit(jax.vmap(jax.grad(partial(loss_after_a_step, path), argnums=(0, 1, 2)), in_axes=(None, None, 0)))(
            rule, params, jnp.stack([batch.x, 1.1 * batch.x])
        )
        for path in (0, 1)
    ]
    assert distance(*derivatives) < 1e-10


def test_which_rules_have_factors():
    """Adaptive shards of several examples and n-SAM take the plain path."""
    dense = CASES["deep relu, 3 classes"]
    assert [takes_factors(dense, Sam(RHO, m)) for m in ("example", 1, 2, "batch")] == [True, True, True, False]
    assert [takes_factors(dense, Sam(RHO, m, "adaptive")) for m in ("example", 1, 2)] == [True, True, False]
    assert all(takes_factors(case, Sam(RHO, 2, "last")) for case in MODELS)


def test_factored_path_writes_out_no_example(rng):
    """Temporary memory stays within twice that of SGD; the plain path keeps a copy of the weights for every example."""
    model, n = mlp((64, 128, 128, 10)), 128
    params = model.init(jax.random.key(0), jnp.float32)
    batch = Batch(jnp.ones((n, 64), jnp.float32), jnp.zeros(n, jnp.int32))

    def temporaries(model, rule):
        program = jax.jit(lambda p, b: gradient(rule, (), Objective(model, cross_entropy), p, b)[0])
        return program.lower(params, batch).compile().memory_analysis().temp_size_in_bytes

    sgd, factored = temporaries(model, Sgd()), temporaries(model, Sam(RHO))
    assert factored <= 2 * sgd
    assert temporaries(model._replace(factored=False), Sam(RHO)) > 20 * sgd


def test_cancelling_gradients_keep_their_digits():
    """Twins under opposite labels: the gradient of their shard is a small difference of large ones."""
    case = CASES["two layers"]
    x, W, v = (
        np.sin(np.arange(1.0, size + 1)).reshape(shape) for size, shape in ((D, (1, D)), (4 * D, (4, D)), (4, 4))
    )
    params = {"W": jnp.asarray(W), "v": jnp.asarray(0.003 * v / (v @ W @ x[0]))}  # a logit of 0.003
    twins = Batch(jnp.asarray(np.repeat(x, 2, axis=0)), jnp.asarray([1.0, -1.0]))

    def layers(dtype):
        p, shard = jax.tree.map(lambda a: a.astype(dtype), (params, twins))
        tapped = factors.tap(case.objective.network(shard.x), p)
        return tapped.pull_back(case.objective.residuals(tapped.logits, shard.t))

    exact = float(factors.shard_squares(layers(jnp.float64), 2)[0])
    single = layers(jnp.float32)
    error = abs(float(factors.shard_squares(single, 2)[0]) / exact - 1)
    assert error < 2e-4
    assert abs(float(jnp.sum(factors.inner_products(single, single))) / exact - 1) > 10 * error, (
        "a Gram matrix would do"
    )
    assert exact == pytest.approx(float(jnp.sum(factors.inner_products(*[layers(jnp.float64)] * 2))), rel=1e-8)


def per_example_gradients(case, params, batch):
    """Each example's loss gradient, written out: (n, parameters)."""
    gradient = jax.jit(jax.grad(case.objective.mean))
    return np.stack([flat(gradient(params, Batch(x[None], t[None]))) for x, t in zip(*batch, strict=True)])


@pytest.mark.parametrize("case", MODELS, ids=lambda c: c.name)
def test_operations_equal_written_out_gradients(case, rng):
    params, first, second = case.params(rng), case.batch(rng, 4), case.batch(rng, 3)
    g, h = (per_example_gradients(case, params, b) for b in (first, second))
    inner = jax.jit(partial(per_example.inner_products, case.objective))(params, first, second)
    np.testing.assert_allclose(inner, g @ h.T, rtol=1e-11, atol=1e-13)
    norms, _ = jax.jit(partial(per_example.contributions, Sgd(), case.objective))(params, first)
    np.testing.assert_allclose(norms, np.linalg.norm(g, axis=1), rtol=1e-11)

    weights = jnp.asarray(rng.normal(size=(2, 4)))
    total = jax.jit(partial(per_example.weighted_gradient, case.objective))
    for k in range(2):
        np.testing.assert_allclose(flat(total(params, first, weights[k])), weights[k] @ g, rtol=1e-11, atol=1e-13)
    stacked = total(params, first, weights)
    np.testing.assert_allclose(flat(jax.tree.map(lambda s: s[1], stacked)), weights[1] @ g, rtol=1e-11, atol=1e-13)


def test_the_clean_and_the_noisy_part_are_the_whole(rng):
    case = CASES["deep relu, 3 classes"]
    params, batch = case.params(rng), case.batch(rng)
    noisy = jnp.arange(N) < 2
    parts = per_example.weighted_gradient(case.objective, params, batch, jnp.stack([~noisy, noisy]) / N)
    whole = jax.tree.map(lambda s: s[0] + s[1], parts)
    assert distance(whole, plain(case, Sgd(), params, batch)) < 1e-13


@pytest.mark.parametrize("opposite", [0.0, 1 - 1e-4])
def test_squares_of_shards_keep_their_digits_in_wide_layers(opposite, rng):
    """Gram matrices where they are cheaper; written out where a shard's gradients cancel."""
    a, delta = (np.repeat(rng.normal(size=(2, size)), 2, axis=0) for size in (30, 20))
    a[1], delta[1], delta[3] = rng.normal(size=30), rng.normal(size=20), -opposite * delta[3]
    delta[3] += (1 - opposite) * rng.normal(size=20)
    w, b, s = np.zeros((30, 20)), np.zeros(20), 0.7
    terms = [(s * np.outer(a[i], delta[i]), delta[i]) for i in range(4)]
    exact = [sum(np.sum((p + q) ** 2) for p, q in zip(terms[i], terms[i + 1], strict=True)) for i in (0, 2)]

    def layer(dtype):
        return factors.Factors(*(jnp.asarray(part, dtype) for part in (a, delta, w, b)), s)

    np.testing.assert_allclose(factors.shard_squares([layer(jnp.float64)], 2), exact, rtol=1e-9)
    single = layer(jnp.float32)
    np.testing.assert_allclose(factors.shard_squares([single], 2), exact, rtol=1e-6 if opposite == 0 else 2e-3)
    products = factors.shard_products(single, 2)
    rough = abs(float(jnp.sum(products[1])) / exact[1] - 1)
    assert (rough > 0.02) == (opposite > 0), "a Gram matrix would do"
