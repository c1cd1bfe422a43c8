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
from hermesc.cli.shapes import MetaChoice, given_shapes, meta_options
from hermesc.cli.words import sizes_of


@click.command("cost")
@click.argument("program_file", metavar="P.hermes|MODEL.py", type=FILE)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=1x4096x64",
    help="Size of an input, the batch first. Repeatable. [the examples']",
)
@mode_option
@cost_options
@click.option(
    "--tokens",
    is_flag=True,
    help="Also tokens a second and energy a token of a causal model: of the whole prompt, and of "
    "one more token with keys and values kept.",
)
@meta_options
@set_option
@json_option
def cost_command(
    program_file: Path,
    shapes: tuple[str, ...],
    mode: Any,
    beside: BesideChoice,
    tokens: bool,
    meta: MetaChoice,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Time and energy of one sample of P.hermes, from sizes alone: no values are computed.

    \b
      hermesc cost P.hermes --shape x=1x1000000x64     a million tokens, in seconds
      hermesc cost P.hermes --compare a100,cpu --sensitivity --trace t.json
      hermesc cost model.py --meta --tokens            a model of any size, from its shapes alone
    """
    from hermesc.api.costing import cost

    sizes = sizes_of(shapes)
    program, chip_settings = given_shapes(program_file, meta, settings)
    report = cost(program, sizes, mode=mode, tokens=tokens, **beside, chip_settings=chip_settings)
    show(report, as_json=as_json)
