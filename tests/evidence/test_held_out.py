"""The theory in high dimension against trainings that it has not seen."""

import pytest

from tests.evidence import held_out_networks
from tests.evidence.held_out import compared, held_out

pytestmark = pytest.mark.evidence


@pytest.mark.parametrize("i", range(24))
def test_a_training_is_predicted(i: int) -> None:
    assert compared(held_out(4000)[i], f"held out {i}")["excess"] <= 0


@pytest.mark.parametrize("i", range(held_out_networks.COUNT))
def test_a_network_is_predicted(i: int) -> None:
    held = held_out_networks.held_out(4000)[i]
    assert held_out_networks.compared(held, f"held out networks {i}")["excess"] <= 0
