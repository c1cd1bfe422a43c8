"""Digital machines to compare a chip with, as data: installed ones by name, or a TOML file."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from hermesrt.chip.fields import Pedigree, limits
from hermesrt.chip.load import gather_pedigree
from hermesrt.errors import ChipError, OptionError
from hermesrt.files.toml import parse_toml
from hermesrt.files.typed import decode

_GROUP = "hermesc.machines"


@dataclass(frozen=True, slots=True)
class Rate:
    """Peak rate in one precision, and the bytes of a value in it.

    precision: its name, such as `fp16`.
    tops: 10^12 operations a second; a multiply-add is two.
    bytes: of a value.
    """

    pedigree: Pedigree
    precision: str
    tops: float = limits(1e-6, 1e9)
    bytes: int = limits(1, 8)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bandwidth of the memory that holds weights and activations.

    gbyte_s: 10^9 bytes a second.
    """

    pedigree: Pedigree
    gbyte_s: float = limits(1e-6, 1e9)


@dataclass(frozen=True, slots=True)
class MachinePower:
    """Power at rest, and what full utilisation adds.

    static_w: at rest, in W.
    dynamic_w: what full utilisation adds, in W.
    """

    pedigree: Pedigree
    static_w: float = limits(0, 1e6)
    dynamic_w: float = limits(0, 1e6)


@dataclass(frozen=True, slots=True)
class Launch:
    """What each operation costs before it begins.

    launch_ns: that time.
    """

    pedigree: Pedigree
    launch_ns: float = limits(0, 1e9)


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, by the tables of its TOML.

    name: as users choose it.
    description: one sentence.
    rates: one for each precision.
    memory: its bandwidth.
    power: at rest and at work.
    launch: of each operation.
    """

    name: str
    description: str
    rates: tuple[Rate, ...]
    memory: Memory
    power: MachinePower
    launch: Launch


def load_machines(names: str) -> tuple[Machine, ...]:
    """The machines of a list such as `a100,cpu`; a path of a TOML file stands for all in it.

    Raises: OptionError for an unknown name, ChipError for a file that is wrong.
    """
    found: list[Machine] = []
    installed = {m.name: m for p in entry_points(group=_GROUP) for m in _read(p.load()())}
    for name in (part.strip() for part in names.split(",")):
        if name in installed:
            found.append(installed[name])
        elif name.endswith(".toml"):
            found += _read(Path(name))
        else:
            raise OptionError(
                f"--compare {names}: there is no machine {name!r}; there are "
                f"{', '.join(sorted(installed))}, and TOML files by path"
            )
    return tuple(found)


def _read(path: Path) -> list[Machine]:
    try:
        data = parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChipError(f"cannot read the machines {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ChipError(f"machines {path}: not valid TOML: {error}") from None
    return [_machine(name, tables, path) for name, tables in data.items()]


def _machine(name: str, tables: Any, path: Path) -> Machine:
    where = f"machine {name} in {path.name}"
    if not isinstance(tables, Mapping):
        raise ChipError(f"{where}: must be a table, not {tables!r}")
    ready: dict[str, Any] = {"name": name}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            ready[key] = gather_pedigree(value, where, key)
        elif isinstance(value, list) and all(isinstance(v, Mapping) for v in value):
            ready[key] = [gather_pedigree(v, where, f"{key}[{i}]") for i, v in enumerate(value)]
        else:
            ready[key] = value
    machine = decode(Machine, ready, where, ChipError)
    if not machine.rates:
        raise ChipError(f"{where}: `rates` is empty; give one peak rate at least")
    return machine
