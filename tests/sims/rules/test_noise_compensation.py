"""Compensated rules: an independent transcription in numpy, their contract on two models, and training with them."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, distance, flat
from test_rule_reference import LinearNet, ReluNet, add, relative_difference, slow_ascent

from sims.objectives import Batch, Minibatch, Objective
from sims.rules import Context, bind, gradient, init
from sims.rules.compensation import Compensated, progress, projected
from sims.train import train
from spec.rules import (
    ClusterSelection,
    CompensationSchedule,
    JacobianSam,
    LogitSam,
    MarginSelection,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    RandomSelection,
    Sam,
    Sgd,
)
from spec.training import Training
from spec.validation import InputError

N, RHO = 6, 0.4
AT_ONCE = CompensationSchedule(epochs=1, steps=1)
PUBLISHED = NoiseCompensated(Sam(RHO, "batch"), 0.9, AT_ONCE, MarginSelection(0.5))
RECORDS = [
    PUBLISHED,
    replace(PUBLISHED, sign=-1),
    replace(PUBLISHED, project=None, target="uniform"),
    replace(PUBLISHED, base=LogitSam(RHO, 2), selection=RandomSelection(0.5), project="sphere", smoothing=0.2),
    replace(PUBLISHED, base=JacobianSam(RHO, "example"), selection=OracleSelection(1.0), target="true"),
    replace(PUBLISHED, base=Sam(RHO, 3), selection=ClusterSelection(1.0, 2), target="uniform", sign=-1, project=None),
    OracleAscent(Sam(RHO, "batch")),
    OracleAscent(JacobianSam(RHO, 2)),
]


# ---------------------------------------------------------------- transcription


def outputs(net, w, x):
    """Logits and inputs of the last layer, by hand."""
    if net is ReluNet:
        hidden = np.maximum(x @ w[0] + w[1], 0)
        return hidden @ w[2] + w[3], hidden
    return x @ w[0].T @ w[1], x @ w[0].T


def slow_gap(f):
    return abs(f) if np.ndim(f) == 0 else np.sort(f)[-1] - np.sort(f)[-2]


def slow_selection(selection, logits, hidden, t, y, key):
    n = len(t)
    if isinstance(selection, OracleSelection):
        return [i for i in range(n) if t[i] != y[i]]  # fraction 1, precision 1
    if isinstance(selection, ClusterSelection):
        draws = np.asarray(jax.random.uniform(key, (n,)))
        rows = [h / np.linalg.norm(h) if np.any(h) else h for h in hidden]
        first = max(range(n), key=lambda i: np.sum((rows[i] - np.mean(rows, axis=0)) ** 2))
        second = max(range(n), key=lambda i: np.sum((rows[i] - rows[first]) ** 2))
        centres = [rows[first], rows[second]]
        for _ in range(selection.iterations + 1):
            nearest = [int(np.sum((r - centres[1]) ** 2) < np.sum((r - centres[0]) ** 2)) for r in rows]
            centres = [np.mean([r for r, c in zip(rows, nearest, strict=True) if c == k], axis=0) for k in (0, 1)]
        gap = np.array([slow_gap(f) for f in logits])
        of = [[g for g, c in zip(gap, nearest, strict=True) if c == k] for k in (0, 1)]
        rate = [selection.largest_rate * (1 - np.mean(g) / np.max(g)) for g in of]
        return [i for i in range(n) if draws[i] < rate[nearest[i]]]
    scores = np.asarray(jax.random.gumbel(key, (n,))).copy()
    if isinstance(selection, MarginSelection):
        scores += np.log([1 / (1 + slow_gap(f)) for f in logits])
    return list(np.argsort(-scores)[: int(selection.fraction * n)])


def slow_targets(target, logits, t, y, key):
    if target == "true":
        return y
    if logits.ndim == 1:
        return -t
    if target == "uniform":
        return (t + np.asarray(jax.random.randint(key, t.shape, 1, logits.shape[1], t.dtype))) % logits.shape[1]
    return np.array(
        [max((c for c in range(len(f)) if c != k), key=lambda c: f[c]) for f, k in zip(logits, t, strict=True)]
    )


def slow_noise_gradient(net, record, w, x, t, y, key):
    which, where = jax.random.split(jax.random.fold_in(key, 0))
    logits, hidden = outputs(net, w, x)
    chosen = slow_selection(record.selection, logits, hidden, t, y, which)
    labels = slow_targets(record.target, logits, t, y, where)
    total = [np.zeros_like(a) for a in w]
    for i in chosen:
        others = [-labels[i]] if net is LinearNet else [c for c in range(3) if c != labels[i]]
        r = (1 - record.smoothing) * net.residual(w, x[i], labels[i])
        for c in others:
            r = r + record.smoothing / len(others) * net.residual(w, x[i], c)
        total = add(total, net.pull_back(w, x[i], r), 1 / len(chosen))
    return total


def slow_compensated(net, record, w, x, t, y, key):
    """The gradient of the record at the first step, as a list of arrays."""
    base, total = record.base, [np.zeros_like(a) for a in w]
    m = {"example": 1, "batch": N}.get(base.sharpness, base.sharpness)
    labels = y if isinstance(record, OracleAscent) else t
    for start in range(0, N, m):
        g = [np.zeros_like(a) for a in w]
        for i in range(start, start + m):
            g = add(g, net.pull_back(w, x[i], net.residual(w, x[i], labels[i])), 1 / m)
        eps = [base.rho * a for a in slow_ascent(net, w, g, "all")]
        if isinstance(record, NoiseCompensated):
            eps = add(eps, slow_noise_gradient(net, record, w, x, t, y, key), record.sign * record.strength)
            length = np.sqrt(sum(np.sum(a**2) for a in eps))
            scale = {None: 1, "ball": min(1, base.rho / length), "sphere": base.rho / length}[record.project]
            eps = [scale * a for a in eps]
        up = add(w, eps, 1)
        at_logits = w if isinstance(base, JacobianSam) else up
        at_jacobian = w if isinstance(base, LogitSam) else up
        for i in range(start, start + m):
            total = add(total, net.pull_back(at_jacobian, x[i], net.residual(at_logits, x[i], t[i])), 1 / N)
    return total


@cache
def compiled(net):
    objective = Objective(net.model, net.loss)
    return jax.jit(lambda rule, params, batch: gradient(rule, init(rule, params), objective, params, batch)[0])


def draw(net, rng):
    """Parameters, inputs, observed and true labels, two of six different."""
    y = net.labels(rng)
    t = np.where(np.arange(N) < 2, -y if net is LinearNet else (y + 1) % 3, y)
    return net.draw(rng), rng.normal(size=(N, 3)), t, y


def mutants(record):
    """Wrong variants that the comparison must tell from the right one."""
    yield replace(record, base=replace(record.base, rho=2 * RHO))
    if isinstance(record, NoiseCompensated):
        yield replace(record, sign=-record.sign)
        yield replace(record, project=None if record.project else "ball")
        yield replace(record, selection=RandomSelection(1.0))
    else:
        yield replace(PUBLISHED, base=record.base, strength=0.0)  # ascent from the observed labels


@pytest.mark.parametrize(
    ("net", "record"),
    [(ReluNet, r) for r in RECORDS] + [(LinearNet, RECORDS[i]) for i in (0, 3, 5, 6)],
    ids=lambda v: getattr(v, "__name__", None) or f"{v.name}-{type(v.base).__name__}",
)
def test_gradient_equals_its_transcription_and_that_of_no_mutant(net, record, rng, key):
    distances = {}
    for k in jax.random.split(key, 4):
        w, x, t, y = draw(net, rng)
        rule = Compensated(record, jnp.asarray(y), k)
        found = net.arrays(compiled(net)(rule, net.tree(w), Batch(jnp.asarray(x), jnp.asarray(t))))
        assert relative_difference(found, slow_compensated(net, record, w, x, t, y, k)) < 1e-12
        for wrong in mutants(record):
            difference = relative_difference(found, slow_compensated(net, wrong, w, x, t, y, k))
            distances[wrong] = max(difference, distances.get(wrong, 0.0))
    assert min(distances.values()) > 1e-4, distances


# ---------------------------------------------------------------- parts


def test_the_schedule_is_the_published_one():
    """r(t) = 2 (3 - 2 t) t^2 below 1: .3125 after a quarter of the epochs, 1 from half time on."""
    schedule = CompensationSchedule(epochs=200, steps=3)
    steps = {e: 3 * (e - 1) for e in (1, 50, 99, 100, 150, 200, 400)}
    values = {e: float(progress(schedule, jnp.int32(s))) for e, s in steps.items()}
    assert values[50] == pytest.approx(0.3125)
    assert values[1] == pytest.approx(2 * (3 - 0.01) * 0.005**2)
    assert values[99] < 1
    assert values[100] == values[150] == values[200] == values[400] == 1
    assert float(progress(schedule, jnp.int32(3 * 49 + 2))) == pytest.approx(0.3125)
    assert float(progress(replace(schedule, shape="constant"), jnp.int32(0))) == 1


def test_projection():
    eps = {"a": jnp.array([3.0]), "b": jnp.array([4.0, 0.0])}
    assert flat(projected(eps, 10.0, "ball")).tolist() == [3, 4, 0]
    np.testing.assert_allclose(flat(projected(eps, 2.0, "ball")), [1.2, 1.6, 0])
    np.testing.assert_allclose(flat(projected(eps, 10.0, "sphere")), [6, 8, 0])
    assert projected(eps, 2.0, None) is eps
    zero = jax.tree.map(jnp.zeros_like, eps)
    for project in ("ball", "sphere"):
        assert not flat(projected(zero, 2.0, project)).any()
        slopes = jax.grad(lambda e, p=project: sum(jnp.sum(a) for a in jax.tree.leaves(projected(e, 2.0, p))))(zero)
        assert np.isfinite(flat(slopes)).all()


# ---------------------------------------------------------------- contract, on two models

MODELS = [CASES["linear"], CASES["deep relu, 3 classes"]]
every_model = pytest.mark.parametrize("case", MODELS, ids=lambda c: c.name)


@cache
def with_derivative(case):
    """(rule, params, batch) -> the gradient, and the derivative of the sum of its entries in its numbers."""

    def total(strength, rho, params, rule, batch):
        record = rule.record
        record = replace(record, base=replace(record.base, rho=rho), strength=strength)
        g = gradient(replace(rule, record=record), init(rule, params), case.objective, params, batch)[0]
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(g)), g

    def swapped(rule, params, batch, strength, rho):
        derivative, g = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(strength, rho, params, rule, batch)
        return g, derivative

    return jax.jit(swapped)


def given(case, rng, key, record=PUBLISHED, dtype=jnp.float64):
    split = case.data(rng, N, dtype).train
    return bind(record, Context(split, None, key)), case.params(rng, dtype), Batch(split.x, split.t)


@every_model
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_gradient_is_a_tree_like_params(case, dtype, rng, key):
    rule, params, batch = given(case, rng, key, dtype=dtype)
    found = jax.eval_shape(lambda p: gradient(rule, init(rule, p), case.objective, p, batch)[0], params)
    assert found == jax.eval_shape(lambda p: p, params)


@every_model
def test_value_and_derivatives_are_finite_at_degenerate_points(case, rng, key):
    """Zero inputs and parameters, opposite twins, and saturated logits."""
    rule, params, batch = given(case, rng, key)
    zero = jax.tree.map(jnp.zeros_like, params)
    points = [(zero, batch), (zero, batch._replace(x=0 * batch.x)), (params, batch._replace(x=0 * batch.x))]
    points += [(jax.tree.map(lambda leaf, c=c: c * leaf, params), batch) for c in (30.0, -1e3)]
    for p, b in points:
        g, derivative = with_derivative(case)(rule, p, b, 0.9, RHO)
        assert np.isfinite(flat(g)).all()
        assert np.isfinite(flat(derivative)).all()


@cache
def step_of(case):
    return jax.jit(lambda rule, params, batch: gradient(rule, init(rule, params), case.objective, params, batch)[0])


def step(case, rule, params, batch):
    """The gradient, compiled once for every model and kind of rule."""
    return step_of(case)(rule, params, batch)


@every_model
def test_strength_zero_is_the_base(case, rng, key):
    rule, params, batch = given(case, rng, key, replace(PUBLISHED, strength=0.0))

    def every(params):
        records = [replace(rule.record, project=project) for project in (None, "ball", "sphere")]
        return [gradient(replace(rule, record=r), 0, case.objective, params, batch)[0] for r in records]

    expected = step(case, PUBLISHED.base, params, batch)
    for g in jax.jit(every)(params):
        assert distance(g, expected) < 1e-12


@every_model
def test_vectorised_equals_a_loop(case, rng, key):
    rule, params, batch = given(case, rng, key)
    strengths = jnp.array([0.0, 0.4, 2.0])

    def of(strength):
        record = replace(rule.record, strength=strength)
        return gradient(replace(rule, record=record), 0, case.objective, params, batch)[0]

    together, one = jax.jit(jax.vmap(of))(strengths), jax.jit(of)
    for i, strength in enumerate(strengths):
        assert distance(jax.tree.map(lambda leaf, i=i: leaf[i], together), one(strength)) < 1e-12


def test_compiled_equals_not_compiled(rng, key):
    case = MODELS[0]
    rule, params, batch = given(case, rng, key)
    assert distance(gradient(rule, 0, case.objective, params, batch)[0], step(case, rule, params, batch)) < 1e-12


def test_order_does_not_matter_to_an_oracle(rng, key):
    case = MODELS[1]
    rule, params, batch = given(case, rng, key, replace(PUBLISHED, selection=OracleSelection(1.0)))
    order = rng.permutation(N)
    shuffled = Minibatch(batch.x[order], batch.t[order], jnp.asarray(order))
    assert distance(step(case, rule, params, shuffled), step(case, rule, params, batch)) < 1e-12


@pytest.mark.parametrize("record", [replace(PUBLISHED, selection=OracleSelection(1.0)), OracleAscent(PUBLISHED.base)])
def test_oracles_leave_clean_batches_to_the_base(record, rng, key):
    case = MODELS[1]
    rule, params, batch = given(case, rng, key, record)
    expected = step(case, PUBLISHED.base, params, batch)
    assert distance(step(case, replace(rule, y=batch.t), params, batch), expected) < 1e-12
    assert distance(step(case, rule, params, batch), expected) > 1e-6


def test_compiled_programs_cannot_be_mistaken_for_one_another(key):
    rules = [Compensated(r, jnp.zeros(N), key) for r in RECORDS]
    structures = [jax.tree.structure(r) for r in rules]
    assert all(a != b for i, a in enumerate(structures) for b in structures[:i])
    for rule in rules:
        leaves, structure = jax.tree.flatten(rule)
        assert jax.tree.unflatten(structure, leaves).record == rule.record
    assert jax.tree.structure(replace(PUBLISHED, strength=3.0)) == jax.tree.structure(PUBLISHED)


def test_bad_batches_are_named(rng, key):
    case = MODELS[0]
    rule, params, batch = given(case, rng, key)
    with pytest.raises(InputError, match="batch must be a Minibatch or hold all 6 training examples, got 3"):
        gradient(rule, 0, case.objective, params, Batch(batch.x[:3], batch.t[:3]))
    odd = replace(rule, record=replace(PUBLISHED, base=Sam(RHO, 4)))
    with pytest.raises(InputError, match="sharpness must divide the batch"):
        gradient(odd, 0, case.objective, params, batch)


# ---------------------------------------------------------------- training


def trained(case, rule, data, params, key, epochs):
    final, record = train(
        rule,
        Training(eta=0.1, epochs=epochs, batch=3),
        model=case.model,
        loss=case.loss,
        params=params,
        data=data,
        observe=lambda *_: {"nothing": jnp.zeros(())},
        key=key,
    )
    assert int(record["first_nonfinite_step"]) == -1
    return final


def test_training_warms_up_and_then_corrects_with_the_labels_of_each_batch(rng, key):
    """Two epochs of two steps, the first plain SGD, against a loop over the same batches."""
    case, schedule = MODELS[1], CompensationSchedule(epochs=2, steps=2, warm_up=1)
    record = replace(PUBLISHED, schedule=schedule, selection=OracleSelection(1.0))
    data, params = case.data(rng), case.params(rng)
    rule = bind(record, Context(data.train, None, key))
    one = jax.jit(lambda rule, state, w, part: gradient(rule, state, case.objective, w, part)[0])
    w, count = params, 0
    for epoch_key in jax.random.split(key, (2, 1)).ravel():
        for places in jax.random.permutation(epoch_key, N).reshape(-1, 3):
            part = Minibatch(data.train.x[places], data.train.t[places], places)
            g, other = one(Sgd(), (), w, part), one(rule, jnp.int32(2), w, part)
            assert distance(g, other) > 1e-6
            g = g if count < 2 else one(rule, jnp.int32(count), w, part)
            w = jax.tree.map(lambda p, gi: p - 0.1 * gi, w, g)
            count += 1
    assert distance(trained(case, rule, data, params, key, 2), w) < 1e-12
