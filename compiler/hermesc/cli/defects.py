"""hermesc defects."""

from pathlib import Path

import click

from hermesc.cli.options import FILE, chip_option, json_option
from hermesc.cli.output import show
from hermesrt.errors import OptionError


@click.command("defects")
@click.argument("map_file", metavar="[MAP]", type=FILE, required=False)
@click.option("--random", "share", type=float, help="Share of the unit cells that are stuck.")
@click.option("--set-share", type=float, help="Of the stuck ones, how many at SET. [0.5]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of the random map. [0]")
@click.option("--chips", type=click.IntRange(1, 4096), help="Chips side by side. [1]")
@chip_option
@click.option("-o", "--output", type=FILE, help="Write it here: .toml or .npz.")
@json_option
def defects_command(
    map_file: Path | None,
    share: float | None,
    set_share: float | None,
    seed: int | None,
    chips: int | None,
    chip_name: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Check a defect MAP, change its format, or draw a random one to try.

    \b
      hermesc defects --random 0.05 --seed 1 -o d.toml
      hermesc compile model.py --defects d.toml      goes round them, makes up for them
      hermesc run model.hermes --defects d.toml      on a chip that has them

    In a random map a stuck cell has one polarity stuck, at SET or at RESET, with both devices.
    """
    from hermesc.api.making import defects

    if map_file is None and share is not None and output is None:
        raise OptionError("--random: say with -o where the map goes, such as -o d.toml")
    found = defects(
        map_file,
        output,
        random=share,
        set_share=set_share,
        seed=seed,
        chips=chips,
        chip=chip_name,
    )
    show(found, as_json=as_json)
