"""What every cell of every core should hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hermesrt.artifact.line_map import known_of
from hermesrt.artifact.schema import AS_RUN, Artifact, LayerMethod, Matrix, Tile
from hermesrt.chip.cells import with_devices
from hermesrt.chip.conductance import column_max, g_shares
from hermesrt.chip.stuck_devices import StuckDevices
from hermesrt.executor import tensor_of


@dataclass(frozen=True)
class CoreTarget:
    """What one core is to hold.

    core: its number.
    siemens: wanted signed conductances g+ - g-, [rows, columns], S.
    used: cells in use, [rows, columns].
    stuck: its stuck devices, as far as the program knows of any.
    devices: of a polarity that its cells use; 0 for as many as the chip's do.
    method: how it is programmed, whatever a run says.
    """

    core: int
    siemens: Float[Tensor, "rows columns"]
    used: Bool[Tensor, "rows columns"]
    stuck: StuckDevices | None = None
    devices: int = 0
    method: LayerMethod = AS_RUN

    @cached_property
    def rows(self) -> Float[Tensor, " rows"]:
        """1 for every row in use, else 0."""
        return self.used.any(1).float()

    @cached_property
    def whole(self) -> bool:
        """Whether all rows are in use."""
        return bool(self.rows.all())

    @cached_property
    def columns(self) -> Float[Tensor, " columns"]:
        """1 for every column in use, else 0."""
        return self.used.any(0).float()

    @property
    def pair(self) -> Float[Tensor, "polarity rows columns"]:
        """g+ and g-, one of them zero in each cell but those that make up for a stuck device."""
        if self.stuck is not None:
            return self.stuck.pair(self.siemens)
        return torch.stack([self.siemens.clamp(min=0), (-self.siemens).clamp(min=0)])


def targets(
    artifact: Artifact, changed: Mapping[tuple[str, int], Tensor] = MappingProxyType({})
) -> Iterator[CoreTarget]:
    """Each core in use, its weights as conductances (`hermesrt.chip.conductance`); `changed` are
    weights other than the stored ones, by matrix and copy, up to the stored ones' largest."""
    shape = artifact.chip.crossbar.rows, artifact.chip.crossbar.columns
    largest = {m.name: column_max(tensor_of(artifact, m.name)) for m in artifact.manifest.matrices}
    held: dict[int, list[tuple[Matrix, Tile]]] = {core: [] for core in artifact.cores}
    for matrix in artifact.manifest.matrices:
        for tile in matrix.tiles:
            held[tile.core].append((matrix, tile))
    for core, tiles in held.items():
        siemens, used = torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
        for matrix, tile in tiles:
            weights = changed.get((matrix.name, tile.copy))
            block = (tensor_of(artifact, matrix.name) if weights is None else weights)[tile.part]
            shares = g_shares(block, largest[matrix.name][tile.part[1]])
            if weights is not None:
                shares = shares.clamp_(-1.0, 1.0)
            siemens[tile.place] = shares * matrix.g_max_siemens[tile.stage]
            used[tile.place] = True
        known = known_of(artifact.tensors, core, shape)
        devices, method = tiles[0][0].devices, tiles[0][0].method
        chip, stuck = with_devices(artifact.chip, devices), None
        if known is not None:
            stuck = StuckDevices.of(chip, torch.from_numpy(known))
        yield CoreTarget(core, siemens, used, stuck, devices, method)
