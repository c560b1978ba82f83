"""What is read from the decomposition of 1-SAM's gain in networks: made-up results whose right answer is known."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from paper_repro.beyond.experiments import shares

RULES = list(shares.NAMES)


def made_up() -> xr.Dataset:
    """Two settings, two sizes, three seeds; J-SAM gains 2 points over SGD, and 1 more in the larger simulation."""
    line = [0.60, 0.61, 0.62, 0.63, 0.60]
    small = np.array(line)[:, None] + [[0.01, 0.0, -0.01]] * 5
    large = small.copy()
    large[2] += 0.01 + np.array([0.001, 0.0, -0.001])
    marks = np.stack([[small, small], [large, large]])
    data: dict[str, Any] = {}
    for name in ("best", "last"):
        data |= {name: (("point", "rule"), [line, line])}
        data |= {f"simulated_{name}": (("size", "point", "rule", "seed"), marks)}
    data |= {"norm": (("point", "rule"), [[2.0, 2.0, 1.0, 1.0, 1.0]] * 2)}
    data |= {"collapsed": (("point", "rule"), [[0.0] * 5, [0.0, 0.0, 1.0, 1.0, 0.0]])}
    found = xr.Dataset(data, {"rule": RULES, "point": ["base", "c = 9"], "size": [500, 2000]})
    names = ("best", "last", "simulated_best", "simulated_last")
    return found.assign({f"{name}_gain": shares.gains(found, name) for name in names})


def test_gains_are_over_descent_and_collapse_is_marked() -> None:
    table = shares.tables(made_up())[0]
    assert table.rows[0] == ("base", "+1.0 / +1.0", "+2.0 / +2.0", "+3.0 / +3.0", "+0.0 / +0.0", "1.00 / 1.00")
    assert table.rows[1][2] == "+2.0 / +2.0 †"


def test_orders_are_decided_at_the_largest_size() -> None:
    row = shares.tables(made_up())[1].rows[0]
    assert row[1].startswith("+1.0 (+2.0 [1.8, 2.2]; shown)")
    assert row[3].startswith("+2.0 (+3.0 [2.8, 3.2]; shown)")


def test_marks_are_compared_with_lines_where_nothing_collapsed() -> None:
    small, large = shares.tables(made_up())[2].rows
    assert small[:3] == ("500", "0.00", "0.00")
    assert large[:3] == ("2000", "0.00", "1.00")


def test_a_penalty_is_matched_by_secants(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def curve(point: Any, rule: Any) -> xr.Dataset:
        asked.append(rule.last_layer)
        return xr.Dataset({"last_norm": ("epoch", [2.0, 2.0 - 4 * rule.last_layer + rule.last_layer**2])})

    monkeypatch.setattr(shares, "_curve", curve)
    point: Any = SimpleNamespace(config=SimpleNamespace(c=1.0))
    strength, found = shares._matched(point, 2.0, 1.0)
    assert strength == pytest.approx(2 - 3**0.5, abs=0.005)
    assert float(found["last_norm"][-1]) == pytest.approx(1.0, abs=0.005)
    assert len(asked) <= shares.MATCHINGS


def test_settings_differ_from_the_base_in_one_thing() -> None:
    config = shares.Shares(K=(1, 5))
    found = {point.name: point.config for point in shares.points(config)}
    assert found["alpha = 0.4"] == replace(config.base, alpha=0.4)
    assert found["teacher"] == replace(config.base, labels="teacher")
    one, five = (found[f"K = {K}"].network.v for K in (1, 5))
    assert (len(one), len(five)) == (1, 5)
    np.testing.assert_allclose([np.linalg.norm(one), np.linalg.norm(five)], np.linalg.norm(config.base.network.v))
    assert five[3] == pytest.approx(five[0])


def test_a_smaller_number_of_examples_shares_the_program_of_the_base() -> None:
    config, stated = shares.Shares(), xr.Dataset({"step": ("rule", [1, 2, 3, 4, 5]), "penalty": 0.2})
    half, more = (
        shares._marks(config, point, stated, 500)
        for point in shares.points(config)
        if point.name in ("alpha = 0.4", "alpha = 3.2")
    )
    assert half.room == (400, 500)
    assert more.room == (1600, 500)
    assert half.steps == (1, 2, 3, 4, 5)
