"""hermesc study accelerators."""

from pathlib import Path

import click

from hermesc.cli.options import FILE, json_option
from hermesc.cli.output import show
from hermesc.cli.progress import counting


@click.command("accelerators")
@click.option("--file", type=FILE, help="Another TOML file of machines. [the literature's]")
@click.option("-o", "--csv", "csv_file", type=FILE, help="The table as a CSV file.")
@click.option("--plot", type=FILE, help="A picture: .svg, .png or .pdf; needs matplotlib.")
@json_option
def accelerators_command(
    file: Path | None, csv_file: Path | None, plot: Path | None, as_json: bool
) -> None:
    """Machines of the literature: what they publish, and the same work by one cost model."""
    from hermesc.studies.accelerators.study import study_accelerators

    with counting("machines") as progress:
        study = study_accelerators(file, csv_file, plot, progress)
    show(study, as_json=as_json)
