"""The rows of a run, in blocks that keep every result small."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermesrt.workload import HostWork, Workload

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
