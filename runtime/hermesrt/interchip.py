"""What crosses between chips: inputs of MVMs that are made of another chip's results.

All activations travel through the host. What a tile takes counts as crossing when any MVM whose
result it is made of (with nothing but digital work between) has a tile on another chip.
"""

from collections import Counter
from dataclasses import dataclass

from hermesrt.workload import MvmWork, Workload


@dataclass(frozen=True, slots=True)
class InterchipTransfer:
    """What one layer's inputs bring from other chips for a sample.

    label: the layer.
    sources: the numbers of the chips that it comes from.
    chip: where it goes.
    count: bytes.
    """

    label: str
    sources: tuple[int, ...]
    chip: int
    count: int


def interchip_transfers(work: Workload) -> tuple[InterchipTransfer, ...]:
    """What crosses, by layer and chip, in the order of the program."""
    artifact = work.artifact
    each = artifact.chip.cores
    came: dict[str, frozenset[int]] = {}
    found = []
    for step in work.work:
        names = step.needs.names
        chips = frozenset[int]().union(*(came.get(name, frozenset()) for name in names))
        if isinstance(step, MvmWork):
            matrix = artifact.matrices[step.step.matrix]
            taken: Counter[int] = Counter()
            for tile in matrix.tiles:
                vectors = len(range(tile.copy, step.vectors, matrix.copies))
                taken[tile.core // each] += vectors * (tile.rows[1] - tile.rows[0])
            for chip, count in sorted(taken.items()):
                others = tuple(sorted(chips - {chip}))
                if others and count:
                    found.append(
                        InterchipTransfer(matrix.label, others, chip, count // work.samples)
                    )
            chips = frozenset(taken)
        came[step.step.name] = chips
    return tuple(found)
