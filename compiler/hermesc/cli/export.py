"""hermesc export."""

from pathlib import Path

import click

from hermesc.cli.options import FILE, json_option
from hermesc.cli.output import show


@click.command("export")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option("-o", "--output", type=FILE, help="The file. [P.onnx]")
@json_option
def export_command(program_file: Path, output: Path | None, as_json: bool) -> None:
    """Write P.hermes as an ONNX model, for Netron and other tools.

    Digital operations are those of the standard. Each analog layer is a function of the domain
    ai.hermesc with the exact product inside, so that any runtime computes what an ideal chip would;
    its metadata hold tiles, cores and ranges. Free sizes stay free.
    """
    from hermesc.api.exporting import export

    show(export(program_file, output), as_json=as_json)
