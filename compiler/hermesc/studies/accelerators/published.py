"""What publications say of their machines, as data: a TOML table for each."""

import math
from dataclasses import dataclass
from pathlib import Path

from hermesrt.chip.fields import limits, one_of
from hermesrt.errors import InputError
from hermesrt.files.atomic import read_file
from hermesrt.files.toml import parse_toml
from hermesrt.files.typed import decode

BUILT_IN = Path(__file__).with_name("accelerators.toml")
_BITS = 8  # of the values that the costed work has


@dataclass(frozen=True, slots=True)
class Published:
    """One machine as its publication has it; 0 and an empty text stand for what is not known.

    publication: where to read it.
    device: what holds the weights.
    precision: of its products.
    kind: how its figures were got.
    source: where in the publication, and what was derived.
    not_comparable: what its figures cannot be set beside.
    node_nm: of the process, nm.
    tops: peak rate, 10^12 operations a second.
    tops_per_watt: energy efficiency.
    tops_per_mm2: rate by area.
    area_mm2: of the chip, mm2.
    bits: of the values that its operations are of; 0 where that is not known.
    chip: the description that costs work on it.
    mode: of its reads.
    machine: the roofline that costs work on it.
    """

    publication: str
    device: str
    precision: str
    source: str
    not_comparable: str
    kind: str = one_of("measured", "projected", "specified")
    node_nm: float = limits(0.0, 1e4, 0.0)
    tops: float = limits(0.0, 1e6, 0.0)
    tops_per_watt: float = limits(0.0, 1e6, 0.0)
    tops_per_mm2: float = limits(0.0, 1e6, 0.0)
    area_mm2: float = limits(0.0, 1e6, 0.0)
    bits: int = limits(0, 64, 0)
    chip: str = ""
    mode: str = one_of("1-phase", "4-phase", default="4-phase")
    machine: str = ""

    @property
    def operations_each(self) -> float:
        """Operations of the publication for one of 8-bit values; NaN where theirs are unknown."""
        return max(1.0, (_BITS / self.bits) ** 2) if self.bits else math.nan


def read_published(path: Path = BUILT_IN) -> dict[str, Published]:
    """The machines of a TOML file, by name.

    Raises: InputError that names the file and the key.
    """
    try:
        tables = parse_toml(read_file(path, "file of accelerators").decode("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    return {
        name: decode(Published, table, f"{path}: [{name}]", InputError)
        for name, table in tables.items()
    }
