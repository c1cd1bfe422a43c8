"""Remap: choose which physical row and column of a core each logical one is, round its defects.

In: Placed, whose tiles are on logical lines, and a defect map. Out: Remapped. An MVM drives
its rows in any order, so permuting a core's rows and columns is free. Method: rows, then columns,
in turn, by the assignment of least squared error that is left after a cell's other devices have
made up for the stuck ones (`hermesrt.chip.stuck_devices`); dead lines go where nothing is used.
Deterministic. Source: Xia et al., IEEE JETCAS 8, 102 (2018) (the mapping's own freedom tolerates
faults); Zhang et al., "Handling stuck-at-fault defects using matrix transformation" (permutations
of least cost). Cost: for each core, stuck cells x lines, and a few assignments of its lines. Does
not weigh a cell by the size of its inputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from hermesc.ir.graph import Weights
from hermesc.ir.stages import LineMap, Placed, Remapped
from hermesrt.artifact.schema import LayerDefects, Tile
from hermesrt.chip.conductance import column_max, g_shares
from hermesrt.chip.defects import DefectMap
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.stuck_devices import CellSiemens, StuckDevices

_ROUNDS = 3
_LEFT = 1e-3  # of the largest conductance: what is still missing counts as not compensated

Lines = NDArray[np.int64]


def remap(placed: Placed, weights: Weights, chip: ChipSpec, defects: DefectMap | None) -> Remapped:
    """The lines of every core in use, and what the defects still cost each layer."""
    if defects is None:
        return Remapped(placed, (), ())
    cores = {number: _Core(number, chip, defects) for number in placed.cores}
    for tile, wanted in _wanted(placed, weights):
        cores[tile.core].put(tile, wanted)
    for core in cores.values():
        core.arrange()
    line_maps = tuple(core.line_map() for core in cores.values())
    return Remapped(placed, line_maps, tuple(_layers(placed, cores)))


@dataclass(slots=True)
class _Cost:
    """Sums over stuck cells in use: cells, cells not compensated, squared conductances."""

    stuck: int = 0
    left: int = 0
    wanted: float = 0.0
    error: float = 0.0
    blind: float = 0.0


class _Core:
    """One core: what is wanted of its logical cells, and what its physical devices can do."""

    def __init__(self, number: int, chip: ChipSpec, defects: DefectMap) -> None:
        size = chip.crossbar
        held = defects.held(number)
        self.number = number
        self._chip = chip
        self._stuck = None if held is None else StuckDevices.of(chip, torch.from_numpy(held))
        self._dead = defects.lines(number)
        self._wanted: CellSiemens = torch.zeros(size.rows, size.columns)
        self._used: Bool[Tensor, "rows columns"] = torch.zeros(size.rows, size.columns).bool()
        self._rows, self._columns = (_living_first(dead) for dead in self._dead)

    def put(self, tile: Tile, wanted: CellSiemens) -> None:
        self._wanted[tile.place], self._used[tile.place] = wanted, True

    def arrange(self) -> None:
        """One sort of lines after the other as long as it helps, the one with more to choose from
        first."""
        if self._stuck is None:
            return
        used = self._used.any(1).sum(), self._used.any(0).sum()
        turns = (self._order_rows, self._order_columns)
        before = np.inf
        for _ in range(_ROUNDS):
            for turn in turns if used[0] <= used[1] else turns[::-1]:
                turn(*self._stuck.reach())
            after = float(self._missing().square().sum())
            if after >= before:
                return
            before = after

    def _order_rows(self, least: CellSiemens, most: CellSiemens) -> None:
        self._rows = _assigned(self._wanted, self._used, least, most, self._columns, self._dead[0])

    def _order_columns(self, least: CellSiemens, most: CellSiemens) -> None:
        self._columns = _assigned(
            self._wanted.T, self._used.T, least.T, most.T, self._rows, self._dead[1]
        )

    def line_map(self) -> LineMap:
        held = np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        logical = self._logical()
        if logical is not None:
            there = ~logical.held.isnan() & self._reachable()
            device, polarity, row, column = (i.numpy() for i in there.nonzero(as_tuple=True))
            places = np.column_stack([row, column, 2 * polarity + device]).astype(np.int32)
            held = places, logical.held[there].numpy()
        return LineMap(self.number, self._rows, self._columns, *held)

    def cost(self, tile: Tile) -> _Cost:
        place = tile.place
        wanted, logical = self._wanted[place], self._logical()
        cost = _Cost(wanted=float(wanted.square().sum()))
        if logical is not None:
            missing = self._missing()[place]
            cost.stuck = int(logical.cells[place].sum())
            cost.left = int((missing.abs() > _LEFT * self._chip.pcm.g_max_siemens).sum())
            cost.error = float(missing.square().sum())
            cost.blind = float((self._blind() - self._wanted)[place].square().sum())
        return cost

    def _logical(self) -> StuckDevices | None:
        if self._stuck is None:
            return None
        held = self._stuck.held[:, :, torch.from_numpy(self._rows)]
        return StuckDevices.of(self._chip, held[..., torch.from_numpy(self._columns)])

    def _missing(self) -> CellSiemens:
        logical = self._logical()
        assert logical is not None
        pair = logical.pair(self._wanted)
        return (self._wanted - (pair[0] - pair[1])) * self._used

    def _blind(self) -> CellSiemens:
        """The core as a compiler leaves it that does not know of the defects."""
        assert self._stuck is not None
        return self._stuck.blind(self._wanted)

    def _reachable(self) -> Bool[Tensor, "rows columns"]:
        """Cells on lines in use; those of no tile must be silent for MVMs of the whole core."""
        return self._used.any(1)[:, None] & self._used.any(0)[None]


def _living_first(dead: NDArray[np.bool_]) -> Lines:
    return np.argsort(dead, kind="stable")


def _assigned(
    wanted: CellSiemens,
    used: Bool[Tensor, "rows columns"],
    least: CellSiemens,
    most: CellSiemens,
    columns: Lines,
    dead: NDArray[np.bool_],
) -> Lines:
    """The physical row of each logical one, with the columns as they are."""
    logical = np.argsort(columns)  # of a physical column
    row, column = torch.nonzero(_short(wanted, least, most), as_tuple=True)
    there = torch.from_numpy(logical)[column]
    value = wanted[:, there]
    low, high = least[row, column], most[row, column]
    wrong = (value - value.clamp(low, high)).square_().mul_(used[:, there])
    cost = torch.zeros(wanted.shape).index_add_(1, row, wrong).double().numpy()
    worst = 1 + cost.sum()
    cost[np.ix_(used.any(1).numpy(), dead)] += worst
    from scipy.optimize import linear_sum_assignment  # here, for chips without defects

    return np.asarray(linear_sum_assignment(cost)[1], dtype=np.int64)


def _short(
    wanted: CellSiemens, least: CellSiemens, most: CellSiemens
) -> Bool[Tensor, "rows columns"]:
    """Physical cells that cannot hold every weight that the core wants."""
    largest = wanted.abs().max()
    return (least > -largest) | (most < largest)


def _wanted(placed: Placed, weights: Weights) -> Iterator[tuple[Tile, CellSiemens]]:
    """Each tile with the conductances that it is to hold."""
    quantized = placed.quantized
    g_max = {
        m.matrix: g for m, g in zip(quantized.tiled.matrices, quantized.g_max_siemens, strict=True)
    }
    for name, tiles in placed.tiles.items():
        matrix = weights[name].to(torch.float32)
        shares = g_shares(matrix, column_max(matrix))
        for tile in tiles:
            yield tile, shares[tile.part] * g_max[name][tile.stage]


def _layers(placed: Placed, cores: dict[int, _Core]) -> Iterator[LayerDefects]:
    for matrix in placed.quantized.tiled.matrices:
        mine = [cores[tile.core].cost(tile) for tile in placed.tiles[matrix.matrix]]
        wanted = sum(c.wanted for c in mine) or 1.0
        yield LayerDefects(
            matrix.label,
            stuck=sum(c.stuck for c in mine),
            left=sum(c.left for c in mine),
            error=(sum(c.error for c in mine) / wanted) ** 0.5,
            blind_error=(sum(c.blind for c in mine) / wanted) ** 0.5,
        )
