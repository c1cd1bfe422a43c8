"""hermesc cost."""

from pathlib import Path
from typing import Any

import click

from hermesc.cli.options import (
    FILE,
    BesideChoice,
    cost_options,
    json_option,
    mode_option,
    set_option,
)
from hermesc.cli.output import show
from hermesc.cli.words import only_chip, sizes_of


@click.command("cost")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=1x4096x64",
    help="Size of an input, the batch first. Repeatable. [the examples']",
)
@mode_option
@cost_options
@set_option
@json_option
def cost_command(
    program_file: Path,
    shapes: tuple[str, ...],
    mode: Any,
    beside: BesideChoice,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Time and energy of one sample of P.hermes, from sizes alone: no values are computed.

    \b
      hermesc cost P.hermes --shape x=1x1000000x64     a million tokens, in seconds
      hermesc cost P.hermes --compare a100,cpu --sensitivity --trace t.json
    """
    from hermesc.api.costing import cost

    sizes, chip_settings = sizes_of(shapes), only_chip(settings)
    report = cost(program_file, sizes, mode=mode, **beside, chip_settings=chip_settings)
    show(report, as_json=as_json)
