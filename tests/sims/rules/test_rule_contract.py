"""What every rule promises on every model, whatever its formula: types, finiteness, and its symmetries."""

from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from inspect import isabstract, signature
from pkgutil import iter_modules

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import (
    BOUND,
    CASES,
    COMPOSED,
    CONVOLVED,
    EVERY,
    MODELS,
    PAIRS,
    PERTURBED_PAIRS,
    RHO,
    RULES,
    N,
    ascent,
    at_home,
    compiled,
    context,
    distance,
    fast,
    flat,
    last_layer,
    ordinary,
    pieces,
    plain,
)

from sims.objectives import Batch
from sims.rules import ascent_step, begin_epoch, bind, init, report
from sims.train import train
from spec import rules as spec_rules
from spec.networks import Mlp
from spec.problems import RealData
from spec.rules import (
    Bootstrapped,
    Compensation,
    CoTeaching,
    DownWeight,
    FixedReweight,
    JacobianSam,
    LogitSam,
    MetaReweight,
    Perturbed,
    RandomMask,
    Regularised,
    Rule,
    Sam,
    Sgd,
)
from spec.rules.noisy_labels import OnWeights
from spec.runs import TrainingRun
from spec.training import Training
from spec.validation import InputError


def name(value):
    return value.name if value in MODELS else getattr(value, "__name__", repr(value))


def over(values, kept=ordinary):
    """Parametrised by the arguments of `kept`; values that it does not keep are evidence."""
    marked = [pytest.param(*value, marks=() if kept(*value) else pytest.mark.evidence) for value in values]
    return pytest.mark.parametrize(list(signature(kept).parameters), marked, ids=name)


every_pair = over(PAIRS)
perturbed_pair = over(PERTURBED_PAIRS)
# Compiled in float64 for every model; one stands for the others in float32.
every_pair_and_dtype = over(
    [(*pair, jnp.float64) for pair in PAIRS]
    + [(CASES["two layers"], rule, jnp.float32) for rule in [*RULES, *COMPOSED[:3]]],
    lambda case, rule, dtype: ordinary(case, rule) if dtype == jnp.float64 else rule in [*CONVOLVED, *COMPOSED[:3]],
)


def test_compiled_programs_cannot_be_mistaken_for_one_another():
    """A cache of compiled programs finds them by the structure of the rule: it must tell every two rules apart."""
    rules = EVERY
    structures = [jax.tree.structure(rule) for rule in rules]
    same = [
        (a, b) for i, a in enumerate(rules) for j, b in enumerate(rules) if i < j and structures[i] == structures[j]
    ]
    assert not same


def kinds(rule=Rule):
    """All records of spec.rules that can be made."""
    modules = [import_module(f"spec.rules.{found.name}") for found in iter_modules(spec_rules.__path__)]
    assert modules
    below = {kind for child in rule.__subclasses__() for kind in kinds(child)}
    here = {rule} if rule.__module__.startswith("spec.rules") and not isabstract(rule) else set()
    return here | below


def test_no_record_is_left_out():
    """A new rule needs its line in tests/cases.py."""
    assert kinds() == {type(rule) for rule in EVERY}


@pytest.mark.parametrize("rule", dict.fromkeys(rule for _, rule in PERTURBED_PAIRS), ids=repr)
def test_a_compiled_program_serves_every_rho(rule):
    assert jax.tree.structure(rule) == jax.tree.structure(replace(rule, rho=2 * RHO))
    assert jax.tree.leaves(rule)[0] == RHO


@over(
    [(*pair, dtype) for pair in PAIRS for dtype in (jnp.float32, jnp.float64)],
    lambda case, rule, dtype: ordinary(case, rule) if dtype == jnp.float64 else at_home(case, rule),
)
def test_gradient_is_a_tree_like_params(case, rule, dtype, rng):
    params, batch = case.params(rng, dtype), case.batch(rng, dtype=dtype)
    shapes = [jax.eval_shape(lambda p: p, params), jax.eval_shape(partial(plain, case), rule, params, batch)]
    assert shapes[0] == shapes[1]
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes[1])} == {jnp.dtype(dtype)}


