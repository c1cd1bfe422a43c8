"""hermesc sweep."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hermesc.cli.options import FILE, chip_option, json_option
from hermesc.cli.output import show
from hermesc.cli.study_options import StudyFiles, place_options, shown, table_options

if TYPE_CHECKING:
    from hermesc.studies.jobs.execution import Execution


@click.command("sweep")
@click.argument("model")
@click.option("--grid", type=FILE, required=True, help="What varies: a TOML file.")
@click.option("--inputs", type=FILE, help="Inputs by name, and `labels`: .npz. [the examples]")
@click.option("--calibration", type=FILE, help="Real inputs that set the converters' ranges.")
@chip_option
@place_options
@table_options
@json_option
def sweep_command(
    model: str,
    grid: Path,
    inputs: Path | None,
    calibration: Path | None,
    chip_name: str,
    execution: "Execution",
    files: StudyFiles,
    as_json: bool,
) -> None:
    """Run MODEL (model.py, .onnx, .pt2) or P.hermes at each point of a grid.

    \b
      kind = "grid"                          every combination (or "random", "list")
      points = 100                           of random: how many, drawn by `seed`
      [vary]
      "chip.adc.counter_bits" = [6, 8, 12]   names as for --set
      "place.objective" = ["cores", "energy"]
      mode = ["1-phase", "4-phase"]          and chip, method, age, seed
      seed = { low = 0, high = 99 }          of random: a range (`log = true` too)
      [fixed]
      age = "1d"                             at all points; of a list each [[point]] is a table

    Points that differ only in what `hermesc run` sets share a program. Finished points are kept in
    --cells: the same command goes on after a stop. The table's last column repeats a point.
    """
    from hermesc.studies.sweep.study import sweep

    with shown(execution) as counted:
        report = sweep(
            model,
            grid=grid,
            inputs=inputs,
            calibration=calibration,
            chip=chip_name,
            **files,
            execution=counted,
        )
    show(report, as_json=as_json)
