"""The rows of a run, in blocks that keep every result small."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.data import Samples
from hermesrt.shapes import Shape, check_run
from hermesrt.workload import HostWork, Workload, workload

ALL = slice(None)

_BLOCK_ELEMENTS = 2**24  # of the largest result of a block: 64 MB in FP32
_BLOCK_ROWS = 1024


@dataclass(frozen=True)
class OutputBlock:
    """Some rows of a run.

    rows: which of the samples.
    outputs: of the chip, the rows first.
    references: the same in FP32; empty where none were asked for.
    """

    rows: slice
    outputs: tuple[Tensor, ...]
    references: tuple[Tensor, ...]


def rows_of(tensor: Tensor, rows: slice) -> Tensor:
    """Some rows of an input; one without dimensions is the same for all."""
    whole = rows == ALL or not tensor.dim()
    return tensor if whole else tensor[rows]


def joined(blocks: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The outputs of all rows, from those of each block; one block is taken as it is."""
    if len(blocks) == 1:
        return blocks[0]
    return tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


class RowBlocks:
    """The blocks of a program's runs; what follows from the sizes of inputs is known from the first
    run of these sizes on."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self._rows_at_once: dict[tuple[Shape, ...], int] = {}
        self._checked: set[tuple[Shape, ...]] = set()

    def of(self, samples: Samples) -> list[slice]:
        """Which rows are run one after the other."""
        if not self._artifact.manifest.rows_independent or samples.count == 1:
            return [ALL]
        shapes = tuple(tuple(t.shape[1:]) for t in samples.inputs.values())
        if shapes not in self._rows_at_once:
            sizes = {n: tuple(t.shape) for n, t in samples.inputs.items()}
            self._rows_at_once[shapes] = block_rows(workload(self._artifact, sizes))
        rows = self._rows_at_once[shapes]
        return [slice(i, min(i + rows, samples.count)) for i in range(0, samples.count, rows)]

    def check(self, part: Mapping[str, Tensor]) -> None:
        """What does not fit is known before it is computed.

        Raises: InputError.
        """
        known = tuple([t.shape for t in part.values()])
        if known not in self._checked:
            check_run(self._artifact, {n: tuple(t.shape) for n, t in part.items()})
            self._checked.add(known)


def block_rows(work: Workload) -> int:
    """Rows to run at once: a power of two that keeps every result of a block small."""
    columns = {m.name: m.columns for m in work.artifact.manifest.matrices}
    largest = max(
        (
            w.elements if isinstance(w, HostWork) else w.vectors * columns[w.step.matrix]
            for w in work.work
        ),
        default=1,
    )
    fitting = max(1, _BLOCK_ELEMENTS // max(1, largest))
    return int(min(_BLOCK_ROWS, 1 << (fitting.bit_length() - 1)))
