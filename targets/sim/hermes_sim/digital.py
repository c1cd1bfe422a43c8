"""The host's digital work in operations, so that one rate and one energy price all of it."""

from hermesc.target.spec import ChipSpec
from hermesrt.workload import HostWork


def operations(work: HostWork, chip: ChipSpec) -> int:
    """Operations of one host step: a multiply-add is two, an elementwise function one an element.

    Reductions and norms count the elements they take. Views, and what makes constants, cost
    nothing; copies (cat, stack, a gather) one an element. A product that torch does not count uses
    each element it takes once at least.
    """
    if work.macs:
        return 2 * work.macs
    match work.op_class:
        case "transcendental":
            return chip.host_time.transcendental_ops * work.elements
        case "norm":  # mean, variance and scaling, or exp, sum and division
            return chip.host_time.transcendental_ops * max(work.taken, work.elements)
        case "reduction":
            return max(work.taken, work.elements)
        case "product":
            return 2 * max(work.taken, work.elements)
        case "layout":
            copies = (
                "cat",
                "stack",
                "repeat",
                "tile",
                "pad",
                "roll",
                "flip",
                "clone",
                "copy",
                "scatter",
            )
            name = work.step.op.split(".")[1]
            return work.elements if any(word in name for word in copies) else 0
        case "create":
            return 0
        case "elementwise" | "index":
            return work.elements
