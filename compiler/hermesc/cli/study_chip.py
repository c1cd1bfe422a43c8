"""hermesc study chip."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hermesc.cli.options import FILE, json_option
from hermesc.cli.output import show
from hermesc.cli.study_options import (
    ChosenSetup,
    StudyFiles,
    file_options,
    place_options,
    setup_options,
    shown,
)
from hermesc.cli.words import words_of

if TYPE_CHECKING:
    from hermesc.studies.jobs.execution import Execution


@click.command("chip")
@click.option(
    "--data",
    type=FILE,
    required=True,
    help="Folder with chip_measurements.csv and a .npz file for each of its datasets.",
)
@click.option("--seeds", type=click.IntRange(1), help="How many of the measured seeds. [all]")
@click.option("--datasets", help="Some of the file's datasets: letter,skin. [all]")
@setup_options
@click.option(
    "--experiment",
    type=FILE,
    help="TOML file of what the experiment did with some data sets: input_clip (standard "
    "deviations), scaling, kind and source for each. [the built-in table]",
)
@place_options
@file_options
@click.option(
    "--explain",
    is_flag=False,
    flag_value="effects",
    type=click.Choice(("effects", "converters")),
    help="Also with one thing changed at a time, of the chip's effects, or with each combination "
    "of how its converters take whole codes; many times longer. [effects, if no word is given]",
)
@click.option(
    "--errors-only",
    is_flag=True,
    help="Kernel errors without accuracies, in a third of the time.",
)
@json_option
def chip_command(
    data: Path,
    seeds: int | None,
    datasets: str | None,
    chosen: ChosenSetup,
    experiment: Path | None,
    execution: "Execution",
    files: StudyFiles,
    explain: str | None,
    errors_only: bool,
    as_json: bool,
) -> None:
    """Predict the kernel errors and accuracies that were measured on the real chip.

    Every experiment of the folder's measurements is compiled and run on a simulated chip. Nothing
    is fitted to the measurements.
    """
    from hermesc.studies.chip.experiment import read_experiment
    from hermesc.studies.chip.study import study_chip

    with shown(execution) as watched:
        study = study_chip(
            data=data,
            seeds=seeds,
            datasets=None if datasets is None else words_of("--datasets", datasets),
            experiment=None if experiment is None else read_experiment(experiment),
            **chosen,
            explain=explain,
            errors_only=errors_only,
            execution=watched,
            **files,
        )
    show(study, as_json=as_json)
