"""hermesc view: the page, or one of its figures as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import FILE, deploy, json_option, load_program, print_json
from hermesrt.errors import OptionError

if TYPE_CHECKING:
    from hermesrt.program import Chip, Program
    from hermesrt.report.page.render import Comparisons

_FORMATS = ("html", "svg", "png")
_FIGURES = ("plan", "core", "graph", "timeline", "energy", "latency", "programming")
_MACHINES = "a100,cpu"


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
    "kind",
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
    kind: str | None,
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
    from hermesrt.files.atomic import check_writable, write_atomically

    kind = _kind(kind, figure, output)
    if kind == "html" and figure is not None:
        raise OptionError(f"--figure {figure}: a figure alone is an svg or a png, the page has all")
    if core is not None and figure != "core":
        raise OptionError("--core: only --figure core shows one core")
    figure = figure or "plan"
    suffix = ".html" if kind == "html" else f"-{figure}.{kind}"
    output = output or Path(program_file.stem + suffix)
    check_writable(output, program=program_file, state=state)
    if kind == "html":
        write_atomically(output, _page(program_file, state))
    else:
        write_atomically(output, _picture(program_file, state, figure, core, kind))
    if as_json:
        print_json({"output": str(output)})
    else:
        click.echo(f"wrote {output}")


def _kind(kind: str | None, figure: str | None, output: Path | None) -> str:
    """The format: as said, or by the suffix.

    Raises: OptionError where neither tells, or they differ.
    """
    suffix = output.suffix.lstrip(".").lower() if output else ""
    if kind is not None and suffix in _FORMATS and suffix != kind:
        raise OptionError(f"--format {kind} -o {output}: the two differ; leave one out")
    if kind is None and output is not None and suffix not in _FORMATS:
        raise OptionError(
            f"-o {output}: the page is an .html file, a figure an .svg or .png file; or give "
            "--format"
        )
    return kind or suffix or ("svg" if figure else "html")


def _page(program_file: Path, state: Path | None) -> bytes:
    from hermesrt.report.page.render import page_html
    from hermesrt.snapshot import snapshot

    program = load_program(program_file, ())
    chip = deploy(program, None, None, state)
    work = program.workload()
    cost = chip.device.cost(work, None)
    more = page_beside(program, chip)
    return page_html(program.artifact, cost, None, snapshot(chip), more).encode()


def page_beside(program: "Program", chip: "Chip", samples: Any = None) -> "Comparisons":
    """The installed digital machines and the strength of assumed constants, for a page."""
    from hermes_sim.sensitivity import sensitivity
    from hermesrt.chip.machine import load_machines
    from hermesrt.report.page.render import Comparisons
    from hermesrt.roofline import estimates

    work, mode = program.workload(samples), chip.settings.mode
    return Comparisons(
        estimates(load_machines(_MACHINES), work), sensitivity(chip.device.chip, work, mode)
    )


def _picture(
    program_file: Path, state: Path | None, figure: Any, core: int | None, kind: str
) -> bytes:
    from hermesrt.report.figures.export import STATIC, chip_figure, png, static_figure

    if figure in STATIC:
        from hermesrt.artifact.io import load

        svg = static_figure(figure, load(program_file)[0])
    else:
        from hermesrt.snapshot import snapshot

        program = load_program(program_file, ())
        chip = deploy(program, None, None, state)
        cost = chip.device.cost(program.workload(), None)
        svg = chip_figure(figure, program.artifact, cost, snapshot(chip), core)
    return png(svg) if kind == "png" else svg.encode("utf-8", "replace")
