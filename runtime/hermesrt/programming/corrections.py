"""Slices that make up for what the slices before them miss, as these were written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact, Matrix
from hermesrt.chip.conductance import column_max
from hermesrt.chip.slices import slice_of
from hermesrt.executor import tensor_of
from hermesrt.programming.targets import CoreTarget, targets

Written = Callable[[int], Float[Tensor, "rows columns"]]
CopyOf = tuple[str, int]


def deepest_correction(artifact: Artifact) -> int:
    """The highest number of a slice that corrects others; 0 where none does."""
    parts = (m.slice for m in artifact.manifest.matrices)
    return max((p.number for p in parts if p is not None and p.fill == "corrected"), default=0)


def corrected_slices(
    artifact: Artifact, number: int, written: Written
) -> Iterator[tuple[CopyOf, Float[Tensor, "rows columns"]]]:
    """What every slice of that number should hold, by matrix and copy, given what was `written`:
    signed conductances of a core's cells, [rows, columns], S. A later slice may be asked for more
    than its range, and then gets its largest conductance.
    """
    for matrix in artifact.manifest.matrices:
        part = matrix.slice
        if part is not None and part.fill == "corrected" and part.number == number:
            group = _Group(artifact, matrix, written)
            for copy in range(matrix.copies):
                yield (matrix.name, copy), group.wanted(copy)


def written_targets(artifact: Artifact, cells: Mapping[str, NDArray[Any]]) -> Iterator[CoreTarget]:
    """Each core in use and what it should hold on a chip whose `cells` a `DeviceState` has."""

    def written(core: int) -> Tensor:
        pair = cells[f"{core}.conductance"].sum(axis=0)
        return torch.from_numpy(pair[0] - pair[1])

    changed: dict[CopyOf, Tensor] = {}
    for number in range(1, 1 + deepest_correction(artifact)):
        changed |= corrected_slices(artifact, number, written)
    return targets(artifact, changed)


@dataclass(frozen=True, slots=True)
class _Group:
    """A slice with all others of its weight."""

    artifact: Artifact
    matrix: Matrix
    written: Written

    def wanted(self, copy: int) -> Tensor:
        part = self.matrix.slice
        assert part is not None
        others = self._others()
        shares = tuple(m.slice.share for m in others if m.slice is not None)
        exact = [tensor_of(self.artifact, m.name).float() for m in others]
        whole = sum((s * e for s, e in zip(shares, exact, strict=True)), torch.zeros(()))
        left = whole.clone()
        for share, other in zip(shares[: part.number], others, strict=False):
            left -= share * self._held(other, copy)
        return slice_of(left, column_max(whole), shares, part.number)

    def _others(self) -> list[Matrix]:
        """All slices of the weight, in order."""
        mine = self.matrix.slice
        assert mine is not None
        found = [
            (m.slice.number, m)
            for m in self.artifact.manifest.matrices
            if m.slice is not None and m.slice.of == mine.of
        ]
        return [m for _, m in sorted(found, key=lambda pair: pair[0])]

    def _held(self, matrix: Matrix, copy: int) -> Tensor:
        """The weights that a copy of a slice has, as its conductances say."""
        largest = column_max(tensor_of(self.artifact, matrix.name)).float()
        found = torch.zeros(matrix.rows, matrix.columns)
        for tile in matrix.tiles:
            if tile.copy == copy:
                unit = largest[tile.part[1]] / matrix.g_max_siemens[tile.stage]
                found[tile.part] = self.written(tile.core)[tile.place] * unit
        return found
