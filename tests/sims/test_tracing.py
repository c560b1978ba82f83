"""Networks that are not what the factored path takes for granted: found out, or refused with a sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, MODELS, RHO, D, N, distance

from sims import per_example, tangent_kernel
from sims.data.sampling import Split
from sims.models import Model
from sims.objectives import Batch, Objective, logistic
from sims.rules import Context, bind, gradient, init
from sims.tracing import has_factors, require_separate
from spec.rules import CompensationSchedule, JacobianSam, NoiseCompensated, Sam, Sgd
from spec.validation import InputError

PARAMS = {"w": np.full((D, D), 0.5), "v": np.full((D, 1), 0.3), "c": np.ones(D)}
X = np.sin(np.arange(N * D, dtype=float)).reshape(N, D)
BATCH = Batch(jnp.asarray(X), jnp.asarray([1.0, -1.0] * (N // 2)))


def made(body, readout=lambda p, h, dense: dense(h, p["v"], None, 1.0)[:, 0]):
    return Model(None, body, readout, lambda p: p["v"])


def one_layer(p, x, dense):
    return jnp.tanh(dense(x, p["w"], p["c"], 1.0))


def scanned(p, x, dense):
    return jax.lax.scan(lambda h, _: (jnp.tanh(h @ p["w"]), None), x, None, length=2)[0]


def normalised(x):
    return (x - x.mean(0, keepdims=True)) / jnp.sqrt(x.var(0, keepdims=True) + 1e-5)


WITHOUT = {
    "outside any layer": made(lambda p, x, dense: jnp.tanh(x @ p["w"])),
    "in two layers": made(lambda p, x, dense: jnp.tanh(dense(one_layer(p, x, dense), p["w"].T, None, 1.0))),
    "in a layer and outside": made(lambda p, x, dense: one_layer(p, x, dense) + p["c"][None]),
    "scaled on its way": made(lambda p, x, dense: dense(x, 2 * p["w"], None, 1.0)),
    "cut on its way": made(lambda p, x, dense: dense(x, p["w"][:, :2], None, 1.0) @ jnp.ones((2, D))),
    "held fixed": made(lambda p, x, dense: dense(x, jax.lax.stop_gradient(p["w"]), None, 1.0)),
    "a layer of constants": made(lambda p, x, dense: dense(x, np.ones((D, D)), None, 1.0)),
    "vectorised by hand": made(lambda p, x, dense: jax.vmap(lambda row: one_layer(p, row[None], dense)[0])(x)),
    "in a loop": made(scanned),
    "rows that are no examples": made(
        lambda p, x, dense: dense(jnp.concatenate([x, x]), p["w"], None, 1.0).reshape(2, -1, D)[0]
    ),
    "an output itself": made(lambda p, x, dense: p["v"], lambda p, h, dense: jnp.tile(h[:, 0], len(h) // D)),
}
WITH = {
    "transposed": made(lambda p, x, dense: jnp.tanh(dense(x, p["w"].T, p["c"], 1.0))),
    "reshaped": made(lambda p, x, dense: dense(x, p["w"].reshape(-1).reshape(D, D), p["c"], 0.5)),
    "an unused leaf": made(lambda p, x, dense: dense(x, p["w"], None, 1.0)),
}


@pytest.mark.parametrize("model", WITHOUT.values(), ids=WITHOUT)
def test_what_is_not_in_exactly_one_layer_has_no_factors(model):
    assert not has_factors(model, PARAMS, X)


@pytest.mark.parametrize("model", WITH.values(), ids=WITH)
def test_axes_may_change_on_the_way_to_a_layer(model):
    assert has_factors(model, PARAMS, X)
    assert not has_factors(model._replace(factored=False), PARAMS, X)


@pytest.mark.parametrize("case", MODELS, ids=lambda c: c.name)
def test_networks_of_the_package(case, rng):
    params, x = case.params(rng), case.batch(rng).x
    assert has_factors(case.model, params, x)
    require_separate(case.model, params, x)


def test_the_last_layer_is_the_readout():
    """A readout of two layers moves as a whole: by factors only the very last one would."""
    deep = made(lambda p, x, dense: x, lambda p, h, dense: dense(one_layer(p, h, dense), p["v"], None, 1.0)[:, 0])
    assert has_factors(deep, PARAMS, X)
    assert not has_factors(deep, PARAMS, X, "last")
    rule = Sam(RHO, ascent="last")
    models = deep, deep._replace(factored=False)
    found, plain = (gradient(rule, (), Objective(m, logistic), PARAMS, BATCH)[0] for m in models)
    assert distance(found, plain) < 1e-12


def test_a_norm_counts_a_leaf_that_is_outside_layers():
    """A body that is no layer belongs to the length of the ascent all the same."""
    model, params = WITHOUT["outside any layer"], {name: PARAMS[name] for name in ("w", "v")}
    objective = Objective(model, logistic)

    def of_example(x, t):
        one = Batch(x[None], t[None])
        g = jax.grad(objective.mean)(params, one)
        length = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in g.values()))
        return jax.grad(objective.mean)({name: params[name] + RHO * g[name] / length for name in g}, one)

    by_hand = jax.tree.map(lambda leaf: leaf.mean(0), jax.vmap(of_example)(*BATCH))
    assert distance(gradient(Sam(RHO), (), objective, params, BATCH)[0], by_hand) < 1e-12


TOGETHER = {
    "batch statistics": (made(lambda p, x, dense: normalised(dense(x, p["w"], None, 1.0))), "change one another's"),
    "the order reversed": (made(lambda p, x, dense: dense(x, p["w"], None, 1.0)[::-1]), "change one another's"),
    "a mask for the batch": (
        made(lambda p, x, dense: x * jax.random.bernoulli(jax.random.key(1), 0.5, x.shape)),
        "equal examples of a batch have different outputs",
    ),
}


@pytest.mark.parametrize(("model", "message"), TOGETHER.values(), ids=TOGETHER)
def test_gradients_of_examples_that_there_are_not_are_refused(model, message):
    objective, split = Objective(model, logistic), Batch(BATCH.x, BATCH.t)
    for rule in (Sam(RHO), JacobianSam(RHO, 2)):
        with pytest.raises(InputError, match=message):
            jax.eval_shape(lambda p, rule=rule: gradient(rule, (), objective, p, split)[0], PARAMS)
    with pytest.raises(InputError, match=message):
        per_example.contributions(Sgd(), objective, PARAMS, split)
    with pytest.raises(InputError, match=message):
        per_example.inner_products(objective, PARAMS, split, split)
    with pytest.raises(InputError, match=message):
        tangent_kernel.empirical(model, PARAMS, split.x)
    for rule in (Sgd(), Sam(RHO, "batch")):  # the gradient of the batch is there
        assert jax.eval_shape(lambda p, rule=rule: gradient(rule, (), objective, p, split)[0], PARAMS).keys() == {
            *PARAMS
        }


def test_compensated_shards_are_refused_too():
    objective = Objective(TOGETHER["batch statistics"][0], logistic)
    context = Context(Split(BATCH.x, BATCH.t, BATCH.t), None, jax.random.key(0))
    rule = bind(NoiseCompensated(Sam(RHO, 2), 0.5, CompensationSchedule(1, 1)), context)
    with pytest.raises(InputError, match="change one another's"):
        gradient(rule, init(rule, PARAMS), objective, PARAMS, BATCH)


def test_leaves_that_cannot_be_trained_are_named():
    case = CASES["linear"]
    for rule in (Sgd(), Sam(RHO), Sam(RHO, "batch")):
        with pytest.raises(InputError, match=r"floating-point numbers, got int\d+ at \['w'\]"):
            gradient(rule, (), case.objective, {"w": np.ones(D, int)}, BATCH)
    with pytest.raises(InputError, match="parameters must be a tree that holds a number"):
        case.objective.mean({}, BATCH)


def test_leaves_of_no_size_and_unused_ones_have_gradients_of_their_shape():
    extra = {**PARAMS, "nothing": np.zeros((0, D)), "unused": np.ones(2)}
    for model in (WITH["transposed"], WITH["transposed"]._replace(factored=False)):
        of = jax.jit(lambda p, model=model: gradient(Sam(RHO, 2), (), Objective(model, logistic), p, BATCH)[0])
        g, few = of(extra), of(PARAMS)
        assert distance({name: g[name] for name in PARAMS}, few) < 1e-14
        assert g["nothing"].shape == (0, D)
        assert not np.asarray(g["unused"]).any()


@pytest.mark.parametrize("rule", [Sgd(), Sam(RHO), Sam(RHO, 2), Sam(RHO, "batch")], ids=repr)
def test_an_empty_batch_is_refused(rule):
    case = CASES["linear"]
    with pytest.raises(InputError, match="at least one example"):
        gradient(rule, (), case.objective, {"w": np.ones(D)}, Batch(jnp.zeros((0, D)), jnp.zeros(0)))
    with pytest.raises(InputError, match="at least one example"):
        case.objective.mean({"w": np.ones(D)}, Batch(jnp.zeros((0, D)), jnp.zeros(0)))
