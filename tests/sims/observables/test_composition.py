"""Shares, cosines and amplifications of coordinates, against one loop over examples and coordinates."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, RHO, distance, flat, plain

from sims.objectives import Batch
from sims.observables.composition import Coordinates, composition, coordinates, summary
from sims.per_example import weighted_gradient
from spec.rules import DownWeight, LogitSam, Sam, Sgd
from spec.validation import InputError

N = 9


@cache
def gradient_of(case):
    return jax.jit(jax.grad(case.objective.mean))


def slow_parts(case, rule, params, data):
    """(clean, mislabelled) parts of the rule's gradient of the training split, one example at a time."""
    x, t, noisy = data.train.x, data.train.t, np.asarray(data.train.t != data.train.y)
    batch = Batch(x, t)
    g = gradient_of(case)
    total = g(params, batch)
    result = [0.0, 0.0]
    for i in range(len(t)):
        one = Batch(x[i : i + 1], t[i : i + 1])
        if isinstance(rule, Sam):
            along = total if rule.sharpness == "batch" else g(params, one)
            length = np.linalg.norm(flat(along))
            moved = jax.tree.map(lambda p, a, length=length: p + rule.rho * a / length, params, along)
        else:
            moved = params
        result[int(noisy[i])] = result[int(noisy[i])] + flat(g(moved, one)) / len(t)
    return result


def slow_summary(g_c, g_n, h_c, h_n, first):
    """The definitions in plain Python, coordinate by coordinate."""
    letter = lambda r: "A" if r >= 1 else "B" if r > 0 else "C"  # noqa: E731
    rows = []
    for i in range(len(g_c)):
        g, h = g_c[i] + g_n[i], h_c[i] + h_n[i]
        who = "-"
        if g_c[i] * g_n[i] < 0:
            who = "noise" if abs(g_n[i]) > abs(g_c[i]) else "clean"
        rows.append((g, h, letter(h / g), who, h_c[i] / g_c[i], h_n[i] / g_n[i], letter(first[i])))
    record = {}
    share = lambda keep, among: sum(map(keep, s)) / len(s) if (s := [r for r in rows if among(r)]) else 0.0  # noqa: E731
    cosine = lambda a, b: np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)) if np.any(a) else 0.0  # noqa: E731
    for k in "ABC":
        record[f"share_{k}"] = share(lambda r, k=k: r[2] == k, lambda r: True)
        energy = [r[1] ** 2 * (r[2] == k) for r in rows]
        record[f"energy_{k}"] = sum(energy) / sum(r[1] ** 2 for r in rows)
        for who in ("noise", "clean"):
            record[f"{k}_given_{who}"] = share(lambda r, k=k: r[2] == k, lambda r, who=who: r[3] == who)
            record[f"{who}_given_{k}"] = share(lambda r, who=who: r[3] == who, lambda r, k=k: r[2] == k)
        for j, name in enumerate(("plain", "perturbed")):
            v = [r[j] * (r[2] == k) for r in rows]
            record |= {f"cos_{name}_{k}_noisy": cosine(v, g_n), f"cos_{name}_{k}_clean": cosine(v, g_c)}
    for who in ("noise", "clean"):
        record[f"share_{who}"] = share(lambda r, who=who: r[3] == who, lambda r: True)
        record[f"clean_more_on_{who}"] = share(lambda r: r[4] > r[5], lambda r, who=who: r[3] == who)
        for j, name in ((4, "clean"), (5, "noisy")):
            values = [r[j] for r in rows if r[3] == who]
            for q in (10, 50, 90):
                record[f"a_{name}_on_{who}_q{q}"] = np.percentile(values, q) if values else 0.0
    record["clean_more_on_noise_B"] = share(lambda r: r[4] > r[5], lambda r: r[3] == "noise" and r[2] == "B")
    record["first_order_agreement"] = share(lambda r: r[2] == r[6], lambda r: True)
    return record | {"share_undefined": 0.0}


shares = jax.jit(summary)


@cache
def program(case, probe):
    return jax.jit(lambda params, data: coordinates(probe, case.objective, params, data))


