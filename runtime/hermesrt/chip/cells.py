"""Cells of a core that differ from the chip's usual ones: how many devices make up a weight."""

from dataclasses import replace

from hermesrt.chip.spec import ChipSpec

AS_CHIP = 0  # devices of a polarity


def with_devices(chip: ChipSpec, devices: int) -> ChipSpec:
    """The chip as a core sees it whose cells use so many devices a polarity."""
    if devices in (AS_CHIP, chip.unit_cell.devices_per_polarity):
        return chip
    return replace(chip, unit_cell=replace(chip.unit_cell, devices_per_polarity=devices))
