"""Units of a chip beside its cores, and links to other chips."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree, limits, one_of


@dataclass(frozen=True, slots=True)
class VectorUnit:
    """A unit on the chip for what crossbars and LDPUs cannot compute, and the on-chip transport of
    activations to and from the cores; a chip without it leaves both to the host.

    element_ns: time of one element of an addition or the like.
    function_ns: time of one element of a function (exp, cos, ...).
    norm_ns: time of one element of a norm (softmax, layer norm).
    mac_ns: time of one multiply-add of activations.
    element_pj: energy of one element of an addition or the like.
    function_pj: energy of one element of a function.
    norm_pj: energy of one element of a norm.
    mac_pj: energy of one multiply-add.
    byte_ns: transport's time of one byte.
    latency_ns: transport's latency for each vector on its way to a core.
    byte_pj: transport's energy of one byte.
    idle_mw: power that it draws whatever it does.

    It serves one operation at a time.
    """

    pedigree: Pedigree
    element_ns: float = limits(0, 1e9)
    function_ns: float = limits(0, 1e9)
    norm_ns: float = limits(0, 1e9)
    mac_ns: float = limits(0, 1e9)
    element_pj: float = limits(0, 1e9)
    function_pj: float = limits(0, 1e9)
    norm_pj: float = limits(0, 1e9)
    mac_pj: float = limits(0, 1e9)
    byte_ns: float = limits(0, 1e9)
    latency_ns: float = limits(0, 1e9)
    byte_pj: float = limits(0, 1e9)
    idle_mw: float = limits(0, 1e9, 0.0)


@dataclass(frozen=True, slots=True)
class Gdpu:
    """A digital unit for the gates of LSTMs, behind one row of cores.

    slices: how many, the first one behind the first column of cores.
    row: the row of cores that feeds them, counted from 1.
    inputs: sums that a slice takes, four for each cell state that it keeps.
    latency_ns: from the last sum to the last output.
    """

    pedigree: Pedigree
    slices: int = limits(1, 1024)
    row: int = limits(1, 1024)
    inputs: int = limits(4, 2**20)
    latency_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class GdpuTanh:
    """The table of that unit's tanh.

    bins: parts of the curve, each a straight line, the two outer ones flat.
    """

    pedigree: Pedigree
    bins: int = limits(3, 2**16)


@dataclass(frozen=True, slots=True)
class ChipLink:
    """Links between chips, one lane for each core and direction; what the vector unit of one chip
    makes and another's cores take goes over them. One row a type, of which one is used.

    type: over a `board` or in one `package`, or `host`: everything goes through the host instead.
    board_gbit_per_s: of a lane.
    board_latency_ns: of each vector.
    board_bit_pj: energy of a bit.
    package_gbit_per_s: of a lane.
    package_latency_ns: of each vector.
    package_bit_pj: energy of a bit.
    """

    pedigree: Pedigree
    type: str = one_of("board", "package", "host")
    board_gbit_per_s: float = limits(1e-6, 1e6)
    board_latency_ns: float = limits(0, 1e9)
    board_bit_pj: float = limits(0, 1e9)
    package_gbit_per_s: float = limits(1e-6, 1e6)
    package_latency_ns: float = limits(0, 1e9)
    package_bit_pj: float = limits(0, 1e9)

    @property
    def byte_ns(self) -> float:
        """Time of one byte on a lane."""
        return 8 / (self.board_gbit_per_s if self.type == "board" else self.package_gbit_per_s)

    @property
    def latency_ns(self) -> float:
        """Of each vector."""
        return self.board_latency_ns if self.type == "board" else self.package_latency_ns

    @property
    def byte_pj(self) -> float:
        """Energy of one byte."""
        return 8 * (self.board_bit_pj if self.type == "board" else self.package_bit_pj)
