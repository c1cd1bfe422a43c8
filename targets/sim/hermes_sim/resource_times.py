"""How long a chip's resources take, in picoseconds."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.units import to_ps


class Port(NamedTuple):
    """How bytes come to a core and leave it.

    cause: what their time is booked to.
    byte_ns: of one byte.
    latency: once a vector, ps.
    """

    cause: str
    byte_ns: float
    latency: int

    def time(self, count: int) -> int:
        """Of so many bytes, ps."""
        return to_ps(self.byte_ns * count)


@dataclass(frozen=True)
class ResourceTimes:
    """The chip's times in picoseconds.

    chip: which.
    """

    chip: ChipSpec

    @cached_property
    def stage(self) -> int:
        """From one LDPU of a cascade to the next, and of an LDPU's pipeline."""
        return to_ps(self.chip.stage_time.stage_ns)

    @cached_property
    def hop(self) -> int:
        """Through a core that passes partial sums on."""
        return to_ps(self.chip.hop_time.hop_ns)

    @cached_property
    def gdpu(self) -> int:
        """Of the chip's own gates."""
        return 0 if self.chip.gdpu is None else to_ps(self.chip.gdpu.latency_ns)

    @cached_property
    def port(self) -> Port:
        """To and from the host, or over the chip's own transport."""
        unit = self.chip.vector_unit
        if unit is None:
            return Port("host_link", self.chip.host_link_time.byte_ns, 0)
        return Port("transport", unit.byte_ns, to_ps(unit.latency_ns))

    def mvm(self, mode: Mode) -> int:
        """Of an array."""
        return to_ps(self.chip.mvm_ns[mode])

    def ldpu(self, columns: int) -> int:
        """Of a vector's outputs."""
        return to_ps(self.chip.ldpu_time.output_interval_ns * columns)

    def link(self, columns: int) -> int:
        """Of a vector's partial sums."""
        return to_ps(self.chip.link_time.byte_ns * columns)

    def port_in(self, lack: float) -> Port:
        """Of what comes in, that share from other chips; the slower of the two ways sets the
        pace."""
        own, link = self.port, self.chip.far_link
        if self.chip.vector_unit is None or not lack:
            return own
        if link is None:
            byte_ns = max(own.byte_ns, lack * self.chip.host_link_time.byte_ns)
            return Port("host_link", byte_ns, own.latency)
        byte_ns = max(own.byte_ns, lack * link.byte_ns)
        return Port("chip_link", byte_ns, own.latency + to_ps(link.latency_ns))
