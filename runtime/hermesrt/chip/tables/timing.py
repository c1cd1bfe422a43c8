"""How long things take."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree, limits


@dataclass(frozen=True, slots=True)
class MvmTime:
    """Duration of one MVM of a core in each read mode.

    one_phase_ns: of a 1-phase read.
    four_phase_ns: of a 4-phase read.
    """

    pedigree: Pedigree
    one_phase_ns: float = limits(0, 1e9)
    four_phase_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LdpuTime:
    """Time between two outputs of an LDPU.

    output_interval_ns: that time.
    """

    pedigree: Pedigree
    output_interval_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class StageTime:
    """Latency of one LDPU-and-link stage of a cascade.

    stage_ns: that latency.
    """

    pedigree: Pedigree
    stage_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LinkTime:
    """A link between cores: time of one byte.

    byte_ns: that time.
    """

    pedigree: Pedigree
    byte_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HopTime:
    """What each further link adds where a partial sum is forwarded by cores in between.

    hop_ns: of each further link.
    """

    pedigree: Pedigree
    hop_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostLinkTime:
    """Transport of activations between host and a core's port.

    byte_ns: time of one byte through a core's port.
    """

    pedigree: Pedigree
    byte_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostTime:
    """Digital operations on the host.

    op_ns: time of one operation.
    transcendental_ops: operations that an exp, sin or the like counts for.
    """

    pedigree: Pedigree
    op_ns: float = limits(0, 1e9)
    transcendental_ops: int = limits(1, 1000)
