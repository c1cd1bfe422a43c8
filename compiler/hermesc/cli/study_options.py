"""What the studies share on the command line: where jobs run, finished cells, lists of words."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from hermesc.cli.options import FILE, split_settings, with_bar
from hermesrt.errors import OptionError
from hermesrt.files.atomic import check_writable

if TYPE_CHECKING:
    from hermesc.studies.experiment.measure import Setup
    from hermesc.studies.jobs.runner import JobKind, Workers
    from hermesrt.chip.spec import Mode

J = TypeVar("J")
R = TypeVar("R")

PLOTS = (".svg", ".png", ".pdf")
CELLS = Path("hermesc-cells")


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of all studies of many jobs."""
    for option in (
        click.option("--fresh", is_flag=True, help="Compute kept results again."),
        click.option(
            "--cells",
            type=FILE,
            default=CELLS,
            help="Folder of finished results, from which a stopped study goes on. [hermesc-cells]",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Run on the Dask cluster of this scheduler, such as tcp://host:8786. Its workers "
            "need this software and see the same --data.",
        ),
        click.option("--jobs", type=click.IntRange(1), help="Processes. [one a processor]"),
    ):
        command = option(command)
    return command


def chosen_setup(chip_name: str, settings: Sequence[str], mode: "Mode", age: str) -> "Setup":
    """The chip, its state and the passes' options.

    Raises: ChipError, OptionError.
    """
    from hermesc.pipeline import parse_options
    from hermesc.studies.experiment.measure import Setup
    from hermesrt.chip.load import load_chip
    from hermesrt.units import parse_age

    chip_settings, pass_settings = split_settings(settings)
    chip = load_chip(chip_name, chip_settings)
    return Setup(chip, mode, parse_age(age), parse_options(pass_settings))


def chosen_place(jobs: int | None, scheduler: str | None) -> "Workers":
    """Where jobs run.

    Raises: OptionError for both options at once.
    """
    from hermesc.studies.jobs.runner import Workers, processors

    if jobs is not None and scheduler is not None:
        raise OptionError("--jobs and --scheduler: give one of them; a cluster has its own workers")
    return Workers(jobs or processors(), scheduler)


def finished(
    work: "JobKind[J, R]", jobs: Sequence[J], place: "Workers", cells: Path, fresh: bool
) -> tuple[dict[J, R], int]:
    """The results of all jobs in their order, with a bar on a terminal; and how many were kept.

    Jobs must be different.
    """
    from hermesc.studies.jobs.result_cache import Store
    from hermesc.studies.jobs.runner import run_jobs

    store = Store(cells, fresh)
    store.check()
    kept = store.count(work.identity(job) for job in jobs)
    found = dict(with_bar(run_jobs(work, jobs, place, store), "simulating", len(jobs)))
    return {job: found[job] for job in jobs}, kept


def check_outputs(output: Path | None, plot: Path | None, **read: Path | None) -> None:
    """Fail before long work when a file cannot be written, or is no picture.

    Raises: InputError, OptionError.
    """
    for path in (output, plot):
        if path is not None:
            check_writable(path, **read)
    if plot is not None and plot.suffix not in PLOTS:
        raise OptionError(f"--plot {plot}: the picture is one of {', '.join(PLOTS)}")


def words_of(option: str, text: str, allowed: Sequence[str] | None = None) -> tuple[str, ...]:
    """The words between commas, each once.

    Raises: OptionError when there is none, or one that is not allowed.
    """
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [word for word in found if allowed is not None and word not in allowed]
    if not found or unknown:
        choices = ", ".join(allowed or ("a name",))
        raise OptionError(f"{option} {text}: give some of {choices}, with commas between")
    return found


def whole_numbers(option: str, text: str, low: int, high: int) -> tuple[int, ...]:
    """The whole numbers between commas, each once, in order.

    Raises: OptionError for anything else.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(w.isascii() and w.isdigit() and low <= int(w) <= high for w in words):
        raise OptionError(
            f"{option} {text}: give whole numbers from {low} to {high}, with commas between"
        )
    return tuple(sorted({int(word) for word in words}))
