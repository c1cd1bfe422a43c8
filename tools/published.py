"""The published figures that the simulated chip reproduces, beside its own.

python tools/published.py

None is an independent test, for the chip's constants come from them. Le Gallo 2023, Table I, leaves
the host out: the time of a stage of LDPUs is derived from its two layers, the time of an MVM is
quoted from it, the energies are fitted to it (`tools/table1.py`). Its LSTM step contains 60 ns of a
unit that our chip does not have; they are added here. The errors of a crossbar are those of the
published device statistics, one (ODP) or two (TDP) devices a polarity, on both sides without the
converters' limit of current, their spread and its correction.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

import hermesc
from hermesc.studies.chip.crossbar import AGES_S, ageing
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Cost
from hermesrt.units import duration

FREE = (
    "host_link_time.byte_ns",
    "host_time.op_ns",
    "host_energy.op_pj",
    "host_link_energy.byte_pj",
)
GDPU_NS = 60


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: of what, published and simulated, its unit and its digits behind the point."""

    what: str
    published: float
    simulated: float
    unit: str
    digits: int = 0

    def __str__(self) -> str:
        both = (
            f"{value:,.{self.digits}f} {self.unit}" for value in (self.published, self.simulated)
        )
        deviation = round(self.simulated / self.published - 1, 3) + 0.0  # never "-0.0 %"
        return f"{self.what:<42}{''.join(f'{value:>14}' for value in both)}{deviation:>+11.1%}"


def products() -> Iterator[Row]:
    """Products of the published sizes, in both read modes."""
    chip = load_chip("hermes", [(key, "0.0") for key in FREE])
    for mode, time_ns, energy_nj in (("1-phase", 1131, 970), ("4-phase", 1518, 1510)):
        yield from layer(f"ResNet-9 layer, {mode}", cost(chip, 2016, 224, mode), time_ns, energy_nj)
    for mode, time_ns, energy_nj in (("1-phase", 1043, 3460), ("4-phase", 1430, 5240)):
        found = cost(chip, 1008, 2016, mode)
        yield from layer(f"LSTM step, {mode}", found, time_ns, energy_nj, GDPU_NS)
    for mode, tops, tops_per_watt in (("1-phase", 63.1, 9.76), ("4-phase", 16.1, 2.48)):
        alone, name = cost(chip, 2048, 2048, mode).mvms_alone, f"64 full cores, {mode}"
        yield Row(f"{name}: throughput", tops, alone.tops, "TOPS", 1)
        yield Row(f"{name}: efficiency", tops_per_watt, alone.tops_per_watt, "TOPS/W", 2)


def layer(
    name: str, found: Cost, time_ns: int, energy_nj: int, more_ns: int = 0
) -> tuple[Row, Row]:
    """Time and energy of a whole layer."""
    return (
        Row(f"{name}: time", time_ns, found.latency_ps / 1000 + more_ns, "ns"),
        Row(f"{name}: energy", energy_nj, found.energy_pj / 1000, "nJ"),
    )


def errors() -> Iterator[Row]:
    """Errors of the products of one crossbar, by age."""
    for curve in ageing(load_chip("hermes")):
        for age_s, target, found in zip(AGES_S, curve.targets, curve.lifted, strict=True):
            name = f"MVM error of a crossbar, {curve.cells}, {duration(age_s)}"
            yield Row(name, 100 * target, 100 * found, "%", 1)


def cost(chip: ChipSpec, rows: int, columns: int, mode: Mode) -> Cost:
    """Time and energy of one product with a matrix of that size."""
    matrix = nn.Linear(rows, columns, bias=False)
    program = hermesc.compile(matrix, torch.randn(2, rows), chip=chip)
    return program.deploy(hermesc.simulate(chip)).device.cost(program.workload(), mode)


def main() -> None:
    """Print the rows."""
    torch.set_num_threads(1)
    print(f"{'':<42}{'published':>14}{'simulated':>14}{'deviation':>11}")
    for row in (*products(), *errors()):
        print(row)


if __name__ == "__main__":
    main()
