"""Digital work as counts and times: on the host, or in the chip's vector unit.

The host is priced by the operation; a vector unit by elements of four kinds.
"""

from dataclasses import dataclass, fields
from operator import add, attrgetter

from hermesrt.chip.spec import ChipSpec
from hermesrt.units import to_ps
from hermesrt.workload import HostWork, MvmWork


@dataclass(frozen=True, slots=True)
class VectorWork:
    """Elements that a digital step computes, by kind.

    elements: of additions and the like.
    functions: of exp, cos and the like.
    norms: of softmax, layer norm and the like.
    macs: multiply-adds of activations.
    """

    elements: int = 0
    functions: int = 0
    norms: int = 0
    macs: int = 0

    def __add__(self, other: "VectorWork") -> "VectorWork":
        return VectorWork(*map(add, _numbers(self), _numbers(other)))

    def __mul__(self, times: int) -> "VectorWork":
        return VectorWork(*[value * times for value in _numbers(self)])


_numbers = attrgetter(*(f.name for f in fields(VectorWork)))


def cause(chip: ChipSpec) -> str:
    """The name of the unit's time and energy in reports."""
    return "vector_unit" if chip.vector_unit else "host"


def time_ps(work: HostWork | MvmWork, chip: ChipSpec) -> int:
    """Time of one digital step, or of a recurrence's gates at one time step."""
    if isinstance(work, HostWork) and work.row.price == "free":
        return 0
    unit = chip.vector_unit
    parts = max(1, work.steps) if isinstance(work, MvmWork) else 1
    if unit is None:
        return to_ps(operations(work, chip) // parts * chip.host_time.op_ns)
    done = vector_work(work)
    if parts > 1:
        done = VectorWork(done.elements // parts, done.functions // parts, 0, done.macs // parts)
    return to_ps(
        done.elements * unit.element_ns
        + done.functions * unit.function_ns
        + done.norms * unit.norm_ns
        + done.macs * unit.mac_ns
    )


def vector_work(work: HostWork | MvmWork) -> VectorWork:
    """What a digital step, or all gates of a recurrence, have to do, by kind."""
    if isinstance(work, MvmWork):
        gates, vectors = work.gates, work.vectors
        return VectorWork(
            gates.elements * vectors, gates.functions * vectors, 0, gates.macs * vectors
        )
    if work.row.price == "steps":
        return sum(map(vector_work, work.inner), VectorWork()) * work.times
    if work.macs:
        return VectorWork(macs=work.macs)
    most = max(work.taken, work.elements)
    match work.row.price:
        case "free":
            return VectorWork()
        case "element":
            return VectorWork(elements=work.elements)
        case "function":
            return VectorWork(functions=work.elements)
        case "taken":
            return VectorWork(elements=most)
        case "norm":
            return VectorWork(norms=most)
        case "mac":
            return VectorWork(macs=most)


def operations(work: HostWork | MvmWork, chip: ChipSpec) -> int:
    """Operations of one host step, or of all gates of a recurrence: a multiply-add is two, an
    elementwise function or a value that is copied one, exp and the like some.

    Reductions and norms count the elements they take. Views, and what makes constants, cost
    nothing. A product that torch does not count uses each element it takes once at least; the
    softmax of fused attention is not counted.
    """
    done, some = vector_work(work), chip.host_time.transcendental_ops
    return done.elements + some * (done.functions + done.norms) + 2 * done.macs
