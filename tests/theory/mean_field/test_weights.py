"""Functions of entries: exact where they are linear, and with the jump's share of the response where they jump."""

import numpy as np
import pytest

from theory.mean_field.masks import in_group
from theory.mean_field.weights import SIGNAL, START, WeightSpace

SAMPLES = 2**14


@pytest.fixture
def space(rng: np.random.Generator) -> WeightSpace:
    return WeightSpace(3, rng.normal(size=(4, SAMPLES)))


def test_linear_functions_have_no_sampling_error(space: WeightSpace) -> None:
    v = 0.3 * space.unit(SIGNAL) - 2 * space.unit(START) + 0.7 * space.unit(space.fresh())
    np.testing.assert_allclose(space.from_entries(0.3, space.entries(v)), v, atol=1e-12)


def test_later_directions_know_nothing_of_earlier_functions(space: WeightSpace) -> None:
    past = space.from_entries(0.0, np.abs(space.entries(space.unit(START))))
    later = space.entries(space.unit(space.fresh()))
    assert np.mean(later * space.entries(past)) == pytest.approx(0, abs=1e-12)
    assert past @ past == pytest.approx(1)  # E |eta|^2


def test_the_response_of_a_jump_is_its_height_times_the_density(space: WeightSpace) -> None:
    """f = h where 0 < h/g < 1, with h = g/2 + eta: E f eta = P(B) - E[h delta(h - g)]..., by quadrature."""
    g = space.unit(START)
    eta = space.fresh()
    h = 0.5 * g + space.unit(eta)
    values = [space.entries(v) for v in (g, h)]
    f = space.from_entries(0.0, np.where(in_group("B", *values), values[1], 0.0))
    x = np.linspace(-9, 9, 2001)
    a, b = np.meshgrid(x, x, indexing="ij")
    density = np.exp(-(a**2 + b**2) / 2) / (2 * np.pi) * (x[1] - x[0]) ** 2
    ratio_below_one = (a * (0.5 * a + b) > 0) & (np.abs(0.5 * a + b) < np.abs(a))
    smooth = np.sum(ratio_below_one * density)
    whole = np.sum(ratio_below_one * (0.5 * a + b) * b * density)
    assert f[eta] == pytest.approx(whole, abs=0.02)
    assert abs(smooth - whole) > 0.2  # the jump's share, without which this is no response
