"""Which cells an iteration of gradient descent pulses, and with what currents."""

import numpy as np
import torch

from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Pulses
from hermesrt.programming.compiled import CoreFields, functions
from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.session import PATIENCE, corrections, enable, places


def descent_pulses(chip: ChipSpec, core: CoreProgramming, threshold: float) -> Pulses:
    """Pulses for the cells whose correction is more than so many counts; it is made with that.
    Cells of weight zero are tuned from then on."""
    library = functions()
    if library is None:
        return chosen(chip, core, threshold)
    return CoreFields.of(chip, core, PATIENCE).pulses(library.hermes_descent, threshold)


def chosen(chip: ChipSpec, core: CoreProgramming, threshold: float) -> Pulses:
    """Without the compiled function; its definition."""
    cells = places(torch.from_numpy(np.abs(core.pending.numpy()) > threshold))
    enable(core, cells)
    cells = cells[core.tuned.take(cells)]
    pulses = corrections(chip, core, core.pending, cells)
    core.pending.view(-1).index_fill_(0, cells, 0.0)
    return pulses
