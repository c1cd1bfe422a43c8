"""What unit cells with stuck devices can hold, and how the others make up for them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.chip.stuck_devices import StuckDevices

NAN = float("nan")
G = 20e-6  # of a device


def _cell(*held: float, used: int = 2) -> StuckDevices:
    """One unit cell; its devices are first and second of +, first and second of -."""
    first_plus, second_plus, first_minus, second_minus = held
    devices = torch.tensor([[first_plus, first_minus], [second_plus, second_minus]])
    return StuckDevices(devices[..., None, None], G, G, used)


def _weight(stuck: StuckDevices, wanted: float) -> float:
    pair = stuck.pair(torch.tensor([[wanted]]))
    return float(pair[0] - pair[1])


def test_a_free_cell_holds_a_weight_in_one_polarity():
    pair = _cell(NAN, NAN, NAN, NAN).pair(torch.tensor([[-3e-6]]))
    assert pair.flatten().tolist() == pytest.approx([0.0, 3e-6])


@pytest.mark.parametrize(
    ("held", "wanted", "reached"),
    [
        ((0.0, NAN, NAN, NAN), 10e-6, 10e-6),  # its neighbour takes it
        ((0.0, NAN, NAN, NAN), 30e-6, 20e-6),  # as far as it goes
        ((0.0, 0.0, NAN, NAN), 10e-6, 0.0),  # RESET on both: no positive weight at all
        ((0.0, 0.0, NAN, NAN), -10e-6, -10e-6),
        ((25e-6, NAN, NAN, NAN), 0.0, 0.0),  # the other polarity makes up for it
        ((25e-6, 25e-6, NAN, NAN), 5e-6, 10e-6),  # as far as that goes
        ((25e-6, 25e-6, NAN, NAN), 40e-6, 40e-6),
        ((5e-6, 5e-6, 1e-6, 1e-6), 0.0, 8e-6),  # nothing is free
    ],
)
def test_the_free_devices_come_as_near_as_they_can(held, wanted, reached):
    assert _weight(_cell(*held), wanted) == pytest.approx(reached, abs=1e-11)


def test_with_one_device_a_polarity_the_second_is_not_programmed():
    assert _weight(_cell(0.0, NAN, NAN, NAN, used=1), 10e-6) == pytest.approx(0.0)
    assert _weight(_cell(NAN, NAN, NAN, NAN, used=1), 30e-6) == pytest.approx(20e-6)


@given(
    st.lists(st.sampled_from([NAN, 0.0, 7e-6, 25e-6]), min_size=4, max_size=4),
    st.floats(-40e-6, 40e-6),
)
def test_no_pair_within_the_devices_comes_nearer(held, wanted):
    stuck = _cell(*held)
    least, most = (float(b) for b in stuck.reach())
    nearest = min(max(wanted, least), most)
    assert _weight(stuck, wanted) == pytest.approx(nearest, abs=1e-11)


@given(
    st.lists(st.sampled_from([NAN, 0.0, 7e-6, 25e-6]), min_size=4, max_size=4),
    st.floats(-40e-6, 40e-6),
)
def test_the_shares_of_the_devices_add_up_to_the_pair(held, wanted):
    stuck = _cell(*held)
    pair = stuck.pair(torch.tensor([[wanted]]))
    shares = stuck.shares(pair)
    assert torch.allclose(shares.sum(0), pair, atol=1e-11)
    free = stuck.held.isnan()
    assert torch.equal(shares[~free], stuck.held[~free])
    assert bool((shares[free] <= G * (1 + 1e-5)).all())


def test_without_the_map_a_stuck_device_leaves_its_share_missing():
    # 30 uS: the first device is fully SET, the second takes 10
    assert float(_cell(0.0, NAN, NAN, NAN).blind(torch.tensor([[30e-6]]))) == pytest.approx(10e-6)
    assert float(_cell(NAN, 0.0, NAN, NAN).blind(torch.tensor([[30e-6]]))) == pytest.approx(20e-6)
