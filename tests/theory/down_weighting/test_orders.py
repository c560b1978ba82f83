"""Orders of the transition: against the flow in full, the limits, and what was once said of them."""

import numpy as np
import pytest
from scipy.special import expit

from spec.validation import InputError
from theory.down_weighting import transition
from theory.down_weighting.orders import ORDERS, memory_rate, order

CASES = [((5, 0.3, 2.0, 0.2), 0.5), ((40, 1.0, 2.0, 0.3), 2.0), ((200, 1.0, 3.0, 0.3), 0.5), ((20, 1.0, 3.0, 0.3), 0.5)]


@pytest.mark.parametrize(("sizes", "rho"), CASES)
def test_reduced_flow_has_the_phases_of_the_model(sizes, rho):
    """Among them two that once contradicted us: one stays in A, one has a second A in the middle."""
    model = transition.SignalMemory(*sizes)
    found = "".join(p.group for p in transition.phases(model, rho, end=3e4))
    word = order(memory_rate(model), float(model.delta(rho)), model.Delta)
    assert word.upper() == found


def test_the_counterexamples_have_the_orders_that_were_seen():
    assert order(4 / (5 * 0.8 * 0.09), 0.5 * np.hypot(0.3, 2), 0.2) == "A"
    assert order(4 / (40 * 0.7), 2 * np.hypot(1, 2), 0.3) == "ACBaBCA"


def test_four_orders_with_the_first_exit_into_c_and_the_end_in_a(rng):
    words = set()
    for _ in range(30):
        kappa, delta = np.exp(rng.uniform(np.log(0.02), np.log(4))), np.exp(rng.uniform(np.log(0.1), np.log(8)))
        words.add(order(kappa, delta, rng.uniform(0.05, 0.48)))
    assert words <= set(ORDERS)
    assert len(words) >= 3
    assert all(word.startswith("AC") and word.endswith("A") for word in words - {"A"})


@pytest.mark.parametrize("delta", [0.3, 2.0, 6.0])
def test_slow_memory_unlearns_in_group_b_whatever_delta(delta):
    assert order(1e-3, delta, 0.3) == "ACBCA"


@pytest.mark.parametrize("Delta", [0.1, 0.4])
def test_the_signal_is_unlearned_in_b_and_in_the_noise_dominated_part_of_a(Delta, rng):
    """Point 3 on random margins with m_c > m_n: Q < 0 nowhere but there."""
    beta, (m_n, gap) = Delta / (1 - Delta), (rng.normal(0, 3, 4000), rng.exponential(3, 4000))
    delta = rng.uniform(0.1, 6, 4000)
    group = transition.two_group_groups(m_n + gap, m_n, delta, beta)
    dominated = expit(-m_n - gap) < beta * expit(-m_n)
    falls = expit(delta - m_n - gap) < beta * expit(delta - m_n)
    np.testing.assert_array_equal(falls, (group == "B") | ((group == "A") & dominated))
    assert ((group == "A") & dominated).any()
    assert not (falls & ~dominated).any()


def test_unlearning_of_a_slow_memory_ends_where_the_mislabelled_residual_is_one_minus_delta():
    model = transition.SignalMemory(2000, 1.0, 1.0, 0.3)
    path = transition.descend(model, 1.0, eta=2.0, steps=4000)[::10]
    falls = np.diff(path[:, 0]) < 0
    s_n = expit(model.delta(1.0) - model.margins(path)[1])
    last = np.flatnonzero(falls)[-1]
    assert s_n[last] == pytest.approx(1 - model.Delta, abs=0.01)


@pytest.mark.parametrize(("name", "value"), [("kappa", 0.0), ("delta", -1.0), ("Delta", 0.5)])
def test_impossible_parameters_are_named(name, value):
    with pytest.raises(InputError, match=name):
        order(**({"kappa": 0.1, "delta": 1.0, "Delta": 0.3} | {name: value}))
