"""hermesc inspect, diff, chips and completion: looking at what there is."""

from pathlib import Path
from typing import Any

import click

from hermesc.cli.options import FILE, json_option, set_option
from hermesc.cli.output import print_json, show
from hermesc.cli.shapes import MetaChoice, given_shapes, meta_options
from hermesrt.errors import OptionError


@click.command("inspect")
@click.argument("program_file", metavar="P.hermes|MODEL.py", type=FILE)
@click.option(
    "--stage",
    type=click.Choice(
        ["graph", "partition", "tiles", "ranges", "places", "routes", "steps", "cost", "all"]
    ),
    help="One stage in full, or all of them.",
)
@click.option(
    "--export", type=click.Choice(["hermes-json"]), help="Write the placement in this format."
)
@click.option("-o", "--output", type=FILE, help="Where to export to. [standard output]")
@meta_options
@set_option
@json_option
def inspect_command(
    program_file: Path,
    stage: Any,
    export: str | None,
    output: Path | None,
    meta: MetaChoice,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what is in P.hermes: where each node runs and why, where each matrix sits; or, with
    --meta, what a compiled MODEL.py would hold, from its shapes alone."""
    from hermesc.api.looking import export_mapping, inspect

    if settings and not meta["meta"]:
        raise OptionError(f"--set {settings[0]}: a program is compiled; --set goes with --meta")
    program, _ = given_shapes(program_file, meta, settings)
    if export is not None:
        text = export_mapping(program, output)
        click.echo(text if output is None else f"wrote {output}\n", nl=False)
        return
    if output is not None:
        raise OptionError(f"-o {output}: only --export writes a file")
    show(inspect(program, stage), as_json=as_json)


@click.command("diff")
@click.argument("first", metavar="A", type=FILE)
@click.argument("second", metavar="B", type=FILE)
@json_option
def diff_command(first: Path, second: Path, as_json: bool) -> None:
    """What changed from A to B: two programs, or two reports.

    \b
      hermesc diff old.hermes new.hermes     layers, weights, placement, ranges, chip constants
      hermesc run P.hermes --json > a.json   and later b.json; or of `hermesc cost`
      hermesc diff a.json b.json             options, accuracy, latency, energy, layers
    """
    from hermesc.api.comparing import diff

    show(diff(first, second), as_json=as_json)


@click.command("chips")
@click.argument("name", required=False)
@json_option
def chips_command(name: str | None, as_json: bool) -> None:
    """List the installed chips, or show one with the source of every number."""
    from hermesc.api.installed import chips

    show(chips(name or None), as_json=as_json)


@click.command("schema")
@click.argument("name", type=click.Choice(["chip", "defects", "report", "sweep"]))
@click.option("-o", "--output", type=FILE, help="Write it here. [standard output]")
def schema_command(name: Any, output: Path | None) -> None:
    """Print the JSON Schema of a file, for editors that complete and check.

    \b
      hermesc schema chip -o chip.schema.json     and in a chip's TOML, as its first line:
      #:schema ./chip.schema.json
    """
    from hermesc.api.schemas import schema

    found = schema(name, output)
    if output is None:
        print_json(found)
    else:
        click.echo(f"wrote {output}")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the completion script: eval "$(hermesc completion bash)"."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(context.find_root().command, {}, "hermesc", "_HERMESC_COMPLETE").source())
