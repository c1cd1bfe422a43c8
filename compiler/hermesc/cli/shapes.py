"""--meta: a model of shapes alone in place of a program."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from hermesc.cli.options import grouped
from hermesc.cli.words import only_chip, split_settings
from hermesrt.errors import OptionError

if TYPE_CHECKING:
    from hermesc.api.given import ShapedProgram
    from hermesrt.chip.load import Settings


class MetaChoice(TypedDict):
    """Whether shapes alone are given, and for which chip."""

    meta: bool
    chip_name: str | None


meta_options = grouped(
    "meta",
    MetaChoice,
    click.option(
        "--meta",
        is_flag=True,
        help="MODEL.py is run without memory for its weights (on torch's meta device): a model of "
        "any size, on as many chips as it needs.",
    ),
    click.option(
        "--chip", "chip_name", metavar="NAME|FILE.toml", help="With --meta: the chip. [hermes]"
    ),
)


def given_shapes(
    file: Path, meta: MetaChoice, settings: Sequence[str]
) -> tuple["ShapedProgram | Path", "Settings"]:
    """The program, or the model's shapes as one, and numbers of its chip still to replace.

    Raises: OptionError, and what compiling raises.
    """
    if not meta["meta"]:
        if ".py" in file.suffix:
            raise OptionError(
                f"{file} is a model: add --meta to take its shapes alone, or compile it first"
            )
        if meta["chip_name"] is not None:
            raise OptionError(
                f"--chip {meta['chip_name']}: a program has its chip in it; --chip goes with --meta"
            )
        return file, only_chip(settings)
    from hermesc.api.shaping import shaped
    from hermesc.app.settings import parse_settings
    from hermesrt.chip.load import load_chip

    chip_settings, pass_settings = split_settings(settings)
    chip = load_chip(meta["chip_name"] or "hermes", chip_settings)
    options, _ = parse_settings(pass_settings)
    return shaped(file, chip=chip, options=options), ()
