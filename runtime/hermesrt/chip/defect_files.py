"""Read and write defect maps: TOML for people, `.npz` for large ones. See `defects`.

TOML: `chip`, `cores`, `rows`, `columns`, `dead_cores`, and a [[core]] for each core that has more,
with its `number`, `dead_rows`, `dead_columns` and `stuck` entries of `row`, `column`, `polarity`,
`device` (0 or 1 of the polarity; both if left out), and either `state` ("reset" or "set") or
`siemens`. The `.npz` file holds arrays of the names and shapes of a DefectMap, and `size` [3] for
cores, rows and columns.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hermesrt.chip.defects import DefectMap, check_defects, set_siemens
from hermesrt.chip.spec import ChipSpec, limits
from hermesrt.errors import ChipError
from hermesrt.files.atomic import read_file, write_atomically
from hermesrt.files.npz import read_arrays
from hermesrt.files.toml import parse_toml
from hermesrt.files.typed import decode

_COUNT = 2**31 - 1
_LONGEST = 2**24  # characters of a map in TOML; a chip with 5 % stuck cells takes fewer
_SHAPES = {"dead_cores": 1, "dead_rows": 2, "dead_columns": 2, "stuck": 2, "siemens": 1}


@dataclass(frozen=True, slots=True)
class _Stuck:
    row: int
    column: int
    polarity: Literal["+", "-"]
    device: int | None = None
    state: Literal["reset", "set", "given"] = "given"
    siemens: float | None = None


@dataclass(frozen=True, slots=True)
class _Core:
    number: int
    dead_rows: tuple[int, ...] = ()
    dead_columns: tuple[int, ...] = ()
    stuck: tuple[_Stuck, ...] = ()


@dataclass(frozen=True, slots=True)
class DefectFile:
    """A map of defects as its TOML file has it; see the module's words.

    chip: name of the chip that it is for.
    cores: how many the map covers, of all chips together.
    rows: of a core's array.
    columns: of a core's array.
    dead_cores: cores that do nothing.
    core: what else is broken, core by core.
    """

    chip: str
    cores: int = limits(1, _COUNT)
    rows: int = limits(1, _COUNT)
    columns: int = limits(1, _COUNT)
    dead_cores: tuple[int, ...] = ()
    core: tuple[_Core, ...] = ()


def read_defects(path: Path, chip: ChipSpec) -> DefectMap:
    """The map in a .toml or .npz file, checked against the chip.

    Raises: InputError when the file cannot be read; ChipError for what it says.
    """
    match path.suffix:
        case ".toml":
            defects = _from_toml(path, chip)
        case ".npz":
            defects = _from_arrays(read_arrays(path, "defect map"), str(path))
        case _:
            raise ChipError(f"{path}: a defect map is a .toml or .npz file")
    return check_defects(defects, chip, str(path))


def write_defects(defects: DefectMap, path: Path) -> None:
    """Write a map, whole or not at all.

    Raises: ChipError for another suffix than .toml and .npz, and for more TOML than is read.
    """
    match path.suffix:
        case ".toml":
            text = _toml(defects)
            if len(text) > _LONGEST:
                raise ChipError(
                    f"{path}: this map takes {len(text)} characters as TOML; at most {_LONGEST} "
                    "are read; write it to a .npz file"
                )
            write_atomically(path, text.encode())
        case ".npz":
            stream = io.BytesIO()
            size = np.array([defects.cores, defects.rows, defects.columns], dtype=np.int32)
            arrays = {name: getattr(defects, name) for name in _SHAPES}
            np.savez_compressed(stream, chip=np.array(defects.chip), size=size, **arrays)
            write_atomically(path, stream.getvalue())
        case _:
            raise ChipError(f"{path}: a defect map is a .toml or .npz file")


def _from_toml(path: Path, chip: ChipSpec) -> DefectMap:
    try:
        data = parse_toml(read_file(path, "defect map").decode(), _LONGEST)
    except ValueError as error:
        raise ChipError(f"{path}: not a TOML file: {error}") from None
    file = decode(DefectFile, data, str(path), ChipError)
    numbers = [core.number for core in file.core]
    if len(set(numbers)) < len(numbers):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise ChipError(f"{path}: there are two [[core]] tables of number {twice}; join them")
    found = [entry for core in file.core for entry in _entries(core, chip, str(path))]
    rows = [(core.number, row) for core in file.core for row in core.dead_rows]
    columns = [(core.number, column) for core in file.core for column in core.dead_columns]
    try:
        return DefectMap(
            file.chip,
            file.cores,
            file.rows,
            file.columns,
            np.array(file.dead_cores, dtype=np.int32),
            np.array(rows, dtype=np.int32).reshape(-1, 2),
            np.array(columns, dtype=np.int32).reshape(-1, 2),
            np.array([place for place, _ in found], dtype=np.int32).reshape(-1, 4),
            np.array([siemens for _, siemens in found], dtype=np.float32),
        )
    except OverflowError:
        raise ChipError(f"{path}: a number is too large for a core, row or column") from None


def _entries(
    core: _Core, chip: ChipSpec, where: str
) -> Iterator[tuple[tuple[int, int, int, int], float]]:
    for entry in core.stuck:
        place = f"{where}: core {core.number}: stuck at row {entry.row}, column {entry.column}"
        if (entry.state == "given") == (entry.siemens is None):
            raise ChipError(f"{place}: give either `state` (reset, set) or `siemens`")
        if entry.device not in (None, 0, 1):
            raise ChipError(f"{place}: device {entry.device}; it is 0 or 1 of the polarity")
        levels = {"reset": 0.0, "set": set_siemens(chip)}
        siemens = levels[entry.state] if entry.siemens is None else entry.siemens
        first = 0 if entry.polarity == "+" else 2
        for device in (0, 1) if entry.device is None else (entry.device,):
            yield (core.number, entry.row, entry.column, first + device), siemens


def _from_arrays(arrays: Mapping[str, NDArray[Any]], where: str) -> DefectMap:
    known = {"chip", "size", *_SHAPES}
    for name in arrays:
        if name not in known:
            raise ChipError(f"{where}: array {name!r}; known are {', '.join(sorted(known))}")
    chip, size = arrays.get("chip"), arrays.get("size")
    if chip is None or chip.ndim or chip.dtype.kind != "U":
        raise ChipError(f"{where}: `chip` must be the chip's name")
    if size is None or size.shape != (3,) or size.dtype.kind not in "iu" or (size < 1).any():
        raise ChipError(f"{where}: `size` must be the numbers of cores, rows and columns")
    fields: dict[str, Any] = {}
    for name, array in arrays.items():
        if name in _SHAPES:
            kinds = "f" if name == "siemens" else "iu"
            width = {"dead_rows": 2, "dead_columns": 2, "stuck": 4}.get(name)
            fits = array.ndim == _SHAPES[name] and array.dtype.kind in kinds
            if not fits or (width is not None and array.shape[1] != width):
                wanted = "[n]" if width is None else f"[n, {width}]"
                raise ChipError(f"{where}: `{name}` must be numbers {wanted}, not {array.shape}")
            if kinds == "iu" and array.size and max(array.max(), -int(array.min())) > _COUNT:
                raise ChipError(f"{where}: `{name}` holds a number that is too large")
            fields[name] = array.astype(np.float32 if name == "siemens" else np.int32)
    cores, rows, columns = (int(n) for n in size)
    defects = DefectMap(str(chip), cores, rows, columns, **fields)
    if len(defects.stuck) != len(defects.siemens):
        raise ChipError(
            f"{where}: `stuck` lists {len(defects.stuck)} devices and `siemens` has "
            f"{len(defects.siemens)} conductances"
        )
    return defects


def _toml(defects: DefectMap) -> str:
    lines = [
        f"chip = {_quoted(defects.chip)}",
        f"cores = {defects.cores}",
        f"rows = {defects.rows}",
        f"columns = {defects.columns}",
        f"dead_cores = {defects.dead_cores.tolist()}",
    ]
    stuck: dict[int, list[str]] = {}
    for core, entry in _entries_of(defects):
        stuck.setdefault(core, []).append(entry)
    for core in sorted({*stuck, *defects.lost_lines}):
        rows = defects.dead_rows[defects.dead_rows[:, 0] == core, 1].tolist()
        columns = defects.dead_columns[defects.dead_columns[:, 0] == core, 1].tolist()
        lines += ["", "[[core]]", f"number = {core}"]
        lines += [f"dead_rows = {rows}"] * bool(rows)
        lines += [f"dead_columns = {columns}"] * bool(columns)
        lines += ["stuck = [", *stuck[core], "]"] if core in stuck else []
    return "\n".join(lines) + "\n"


def _entries_of(defects: DefectMap) -> Iterator[tuple[int, str]]:
    """Core and line of every entry; both devices of a polarity in one where they are alike."""
    levels: dict[tuple[int, int, int, int], dict[int, np.float32]] = {}
    for place, siemens in zip(defects.stuck.tolist(), defects.siemens, strict=True):
        core, row, column, device = place
        levels.setdefault((core, row, column, device >> 1), {})[device & 1] = siemens
    for (core, row, column, polarity), held in sorted(levels.items()):
        start = f'  {{ row = {row}, column = {column}, polarity = "{"-" if polarity else "+"}", '
        if len(held) == 2 and held[0] == held[1]:
            yield core, f"{start}{_level(held[0])} }},"
        else:
            for device, siemens in sorted(held.items()):
                yield core, f"{start}device = {device}, {_level(siemens)} }},"


def _level(siemens: np.float32) -> str:
    return 'state = "reset"' if siemens == 0 else f"siemens = {siemens!s}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
