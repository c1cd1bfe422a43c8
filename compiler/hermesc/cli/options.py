"""Options of several commands, alone and in groups, and how their words are read."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypedDict

import click

from hermesrt.chip.fields import MODES
from hermesrt.extras import require

Command = Callable[..., None]
Decorator = Callable[[Command], Command]
METHODS = ("published", "gdp", "verify", "oneshot", "ideal")  # device.METHODS, without torch
FILE = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object, nothing else.")
chip_option = click.option(
    "--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]"
)
mode_option = click.option(
    "--mode", type=click.Choice(MODES), help="Read mode of all layers. [each layer's own]"
)
_SETTING = (
    "A number of the chip (chip.converter_spread.gain_spread=0.02), or one of its effects switched "
    "off (chip.effects.read_noise=off)"
)


def _setting(more: str) -> Decorator:
    """--set with what its command takes besides numbers of the chip."""
    text = f"{_SETTING}{more}. Repeatable."
    return click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)


chip_set_option = _setting("")
method_set_option = _setting(", or a setting of the method, see above")
set_option = _setting(", or an option of a pass, see the end of `hermesc compile --help`")


def plot_option(text: str) -> Decorator:
    """--plot with a help text of its command; refused at once where nothing can draw."""

    def drawable(_context: click.Context, _option: click.Parameter, path: Path | None) -> Any:
        if path is not None:
            require("matplotlib", "--plot")
        return path

    return click.option("--plot", type=FILE, callback=drawable, help=text)


def defects_option(text: str) -> Decorator:
    """--defects with a help text of its command."""
    return click.option("--defects", type=FILE, metavar="MAP", help=text)


def grouped(name: str, make: Callable[..., object], *options: Decorator) -> Decorator:
    """Options that a command takes as one argument: what `make` makes of their values."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call(**values: Any) -> None:
            taken = {n: values.pop(n) for n in names}
            command(**values, **{name: make(**taken)})

        known = len(_parameters(call))
        for option in reversed(options):
            option(call)
        names = [parameter.name for parameter in _parameters(call)[known:]]
        return call

    return decorate


def _parameters(command: Command) -> Sequence[click.Parameter]:
    return getattr(command, "__click_params__", ())


class DeviceChoice(TypedDict):
    """How a simulated chip is made; None for what was not said."""

    method: Any
    seed: int | None
    defects: Path | None


class BesideChoice(TypedDict):
    """What is wanted beside time and energy."""

    compare: str | None
    sensitivity: bool
    trace: Path | None


device_options = grouped(
    "device",
    DeviceChoice,
    click.option(
        "--method",
        type=click.Choice(METHODS),
        help="How weights are programmed: the published end state of the chip's own "
        "programming; pulse by pulse, by gradient descent on the MVM error, cell by cell with "
        "verify reads, or with one pulse; or exactly. [published]",
    ),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of the chip's devices. [0]"),
    defects_option(
        "Defects of the simulated chip, known to the program or not: .toml or .npz. [those "
        "that it was compiled for]"
    ),
)
cost_options = grouped(
    "beside",
    BesideChoice,
    click.option(
        "--compare",
        metavar="NAMES",
        help="The same work on digital machines: a100,cpu, or a TOML file of machines.",
    ),
    click.option(
        "--sensitivity",
        is_flag=True,
        help="What half and twice each assumed constant does to latency and energy.",
    ),
    click.option("--trace", type=FILE, help="Write a Chrome/Perfetto trace here."),
)
