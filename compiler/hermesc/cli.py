"""The command line. Each command imports what it needs, so that help needs no torch."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.errors import HermescError, OptionError

if TYPE_CHECKING:
    from hermesrt.program import Block, Chip, Program

_BUG = 70
_FILE = click.Path(path_type=Path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the process ends with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_exit_code(words))


def _exit_code(arguments: list[str]) -> int:
    try:
        hermesc.main(arguments, prog_name="hermesc", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        error.show()
        return 2
    except HermescError as error:
        if "--debug" in arguments:
            raise
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        return 130
    except BrokenPipeError:
        return 0
    except MemoryError:
        click.echo("error: out of memory; give fewer samples or a smaller model", err=True)
        return 2
    except Exception:
        click.echo("This is a bug in hermesc; please report it with the lines below.", err=True)
        import traceback

        traceback.print_exc()
        return _BUG
    return 0


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hermesc")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def hermesc(debug: bool) -> None:
    """Run PyTorch models on IBM's 64-core HERMES analog chip, simulated.

    \b
      hermesc compile model.py                      make model.hermes, see what maps to crossbars
      hermesc run model.hermes --inputs test.npz    accuracy, latency and energy on the chip
      hermesc view model.hermes                     the floor plan as a page for the browser

    model.py is ordinary PyTorch: it sets `model` (an nn.Module) and `example_inputs` (a tuple of
    tensors, batch first), and may set `calibration_inputs`, `labels` and `dynamic_shapes`.
    """


_json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object, nothing else."
)
_set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of a pass (partition.bias=host) or a number of the chip "
    "(chip.adc.saturation_ampere=50e-6). Repeatable.",
)


def _reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of all commands that read a programmed chip."""
    for option in (
        click.option(
            "--seed", type=click.IntRange(0, 2**63 - 1), help="Of the chip's devices. [0]"
        ),
        click.option(
            "--method",
            type=click.Choice(["published", "ideal"]),
            help="How weights are programmed: the published end state of the chip's own "
            "programming, or exactly. [published]",
        ),
    ):
        command = option(command)
    return command


@hermesc.command("compile")
@click.argument("model")
@click.option("-o", "--output", type=_FILE, help="The program. [MODEL's name with .hermes]")
@click.option("--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]")
@click.option(
    "--calibration", type=_FILE, help="Real inputs (.npz) that set the converters' ranges."
)
@_set_option
@click.option("--dump", type=_FILE, help="Write each stage as text to this folder.")
@_json_option
def compile_command(
    model: str,
    output: Path | None,
    chip_name: str,
    calibration: Path | None,
    settings: tuple[str, ...],
    dump: Path | None,
    as_json: bool,
) -> None:
    """Compile MODEL (model.py, or model.py:name) to a program."""
    from hermesc.files import check_writable
    from hermesc.target.load import load_chip

    chip_settings, pass_settings = _settings(settings)
    chip = load_chip(chip_name, chip_settings)
    output = output or Path(Path(model.rpartition(":")[0] or model).stem + ".hermes")
    check_writable(output)

    from hermesc.artifact.io import save
    from hermesc.frontend.load import load_model_file
    from hermesc.pipeline import Source, compile_model, parse_options
    from hermesrt.program import Program
    from hermesrt.report.terminal import account_table, compile_summary

    options = parse_options(pass_settings)
    source_file = load_model_file(model)
    stages: list[tuple[str, float]] = []

    def observe(name: str, stage: object, seconds: float) -> None:
        stages.append((name, seconds))
        if dump is not None:
            _dump(dump, len(stages), name, stage)

    source = Source(
        model=source_file.model,
        example_inputs=source_file.example_inputs,
        calibration=_calibration(calibration) or source_file.calibration_inputs,
        labels=source_file.labels,
        dynamic_shapes=source_file.dynamic_shapes,
        name=source_file.path.stem,
        folder=source_file.path.parent,
    )
    artifact = compile_model(source, chip, options, observe)
    program = Program(artifact, save(artifact, output))
    work = program.workload()
    if not as_json:
        click.echo(compile_summary(artifact, work, str(output)))
        click.echo(account_table(artifact))
        return
    _print_json(
        {
            "output": str(output),
            "chip": chip.name,
            "cores_used": len(artifact.cores),
            "tiles": artifact.tiles,
            "utilisation": artifact.utilisation,
            "analog_ops": artifact.count("analog"),
            "ldpu_ops": artifact.count("ldpu"),
            "digital_ops": artifact.count("digital"),
            "free_ops": artifact.count("free"),
            "analog_mac_share": work.analog_mac_share,
            "refusals": _refusals(program),
            "stages": [{"name": name, "seconds": seconds} for name, seconds in stages],
            "notes": list(artifact.manifest.notes),
            "sha256": program.sha256,
        }
    )


