"""What things take of energy and power."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree, limits, one_of


@dataclass(frozen=True, slots=True)
class MvmEnergy:
    """Energy of one MVM of a core: crossbar, ADCs and input modulation.

    one_phase_nj: of a 1-phase read.
    four_phase_nj: of a 4-phase read.
    """

    pedigree: Pedigree
    one_phase_nj: float = limits(0, 1e9)
    four_phase_nj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LdpuEnergy:
    """Energy of one output of an LDPU, its link included.

    output_nj: that energy.
    """

    pedigree: Pedigree
    output_nj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class LinkEnergy:
    """Energy of one byte on one link between cores.

    byte_pj: that energy.
    """

    pedigree: Pedigree
    byte_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class IdlePower:
    """Static power of a core in use, and of what all cores share.

    core_mw: of each core in use.
    chip_mw: of what all cores of a chip share.
    """

    pedigree: Pedigree
    core_mw: float = limits(0, 1e9)
    chip_mw: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostLinkEnergy:
    """Energy to move one byte between host and chip.

    byte_pj: that energy.
    """

    pedigree: Pedigree
    byte_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class HostEnergy:
    """Energy of one digital operation on the host.

    op_pj: that energy.
    """

    pedigree: Pedigree
    op_pj: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class Gating:
    """Whether a chip is switched off while it has nothing to do; its cells keep their weights.

    idle_chips: `on`, or `off`.
    wake_ns: a chip draws power so long before its work; the schedule, known before, hides it.
    kept_share: of the power that a chip draws while it is off, 0 to 1.
    """

    pedigree: Pedigree
    idle_chips: str = one_of("on", "off")
    wake_ns: float = limits(0, 1e12)
    kept_share: float = limits(0, 1)
