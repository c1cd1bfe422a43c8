"""The description of a chip: one frozen class for each table of its TOML, see `chip.tables`.

Every table carries a `pedigree` for its numbers: `quoted` (read in a publication), `derived`
(arithmetic on quoted numbers, shown) or `assumed` (with the reason). `limits` gives a number's
allowed range.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hermesrt.chip.fields import MODES as MODES
from hermesrt.chip.fields import Kind as Kind
from hermesrt.chip.fields import Mode as Mode
from hermesrt.chip.fields import Pedigree as Pedigree
from hermesrt.chip.fields import limits as limits
from hermesrt.chip.laws import Area, Clock, Endurance, Law, Measured
from hermesrt.chip.tables.array import Crossbar, Grid, Links, UnitCell, Wire
from hermesrt.chip.tables.converters import (
    Adc,
    AdcCount,
    ConverterOffset,
    ConverterSpread,
    CountCode,
    InputConverter,
    Ldpu,
    LdpuCode,
    OnePhase,
    OutputNoise,
)
from hermesrt.chip.tables.devices import Pcm
from hermesrt.chip.tables.effects import Effects
from hermesrt.chip.tables.energy import (
    Gating,
    HostEnergy,
    HostLinkEnergy,
    IdlePower,
    LdpuEnergy,
    LinkEnergy,
    MvmEnergy,
)
from hermesrt.chip.tables.programming import (
    ProgrammingEnergy,
    ProgrammingPulses,
    SetStatistics,
    VerifyCount,
    WriteNoise,
)
from hermesrt.chip.tables.statistics import DriftReference, FastNoise, ReadStatistics, Statistics
from hermesrt.chip.tables.timing import (
    HopTime,
    HostLinkTime,
    HostTime,
    LdpuTime,
    LinkTime,
    MvmTime,
    StageTime,
)
from hermesrt.chip.tables.units import ChipLink, Gdpu, GdpuTanh, VectorUnit

# Tables that a program's tiles, routes and conductances were made for: it runs on no other.
COMPILED_IN = (
    "name", "grid", "crossbar", "unit_cell", "statistics", "links",
    "pcm_odp", "pcm_tdp", "pcm_like", "pcm_count",
)  # fmt: skip
COMPILED_IN_KEYS = ("effects.current_limit",)

_COUNTED = CountCode(
    Pedigree("assumed", "a program file that was written without it"), "round", "line"
)


@dataclass(frozen=True, slots=True, repr=False)
class ChipSpec:
    """A chip, whole: its tables under the names that its TOML uses.

    name: as users choose it.
    description: one sentence.
    hypothetical: whether no such chip was built.
    on_chip_bound: the vector unit by whose prices reports bound the digital part from below, where
        the chip has none.
    nominal: the tables that its laws changed, as its file gives them; see `scaling`.
    """

    name: str
    description: str
    hypothetical: bool
    grid: Grid
    crossbar: Crossbar
    unit_cell: UnitCell
    statistics: Statistics
    read_statistics: ReadStatistics
    fast_noise: FastNoise
    drift_reference: DriftReference
    effects: Effects
    input: InputConverter
    adc: Adc
    adc_count: AdcCount
    converter_spread: ConverterSpread
    converter_offset: ConverterOffset
    wire: Wire
    one_phase: OnePhase
    ldpu: Ldpu
    ldpu_code: LdpuCode
    output_noise: OutputNoise
    links: Links
    mvm_time: MvmTime
    ldpu_time: LdpuTime
    stage_time: StageTime
    link_time: LinkTime
    hop_time: HopTime
    host_link_time: HostLinkTime
    host_time: HostTime
    mvm_energy: MvmEnergy
    ldpu_energy: LdpuEnergy
    link_energy: LinkEnergy
    idle_power: IdlePower
    host_link_energy: HostLinkEnergy
    host_energy: HostEnergy
    programming_pulses: ProgrammingPulses
    verify_count: VerifyCount
    programming_energy: ProgrammingEnergy
    set_statistics: SetStatistics
    write_noise: WriteNoise
    pcm_odp: Pcm
    pcm_tdp: Pcm
    pcm_like: Pcm
    pcm_count: Pcm
    vector_unit: VectorUnit | None = None
    chip_link: ChipLink | None = None
    gating: Gating | None = None
    on_chip_bound: VectorUnit | None = None
    count_code: CountCode = _COUNTED
    gdpu: Gdpu | None = None
    gdpu_tanh: GdpuTanh | None = None
    clock: Clock | None = None
    area: Area | None = None
    endurance: Endurance | None = None
    measured: Measured | None = None
    laws: tuple[Law, ...] = ()
    nominal: tuple[tuple[str, Any], ...] = field(default=(), metadata={"in_file": False})

    def __repr__(self) -> str:
        size = f"{self.crossbar.rows}x{self.crossbar.columns}"
        return f"<ChipSpec {self.name}, {self.cores} cores of {size}>"

    @property
    def gate_unit(self) -> Gdpu | None:
        """The unit for LSTMs' gates, if the chip has one and no vector unit, which is for all."""
        gdpu = self.gdpu
        if gdpu is None or self.gdpu_tanh is None or self.vector_unit is not None:
            return None
        fits = gdpu.row <= self.grid.rows and gdpu.slices <= self.grid.columns
        return gdpu if fits else None

    @property
    def far_link(self) -> ChipLink | None:
        """What joins a vector unit and the cores of other chips, if it is not the host. Without
        vector units a result goes to the host even between layers of one chip."""
        link = self.chip_link
        used = link is not None and link.type != "host" and self.vector_unit is not None
        return link if used else None

    @property
    def cores(self) -> int:
        """Number of cores."""
        return self.grid.rows * self.grid.columns

    @property
    def cells_per_core(self) -> int:
        """Number of unit cells, that is weights, of a core."""
        return self.crossbar.rows * self.crossbar.columns

    @property
    def pcm(self) -> Pcm:
        """Statistics of the devices of one polarity of a weight, taken together."""
        match self.statistics.model:
            case "pcm-like":
                return self.pcm_like
            case "adc-count":
                return self.pcm_count
        return self.pcm_odp if self.unit_cell.devices_per_polarity == 1 else self.pcm_tdp

    @property
    def mvm_ns(self) -> Mapping[Mode, float]:
        """Duration of a core's MVM in each read mode."""
        times = self.mvm_time
        return {"1-phase": times.one_phase_ns, "4-phase": times.four_phase_ns}

    @property
    def mvm_nj(self) -> Mapping[Mode, float]:
        """Energy of a core's MVM in each read mode."""
        energies = self.mvm_energy
        return {"1-phase": energies.one_phase_nj, "4-phase": energies.four_phase_nj}

    @property
    def input_levels(self) -> int:
        """Largest input code: 127 for 8 bits with sign."""
        return int(2 ** (self.input.input_bits - 1) - 1)

    @property
    def output_levels(self) -> int:
        """Largest output code: 127 for 8 bits with sign."""
        return int(2 ** (self.ldpu.output_bits - 1) - 1)

    @property
    def line_siemens(self) -> float:
        """Conductance of a line, all its inputs on, at which the ADC's current saturates."""
        return self.adc.saturation_ampere / self.adc.read_voltage
