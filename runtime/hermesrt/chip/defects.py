"""What is broken on one chip: dead cores, dead rows and columns, devices that are stuck.

A map belongs to a chip of a name and a size. A device is stuck at a conductance whatever pulse it
gets; a dead line, and every line of a dead core, passes no current, so its cells are as if they
were stuck at zero, whatever else is said of them. The four devices of a unit cell are numbered 0
and 1 (positive), 2 and 3 (negative).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import ChipError

DEVICES = 4
_MOST_LEVELS = 4
_MOST_SIEMENS = 1e-3  # above anything that a phase-change device holds

Integers = NDArray[np.int32]


def _none(columns: int) -> Integers:
    return np.zeros((0, columns), dtype=np.int32)


@dataclass(frozen=True, eq=False)
class DefectMap:
    """The defects of a chip, or of several numbered through.

    chip: its name.
    cores: of all chips.
    rows: of a core's array.
    columns: of a core's array.
    dead_cores: their numbers, [n].
    dead_rows: core and row of each, [n, 2].
    dead_columns: core and column of each, [n, 2].
    stuck: core, row, column and device of each, [n, 4].
    siemens: what each is stuck at, [n], S.
    """

    chip: str
    cores: int
    rows: int
    columns: int
    dead_cores: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    dead_rows: Integers = field(default_factory=lambda: _none(2))
    dead_columns: Integers = field(default_factory=lambda: _none(2))
    stuck: Integers = field(default_factory=lambda: _none(4))
    siemens: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))

    @property
    def stuck_cells(self) -> int:
        """Unit cells with a stuck device."""
        return len(np.unique(self.stuck[:, :3], axis=0))

    @cached_property
    def sha256(self) -> str:
        """A digest of all of it."""
        digest = hashlib.sha256(f"{self.chip} {self.cores} {self.rows} {self.columns}".encode())
        arrays = (self.dead_cores, self.dead_rows, self.dead_columns, self.stuck, self.siemens)
        for array in arrays:
            digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    @cached_property
    def excluded(self) -> frozenset[int]:
        """Cores that cannot hold anything: dead ones, and those without a living row or column."""
        dead = set(self.dead_cores.tolist())
        lost = self.lost_lines
        dead |= {c for c in lost if lost[c][0] >= self.rows or lost[c][1] >= self.columns}
        return frozenset(dead)

    @cached_property
    def lost_lines(self) -> Mapping[int, tuple[int, int]]:
        """Number of dead rows and of dead columns, of the cores that have any."""
        cores = {*self.dead_rows[:, 0].tolist(), *self.dead_columns[:, 0].tolist()}
        return {
            core: (
                int((self.dead_rows[:, 0] == core).sum()),
                int((self.dead_columns[:, 0] == core).sum()),
            )
            for core in sorted(cores)
        }

    def lines(self, core: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows and which columns of a core are dead."""
        rows, columns = np.zeros(self.rows, np.bool_), np.zeros(self.columns, np.bool_)
        rows[self.dead_rows[self.dead_rows[:, 0] == core, 1]] = True
        columns[self.dead_columns[self.dead_columns[:, 0] == core, 1]] = True
        if core in self.dead_cores:
            rows[:] = columns[:] = True
        return rows, columns

    def held(self, core: int) -> NDArray[np.float32] | None:
        """Conductance that each device of a core is stuck at, [devices, polarity, rows, columns],
        NaN where it is free; None for a core without a defect."""
        mine = slice(*np.searchsorted(self._by_core[0], (core, core + 1)))
        chosen = self._by_core[1][mine]
        rows, columns = self.lines(core)
        if not len(chosen) and not rows.any() and not columns.any():
            return None
        held = np.full((2, 2, self.rows, self.columns), np.nan, dtype=np.float32)
        _, row, column, device = self.stuck[chosen].T
        held[device & 1, device >> 1, row, column] = self.siemens[chosen]
        held[:, :, rows, :] = 0.0
        held[:, :, :, columns] = 0.0
        return held

    @cached_property
    def _by_core(self) -> tuple[Integers, NDArray[np.int64]]:
        order = np.argsort(self.stuck[:, 0], kind="stable")
        return self.stuck[order, 0], order


