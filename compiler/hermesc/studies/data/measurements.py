"""What was measured: `chip_measurements.csv`, one value a line, checked.

Each line is one value of one run: dataset, kernel, sampler, log2_ratio (of the features to the
inputs), seed, metric (err, acc), fp_or_hw (fp, the published FP32; hw, the real chip), value.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hermesc.studies.experiment.published import KERNELS, SAMPLERS
from hermesrt.errors import InputError, OptionError
from hermesrt.files.atomic import read_file

FILE = "chip_measurements.csv"
LEFT_OUT = "attention"  # a dataset of the file that has no kernel-ridge experiment
ATTENTION = (("softmax",), ("favor+",))  # its kernel and sampler
_MOST_DOUBLINGS = 10
_COLUMNS = (
    "dataset", "kernel", "sampler", "log2_ratio", "seed", "metric", "fp_or_hw", "value",
)  # fmt: skip


class Cell(NamedTuple):
    """One experiment, over all its seeds."""

    dataset: str
    kernel: str
    sampler: str
    log2_ratio: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Kernel error and accuracy, in FP32 and on a chip; NaN where there is no value."""

    error_fp: float
    error_chip: float
    accuracy_fp: float
    accuracy_chip: float


@dataclass(frozen=True, slots=True)
class Measurements:
    """Scores by cell and seed, in the file's order; `left_out` lines were not read."""

    scores: Mapping[Cell, Mapping[int, Scores]]
    left_out: int

    @property
    def datasets(self) -> tuple[str, ...]:
        """Their names, in the file's order."""
        return tuple(dict.fromkeys(cell.dataset for cell in self.scores))

    def of(self, datasets: Iterable[str]) -> "Measurements":
        """Those of some datasets alone.

        Raises: OptionError for a dataset that the file does not hold.
        """
        wanted = tuple(datasets)
        for name in wanted:
            if name not in self.datasets:
                raise OptionError(
                    f"--datasets {name}: {FILE} has no such dataset; it has "
                    f"{', '.join(self.datasets)}"
                )
        kept = {cell: seeds for cell, seeds in self.scores.items() if cell.dataset in wanted}
        return Measurements(kept, self.left_out)


def read_measurements(folder: Path) -> Measurements:
    """The measurements of a study's folder.

    Raises: InputError for a folder or file that is not there, and for a wrong line, by number.
    """
    values: dict[Cell, dict[int, dict[str, float]]] = {}
    left_out = 0
    path = folder / FILE
    for where, line in _lines(folder):
        if line["dataset"] == LEFT_OUT:
            left_out += 1
        else:
            _put(values, *_parse(line, where), where)
    if not values:
        raise InputError(f"{path}: it holds no kernel-ridge measurement, so there is no study")
    return Measurements(_scored(values), left_out)


def read_attention(folder: Path) -> Mapping[int, Mapping[int, Scores]]:
    """The attention errors of the folder's measurements, by s/d and seed; they have no accuracy.

    Raises: InputError as `read_measurements`.
    """
    values: dict[Cell, dict[int, dict[str, float]]] = {}
    for where, line in _lines(folder):
        if line["dataset"] == LEFT_OUT:
            _put(values, *_parse(line, where, ATTENTION), where)
    return {cell.log2_ratio: seeds for cell, seeds in _scored(values).items()}


def _lines(folder: Path) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    """Where each line is, and its words."""
    if not folder.is_dir():
        raise InputError(f"--data {folder}: there is no such folder; give one that holds {FILE}")
    path = folder / FILE
    try:
        text = read_file(path, "file of measurements").decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; give a CSV with {_header()}") from None
    lines = csv.DictReader(text.splitlines())
    if tuple(lines.fieldnames or ()) != _COLUMNS:
        found = ",".join(lines.fieldnames or ()) or "nothing"
        raise InputError(f"{path}: the first line is {found[:200]}; it must be {_header()}")
    for line in lines:
        yield f"{path}, line {lines.line_num}", line


def _put(
    values: dict[Cell, dict[int, dict[str, float]]],
    cell: Cell,
    seed: int,
    name: str,
    value: float,
    where: str,
) -> None:
    scores = values.setdefault(cell, {}).setdefault(seed, {})
    if name in scores:
        raise InputError(f"{where}: this value was given before; leave one of them out")
    scores[name] = value


def _scored(
    values: Mapping[Cell, Mapping[int, Mapping[str, float]]],
) -> dict[Cell, dict[int, Scores]]:
    return {
        cell: {seed: _scores(found) for seed, found in sorted(seeds.items())}
        for cell, seeds in values.items()
    }


def _parse(
    line: Mapping[str, str | None],
    where: str,
    allowed: tuple[tuple[str, ...], tuple[str, ...]] = (KERNELS, SAMPLERS),
) -> tuple[Cell, int, str, float]:
    if None in line or None in line.values():
        raise InputError(f"{where}: it must hold {len(_COLUMNS)} values: {_header()}")
    words = {key: value or "" for key, value in line.items()}
    choices = {
        "kernel": allowed[0], "sampler": allowed[1], "metric": ("err", "acc"),
        "fp_or_hw": ("fp", "hw"),
    }  # fmt: skip
    for column, names in choices.items():
        if words[column] not in names:
            raise InputError(
                f"{where}: {column} is {words[column]!r}; it must be one of {', '.join(names)}"
            )
    name = words["dataset"]
    if not name or Path(name).name != name:
        raise InputError(f"{where}: dataset is {name!r}; it must be the name of an .npz file")
    ratio = _whole(words, "log2_ratio", 0, _MOST_DOUBLINGS, where)
    seed = _whole(words, "seed", 0, 2**32 - 1, where)
    cell = Cell(name, words["kernel"], words["sampler"], ratio)
    return cell, seed, f"{words['metric']} {words['fp_or_hw']}", _number(words["value"], where)


def _whole(words: Mapping[str, str], column: str, low: int, high: int, where: str) -> int:
    word = words[column]
    if not (word.isascii() and word.isdigit() and low <= int(word) <= high):
        raise InputError(
            f"{where}: {column} is {word!r}; it must be a whole number from {low} to {high}"
        )
    return int(word)


def _number(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{where}: value is {word!r}; it must be a number of 0 or more")
    return value


def _scores(found: Mapping[str, float]) -> Scores:
    names = ("err fp", "err hw", "acc fp", "acc hw")
    return Scores(*(found.get(name, math.nan) for name in names))


def _header() -> str:
    return ",".join(_COLUMNS)
