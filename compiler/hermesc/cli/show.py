"""hermesc inspect, diff, chips and completion: looking at what there is."""

from pathlib import Path
from typing import Any

import click

from hermesc.cli.options import FILE, json_option, load_program, print_json
from hermesrt.errors import OptionError


@click.command("inspect")
@click.argument("program_file", metavar="P.hermes", type=FILE)
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
@json_option
def inspect_command(
    program_file: Path, stage: str | None, export: str | None, output: Path | None, as_json: bool
) -> None:
    """Show what is in P.hermes: where each node runs and why, where each matrix sits."""
    from hermesrt.artifact.io import load

    if output is not None and export is None:
        raise OptionError(f"-o {output}: only --export writes a file")
    if export is not None:
        _export(program_file, output)
        return

    from hermesrt.report.text.inspect import inspect_json, inspect_text

    artifact, sha256 = load(program_file)
    found = inspect_json(artifact, sha256, stage) if as_json and stage != "cost" else {}
    text = inspect_text(artifact, str(program_file), stage) if stage != "cost" else ""
    if stage in ("cost", "all"):
        cost_json, cost_text = _cost(program_file)
        found |= {"cost": cost_json}
        text = f"{text}\n\ncost:\n{cost_text}" if text else cost_text
    if as_json:
        print_json(found)
    else:
        click.echo(text)


def _cost(program_file: Path) -> tuple[dict[str, Any], str]:
    """Time and energy of one of the program's own samples, by cause and by layer."""
    from hermes_sim import engine
    from hermesrt.facts.cost import cost_facts, cost_json
    from hermesrt.facts.fact import aligned
    from hermesrt.report.text.terminal import layer_table

    program = load_program(program_file, ())
    artifact = program.artifact
    cost = engine.cost(artifact.chip, program.workload(), None)
    text = aligned(cost_facts(artifact, cost)) + "\n" + layer_table(cost)
    return cost_json(artifact, cost), text


def _export(program_file: Path, output: Path | None) -> None:
    """The placement as a published mapping file, which `compile --mapping` reads."""
    from hermesrt.artifact.io import load
    from hermesrt.artifact.published_mapping import to_text
    from hermesrt.files.atomic import check_writable, write_atomically

    text = to_text(load(program_file)[0])
    if output is None:
        click.echo(text, nl=False)
        return
    check_writable(output, program=program_file)
    write_atomically(output, text.encode())
    click.echo(f"wrote {output}")


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
    from hermesrt.difference import difference
    from hermesrt.report.text.diff import difference_text

    found = difference(first, second)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(difference_text(found))


@click.command("chips")
@click.argument("name", required=False)
@json_option
def chips_command(name: str | None, as_json: bool) -> None:
    """List the installed chips, or show one with the source of every number."""
    from hermesrt.chip.load import chip_names, chip_tables, load_chip
    from hermesrt.report.text.terminal import chip_text

    names = [name] if name else chip_names()
    chips = [load_chip(n) for n in names]
    if as_json:
        print_json(chip_tables(chips[0]) if name else {"chips": [c.name for c in chips]})
    elif name:
        tables = {k: v for k, v in chip_tables(chips[0]).items() if isinstance(v, dict)}
        click.echo(chip_text(chips[0], tables))
    else:
        for chip in chips:
            hypothetical = "hypothetical: " if chip.hypothetical else ""
            click.echo(f"{chip.name:<12}{chip.cores} cores: {hypothetical}{chip.description}")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the completion script: eval "$(hermesc completion bash)"."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(context.find_root().command, {}, "hermesc", "_HERMESC_COMPLETE").source())
