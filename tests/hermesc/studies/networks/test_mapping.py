"""The chip's own networks on the chip: never more cores than published."""

import pytest

from hermesc.pipeline import Options
from hermesc.studies.networks.mapping import NETWORKS, Network, NetworkLine, mapped
from hermesrt.chip.load import load_chip
from hermesrt.errors import CapacityError


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda n: n.name)
def pair(request: pytest.FixtureRequest) -> tuple[Network, NetworkLine]:
    network: Network = request.param
    return network, mapped(network, load_chip("hermes"), "4-phase", Options())


def test_weights_are_the_published_number(pair: tuple[Network, NetworkLine]) -> None:
    assert pair[1].weights == pair[0].weights


def test_tiles_are_the_published_cores_and_cores_not_more(
    pair: tuple[Network, NetworkLine],
) -> None:
    assert pair[1].tiles == pair[0].cores
    assert pair[1].cores <= pair[0].cores


def test_all_products_with_fixed_matrices_are_analog(pair: tuple[Network, NetworkLine]) -> None:
    assert pair[1].analog_share > 0.999


def test_layers_account_for_all_weights_and_tiles(pair: tuple[Network, NetworkLine]) -> None:
    layers = pair[1].layers
    assert sum(layer.rows * layer.columns for layer in layers) == pair[1].weights
    assert sum(layer.tiles for layer in layers) == pair[1].tiles
    assert all(layer.latency_ns > 0 and layer.energy_nj > 0 for layer in layers)


def test_a_chip_that_is_too_small_is_refused_by_its_cores() -> None:
    small = load_chip("hermes", [("grid.rows", "2"), ("grid.columns", "2")])
    with pytest.raises(CapacityError, match="cores"):
        mapped(NETWORKS[1], small, "4-phase", Options())
