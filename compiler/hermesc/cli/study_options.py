"""Options of all studies: the chip and its state, where jobs run, the files to write."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from hermesc.cli.options import (
    FILE,
    METHODS,
    Command,
    Decorator,
    chip_option,
    grouped,
    json_option,
    plot_option,
    set_option,
)
from hermesc.cli.progress import counting
from hermesc.cli.words import split_settings
from hermesrt.chip.fields import MODES

if TYPE_CHECKING:
    from hermesc.studies.experiment.measure import Setup
    from hermesc.studies.jobs.execution import Execution

_MOST_SEEDS = 1000


class StudyFiles(TypedDict):
    """What a study writes."""

    output: Path | None
    plot: Path | None


class ChosenSetup(TypedDict):
    """The chip as it is studied, and the words that said so."""

    setup: "Setup"
    settings: tuple[str, ...]


def _setup(
    chip_name: str, settings: tuple[str, ...], age: str, mode: Any, method: Any
) -> ChosenSetup:
    """The chip, its state and the passes' options.

    Raises: ChipError, OptionError.
    """
    from hermesrt.chip.load import load_chip
    from hermesrt.units import parse_age

    chip_settings, pass_settings = split_settings(settings)
    chip, age_s = load_chip(chip_name, chip_settings), parse_age(age)

    from hermesc.pipeline import parse_options
    from hermesc.studies.experiment.measure import Setup

    setup = Setup(chip, mode, age_s, parse_options(pass_settings), method)
    return {"setup": setup, "settings": settings}


def _execution(
    jobs: int | None, scheduler: str | None, cells: Path, fresh: bool, memory: int | None
) -> "Execution":
    from hermesc.studies.jobs.execution import Execution

    return Execution(jobs, scheduler, cells, fresh, memory_mib=memory)


@contextmanager
def shown(execution: "Execution") -> "Iterator[Execution]":
    """The same, with a bar on a terminal, and a word on kept results that were damaged."""
    from hermesc.studies.jobs.result_cache import DamagedResultWarning

    with warnings.catch_warnings(), counting("simulating") as progress:
        warnings.simplefilter("always", DamagedResultWarning)
        warnings.showwarning = _tell  # the folder's file is named, not the line of our code
        yield replace(execution, progress=progress)


def _tell(message: Warning | str, *_where: Any, **_more: Any) -> None:
    click.echo(f"warning: {message}", err=True)


place_options = grouped(
    "execution",
    _execution,
    click.option("--jobs", type=click.IntRange(1), help="Processes. [one a processor]"),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run on the Dask cluster of this scheduler, such as tcp://host:8786. Its workers "
        "need this software and see the same --data.",
    ),
    click.option(
        "--cells",
        type=FILE,
        default=Path("hermesc-cells"),
        help="Folder of finished results, from which a stopped study goes on. [hermesc-cells]",
    ),
    click.option("--fresh", is_flag=True, help="Compute kept results again."),
    click.option(
        "--memory",
        type=click.IntRange(256),
        metavar="MIB",
        help="MiB that each process may take, on Linux. [no limit]",
    ),
)
file_options = grouped(
    "files",
    StudyFiles,
    click.option("-o", "--output", type=FILE, help="Write every run here: .csv."),
    plot_option("Write the picture here: .svg, .png or .pdf."),
)
table_options = grouped(
    "files",
    StudyFiles,
    click.option("-o", "--output", type=FILE, help="Write the table here: .csv, .json, .parquet."),
    plot_option("Draw accuracy against energy, latency and cores: .svg, .png or .pdf."),
)
setup_options = grouped(
    "chosen",
    _setup,
    chip_option,
    set_option,
    click.option("--age", default="0s", help="Time since programming: 60s, 1h, 1d. [0s]"),
    click.option("--mode", type=click.Choice(MODES), default="4-phase", help="[4-phase]"),
    click.option(
        "--method",
        type=click.Choice(METHODS),
        default="published",
        help="How weights are programmed. [published]",
    ),
)
_seeds_option = click.option(
    "--seeds", type=click.IntRange(1, _MOST_SEEDS), default=10, help="[10]"
)


def study_options(command: Command) -> Command:
    """Seeds, the chip, where jobs run, the files: of every study of random features."""
    options: Sequence[Decorator] = (
        _seeds_option,
        setup_options,
        place_options,
        file_options,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command
