"""hermesc study ageing."""

from typing import Any

import click

from hermesc.cli.options import METHODS, json_option, set_option
from hermesc.cli.output import show
from hermesc.cli.progress import counting
from hermesc.cli.words import only_chip
from hermesrt.extras import require


@click.command("ageing")
@click.option("--seeds", type=click.IntRange(1, 100), default=5, help="Chips to average. [5]")
@click.option("--chip", "chip_name", default="pcm-14nm", help="Name, or a TOML file. [pcm-14nm]")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="published",
    help="How weights are programmed. [published]",
)
@set_option
@json_option
def ageing_command(
    seeds: int, chip_name: str, method: Any, settings: tuple[str, ...], as_json: bool
) -> None:
    """Accuracy of a small transformer over a month of drift, with and without recalibration.

    \b
      hermesc study ageing                   on the chip of 14 nm that ran ALBERT
      hermesc study ageing --chip hermes
    """
    require("sklearn", "hermesc study ageing")

    from hermesc.studies.ageing.study import study_ageing
    from hermesrt.chip.load import load_chip

    chip = load_chip(chip_name, only_chip(settings))
    with counting("treatments") as progress:
        study = study_ageing(chip, seeds, method, progress)
    show(study, as_json=as_json)
