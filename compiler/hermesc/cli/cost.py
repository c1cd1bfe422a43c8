"""hermesc cost, and what `run` shares with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import (
    FILE,
    json_option,
    load_program,
    mode_option,
    only_chip,
    print_json,
    set_option,
)
from hermesrt.chip.spec import Mode
from hermesrt.errors import OptionError

if TYPE_CHECKING:
    from hermesrt.cost import Cost, Moved
    from hermesrt.roofline import MachineEstimate
    from hermesrt.workload import Workload


def cost_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of all commands that tell time and energy."""
    for option in (
        click.option("--trace", type=FILE, help="Write a Chrome/Perfetto trace here."),
        click.option(
            "--sensitivity",
            is_flag=True,
            help="What half and twice each assumed constant does to latency and energy.",
        ),
        click.option(
            "--compare",
            metavar="NAMES",
            help="The same work on digital machines: a100,cpu, or a TOML file of machines.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class ShownBeside:
    """What a user wants to see beside time and energy."""

    estimates: "tuple[MachineEstimate, ...] | None"
    moved: "tuple[Moved, ...] | None"

    def to_json(self, cost: "Cost") -> dict[str, Any]:
        """Further keys of a command's JSON."""
        from hermesrt.comparison import comparison_json, sensitivity_json

        found: dict[str, Any] = {}
        if self.estimates is not None:
            found["compare"] = comparison_json(cost, self.estimates)
        if self.moved is not None:
            found["sensitivity"] = sensitivity_json(self.moved)
        return found

    def tell(self, cost: "Cost") -> None:
        """Further tables."""
        from hermesrt.report.text.comparison import comparison_text, sensitivity_text

        if self.estimates is not None:
            click.echo(comparison_text(cost, self.estimates))
        if self.moved is not None:
            click.echo(sensitivity_text(cost, self.moved))


def beside(
    workload: "Workload", mode: Mode | None, compare: str | None, *, sensitivity: bool
) -> ShownBeside:
    """Estimates on digital machines and the assumed constants' strength, where asked for.

    Raises: OptionError, ChipError for a machine that does not exist.
    """
    from hermes_sim.sensitivity import sensitivity as strength
    from hermesrt.chip.machine import load_machines
    from hermesrt.roofline import estimates

    return ShownBeside(
        estimates(load_machines(compare), workload) if compare is not None else None,
        strength(workload.artifact.chip, workload, mode) if sensitivity else None,
    )


@click.command("cost")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=1x4096x64",
    help="Size of an input, the batch first. Repeatable. [the examples']",
)
@mode_option
@cost_options
@set_option
@json_option
def cost_command(
    program_file: Path,
    shapes: tuple[str, ...],
    mode: Any,
    trace: Path | None,
    sensitivity: bool,
    compare: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Time and energy of one sample of P.hermes, from sizes alone: no values are computed.

    \b
      hermesc cost P.hermes --shape x=1x1000000x64     a million tokens, in seconds
      hermesc cost P.hermes --compare a100,cpu --sensitivity --trace t.json
    """
    from hermesrt.files.atomic import check_writable, write_atomically

    if trace is not None:
        check_writable(trace, program=program_file)
    program = load_program(program_file, only_chip(settings))

    from hermes_sim import engine
    from hermesrt.data import check_sizes, example_samples
    from hermesrt.facts.cost import cost_facts, cost_json
    from hermesrt.facts.fact import Fact, aligned
    from hermesrt.report.text.terminal import layer_table
    from hermesrt.report.text.trace import trace_json
    from hermesrt.run_report import read_mode
    from hermesrt.workload import workload

    artifact = program.artifact
    examples = example_samples(artifact).inputs
    given = _sizes(shapes, list(examples))
    sizes = {n: tuple(t.shape) for n, t in examples.items()} | given
    for spec in artifact.manifest.inputs:
        if spec.dims and isinstance(spec.dims[0], str):  # one sample
            if spec.name in given and given[spec.name][0] != 1:
                raise OptionError(
                    f"--shape {spec.name}: time and energy are those of one sample: a batch of 1"
                )
            sizes[spec.name] = (1, *sizes[spec.name][1:])
    check_sizes(artifact, sizes, "--shape")
    work = workload(artifact, sizes)
    cost, read = engine.cost(artifact.chip, work, mode), read_mode(artifact, mode)
    more = beside(work, mode, compare, sensitivity=sensitivity)
    if trace is not None:
        write_atomically(trace, trace_json(artifact, cost).encode())
    if as_json:
        print_json({"chip": artifact.chip.name, "mode": read} | cost_json(artifact, cost)
                   | more.to_json(cost))  # fmt: skip
        return
    chip, name = artifact.chip, artifact.manifest.name
    hypothetical = " (hypothetical)" if chip.hypothetical else ""
    text = ", ".join(f"{n} {'x'.join(map(str, s)) or 'scalar'}" for n, s in sizes.items())
    program_fact = Fact("Program", f"{name} on {chip.name}{hypothetical}, {read} reads")
    click.echo(aligned([program_fact, Fact("Sample", text), *cost_facts(artifact, cost)]))
    if cost.layers:
        click.echo(layer_table(cost))
    more.tell(cost)


def _sizes(shapes: Sequence[str], inputs: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The sizes of `--shape`."""
    found = {}
    for text in shapes:
        name, equals, size = text.partition("=")
        parts = size.split("x")
        if not equals or not all(p.isdecimal() and 0 < int(p) < 2**31 for p in parts):
            raise OptionError(
                f"--shape {text}: write NAME=1x4096x64, the batch first, each size 1 or more"
            )
        if name not in inputs:
            raise OptionError(f"--shape {text}: the program's inputs are {', '.join(inputs)}")
        found[name] = tuple(map(int, parts))
    return found
