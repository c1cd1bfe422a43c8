"""hermesc program and hermesc run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hermesc.cli.options import (
    FILE,
    BesideChoice,
    DeviceChoice,
    chip_set_option,
    cost_options,
    device_options,
    json_option,
    method_set_option,
    mode_option,
    plot_option,
)
from hermesc.cli.output import print_json, show
from hermesc.cli.progress import counting, programming
from hermesc.cli.words import only_chip, split_settings
from hermesrt.errors import OptionError


@click.command("program")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option("-o", "--output", type=FILE, help="The state. [P's name with .state]")
@plot_option("Draw how it converged: .svg, .png or .pdf.")
@device_options
@method_set_option
@json_option
def program_command(
    program_file: Path,
    output: Path | None,
    plot: Path | None,
    device: DeviceChoice,
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
    from hermesc.api.running import checkpoint_of, program
    from hermesrt.files.typed import parse_groups
    from hermesrt.programming.loop import ProgrammingOptions

    output = output or Path(program_file.stem + ".state")
    chip_settings, method_settings = split_settings(settings)
    options = parse_groups(ProgrammingOptions, method_settings)
    with programming(resumed=checkpoint_of(output).exists()) as observe:
        report = program(
            program_file,
            output,
            **device,
            options=options,
            plot=plot,
            observe=observe,
            chip_settings=chip_settings,
        )
    if as_json:
        print_json({"output": str(output)} | report.to_json())
    else:
        click.echo(f"{output}: {report}")


@click.command("run")
@click.argument("program_file", metavar="P.hermes", type=FILE)
@click.option("--inputs", type=FILE, help="Inputs by name, and `labels`: .npz. [the examples]")
@click.option("--outputs", type=FILE, help="Write output_0..., reference_0... here: .npz.")
@click.option("--state", type=FILE, help="A chip that `hermesc program` made.")
@device_options
@click.option("--age", help="Time since programming: 60s, 1h, 1d. [0s]")
@click.option("--draws", type=int, help="So many chips instead of one: how they differ.")
@click.option("--ages", help="Several ages, each chip programmed once: 0,1h,1d,30d,1y.")
@click.option("--csv", type=FILE, help="Of several: a row for each chip and age.")
@plot_option("Of several: draw accuracy and error against the age: .svg, .png or .pdf.")
@mode_option
@click.option("--ideal", is_flag=True, help="No noise and no quantisation: equals torch.")
@click.option("--device", "place", metavar="NAME", help="Where torch computes: cpu, cuda. [cpu]")
@cost_options
@click.option(
    "--report", type=FILE, help="Write the page of `hermesc view` with this run's results."
)
@chip_set_option
@json_option
def run_command(
    program_file: Path,
    inputs: Path | None,
    mode: Any,
    device: DeviceChoice,
    beside: BesideChoice,
    age: str | None,
    draws: int | None,
    ages: str | None,
    csv: Path | None,
    plot: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    place: str | None,
    **others: Any,
) -> None:
    """Run P.hermes on the simulated chip: accuracy, latency and energy.

    \b
      hermesc run P.hermes --inputs test.npz                     one chip
      hermesc run P.hermes --draws 20 --ages 0,1h,1d,30d,1y      how 20 chips differ, and age
    """
    several: dict[str, Any] = {"draws": draws, "ages": ages, "csv": csv, "plot": plot}
    several = {name: value for name, value in several.items() if value is not None}
    chip_settings = only_chip(settings)
    shared: dict[str, Any] = {**device, "mode": mode, "chip_settings": chip_settings}
    if several:
        _only_several({"age": age, "device": place, **beside, **others})
        report = _on_several(program_file, inputs, **several, **shared)
    else:
        where = {"device": place or "cpu", **beside, **others}
        report = _on_one(program_file, inputs, age or "0s", **where, **shared)
    show(report, as_json=as_json)


def _on_several(program_file: Path, inputs: Path | None, **said: Any) -> Any:
    from hermesc.api.spreading import spread

    with counting("chips") as progress:
        return spread(program_file, inputs, progress=progress, **said)


def _on_one(program_file: Path, inputs: Path | None, age: str, **said: Any) -> Any:
    from hermesc.api.running import run
    from hermesrt.units import parse_age

    with counting("samples") as progress:
        return run(program_file, inputs, age_s=parse_age(age), progress=progress, **said)


def _only_several(options: Mapping[str, Any]) -> None:
    """Refuse what belongs to a run of one chip."""
    for name, value in options.items():
        if value:
            instead = "; give --ages" if name == "age" else ""
            raise OptionError(
                f"--{name} is of one chip at one age: it does not go with --draws, --ages, --csv "
                f"and --plot{instead}"
            )
