"""The SAM family and the masks once more, in plain numpy, from their published definitions and over several steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, distance, flat, plain
from test_rule_reference import N, ReluNet, add, relative_difference, slow_gradient

from sims.objectives import Batch, Objective
from sims.per_example import contributions
from sims.rules import gradient, init, with_plain
from sims.rules.down_weighting import in_group
from spec.rules import DownWeight, Fsam, Gsam, JacobianSam, LogitSam, Only, Sam, Sgd, Vasso, Without
from spec.validation import InputError

RHO, STEPS = 0.4, 8
BASES = [
    Sam(RHO, "batch"),
    Sam(RHO),
    Sam(RHO, "batch", "adaptive"),
    Gsam(RHO, 0.3),
    Fsam(RHO, 0.8, 0.7),
    Vasso(RHO, 0.3),
]
UNDER_TEST = [
    *BASES,
    *(DownWeight(base, 0.6, "B", 3) for base in BASES),
    DownWeight(Sam(RHO, "batch"), -1.0, "A"),
    DownWeight(Sam(RHO, "batch"), 1.0, "C"),
    *(kind(Sam(RHO, "batch"), group) for kind in (Without, Only) for group in "ABC"),
]


def norm(v):
    return np.sqrt(sum(np.sum(a**2) for a in v))


def at(w, direction, x, t):
    """The gradient of the mean loss at distance RHO in a direction."""
    return slow_gradient(ReluNet, Sgd, 0.0, N, add(w, direction, RHO / norm(direction)), x, t)


def transcribed(rule, draws):
    """The gradients of a rule without wrapper, step by step, with what it remembers in a local variable."""
    memory = None
    for w, x, t in draws:
        g = slow_gradient(ReluNet, Sgd, 0.0, N, w, x, t)
        if isinstance(rule, Sam):
            yield slow_gradient(ReluNet, Sam, RHO, 1 if rule.sharpness == "example" else N, w, x, t, rule.ascent)
        elif isinstance(rule, Gsam):
            h = at(w, g, x, t)
            cosine = sum(np.sum(a * b) for a, b in zip(g, h, strict=True)) / (norm(g) * norm(h))
            vertical = [a - cosine * norm(g) * b / norm(h) for a, b in zip(g, h, strict=True)]
            yield add(h, vertical, -rule.alpha)
        elif isinstance(rule, Fsam):
            yield at(w, g if memory is None else add(g, memory, -rule.sigma), x, t)
            memory = g if memory is None else add([rule.decay * m for m in memory], g, 1 - rule.decay)
        else:
            memory = g if memory is None else add([(1 - rule.theta) * m for m in memory], g, rule.theta)
            yield at(w, memory, x, t)


def masked(rule, draws, *, step=0, low=0.0, high=1.0, swap=False, invert=False, convention=False):
    """The gradients of any rule; the options are wrong variants of the mask."""
    base = getattr(rule, "base", rule)
    for k, ((w, x, t), h) in enumerate(zip(draws, transcribed(base, draws), strict=True)):
        if base is rule:
            yield h
            continue
        result = []
        for gi, hi in zip(slow_gradient(ReluNet, Sgd, 0.0, N, w, x, t), h, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                r = gi / hi if swap else hi / gi
            mask = {"A": r >= high, "B": (r > low) & (r < high), "C": r <= low}[rule.group] & (gi != 0)
            mask = ~mask if invert else mask
            if isinstance(rule, DownWeight):
                alpha = rule.alpha * min(1, (k + step) / rule.warmup) if rule.warmup else rule.alpha
                result.append(hi * np.where(mask, alpha if convention else 1 - alpha, 1))
            else:
                result.append(np.where(mask == isinstance(rule, Only), hi, gi))
        yield result


MUTANTS = {
    "mask inverted": {"invert": True},
    "alpha as multiplier": {"convention": True},
    "ratio to the perturbed gradient": {"swap": True},
    "upper boundary shifted": {"high": 0.8},
    "lower boundary shifted": {"low": 0.8},
    "warm-up one step early": {"step": 1},
}


@pytest.fixture(scope="module")
def program():
    """One program for all rules: their states, parameters and a batch -> gradients and next states."""
    objective = Objective(ReluNet.model, ReluNet.loss)

    def all_rules(states, params, batch):
        return [gradient(r, s, objective, params, batch) for r, s in zip(UNDER_TEST, states, strict=True)]

    return jax.jit(all_rules)


@pytest.fixture
def draws(rng):
    return [(ReluNet.draw(rng), rng.normal(size=(N, 3)), ReluNet.labels(rng)) for _ in range(STEPS)]


def simulated(program, draws):
    """For every rule, its gradients along the draws, as lists of arrays."""
    states, rows = [init(rule, ReluNet.tree(draws[0][0])) for rule in UNDER_TEST], []
    for w, x, t in draws:
        pairs = program(states, ReluNet.tree(w), Batch(jnp.asarray(x), jnp.asarray(t)))
        states = [state for _, state in pairs]
        rows.append([ReluNet.arrays(g) for g, _ in pairs])
    return list(zip(*rows, strict=True))


def test_every_rule_equals_its_transcription_at_every_step(program, draws):
    for rule, rows in zip(UNDER_TEST, simulated(program, draws), strict=True):
        for k, (found, expected) in enumerate(zip(rows, masked(rule, draws), strict=True)):
            assert relative_difference(found, expected) < 1e-11, (rule, k)


def test_the_comparison_rejects_mutants(program, draws):
    found = dict(zip(UNDER_TEST, simulated(program, draws), strict=True))
    for base in BASES:
        rule = DownWeight(base, 0.6, "B", 3)
        for name, options in MUTANTS.items():
            wrong = masked(rule, draws, **options)
            worst = max(relative_difference(a, b) for a, b in zip(found[rule], wrong, strict=True))
            assert worst > 1e-3, (rule, name)
    memories = [transcribed(r, draws) for r in (Sam(RHO, "batch"), Fsam(RHO), Fsam(RHO, 0.8, 0.9), Vasso(RHO, 0.5))]
    for wrong in memories:
        rows = list(wrong)
        for rule in (Fsam(RHO, 0.8, 0.7), Vasso(RHO, 0.3), Gsam(RHO, 0.3)):
            assert max(relative_difference(a, b) for a, b in zip(found[rule], rows, strict=True)) > 1e-4


@pytest.mark.parametrize("name", ["deep relu, 3 classes", "convolutions, 3 classes"])
def test_the_plain_gradient_that_comes_along_is_the_plain_gradient(name, rng):
    """With factors and without, for every way in which it comes along, in one program for each model."""
    case = CASES[name]
    params, batch = case.params(rng), case.batch(rng)
    rules = [Sam(RHO), LogitSam(RHO, 2), JacobianSam(RHO, "batch", "adaptive"), Sam(RHO, "batch", "last")]

    def both(params, batch):
        pairs = [with_plain(r, init(r, params), case.objective, params, batch)[:2] for r in rules]
        return pairs, [plain(case, r, params, batch) for r in [Sgd(), *rules]]

    pairs, (g, *alone) = jax.jit(both)(params, batch)
    for rule, (h, along), expected in zip(rules, pairs, alone, strict=True):
        assert distance(along, g) < 1e-12, rule
        assert distance(h, expected) < 1e-12, rule


def test_groups_without_division():
    g = jnp.asarray([2.0, 2, 2, -2, 2, 0, 0, 1e-30, 1e-30, -1e-30], jnp.float32)
    h = jnp.asarray([2.0, 3, 1, -1, 0, 1, 0, 5e-31, -5e-31, -2e-30], jnp.float32)
    found = {group: in_group(group, g, h).tolist() for group in "ABC"}
    letters = "".join(next((k for k in "ABC" if found[k][i]), "-") for i in range(len(g)))
    assert letters == "AABBC--BCA"
    assert sum(map(sum, found.values())) == 8, "no coordinate is in two groups"


def test_masks_take_every_coordinate_once(rng):
    """Without A, B and C in turn undoes all of SAM; nothing is left of it where nothing is removed."""
    case = CASES["two layers"]
    params, batch = case.params(rng), case.batch(rng)
    base = Sam(RHO, "batch")
    rules = [base, Sgd(), DownWeight(base, 0.0), *(Without(base, group) for group in "ABC")]
    h, g, same, *parts = jax.jit(lambda p, b: [plain(case, rule, p, b) for rule in rules])(params, batch)
    total = jax.tree.map(lambda a, b, c, hi: a + b + c - 2 * hi, *parts, h)
    assert distance(total, g) < 1e-12
    assert distance(same, h) < 1e-14


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_without_ascent_nothing_is_reduced(dtype, rng):
    """Ratios are 1 then, up to rounding, which must not put them in group B, as it would every second one.

    Coordinates in which the contributions of examples cancel lose more digits: a few of them may still be misjudged.
    """
    case = CASES["two layers, 3 classes"]
    params, batch = case.params(rng, dtype), case.batch(rng, 60, dtype)
    rules = [DownWeight(base, 1.0) for base in (Sam(0.0, "batch"), Sam(0.0), Vasso(0.0))]
    found, g = jax.jit(lambda p, b: ([plain(case, r, p, b) for r in rules], plain(case, Sgd(), p, b)))(params, batch)
    for rule, h in zip(rules, found, strict=True):
        assert np.mean(abs(flat(h) - flat(g)) > 100 * jnp.finfo(dtype).eps * abs(flat(g))) < 0.1, rule


def test_warm_up_counts_steps_and_stops_counting(rng):
    case = CASES["linear"]
    params, batch = case.params(rng), case.batch(rng)
    base = Sam(RHO, "batch")
    cold, rule = (DownWeight(base, 0.8, "A", warmup) for warmup in (0, 2))
    others = jax.jit(lambda: [plain(case, other, params, batch) for other in (base, cold)])
    step = jax.jit(lambda state: gradient(rule, state, case.objective, params, batch))
    h, full = others()
    state, sizes = init(rule, params), []
    for _ in range(5):
        g, state = step(state)
        sizes.append(distance(g, h) / distance(full, h))
    assert sizes == pytest.approx([0, 0.5, 1, 1, 1])
    assert int(state[1]) == 2


def test_memories_start_at_the_first_gradient(rng):
    case = CASES["linear"]
    params, batch = case.params(rng), case.batch(rng)
    first, g = plain(case, Sam(RHO, "batch"), params, batch), plain(case, Sgd(), params, batch)
    for rule in (Fsam(RHO, 0.5), Vasso(RHO, 0.1)):
        h, state = gradient(rule, init(rule, params), case.objective, params, batch)
        assert distance(h, first) < 1e-13
        assert distance(state.value, g) < 1e-13


def test_directions_of_tiny_gradients_keep_their_length():
    """Squares of 1e-25 underflow in float32; the ascent of VaSSO still has length rho."""
    case = CASES["linear"]
    x = jnp.asarray([[1e-25, 2e-25, -2e-25]], jnp.float32)
    params, batch = {"w": jnp.zeros(3, jnp.float32)}, Batch(x, jnp.ones(1, jnp.float32))
    rules = (Sam(30.0, "batch"), Vasso(30.0))
    sam, vasso = jax.jit(lambda p: [plain(case, rule, p, batch)["w"] for rule in rules])(params)
    np.testing.assert_allclose(vasso, sam, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DownWeight(Sam, 0.5), "base must be a rule"),
        (lambda: DownWeight(0.1), "base must be a rule"),
        (lambda: DownWeight(Sam(0.1), 1.5), r"alpha must be a number in \[-inf, 1\], got 1.5"),
        (lambda: DownWeight(Sam(0.1), 0.5, "D"), "group must be one of 'A', 'B', 'C', got 'D'"),
        (lambda: DownWeight(Sam(0.1), warmup=-1), "warmup must be an integer >= 0, got -1"),
        (lambda: Without(Sam(0.1), "AB"), "group must be one of"),
        (lambda: Only(None), "base must be a rule"),
        (lambda: Gsam(-1.0), "rho must be"),
        (lambda: Gsam(0.1, -0.1), "alpha must be"),
        (lambda: Fsam(0.1, decay=1.1), "decay must be"),
        (lambda: Vasso(0.1, np.array([0.2, 1.3])), "theta must be"),
    ],
)
def test_impossible_rules_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("rule", [DownWeight(Sam(0.1)), Gsam(0.1)], ids=repr)
def test_contributions_of_examples_need_a_sum_over_examples(rule, rng):
    case = CASES["linear"]
    with pytest.raises(InputError, match="rule must be one whose gradient is a sum over examples"):
        contributions(rule, case.objective, case.params(rng), case.batch(rng))