@hermesc.command("program")
@click.argument("program_file", metavar="P.hermes", type=_FILE)
@click.option("-o", "--output", type=_FILE, help="The state. [P's name with .state]")
@_reading_options
@_json_option
def program_command(
    program_file: Path, output: Path | None, method: Any, seed: int | None, as_json: bool
) -> None:
    """Program the weights of P.hermes into a chip's cells and keep their state."""
    from hermesc.files import check_writable
    from hermesc.units import percent

    output = output or Path(program_file.stem + ".state")
    check_writable(output)
    start = time.perf_counter()
    program = _load(program_file, ())
    chip = _deploy(program, method, seed)

    from hermesrt.programming.error import mvm_errors

    errors = mvm_errors(chip.device, program.artifact)
    chip.save(output)
    mean = sum(errors.values()) / len(errors) if errors else 0.0
    seconds = time.perf_counter() - start
    if as_json:
        _print_json(
            {
                "output": str(output),
                "method": chip.method,
                "seed": chip.device.seed,
                "mvm_error_before": None,
                "mvm_error_after": mean,
                "seconds": seconds,
                "cores": [{"core": c, "mvm_error": e} for c, e in errors.items()],
            }
        )
        return
    worst = max(errors, key=lambda c: errors[c], default=None)
    text = f" (worst: core {worst}, {percent(errors[worst])})" if worst is not None else ""
    click.echo(f"{output}: {len(errors)} cores, {chip.method} weights, seed {chip.device.seed}")
    click.echo(f"MVM error {percent(mean)}{text}; {seconds:.1f} s")