@pytest.mark.parametrize("probe", [Sam(RHO, "batch"), Sam(RHO)], ids=lambda p: p.name)
@pytest.mark.parametrize("name", ["two layers, 3 classes"])
def test_coordinates_and_summary_equal_slow_loops(name, probe, rng):
    case = CASES[name]
    params, data = case.params(rng), case.data(rng, N)
    at = program(case, probe)(params, data)
    for found, expected in zip(at, [*slow_parts(case, Sgd(), params, data), *slow_parts(case, probe, params, data)],
                               strict=False):  # fmt: skip
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    batch = Batch(data.train.x, data.train.t)
    assert distance(at.h, flat(plain(case, probe, params, batch))) < 1e-11
    small = 1e-5
    h = program(case, Sam(small, probe.sharpness))(params, data).h
    slope = (flat(h) - flat(at.g)) / small
    np.testing.assert_allclose((at.first_order - 1) * at.g, RHO * slope, atol=1e-3 * np.max(abs(slope)))
    record, expected = shares(at), slow_summary(*map(np.asarray, at))
    assert record.keys() == expected.keys()
    for key, value in expected.items():
        assert float(record[key]) == pytest.approx(value, abs=1e-12), key


def test_nothing_mislabelled_and_nothing_defined_are_finite(rng):
    case = CASES["two layers, 3 classes"]
    params, data = case.params(rng), case.data(rng, N)
    clean = data._replace(train=data.train._replace(y=data.train.t))
    record = shares(program(case, Sam(RHO, "batch"))(params, clean))
    assert all(np.isfinite(float(v)) for v in record.values())
    assert record["share_noise"] == record["noise_given_B"] == record["cos_plain_A_noisy"] == 0
    nowhere = shares(Coordinates(*[jnp.zeros(4)] * 5))
    assert {float(v) for key, v in nowhere.items() if key != "share_undefined"} == {0.0}
    assert nowhere["share_undefined"] == 1


def test_constant_inputs_are_left_out(rng):
    """An input that is always zero: its weights have no gradient, and count in no share."""
    case = CASES["two layers, 3 classes"]
    params, data = case.params(rng), case.data(rng, N)
    data = data._replace(train=data.train._replace(x=data.train.x.at[:, 1].set(0.0)))
    record = shares(program(case, Sam(RHO, "batch"))(params, data))
    assert record["share_undefined"] == pytest.approx(4 / flat(params).size)
    assert sum(record[f"share_{k}"] for k in "ABC") == pytest.approx(1)


def test_the_observable_looks_with_its_probe_whatever_is_trained(rng):
    case = CASES["linear"]
    params, data = case.params(rng), case.data(rng, N)
    observe = composition(Sam(RHO, "batch"))
    rules = (Sgd(), DownWeight(Sam(0.1)))
    found = jax.jit(lambda p: [observe(rule, case.objective, p, data) for rule in rules])(params)
    assert found[0] == found[1]


def test_weighted_gradients_of_perturbed_examples_add_up(rng):
    case = CASES["deep relu, 3 classes"]
    params, batch = case.params(rng), case.batch(rng)
    rules = [Sam(RHO), LogitSam(RHO, 2), Sam(RHO, "batch")]
    weights = jnp.stack([jnp.arange(6.0) / 6, 1 / 6 - jnp.arange(6.0) / 6])

    def both(params):
        sums = [weighted_gradient(case.objective, params, batch, weights, rule) for rule in rules]
        return sums, [plain(case, rule, params, batch) for rule in rules]

    for parts, whole in zip(*jax.jit(both)(params), strict=True):
        assert distance(jax.tree.map(lambda leaf: leaf.sum(axis=0), parts), whole) < 1e-12


@pytest.mark.parametrize(
    ("rule", "name", "message"),
    [
        (DownWeight(Sam(0.1)), "linear", "rule must be one whose gradient is a sum over examples"),
        (Sam(0.1, 2), "convolutions, 3 classes", "sharpness must be 'batch' for a model without factors, got 2"),
    ],
)
def test_probes_that_are_no_sum_are_refused(rule, name, message, rng):
    case = CASES[name]
    objective = case.objective._replace(model=case.model._replace(factored=False))
    with pytest.raises(InputError, match=message):
        weighted_gradient(objective, case.params(rng), case.batch(rng), jnp.ones(6) / 6, rule)
