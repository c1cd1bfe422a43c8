"""Which cells an iteration of gradient descent pulses, and with what currents."""

import ctypes

import numpy as np
import torch

from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Pulses
from hermesrt.programming.compiled import CoreFields, functions
from hermesrt.programming.session import PATIENCE, CoreProgramming, corrections, enable, places


def descent_pulses(chip: ChipSpec, core: CoreProgramming, threshold: float) -> Pulses:
    """Pulses for the cells whose correction is more than so many counts; it is made with that.
    Cells of weight zero are tuned from then on."""
    library = functions()
    if library is None:
        return chosen(chip, core, threshold)
    return _compiled(library, chip, core, threshold)


def chosen(chip: ChipSpec, core: CoreProgramming, threshold: float) -> Pulses:
    """Without the compiled function; its definition."""
    cells = places(torch.from_numpy(np.abs(core.pending.numpy()) > threshold))
    enable(core, cells)
    cells = cells[core.tuned.take(cells)]
    pulses = corrections(chip, core, core.pending, cells)
    core.pending.view(-1).index_fill_(0, cells, 0.0)
    return pulses


def _compiled(
    library: ctypes.CDLL, chip: ChipSpec, core: CoreProgramming, threshold: float
) -> Pulses:
    table, size = chip.programming_pulses, core.pending.numel()
    arrays = (
        core.pending, core.target.siemens, core.slope, core.ampere, core.device, core.tuned,
        core.saturated,
    )  # fmt: skip
    held = [array.contiguous() for array in arrays]
    fields = CoreFields(
        *(array.data_ptr() for array in held), size, threshold,
        table.pulse_low_ampere, table.pulse_high_ampere, PATIENCE,
    )  # fmt: skip
    address = ctypes.addressof(fields)
    room = library.hermes_waiting(address)
    cells, device = torch.empty(2, room, dtype=torch.int64)
    ampere = torch.empty(room)
    room_for = (array.data_ptr() for array in (cells, device, ampere))
    count = library.hermes_corrections(address, *room_for)
    return Pulses("iterative", cells[:count], device[:count], ampere[:count])
