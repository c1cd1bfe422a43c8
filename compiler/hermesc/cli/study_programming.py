"""hermesc study programming."""

import click

from hermesc.cli.options import chip_option, json_option, set_option
from hermesc.cli.output import show
from hermesc.cli.progress import counting
from hermesc.cli.words import only_chip


@click.command("programming")
@click.option("--seeds", type=click.IntRange(1), default=1, help="Chips to average. [1]")
@chip_option
@set_option
@json_option
def programming_command(
    seeds: int, chip_name: str, settings: tuple[str, ...], as_json: bool
) -> None:
    """Compare the methods of weight programming on one crossbar."""
    from hermesc.studies.programming.study import study_programming
    from hermesrt.chip.load import load_chip

    chip = load_chip(chip_name, only_chip(settings))
    with counting("matrices") as progress:
        study = study_programming(chip, seeds, progress)
    show(study, as_json=as_json)
