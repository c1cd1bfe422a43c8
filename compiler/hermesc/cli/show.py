"""hermesc inspect, view, chips and completion: looking at what there is."""

from pathlib import Path

import click

from hermesc.cli.options import FILE, deploy, json_option, load_program, print_json
from hermesc.errors import OptionError


@click.command("inspect")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option("--stage", type=click.Choice(["graph", "tiles", "ranges", "steps", "routes"]))
@click.option(
    "--export", type=click.Choice(["hermes-json"]), help="Write the placement in this format."
)
@click.option("-o", "--output", type=FILE, help="Where to export to. [standard output]")
@json_option
def inspect_command(
    program_file: Path, stage: str | None, export: str | None, output: Path | None, as_json: bool
) -> None:
    """Show what is in P.hermes: where each node runs and why, where each matrix sits."""
    from hermesc.artifact.io import load

    if output is not None and export is None:
        raise OptionError(f"-o {output}: only --export writes a file")
    if export is not None:
        _export(program_file, output)
        return

    from hermesrt.report.inspect import inspect_json, inspect_text

    artifact, sha256 = load(program_file)
    if as_json:
        print_json(inspect_json(artifact, sha256, stage))
    else:
        click.echo(inspect_text(artifact, str(program_file), stage))


def _export(program_file: Path, output: Path | None) -> None:
    """The placement as a published mapping file, which `compile --mapping` reads."""
    from hermesc.artifact.io import load
    from hermesc.files import check_writable, write_atomically
    from hermesc.placing.published import to_text

    text = to_text(load(program_file)[0])
    if output is None:
        click.echo(text, nl=False)
        return
    check_writable(output, program=program_file)
    write_atomically(output, text.encode())
    click.echo(f"wrote {output}")


@click.command("view")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option("--state", type=FILE, help="A chip that `hermesc program` made: adds its MVM errors.")
@click.option("-o", "--output", type=FILE, help="The page, or a picture if .svg. [P.html]")
@json_option
def view_command(
    program_file: Path, state: Path | None, output: Path | None, as_json: bool
) -> None:
    """Write the floor plan of P.hermes as a page that opens in any browser."""
    from hermesc.files import check_writable, write_atomically

    output = output or Path(program_file.stem + ".html")
    if output.suffix not in (".html", ".svg"):
        raise OptionError(f"-o {output}: the page is an .html file, the picture an .svg file")
    check_writable(output, program=program_file, state=state)
    if output.suffix == ".svg":
        from hermesc.artifact.io import load
        from hermesrt.report.floorplan import floorplan_svg

        write_atomically(output, floorplan_svg(load(program_file)[0]).encode())
    else:
        from hermesrt.programming.error import mvm_errors
        from hermesrt.report.page import page_html

        program = load_program(program_file, ())
        chip = deploy(program, None, None, state)
        cost = chip.device.cost(program.workload(), None)
        errors = mvm_errors(chip.device, program.artifact) if state else None
        write_atomically(output, page_html(program.artifact, cost, None, errors).encode())
    if as_json:
        print_json({"output": str(output)})
    else:
        click.echo(f"wrote {output}")


@click.command("chips")
@click.argument("name", required=False)
@json_option
def chips_command(name: str | None, as_json: bool) -> None:
    """List the installed chips, or show one with the source of every number."""
    from hermesc.target.load import chip_names, chip_tables, load_chip
    from hermesrt.report.terminal import chip_text

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
