"""hermesc view: the page, or one of its figures as a picture."""

from pathlib import Path
from typing import Any

import click

from hermesc.cli.options import FILE, json_option
from hermesc.cli.output import print_json

_FORMATS = ("html", "svg", "png")
_FIGURES = ("plan", "core", "graph", "timeline", "energy", "latency", "programming")


@click.command("view")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option(
    "--state",
    type=FILE,
    help="A chip that `hermesc program` made: its cells, MVM errors and curve. [a chip drawn from "
    "the published statistics, seed 0]",
)
@click.option(
    "--format",
    type=click.Choice(_FORMATS),
    help="[by -o's suffix, else html; a figure: svg]",
)
@click.option("--figure", type=click.Choice(_FIGURES), help="One figure alone. [plan for svg, png]")
@click.option("--core", type=click.IntRange(0), help="The core of --figure core. [the fullest]")
@click.option("-o", "--output", type=FILE, help="The file. [P.html, P-FIGURE.svg]")
@json_option
def view_command(
    program_file: Path,
    state: Path | None,
    format: Any,
    figure: Any,
    core: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Write a page about P.hermes that opens in any browser, or one of its figures.

    \b
      hermesc view P.hermes --state P.state              floor plan, cells, time line, graph, costs
      hermesc view P.hermes --figure timeline -o t.png   for a slide
    """
    from hermesc.api.viewing import view

    file = view(program_file, output, state=state, format=format, figure=figure, core=core)
    if as_json:
        print_json({"output": str(file)})
    else:
        click.echo(f"wrote {file}")
