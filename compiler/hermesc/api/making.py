"""Programs from files, simulated chips, and maps of what is broken on a chip."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermesrt.chip.defect_files import read_defects, write_defects
from hermesrt.chip.defects import DefectMap, check_defects, random_defects
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import OptionError
from hermesrt.files.atomic import check_writable

if TYPE_CHECKING:  # maps need no torch
    from hermes_sim.device import SimulatedDevice
    from hermes_sim.statistics import DeviceStatistics
    from hermesc.api.notebook import Program
    from hermesrt.chip.load import GivenSettings

Defects = DefectMap | str | Path


def load(path: str | Path, chip_settings: "GivenSettings" = ()) -> "Program":
    """Read a `.hermes` file; `chip_settings` replace numbers of its chip, such as
    ("effects.read_noise", "off").

    Raises: ArtifactError when it is damaged, hostile or of another version; OptionError for a
    number that the program was compiled for.
    """
    from hermesc.api.notebook import Program

    return Program.load(path, chip_settings)


def simulate(
    chip: str | ChipSpec = "hermes",
    seed: int = 0,
    defects: Defects | None = None,
    statistics: "DeviceStatistics | None" = None,
) -> "SimulatedDevice":
    """A simulated chip of that name or TOML file.

    The seed chooses its devices, their programming and drift, and its noise: the same seed and the
    same calls in the same order give the same bits.

    `statistics` say how its devices differ from what they should hold: an object of your own, as
    `hermes_sim.statistics.DeviceStatistics` says; the chip's `statistics.model`, if not given.

    `defects` are broken on it, whether a program knows of them or not; without them those are
    broken that a program was compiled for.
    """
    from hermes_sim.device import SimulatedDevice

    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed {seed!r}: must be a whole number from 0 to 2^63 - 1")
    spec = load_chip(chip) if isinstance(chip, str) else chip
    return SimulatedDevice(spec, seed, known_defects(defects, spec), statistics)


def known_defects(defects: Defects | None, chip: ChipSpec) -> DefectMap | None:
    """A map, or the one in a file, checked against the chip.

    Raises: InputError.
    """
    if defects is None:
        return None
    if isinstance(defects, DefectMap):
        return check_defects(defects, chip, "defects")
    return read_defects(Path(defects), chip)


@dataclass(frozen=True, slots=True)
class DefectReport:
    """A map of defects that was read or drawn.

    chip: name of the chip that it is for.
    defects: the map.
    source: the file that was read; None for a random map.
    output: the file that was written, if any.
    """

    chip: str
    defects: DefectMap
    source: Path | None
    output: Path | None

    def to_json(self) -> dict[str, Any]:
        """How many of each kind are broken."""
        found = self.defects
        return {
            "chip": self.chip,
            "output": str(self.output) if self.output else None,
            "cores": found.cores,
            "dead_cores": len(found.dead_cores),
            "dead_rows": len(found.dead_rows),
            "dead_columns": len(found.dead_columns),
            "stuck_devices": len(found.stuck),
            "stuck_cells": found.stuck_cells,
        }

    def __str__(self) -> str:
        found = self.defects
        return (
            f"{self.output or self.source}: {self.chip}, {found.cores} cores: "
            f"{len(found.dead_cores):,} dead cores, {len(found.dead_rows):,} dead rows, "
            f"{len(found.dead_columns):,} dead columns, {len(found.stuck):,} stuck devices in "
            f"{found.stuck_cells:,} unit cells"
        )


def defects(
    source: str | Path | None = None,
    output: str | Path | None = None,
    *,
    random: float | None = None,
    set_share: float | None = None,
    seed: int | None = None,
    chips: int | None = None,
    chip: str | ChipSpec = "hermes",
) -> DefectReport:
    """Check the defect map in `source`, or draw a random one; write it to `output` if given.

    random: share of the unit cells that are stuck; each has one polarity stuck, with both devices.
    set_share: how many of the stuck ones are at SET, 0.5 if not given.
    seed: of the random map, 0 if not given.
    chips: chips side by side, 1 if not given.
    Raises: OptionError, InputError, ChipError.
    """
    spec = load_chip(chip) if isinstance(chip, str) else chip
    file, target = source and Path(source), output and Path(output)
    if (file is None) == (random is None):
        raise OptionError("give either the file of a MAP or --random SHARE, such as --random 0.05")
    if target:
        check_writable(target, map=file or None)
    if file:
        if any(option is not None for option in (set_share, seed, chips)):
            raise OptionError("--set-share, --seed and --chips belong to --random, not to a MAP")
        found = read_defects(file, spec)
    else:
        half = 0.5 if set_share is None else set_share
        found = random_defects(spec, random or 0.0, seed or 0, set_share=half, chips=chips or 1)
    if target:
        write_defects(found, target)
    return DefectReport(spec.name, found, file or None, target or None)
