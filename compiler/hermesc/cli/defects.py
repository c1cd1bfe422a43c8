"""hermesc defects."""

from pathlib import Path

import click

from hermesc.cli.options import FILE, json_option, print_json
from hermesrt.errors import OptionError


@click.command("defects")
@click.argument("map_file", metavar="[MAP]", type=FILE, required=False)
@click.option("--random", "share", type=float, help="Share of the unit cells that are stuck.")
@click.option("--set-share", type=float, help="Of the stuck ones, how many at SET. [0.5]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of the random map. [0]")
@click.option("--chips", type=click.IntRange(1, 4096), help="Chips side by side. [1]")
@click.option("--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]")
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
    from hermesrt.chip.defect_files import read_defects, write_defects
    from hermesrt.chip.defects import random_defects
    from hermesrt.chip.load import load_chip
    from hermesrt.files.atomic import check_writable

    chip = load_chip(chip_name)
    if (map_file is None) == (share is None):
        raise OptionError("give either the file of a MAP or --random SHARE, such as --random 0.05")
    if output is not None:
        check_writable(output, map=map_file)
    if map_file is not None:
        if any(option is not None for option in (set_share, seed, chips)):
            raise OptionError("--set-share, --seed and --chips belong to --random, not to a MAP")
        defects = read_defects(map_file, chip)
    else:
        if output is None:
            raise OptionError("--random: say with -o where the map goes, such as -o d.toml")
        half = 0.5 if set_share is None else set_share
        defects = random_defects(chip, share or 0.0, seed or 0, set_share=half, chips=chips or 1)
    if output is not None:
        write_defects(defects, output)
    found = {
        "cores": defects.cores,
        "dead_cores": len(defects.dead_cores),
        "dead_rows": len(defects.dead_rows),
        "dead_columns": len(defects.dead_columns),
        "stuck_devices": len(defects.stuck),
        "stuck_cells": defects.stuck_cells,
    }
    if as_json:
        print_json({"chip": chip.name, "output": str(output) if output else None} | found)
        return
    click.echo(
        f"{output or map_file}: {chip.name}, {defects.cores} cores: {found['dead_cores']:,} dead "
        f"cores, {found['dead_rows']:,} dead rows, {found['dead_columns']:,} dead columns, "
        f"{found['stuck_devices']:,} stuck devices in {found['stuck_cells']:,} unit cells"
    )