def check_defects(defects: DefectMap, chip: ChipSpec, where: str) -> DefectMap:
    """The map itself, if it is one of this chip.

    Raises: ChipError that says what lies outside, contradicts itself or is of another chip.
    """
    size = (defects.rows, defects.columns)
    wanted = (chip.crossbar.rows, chip.crossbar.columns)
    if defects.chip != chip.name or size != wanted or defects.cores % chip.cores:
        raise ChipError(
            f"{where}: a map of {defects.cores} cores of {size[0]}x{size[1]} of the chip "
            f"{defects.chip!r}; this is {chip.name!r} with {chip.cores} cores of "
            f"{wanted[0]}x{wanted[1]} (several chips: a multiple of that)"
        )
    limits = (defects.cores, defects.rows, defects.columns, DEVICES)
    _inside(defects.dead_cores[:, None], limits[:1], ("core",), f"{where}: dead_cores")
    _inside(defects.dead_rows, limits[:2], ("core", "row"), f"{where}: dead_rows")
    columns = (limits[0], limits[2])
    _inside(defects.dead_columns, columns, ("core", "column"), f"{where}: dead_columns")
    _inside(defects.stuck, limits, ("core", "row", "column", "device"), f"{where}: stuck")
    wrong = ~((defects.siemens >= 0) & (defects.siemens <= _MOST_SIEMENS))
    if wrong.any():
        found = defects.siemens[wrong][0]
        raise ChipError(
            f"{where}: stuck: a conductance of {found:g} siemens; it is from 0 to {_MOST_SIEMENS:g}"
        )
    return _once(defects, where)


def _inside(places: Integers, limits: Sequence[int], names: Sequence[str], where: str) -> None:
    bad = (places < 0) | (places >= np.array(limits))
    if bad.any():
        entry, column = np.argwhere(bad)[0]
        raise ChipError(
            f"{where}: {names[column]} {places[entry, column]}; it is from 0 to "
            f"{limits[column] - 1}"
        )


def _once(defects: DefectMap, where: str) -> DefectMap:
    """The map with every device listed once."""
    places = np.ravel_multi_index(
        tuple(defects.stuck.T.astype(np.int64)),
        (defects.cores, defects.rows, defects.columns, DEVICES),
    )
    _, first, group = np.unique(places, return_index=True, return_inverse=True)
    differs = defects.siemens != defects.siemens[first][group]
    if differs.any():
        core, row, column, device = defects.stuck[np.flatnonzero(differs)[0]]
        raise ChipError(
            f"{where}: stuck: device {device} of row {row}, column {column} of core {core} is "
            "stuck at two conductances; leave one of them out"
        )
    return replace(
        defects,
        dead_cores=np.unique(defects.dead_cores),
        dead_rows=np.unique(defects.dead_rows, axis=0),
        dead_columns=np.unique(defects.dead_columns, axis=0),
        stuck=defects.stuck[first],
        siemens=defects.siemens[first],
    )


def usable_arrays(
    chip: ChipSpec, defects: DefectMap | None
) -> Iterator[tuple[ChipSpec, frozenset[int]]]:
    """Ways to go round dead lines, the best first: a chip whose arrays have so many rows and
    columns, and the cores that have fewer.

    First whole arrays without the cores that have a dead line, then arrays that are smaller
    everywhere by what the cores lost that are let in.
    """
    if defects is None:
        yield chip, frozenset()
        return
    lost = {c: lines for c, lines in defects.lost_lines.items() if c not in defects.excluded}
    levels = sorted({0, *(max(lines) for lines in lost.values())})
    thinned = levels[:: -(-len(levels) // _MOST_LEVELS)]
    for most in sorted({*thinned, levels[-1]}):
        too_small = {core for core, lines in lost.items() if max(lines) > most}
        kept = [lines for core, lines in lost.items() if core not in too_small]
        rows = chip.crossbar.rows - max((lines[0] for lines in kept), default=0)
        columns = chip.crossbar.columns - max((lines[1] for lines in kept), default=0)
        crossbar = replace(chip.crossbar, rows=rows, columns=columns)
        yield replace(chip, crossbar=crossbar), defects.excluded | too_small


def random_defects(
    chip: ChipSpec, share: float, seed: int, *, set_share: float = 0.5, chips: int = 1
) -> DefectMap:
    """A map in which that share of the unit cells has one polarity stuck, both of its devices.

    Drawn independently; `set_share` of them are stuck at SET, the others at RESET (zero).
    Raises: ChipError for a share outside of 0 to 1.
    """
    for name, value in (("share", share), ("set_share", set_share)):
        if not 0 <= value <= 1:
            raise ChipError(f"random defects: the {name} is {value}; it is from 0 to 1")
    draw = np.random.Generator(np.random.PCG64(seed))
    shape = (chips * chip.cores, chip.crossbar.rows, chip.crossbar.columns)
    cells = np.flatnonzero(draw.random(shape, dtype=np.float32) < share)
    polarity = draw.integers(0, 2, len(cells))
    level = np.where(draw.random(len(cells)) < set_share, set_siemens(chip), 0.0)
    place = np.stack(np.unravel_index(cells, shape), axis=1)
    both = [np.column_stack([place, 2 * polarity + device]) for device in (0, 1)]
    return DefectMap(
        chip.name,
        *shape,
        stuck=np.concatenate(both).astype(np.int32),
        siemens=np.tile(level, 2).astype(np.float32),
    )


def set_siemens(chip: ChipSpec) -> float:
    """What a device holds that is stuck at SET: the median of healthy ones."""
    return chip.set_statistics.set_median_siemens
