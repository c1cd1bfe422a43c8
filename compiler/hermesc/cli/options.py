"""What several commands share: options, settings, loading and deploying a program, JSON out."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hermesrt.chip.spec import COMPILED_IN, COMPILED_IN_KEYS, MODES
from hermesrt.errors import OptionError
from hermesrt.extras import require

if TYPE_CHECKING:
    from hermesrt.chip.defects import DefectMap
    from hermesrt.chip.spec import ChipSpec
    from hermesrt.program import Chip, Program

T = TypeVar("T")
FILE = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object, nothing else.")
mode_option = click.option(
    "--mode", type=click.Choice(MODES), help="Read mode of all layers. [each layer's own]"
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A number of the chip (chip.converter_spread.gain_spread=0.02), one of its effects "
    "switched off (chip.effects.read_noise=off) or, for `compile`, an option of a pass: "
    "convolve.groups=auto|analog|digital, "
    "partition.bias=host, partition.digital=LAYER, partition.max_accuracy_drop=0.5 (points: "
    "finds the layers to keep digital), quantize.range=percentile|deviations, "
    "quantize.percentile, quantize.deviations, place.objective=balanced|cores|latency|throughput|"
    "energy|accuracy, place.solver=auto|heuristic|exact, place.seconds, place.seed, place.chips, "
    "place.copies. Repeatable.",
)


def plot_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """--plot with a help text of its command; refused at once where nothing can draw."""

    def drawable(_context: click.Context, _option: click.Parameter, path: Path | None) -> Any:
        if path is not None:
            require("matplotlib", "--plot")
        return path

    return click.option("--plot", type=FILE, callback=drawable, help=text)


def defects_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """--defects with a help text of its command."""
    return click.option("--defects", "defect_file", type=FILE, metavar="MAP", help=text)


def load_defects(path: Path | None, chip: "ChipSpec") -> "DefectMap | None":
    """The map in a file, checked against the chip; None without a file.

    Raises: InputError.
    """
    from hermesrt.chip.defect_files import read_defects

    return None if path is None else read_defects(path, chip)


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of all commands that program a chip."""
    for option in (
        defects_option(
            "Defects of the simulated chip, known to the program or not: .toml or .npz. [those "
            "that it was compiled for]"
        ),
        click.option(
            "--seed", type=click.IntRange(0, 2**63 - 1), help="Of the chip's devices. [0]"
        ),
        click.option(
            "--method",
            type=click.Choice(["published", "gdp", "verify", "oneshot", "ideal"]),
            help="How weights are programmed: the published end state of the chip's own "
            "programming; pulse by pulse, by gradient descent on the MVM error, cell by cell with "
            "verify reads, or with one pulse; or exactly. [published]",
        ),
    ):
        command = option(command)
    return command


def split_settings(words: Iterable[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
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


def only_chip(words: Iterable[str]) -> list[tuple[str, str]]:
    """--set pairs of the chip, where nothing is compiled.

    Raises: OptionError for a pass's option.
    """
    chip, passes = split_settings(words)
    if passes:
        raise OptionError(f"--set {passes[0][0]}: only chip.* here; others go to `compile`")
    return chip


def load_program(path: Path, chip_settings: Sequence[tuple[str, str]]) -> "Program":
    """The program in a file, with some of its chip's numbers replaced."""
    from dataclasses import replace

    from hermesrt.artifact.io import load
    from hermesrt.chip.load import override
    from hermesrt.program import Program

    artifact, sha256 = load(path)
    for key, _ in chip_settings:
        if key.split(".")[0] in COMPILED_IN or key in COMPILED_IN_KEYS:
            raise OptionError(
                f"--set chip.{key}: the program was compiled for it; give it to `hermesc compile`"
            )
    if chip_settings:
        tables = override(artifact.manifest.chip, chip_settings)
        artifact = replace(artifact, manifest=replace(artifact.manifest, chip=tables))
    return Program(artifact, sha256)


def blank_chip(program: "Program", seed: int | None, defects: Path | None = None) -> "Chip":
    """A simulated chip that took the program's tiles; no weight is written yet."""
    from hermes_sim.device import SimulatedDevice
    from hermesrt.program import Chip

    chip = program.artifact.chip
    return Chip(program, SimulatedDevice(chip, seed or 0, load_defects(defects, chip)))


def deploy(
    program: "Program",
    method: Any,
    seed: int | None,
    state: Path | None = None,
    defects: Path | None = None,
) -> "Chip":
    """A simulated chip with the program's weights, newly written or from a state file."""
    chip = blank_chip(program, seed, defects)
    if state is not None:
        return chip.load(state)
    chip.program(method or "published")
    return chip


def with_bar(
    items: Iterator[T],
    label: str,
    total: int,
    done: Callable[[T, int], int] = lambda _, count: count,
) -> Iterator[T]:
    """The items, with a bar on a terminal and none in a pipe; `done` tells how far an item brings
    it, from the item and its number."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        for number, item in enumerate(items, start=1):
            yield item
            progress.update(task, completed=done(item, number))


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """A function that takes how many are done and how many there are: a bar on a terminal, nothing
    in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    """JSON has no infinity: null."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value
