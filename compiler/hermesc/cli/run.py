"""hermesc program and hermesc run."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.cost import beside, cost_options
from hermesc.cli.options import (
    FILE,
    blank_chip,
    deploy,
    device_options,
    json_option,
    load_program,
    mode_option,
    only_chip,
    plot_option,
    print_json,
    set_option,
    split_settings,
    with_bar,
)
from hermesrt.errors import OptionError

if TYPE_CHECKING:
    from hermesrt.program import OutputBlock
    from hermesrt.programming.loop import ProgrammingProgress


@click.command("program")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option("-o", "--output", type=FILE, help="The state. [P's name with .state]")
@plot_option("Draw how it converged: .svg, .png or .pdf.")
@device_options
@set_option
@json_option
def program_command(
    program_file: Path,
    output: Path | None,
    plot: Path | None,
    method: Any,
    seed: int | None,
    defect_file: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Program the weights of P.hermes into a chip's cells and keep their state.

    \b
      hermesc program P.hermes --method gdp --plot curve.svg
      hermesc run P.hermes --state P.state --age 1d

    A pulse-by-pulse method that was stopped goes on where it was when the same command is given
    again. Its own settings: --set gdp.iterations=200, gdp.batch, gdp.learning_rate, gdp.zeros,
    gdp.threshold_counts, gdp.verify_iterations, verify.gain.
    """
    from hermesrt.files.atomic import check_writable, write_atomically

    output = output or Path(program_file.stem + ".state")
    check_writable(output, program=program_file)
    if plot is not None:
        check_writable(plot, program=program_file)
        _check_plot(plot, method)
    start = time.perf_counter()
    chip_settings, method_settings = split_settings(settings)
    program = load_program(program_file, chip_settings)

    from hermesrt.files.typed import parse_groups
    from hermesrt.programming.loop import ProgrammingOptions
    from hermesrt.programming.mvm_error import mvm_errors
    from hermesrt.programming_report import ProgrammingReport

    options = parse_groups(ProgrammingOptions, method_settings)
    chip = blank_chip(program, seed, defect_file)
    before = mvm_errors(chip.device, program.artifact)
    checkpoint = output.with_name(output.name + ".part")
    with _programming(resumed=checkpoint.exists()) as observe:
        chip.program(method or "published", options, observe, checkpoint)
    errors = mvm_errors(chip.device, program.artifact)
    chip.save(output)
    if plot is not None:
        from hermesrt.report.figures.export import curve_picture

        write_atomically(plot, curve_picture(chip.iterations, plot))
    report = ProgrammingReport(chip, before, errors, time.perf_counter() - start)
    if as_json:
        print_json({"output": str(output)} | report.to_json())
    else:
        click.echo(f"{output}: {report}")


def _check_plot(plot: Path, method: str | None) -> None:
    if plot.suffix not in (".svg", ".png", ".pdf"):
        raise OptionError(f"--plot {plot}: the picture is a .svg, .png or .pdf file")
    if method in (None, "published", "ideal"):
        raise OptionError(
            f"--plot: {method or 'published'} weights are drawn at once; --method gdp, verify "
            "or oneshot has a curve"
        )


@contextmanager
def _programming(*, resumed: bool) -> "Iterator[Callable[[ProgrammingProgress], None]]":
    """A bar on a terminal, with the mean MVM error; a word when a stopped run is taken up."""
    told = not resumed

    def tell(progress: "ProgrammingProgress") -> None:
        nonlocal told
        if not told and progress.done > 1:
            click.echo(f"went on after iteration {progress.done - 1}", err=True)
        told = True

    if not sys.stderr.isatty():
        yield tell
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("programming")

        def show(progress: "ProgrammingProgress") -> None:
            tell(progress)
            errors = progress.iterations[-1].mvm_errors
            mean = 100 * sum(errors) / max(1, len(errors))
            text = f"programming, MVM error {mean:.1f} %"
            bar.update(task, total=len(progress.phases), completed=progress.done, description=text)

        yield show


@click.command("run")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option("--inputs", type=FILE, help="Inputs by name, and `labels`: .npz. [the examples]")
@click.option("--outputs", type=FILE, help="Write output_0..., reference_0... here: .npz.")
@click.option("--state", type=FILE, help="A chip that `hermesc program` made.")
@device_options
@click.option("--age", default="0s", help="Time since programming: 60s, 1h, 1d. [0s]")
@mode_option
@click.option("--ideal", is_flag=True, help="No noise and no quantisation: equals torch.")
@cost_options
@click.option(
    "--report", type=FILE, help="Write the page of `hermesc view` with this run's results."
)
@set_option
@json_option
def run_command(
    program_file: Path,
    inputs: Path | None,
    outputs: Path | None,
    state: Path | None,
    method: Any,
    seed: int | None,
    defect_file: Path | None,
    age: str,
    mode: Any,
    ideal: bool,
    trace: Path | None,
    sensitivity: bool,
    compare: str | None,
    report: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run P.hermes on the simulated chip: accuracy, latency and energy."""
    from hermesrt.files.atomic import check_writable, write_atomically
    from hermesrt.units import parse_age

    age_s = parse_age(age)
    if report is not None and report.suffix not in (".html", ".htm"):
        raise OptionError(
            f"--report {report}: the page is an .html file; for a report as data write "
            "hermesc run ... --json > FILE.json"
        )
    for path in (outputs, trace, report):
        if path is not None:
            check_writable(path, program=program_file, inputs=inputs, state=state)
    if state is not None and any(o is not None for o in (method, seed, defect_file)):
        raise OptionError(
            "--state is a programmed chip already: leave out --method and --seed, and --defects"
        )
    program = load_program(program_file, only_chip(settings))

    from hermesrt.data import example_samples, read_samples

    artifact = program.artifact
    samples = read_samples(artifact, inputs) if inputs else example_samples(artifact)
    chip = deploy(program, method, seed, state, defect_file).configure(age_s, mode, ideal)
    kept: list[OutputBlock] = []
    total = samples.count
    blocks = with_bar(chip.run(samples), "samples", total, lambda b, _: b.rows.stop or total)
    result = chip.measured(samples, _keep(blocks, kept) if outputs else blocks)
    if outputs is not None:
        _write_outputs(outputs, kept)
    if trace is not None:
        from hermesrt.report.text.trace import trace_json

        write_atomically(trace, trace_json(artifact, result.cost).encode())
    if report is not None:
        from hermesc.cli.view import page_beside
        from hermesrt.report.page.render import page_html
        from hermesrt.snapshot import snapshot

        page = page_html(
            artifact, result.cost, result, snapshot(chip), page_beside(program, chip, samples)
        )
        write_atomically(report, page.encode())
    more = beside(program.workload(samples), mode, compare, sensitivity=sensitivity)
    if as_json:
        print_json(result.to_json() | more.to_json(result.cost))
        return
    from hermesrt.report.text.terminal import layer_table

    click.echo(str(result))
    if result.cost.layers:
        click.echo(layer_table(result.cost))
    more.tell(result.cost)


def _keep(blocks: "Iterable[OutputBlock]", kept: "list[OutputBlock]") -> "Iterator[OutputBlock]":
    for block in blocks:
        kept.append(block)
        yield block


def _write_outputs(path: Path, blocks: "list[OutputBlock]") -> None:
    from hermesrt.data import write_outputs
    from hermesrt.program import joined

    outputs, references = (
        {f"{name}_{i}": value for i, value in enumerate(joined(parts))}
        for name, parts in (
            ("output", [block.outputs for block in blocks]),
            ("reference", [block.references for block in blocks]),
        )
    )
    write_outputs(path, outputs, references)
