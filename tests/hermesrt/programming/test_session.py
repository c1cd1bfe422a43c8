"""Which device of a cell is tuned, and what all of it costs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Pulses
from hermesrt.program import Program
from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.session import (
    ProgrammingSession,
    correct,
    places,
    start_core,
)
from hermesrt.programming.targets import targets

COUNT = 0.129375e-6
ChipOf = Callable[..., ChipSpec]
Compiled = Callable[[Tensor, ChipSpec], Program]


def matrix(size: int) -> Tensor:
    """Some weights are zero, some the largest of their column."""
    made = torch.rand(size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1
    made[:, ::3] = made[:, ::3].sign()
    made[::4, 1] = 0
    return made


@pytest.fixture
def taken(
    chip_of: ChipOf, compiled: Compiled, clean: dict[str, str]
) -> Callable[[str], tuple[ProgrammingSession, CoreProgramming, Tensor, Tensor]]:
    """A core, its cells [4, cells] and the SET levels of its devices, both in counts."""

    def make(devices: str) -> tuple[ProgrammingSession, CoreProgramming, Tensor, Tensor]:
        chip = chip_of(32, 32, clean | {"unit_cell.devices_per_polarity": devices})
        program = compiled(matrix(32), chip)
        device, other = hermesc.simulate(chip), hermesc.simulate(chip)
        for d in (device, other):
            d.load(program.artifact)
        (target,) = targets(program.artifact)
        cells = torch.arange(32 * 32)
        for number in range(4):
            every = torch.full(cells.shape, number)
            other.pulse(0, Pulses("set", cells, every, torch.zeros(cells.shape)), number)
        session = ProgrammingSession(device)
        core = start_core(session, target)
        found = []
        for d in (device, other):
            g = torch.from_numpy(d.state().arrays["0.conductance"]).transpose(0, 1)
            found.append(g.reshape(4, -1) / COUNT)  # device 0, 1 positive; 2, 3 negative
        return session, core, found[0], found[1]

    return make


def test_the_devices_that_are_tuned_follow_max_set_fill(
    taken: Callable[[str], tuple[ProgrammingSession, CoreProgramming, Tensor, Tensor]],
) -> None:
    _, core, cells, levels = taken("2")
    kinds = {"zero": 0, "both": 0, "one": 0, "close": 0}
    for cell, wanted in enumerate((core.target.siemens / COUNT).flatten().tolist()):
        first = 2 if wanted < 0 else 0
        mine = levels[first : first + 2, cell].tolist()
        weaker, stronger = sorted((0, 1), key=lambda i: mine[i])
        tuned = int(core.device.flatten()[cell]) - first
        opposite = cells[2 - first : 4 - first, cell].tolist()
        assert opposite == [0.0, 0.0]
        if wanted == 0:
            kinds["zero"] += 1
            assert not bool(core.tuned.flatten()[cell])
            assert cells[:, cell].tolist() == [0.0] * 4
        elif min(abs(abs(wanted) - max(mine)), abs(mine[0] - mine[1])) <= 1.01:
            kinds["close"] += 1  # the reads are whole counts
        elif abs(wanted) > max(mine):
            kinds["both"] += 1
            assert tuned == weaker
            assert cells[first : first + 2, cell].tolist() == pytest.approx(mine)
        else:
            kinds["one"] += 1
            assert tuned == stronger
            assert cells[first + stronger, cell].item() == pytest.approx(mine[stronger])
            assert cells[first + weaker, cell].item() == 0.0
    assert min(kinds["zero"], kinds["both"], kinds["one"]) >= 8
    assert kinds["close"] < 100


def test_one_device_per_polarity_leaves_the_second_alone(
    taken: Callable[[str], tuple[ProgrammingSession, CoreProgramming, Tensor, Tensor]],
) -> None:
    _, core, cells, levels = taken("1")
    assert not bool(cells[1].any() or cells[3].any())
    counts = (core.target.siemens / COUNT).flatten()
    for first, wanted in ((0, counts > 0), (2, counts < 0)):
        assert set(core.device.flatten()[wanted].tolist()) == {first}
        torch.testing.assert_close(cells[first, wanted], levels[first, wanted])
        assert not bool(cells[first, ~wanted].any())


def test_a_correction_moves_the_cell_by_what_was_asked(
    taken: Callable[[str], tuple[ProgrammingSession, CoreProgramming, Tensor, Tensor]],
) -> None:
    session, core, before, _ = taken("2")
    change = torch.where(core.target.siemens < 0, 10.0, -10.0)  # a SET device can only lose
    correct(session, core, change, places(core.tuned))
    after = torch.from_numpy(session.device.state().arrays["0.conductance"])
    after = after.transpose(0, 1).reshape(4, -1) / COUNT
    moved = ((after[0] + after[1] - after[2] - after[3])
             - (before[0] + before[1] - before[2] - before[3])).view(32, 32)  # fmt: skip
    tuned = core.tuned
    level = before.gather(0, core.device.flatten().long()[None])[0].view(32, 32)
    enough = tuned & (level > 12)
    torch.testing.assert_close(moved[enough], change[enough], rtol=0.05, atol=0.05)
    assert not bool(moved[~tuned].any())


def test_currents_stay_within_the_chips_range(
    taken: Callable[[str], tuple[ProgrammingSession, CoreProgramming, Tensor, Tensor]],
) -> None:
    session, core, _, _ = taken("2")
    table = session.chip.programming_pulses
    for change in (1e6, -1e6):
        correct(session, core, torch.full((32, 32), change), places(core.tuned))
        ampere = core.ampere[core.tuned]
        assert ampere.min().item() == pytest.approx(table.pulse_low_ampere)
        assert ampere.max().item() == pytest.approx(table.pulse_high_ampere)


def test_targets_are_scaled_by_column_to_the_largest_conductance(
    chip_of: ChipOf, compiled: Compiled
) -> None:
    weights = torch.tensor([[1.0, -0.5, 0.0], [-4.0, 0.25, 0.0]])
    program = compiled(weights, chip_of(8, 8))
    (g_max,) = program.artifact.manifest.matrices[0].g_max_siemens
    (target,) = targets(program.artifact)
    (tile,) = program.artifact.manifest.matrices[0].tiles
    wanted = [[0.25 * g_max, -g_max, 0.0], [-g_max, 0.5 * g_max, 0.0]]
    torch.testing.assert_close(target.siemens[tile.place], torch.tensor(wanted))
    assert int(target.used.sum()) == 6
    assert not bool(target.siemens[~target.used].any())
    assert torch.equal(target.pair[0] - target.pair[1], target.siemens)
    assert not bool((target.pair[0] * target.pair[1]).any())
