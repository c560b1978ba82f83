"""What the sliders show is what today's formulas give."""

import numpy as np
import pytest

from paper_repro import explorer, wording
from spec.seeds import shifted

KEPT = {panel["id"]: panel for panel in explorer.read()}


@pytest.mark.parametrize("panel", explorer.PANELS, ids=lambda p: p.id)
def test_the_kept_grid_is_what_the_formula_gives_at_a_place(panel: explorer.Panel, rng: np.random.Generator) -> None:
    kept = KEPT[panel.id]
    shape = [len(knob.values) for knob in panel.knobs]
    values = np.array(kept["values"], dtype=float).reshape(*shape, len(panel.names), len(panel.x[1]))
    place = tuple(int(rng.integers(n)) for n in shape)
    with shifted(0):  # with which the grid was made
        now = panel.lines(*(knob.values[k] for knob, k in zip(panel.knobs, place, strict=True)))
    # Four digits are kept; the training curves have a Monte-Carlo part, which other versions may round otherwise.
    np.testing.assert_allclose(values[place], now, rtol=6e-4, atol=2e-3 if panel.id == "training" else 1e-9)
    names = (kept["title"], kept["says"], kept["theory"], kept["x"]["name"], kept["y"], kept["names"])
    assert names == (panel.title, panel.says, panel.theory, panel.x[0], panel.y, list(panel.names))
    assert kept["knobs"] == [{**knob._asdict(), "values": list(knob.values)} for knob in panel.knobs]


def test_every_panel_has_its_formula_typeset() -> None:
    assert all("<math" in wording.formula("explorer", panel.theory).typeset for panel in explorer.PANELS)


def test_values_run_over_knobs_names_and_x_and_have_no_nan() -> None:
    knobs = (explorer.Knob("a", [1.0, 2.0], 0), explorer.Knob("b", ["x", "y", "z"], 0))
    at = np.array([0.0, np.nan])
    panel = explorer.Panel("id", "", "", "", ("x", np.arange(2.0)), "", ("one", "two"), knobs,
                           lambda a, b: np.stack([10 * a + "xyz".index(b) + at, -a + at]))  # fmt: skip
    values = explorer.computed(panel)["values"]
    assert values[:8] == [10.0, None, -1.0, None, 11.0, None, -1.0, None]
    assert values[-4:] == [22.0, None, -2.0, None]