def degenerate(case, params, rng):
    """Points at which some or all shards have zero gradient, or a huge one."""
    dtype = jax.tree.leaves(params)[0].dtype
    zero = jax.tree.map(jnp.zeros_like, params)
    # Equal inputs under every label: at zero parameters the residuals cancel over the batch.
    groups = case.classes or 2
    x = np.repeat(rng.normal(size=(N // groups, case.d)), groups, axis=0)
    balanced = Batch(jnp.asarray(x, dtype), case.labels(np.arange(N), dtype))
    yield "balanced labels", zero, balanced
    yield "zero inputs", params, balanced._replace(x=jnp.zeros_like(balanced.x))
    yield "zero inputs and parameters", zero, balanced._replace(x=jnp.zeros_like(balanced.x))
    # Residuals that are exactly zero, of full size, or so small that their square underflows.
    for scale in (1e4, -1e4, 1e2, 1e3):
        yield f"logits times {scale:g}", *saturated(case, params, rng, scale)


def saturated(case, params, rng, scale):
    """The head multiplied by |scale|, and labels that are all right for scale > 0, all wrong for scale < 0."""
    head = jax.tree.leaves(params)[-1]
    params = jax.tree.map(lambda leaf: leaf * jnp.asarray(abs(scale), leaf.dtype) if leaf is head else leaf, params)
    x = case.batch(rng, dtype=head.dtype).x
    logits = case.model.apply(params, x)
    if case.classes is None:
        return params, Batch(x, jnp.where(logits * scale > 0, 1, -1).astype(head.dtype))
    return params, Batch(x, (jnp.argmax if scale > 0 else jnp.argmin)(logits, axis=1).astype(jnp.int32))


@every_pair_and_dtype
def test_value_and_derivative_are_finite_at_degenerate_points(case, dtype, rule, rng):
    for name, params, batch in degenerate(case, case.params(rng, dtype), rng):
        g, derivative = compiled(case)(rule, params, batch)
        assert np.all(np.isfinite(flat(g))), name
        assert np.all(np.isfinite(flat(derivative))), name
        if name == "zero inputs and parameters" and "b" not in last_layer(case, params):
            assert not np.any(flat(g)), "without biases this point is stationary"


@pytest.mark.parametrize(("dtype", "margins"), [(jnp.float32, (1, 40, 50, 80)), (jnp.float64, (1, 300, 400, 700))])
def test_length_of_the_ascent_does_not_depend_on_that_of_the_gradient(dtype, margins, rng):
    """Down to the smallest gradients, whose squares are below the range of numbers."""
    case, direction = CASES["linear"], rng.normal(size=3)
    for margin in margins:
        params = {"w": jnp.asarray(margin * direction / np.sum(direction**2), dtype)}
        shard = Batch(jnp.asarray(direction[None], dtype), jnp.ones(1, dtype))
        step = flat(ascent_step(Sam(100.0), case.objective, params, shard))
        expected = -100 * direction / np.linalg.norm(direction)
        np.testing.assert_allclose(step, expected, rtol=1e-3 if dtype == jnp.float32 else 1e-11)


@perturbed_pair
def test_no_ascent_is_sgd(case, rule, rng):
    params, batch = case.params(rng), case.batch(rng)
    g = fast(case, replace(rule, rho=0.0), params, batch)
    assert distance(g, fast(case, Sgd(), params, batch)) < 1e-14


@pytest.mark.parametrize("rule", [r for r in [*COMPOSED, *BOUND] if "alpha" in vars(r) and r.inner()], ids=repr)
def test_nothing_removed_is_the_base(rule, rng):
    case = CASES["two layers"]
    params, batch = case.params(rng), case.batch(rng)
    g = fast(case, replace(rule, alpha=0.0), params, batch)
    assert distance(g, fast(case, rule.base, params, batch)) < 1e-14


@over(PAIRS, at_home)
def test_compiled_equals_not_compiled(case, rule, rng):
    params, batch = case.params(rng), case.batch(rng)
    assert distance(fast(case, rule, params, batch), plain(case, rule, params, batch)) < 1e-12


@over(PERTURBED_PAIRS, at_home)
def test_vectorised_over_rho_equals_a_loop(case, rule, rng):
    params, batch, rhos = case.params(rng), case.batch(rng), (0.0, 0.1, RHO)
    together = jax.jit(jax.vmap(lambda rho: plain(case, replace(rule, rho=rho), params, batch)))(jnp.asarray(rhos))
    for i, rho in enumerate(rhos):
        one = fast(case, replace(rule, rho=rho), params, batch)
        assert distance(jax.tree.map(lambda leaf, i=i: leaf[i], together), one) < 1e-12


@every_pair
def test_order_of_the_batch_does_not_matter(case, rule, rng):
    """Nor, for shards of m examples, the order of the shards and the order inside a shard."""
    params, batch = case.params(rng), case.batch(rng)
    order = rng.permutation(N)
    if isinstance(rule.sharpness, int):
        order = np.concatenate([rng.permutation(s) for s in rng.permutation(np.arange(N).reshape(-1, rule.sharpness))])
    shuffled = Batch(batch.x[order], batch.t[order])
    assert distance(fast(case, rule, params, shuffled), fast(case, rule, params, batch)) < 1e-12


@over(
    [(case, family) for case in MODELS for family in (Sam, LogitSam, JacobianSam)],
    lambda case, family: family is Sam or case.name in ("linear", "deep relu, 3 classes"),
)
def test_kinds_of_sharpness_meet(case, family, rng):
    """On one example all agree; 'example' is the mean over single examples; m = N is 'batch'."""
    params, batch = case.params(rng), case.batch(rng)

    def gradients(params, batch):
        def of_one(x, t):
            return [plain(case, family(RHO, s), params, Batch(x[None], t[None])) for s in ("example", 1, "batch")]

        return jax.vmap(of_one)(*batch), plain(case, family(RHO, N), params, batch)

    (example, one, whole), all_of_them = jax.jit(gradients)(params, batch)
    assert distance(one, example) < 1e-14
    assert distance(whole, example) < 1e-14
    mean = jax.tree.map(lambda leaf: np.mean(leaf, axis=0), whole)
    assert distance(mean, fast(case, family(RHO, "example"), params, batch)) < 1e-12
    assert distance(all_of_them, fast(case, family(RHO, "batch"), params, batch)) < 1e-12


@pytest.mark.parametrize(("n", "m"), [(5, 2), (3, 4), (1, 2)])
@pytest.mark.parametrize("family", [Sam, LogitSam, JacobianSam])
def test_sharpness_must_divide_the_batch(family, n, m, rng):
    case = CASES["linear"]
    with pytest.raises(InputError, match=f"sharpness must divide the batch, got {m} for {n} examples"):
        plain(case, family(RHO, m), case.params(rng), case.batch(rng, n))


def frozen_objective(case, rule, params, batch):
    """The function of w' whose gradient at w' = w the rule claims to be, with every perturbation held fixed."""
    m, of = {"example": 1, "batch": N}.get(rule.sharpness, rule.sharpness), pieces(case)

    def of_shard(shard):
        eps = ascent(case, params, shard, rule)
        if isinstance(rule, LogitSam | JacobianSam):
            point = jax.tree.map(np.add, params, eps) if isinstance(rule, LogitSam) else params
            fixed = np.asarray(of.residuals(of.logits(point, shard.x), shard.t))
            score = partial(np.multiply, fixed)
        else:
            score = partial(lambda t, f: of.losses(f, t), shard.t)
        shift = eps if isinstance(rule, Sam | JacobianSam) else jax.tree.map(np.zeros_like, eps)
        return lambda w: float(np.sum(score(of.logits(jax.tree.map(np.add, w, shift), shard.x))))

    def penalty(w):
        if not isinstance(rule, Regularised):
            return 0.0
        hidden = np.asarray(case.model.hidden(w, batch.x))
        head = np.linalg.norm(np.asarray(case.model.head(w)))
        return float(rule.activation * np.linalg.norm(hidden, axis=1).mean() + rule.last_layer * head)

    params, batch = jax.tree.map(np.asarray, (params, batch))
    terms = [of_shard(Batch(batch.x[i : i + m], batch.t[i : i + m])) for i in range(0, N, m)]
    return lambda w: sum(term(w) for term in terms) / N + penalty(w)


@over([found for found in PAIRS if found[1] in RULES])
def test_gradient_is_that_of_the_frozen_objective(case, rule, rng):
    """A central difference along a random direction; its error is of order 1e-9 here."""
    params, batch = case.params(rng), case.batch(rng)
    g, value = fast(case, rule, params, batch), frozen_objective(case, rule, params, batch)
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), params)
    ends = [value(jax.tree.map(lambda p, u, h=h: np.asarray(p) + h * u, params, direction)) for h in (1e-7, -1e-7)]
    slope, expected = (ends[0] - ends[1]) / 2e-7, flat(g) @ flat(direction)
    assert abs(slope - expected) < 1e-8 * (1 + np.linalg.norm(flat(g)) * np.linalg.norm(flat(direction)))


@over([(case, rule) for case, rule in PAIRS if case.permute and not isinstance(rule, RandomMask | CoTeaching)])
def test_hidden_units_have_no_order(case, rule, rng):
    params, batch, order = case.params(rng), case.batch(rng), np.roll(np.arange(case.hidden), 1)
    g = fast(case, rule, params, batch)
    assert distance(case.permute(g, order), g) > 1e-3
    assert distance(fast(case, rule, case.permute(params, order), batch), case.permute(g, order)) < 1e-12


@pytest.mark.parametrize("sharpness", ["example", 2, "batch"])
def test_on_a_linear_model_only_the_logits_feel_the_ascent(sharpness, rng):
    case = CASES["linear"]
    params, batch = case.params(rng), case.batch(rng)
    sgd, sam, logit, jacobian = (
        plain(case, rule, params, batch)
        for rule in (Sgd(), Sam(RHO, sharpness), LogitSam(RHO, sharpness), JacobianSam(RHO, sharpness))
    )
    assert distance(logit, sam) < 1e-14
    assert distance(jacobian, sgd) < 1e-14
    assert distance(sam, sgd) > 1e-3


# ---------------------------------------------------------------- rules around rules

FIRST = {type(rule): rule for rule in reversed(EVERY)}
AROUND = [rule for rule in FIRST.values() if rule.inner()]
BASES = [*FIRST.values(), Sam(RHO, "batch", "adaptive"), Sam(RHO, 2)]


@pytest.mark.parametrize("around", AROUND, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("base", BASES, ids=repr)
def test_a_rule_around_any_other_trains_a_step_or_is_refused(around, base, rng):
    """Refused when it is constructed, by a sentence that says why."""
    if isinstance(around, Compensation) and not (isinstance(base, Perturbed) and base.ascent == "all"):
        with pytest.raises(InputError, match=r"^base must be Sam, .* because their ascent step is .*, got "):
            replace(around, base=base)
        return
    if isinstance(around, OnWeights) and (base in BOUND or isinstance(base, Bootstrapped)):
        with pytest.raises(InputError, match=r"^base must be a rule that takes labels through its loss alone .*, got "):
            replace(around, base=base)
        return
    case = CASES["linear"]
    params, batch = case.params(rng), case.batch(rng)
    g = plain(case, replace(around, base=base), params, batch)
    assert jax.tree.structure(g) == jax.tree.structure(params)
    assert np.isfinite(flat(g)).all()


def test_a_wrapped_mask_trains_as_other_rules_do(rng, key):
    """The pair that once could be constructed and then had no gradient."""
    case, rule = CASES["linear"], DownWeight(RandomMask(Sam(0.1)))
    batch, params = case.batch(rng), case.params(rng)
    given = context(case, batch)
    final, record = train(
        bind(rule, given),
        Training(eta=0.1, epochs=2, batch=3),
        model=case.model,
        loss=case.loss,
        params=params,
        data=case.data(rng)._replace(train=given.train),
        observe=lambda *_: {},
        key=key,
    )
    assert int(record["first_nonfinite_step"]) == -1
    assert distance(final, params) > 1e-3


def test_epochs_and_reports_reach_the_rule_inside(rng):
    case, scheme = CASES["linear"], MetaReweight(2.0, 0.3)
    params, given = case.params(rng), context(case, case.batch(rng))
    outer, inner = (bind(rule, given) for rule in (DownWeight(scheme), scheme))
    state = begin_epoch(outer, begin_epoch(outer, init(outer, params)))
    assert int(state.base.epoch) == 1
    assert report(outer, state, given.train) == report(inner, init(inner, params), given.train)
    assert report(outer, state, given.train)["clean_example_weight"] == 0.5


def test_rules_inside_rules_draw_by_other_keys(rng):
    case = CASES["linear"]
    given = context(case, case.batch(rng))
    outer = bind(RandomMask(RandomMask(Sam(RHO))), given)
    assert outer.key != outer.record.base.key


def test_what_a_rule_needs_is_asked_for_before_training(rng):
    case = CASES["linear"]
    without = context(case, case.batch(rng))._replace(clean=None)
    wrapped = DownWeight(MetaReweight(1.0, 0.1))
    with pytest.raises(InputError, match="clean must be a clean subset, for the weights of clipped meta-reweighting"):
        bind(wrapped, without)
    with pytest.raises(InputError, match="clean must be a clean subset"):
        TrainingRun(wrapped, RealData(), Mlp(), Training(eta=0.1, epochs=1), (), (0,))
    assert bind(FixedReweight(), without).clean is None


def test_a_rule_without_a_gradient_is_named(rng):
    @dataclass(frozen=True)
    class Unknown(Rule):
        @property
        def name(self):
            return "unknown"

    case = CASES["linear"]
    with pytest.raises(TypeError, match=r"no gradient is defined for .*Unknown"):
        plain(case, Unknown(), case.params(rng), case.batch(rng))
    with pytest.raises(TypeError, match="abstract"):
        Rule()
