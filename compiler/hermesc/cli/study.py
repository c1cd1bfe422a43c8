"""hermesc study: published experiments, run again on the simulated chip."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hermesc.cli.options import (
    FILE,
    json_option,
    only_chip,
    plot_option,
    print_json,
    set_option,
    with_bar,
)
from hermesc.cli.study_kernels import attention_command, kernels_command
from hermesc.cli.study_options import check_outputs, chosen_place, finished, place_options
from hermesrt.errors import InputError, OptionError

if TYPE_CHECKING:
    from hermesc.studies.data.measurements import Cell, Measurements, Scores
    from hermesc.studies.experiment.job import KernelJob
    from hermesc.studies.statistics import Comparison


@click.group("study")
def study_command() -> None:
    """Experiments that a user repeats with one command."""


@study_command.command("chip")
@click.option(
    "--data",
    "folder",
    type=FILE,
    required=True,
    help="Folder with chip_measurements.csv and a .npz file for each of its datasets.",
)
@click.option("--seeds", type=click.IntRange(1), help="How many of the measured seeds. [all]")
@click.option("--datasets", help="Some of the file's datasets: letter,skin. [all]")
@click.option("--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]")
@set_option
@place_options
@click.option("-o", "--output", type=FILE, help="Write every run here: .csv.")
@plot_option("Write the picture here: .svg, .png or .pdf.")
@click.option(
    "--explain", is_flag=True, help="Also with one thing changed at a time; many times longer."
)
@json_option
def chip_command(
    folder: Path,
    seeds: int | None,
    datasets: str | None,
    chip_name: str,
    settings: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    cells: Path,
    fresh: bool,
    output: Path | None,
    plot: Path | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Predict the kernel errors and accuracies that were measured on the real chip.

    Every experiment of the folder's measurements is compiled and run on a simulated chip. Nothing
    is fitted to the measurements.
    """
    from hermesrt.chip.load import load_chip
    from hermesrt.files.atomic import write_atomically

    chip_settings = only_chip(settings)
    chip = load_chip(chip_name, chip_settings)
    check_outputs(output, plot, measurements=folder / "chip_measurements.csv")
    place = chosen_place(jobs, scheduler)

    from hermesc.studies.chip.crossbar import ageing
    from hermesc.studies.chip.plan import plan
    from hermesc.studies.chip.report import Study, runs_csv, study_json, study_text
    from hermesc.studies.data.datasets import read_dataset
    from hermesc.studies.data.measurements import read_measurements
    from hermesc.studies.data.sources import DataSource
    from hermesc.studies.experiment.job import WORK, by_cell
    from hermesc.studies.statistics import compare

    start = time.perf_counter()
    measured = read_measurements(folder)
    if datasets is not None:
        measured = measured.of([name.strip() for name in datasets.split(",")])
    measured, skipped = _present(measured, folder)
    data = {name: read_dataset(folder, name) for name in measured.datasets}
    sources = {name: DataSource(name, folder, digest=d.digest) for name, d in data.items()}
    chosen = _chosen(measured, seeds)
    planned = plan(measured, sources, chosen, chip)
    curves = ageing(chip_name, chip_settings)

    def predict(some: "Sequence[KernelJob]") -> "tuple[dict[Cell, dict[int, Scores]], int]":
        results, kept = finished(WORK, some, place, cells, fresh)
        return by_cell(results, measured.scores), kept

    predicted, kept = predict(planned)
    study = Study(
        data=str(folder),
        chip=chip.name,
        settings=settings,
        seeds=chosen,
        preparations={name: d.preparation for name, d in data.items()},
        skipped=skipped,
        left_out_rows=measured.left_out,
        cells=compare(predicted, measured.scores),
        ageing=curves,
        runs=sum(len(found) for found in predicted.values()),
        kept=kept,
        workers=min(place.workers, len(planned)),
        seconds=time.perf_counter() - start,
    )
    if output is not None:
        write_atomically(output, runs_csv(predicted, measured.scores))
    if plot is not None:
        from hermesc.studies.chip.plot import study_picture

        write_atomically(plot, study_picture(study.cells, plot.suffix.removeprefix(".")))
    explained = {}
    if explain:
        variants = _explained(chip_name, chip_settings, planned, predict, measured)
        explained = {"as given": study.cells} | variants
    if as_json:
        print_json(study_json(study, explained))
    else:
        click.echo(study_text(study, explained))


def _explained(
    chip_name: str,
    settings: "Sequence[tuple[str, str]]",
    jobs: "Sequence[KernelJob]",
    predict: "Callable[[Sequence[KernelJob]], tuple[dict[Cell, dict[int, Scores]], int]]",
    measured: "Measurements",
) -> "dict[str, tuple[Comparison, ...]]":
    """The cells of each variant by its name."""
    from dataclasses import replace

    from hermesc.studies.chip.ablation import VARIANTS
    from hermesc.studies.experiment.measure import Setup
    from hermesc.studies.statistics import compare
    from hermesrt.chip.load import load_chip

    found = {}
    for variant in VARIANTS:
        chip = load_chip(chip_name, [*settings, *variant.settings])
        setup = Setup(chip, variant.mode, variant.age_s, method=variant.method)
        changed = [replace(job, setup=setup) for job in jobs]
        found[variant.name] = compare(predict(changed)[0], measured.scores)
    return found


@study_command.command("programming")
@click.option("--seeds", type=click.IntRange(1), default=1, help="Chips to average. [1]")
@click.option("--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]")
@set_option
@json_option
def programming_command(
    seeds: int, chip_name: str, settings: tuple[str, ...], as_json: bool
) -> None:
    """Compare the methods of weight programming on one crossbar."""
    from hermesc.studies.programming.study import programming_json, programming_text, reached
    from hermesrt.chip.load import load_chip

    chip = load_chip(chip_name, only_chip(settings))
    found = [r for results in with_bar(reached(chip, seeds), "matrices", 3) for r in results]
    if as_json:
        print_json(programming_json(found, chip.name, seeds))
    else:
        click.echo(programming_text(found, seeds))


def _present(measured: "Measurements", folder: Path) -> "tuple[Measurements, dict[str, str]]":
    """The measurements whose data is there, and why the others are skipped."""
    from hermesc.studies.data.datasets import dataset_path

    paths = {name: dataset_path(folder, name) for name in measured.datasets}
    here = [name for name, path in paths.items() if path.exists()]
    if not here:
        wanted = ", ".join(path.name for path in paths.values())
        raise InputError(f"--data {folder}: none of its measurements' data is there: {wanted}")
    missing = {n: f"there is no {path.name}" for n, path in paths.items() if n not in here}
    return measured.of(here), missing


def _chosen(measured: "Measurements", count: int | None) -> tuple[int, ...]:
    """The first measured seeds."""
    seeds = sorted({seed for found in measured.scores.values() for seed in found})
    if count is not None and count > len(seeds):
        raise OptionError(f"--seeds {count}: the measurements have {len(seeds)} seeds")
    return tuple(seeds[:count])


study_command.add_command(kernels_command)
study_command.add_command(attention_command)