@hermesc.command("run")
@click.argument("program_file", metavar="P.hermes", type=_FILE)
@click.option("--inputs", type=_FILE, help="Inputs by name, and `labels`: .npz. [the examples]")
@click.option("--outputs", type=_FILE, help="Write output_0..., reference_0... here: .npz.")
@click.option("--state", type=_FILE, help="A chip that `hermesc program` made.")
@_reading_options
@click.option("--age", default="0s", help="Time since programming: 60s, 1h, 1d. [0s]")
@click.option(
    "--mode", type=click.Choice(["1-phase", "4-phase"]), default="4-phase", help="[4-phase]"
)
@click.option("--ideal", is_flag=True, help="No noise and no quantisation: equals torch.")
@click.option("--trace", type=_FILE, help="Write a Chrome/Perfetto trace here.")
@click.option(
    "--report", type=_FILE, help="Write the page of `hermesc view` with this run's results."
)
@_set_option
@_json_option
def run_command(
    program_file: Path,
    inputs: Path | None,
    outputs: Path | None,
    state: Path | None,
    method: Any,
    seed: int | None,
    age: str,
    mode: Any,
    ideal: bool,
    trace: Path | None,
    report: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run P.hermes on the simulated chip: accuracy, latency and energy."""
    from hermesc.files import check_writable, write_atomically
    from hermesc.units import parse_age

    age_s = parse_age(age)
    for path in (outputs, trace, report):
        if path is not None:
            check_writable(path)
    if state is not None and (method is not None or seed is not None):
        raise OptionError("--state is a programmed chip already: leave out --method and --seed")
    chip_settings, pass_settings = _settings(settings)
    if pass_settings:
        raise OptionError(f"--set {pass_settings[0][0]}: only chip.* here; others go to `compile`")
    program = _load(program_file, chip_settings)

    from hermesrt.data import example_samples, read_samples

    artifact = program.artifact
    samples = read_samples(artifact, inputs) if inputs else example_samples(artifact)
    chip = _deploy(program, method, seed, state).configure(age_s, mode, ideal)
    kept: list[Block] = []
    blocks = _progress(chip.run(samples), samples.count)
    result = chip.measured(samples, _keep(blocks, kept) if outputs else blocks)
    if outputs is not None:
        _write_outputs(outputs, kept)
    if trace is not None:
        from hermesrt.report.trace import trace_json

        write_atomically(trace, trace_json(result).encode())
    if report is not None:
        from hermesrt.report.page import page_html

        write_atomically(report, page_html(artifact, result.cost, result).encode())
    if as_json:
        _print_json(result.to_json())
        return
    from hermesrt.report.terminal import layer_table

    click.echo(str(result))
    click.echo(layer_table(result))


@hermesc.command("inspect")
@click.argument("program_file", metavar="P.hermes", type=_FILE)
@click.option("--stage", type=click.Choice(["graph", "tiles", "ranges", "steps", "routes"]))
@_json_option
def inspect_command(program_file: Path, stage: str | None, as_json: bool) -> None:
    """Show what is in P.hermes: where each node runs and why, where each matrix sits."""
    from hermesc.artifact.io import load
    from hermesrt.report.inspect import inspect_json, inspect_text

    artifact, sha256 = load(program_file)
    if as_json:
        _print_json(inspect_json(artifact, sha256, stage))
    else:
        click.echo(inspect_text(artifact, str(program_file), stage))


@hermesc.command("view")
@click.argument("program_file", metavar="P.hermes", type=_FILE)
@click.option(
    "--state", type=_FILE, help="A chip that `hermesc program` made: adds its MVM errors."
)
@click.option("-o", "--output", type=_FILE, help="The page, or a picture if .svg. [P.html]")
def view_command(program_file: Path, state: Path | None, output: Path | None) -> None:
    """Write the floor plan of P.hermes as a page that opens in any browser."""
    from hermesc.files import check_writable, write_atomically

    output = output or Path(program_file.stem + ".html")
    if output.suffix not in (".html", ".svg"):
        raise OptionError(f"-o {output}: the page is an .html file, the picture an .svg file")
    check_writable(output)
    if output.suffix == ".svg":
        from hermesrt.report.floorplan import floorplan_svg

        from hermesc.artifact.io import load

        write_atomically(output, floorplan_svg(load(program_file)[0]).encode())
    else:
        from hermesrt.report.page import page_html

        from hermesrt.programming.error import mvm_errors

        program = _load(program_file, ())
        chip = _deploy(program, None, None, state)
        cost = chip.device.cost(program.workload(), "4-phase")
        errors = mvm_errors(chip.device, program.artifact) if state else None
        write_atomically(output, page_html(program.artifact, cost, None, errors).encode())
    click.echo(f"wrote {output}")


@hermesc.command("chips")
@click.argument("name", required=False)
@_json_option
def chips_command(name: str | None, as_json: bool) -> None:
    """List the installed chips, or show one with the source of every number."""
    from hermesc.target.load import chip_names, chip_tables, load_chip
    from hermesrt.report.terminal import chip_text

    names = [name] if name else chip_names()
    chips = [load_chip(n) for n in names]
    if as_json:
        _print_json(chip_tables(chips[0]) if name else {"chips": [c.name for c in chips]})
    elif name:
        tables = {k: v for k, v in chip_tables(chips[0]).items() if isinstance(v, dict)}
        click.echo(chip_text(chips[0], tables))
    else:
        for chip in chips:
            click.echo(f"{chip.name:<12}{chip.cores} cores: {chip.description}")


@hermesc.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script: eval "$(hermesc completion bash)"."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(hermesc, {}, "hermesc", "_HERMESC_COMPLETE").source())


def _settings(words: Iterable[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """--set pairs of the chip (without `chip.`) and of the passes.

    Raises: OptionError.
    """
    chip, passes = [], []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise OptionError(f"--set {word}: write KEY=VALUE, such as partition.bias=host")
        if key.startswith("chip."):
            chip.append((key.removeprefix("chip."), value))
        else:
            passes.append((key, value))
    return chip, passes


def _load(path: Path, chip_settings: Sequence[tuple[str, str]]) -> "Program":
    from dataclasses import replace

    from hermesc.artifact.io import load
    from hermesc.target.load import override
    from hermesrt.program import Program

    artifact, sha256 = load(path)
    if chip_settings:
        tables = override(artifact.manifest.chip, chip_settings)
        artifact = replace(artifact, manifest=replace(artifact.manifest, chip=tables))
    return Program(artifact, sha256)


def _deploy(program: "Program", method: Any, seed: int | None, state: Path | None = None) -> "Chip":
    from hermes_sim.device import SimulatedDevice
    from hermesrt.program import Chip

    device = SimulatedDevice(program.artifact.chip, seed or 0)
    if state is None:
        return program.deploy(device, method or "published")
    return Chip(program, device).load(state)


def _calibration(path: Path | None) -> Any:
    if path is None:
        return None
    import torch

    from hermesrt.data import read_arrays

    arrays = {name: torch.from_numpy(a) for name, a in read_arrays(path).items()}
    arrays.pop("labels", None)
    return arrays


def _refusals(program: "Program") -> list[dict[str, str]]:
    return [
        {"op": a.op, "location": str(a.location), "reason": a.reason}
        for a in program.artifact.manifest.account
        if a.unit == "digital"
    ]


def _dump(folder: Path, number: int, name: str, stage: object) -> None:
    """One stage as text."""
    import pprint

    from hermesc.files import write_atomically
    from hermesc.ir.graph import Graph
    from hermesc.ir.stages import Partitioned
    from hermesc.ir.text import graph_text

    first = stage[0] if isinstance(stage, tuple) else stage
    graph = first.graph if isinstance(first, Partitioned) else first
    text = graph_text(graph) if isinstance(graph, Graph) else pprint.pformat(graph, width=100)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--dump {folder}: {error.strerror}; name another folder") from None
    write_atomically(folder / f"{number:02}-{name}.txt", text.encode())


def _progress(blocks: "Iterator[Block]", total: int) -> "Iterator[Block]":
    """The blocks, with a bar on a terminal and none in a pipe."""
    if not sys.stderr.isatty():
        yield from blocks
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("samples", total=total)
        for block in blocks:
            yield block
            done = block.rows.stop or total
            progress.update(task, completed=done)


def _keep(blocks: "Iterable[Block]", kept: "list[Block]") -> "Iterator[Block]":
    for block in blocks:
        kept.append(block)
        yield block


def _write_outputs(path: Path, blocks: "list[Block]") -> None:
    import torch

    from hermesrt.data import write_outputs

    def joined(parts: Any) -> Any:
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    columns = zip(*(b.outputs for b in blocks), strict=True)
    exact = zip(*(b.references for b in blocks), strict=True)
    write_outputs(
        path,
        {f"output_{i}": joined(parts) for i, parts in enumerate(columns)},
        {f"reference_{i}": joined(parts) for i, parts in enumerate(exact)},
    )


def _print_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    """JSON has no infinity: null."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value
