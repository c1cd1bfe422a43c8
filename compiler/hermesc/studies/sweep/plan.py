"""From points to work: which compilation and which reading each takes, and its commands."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hermesc.app.settings import parse_settings
from hermesc.studies.sweep.grid import Point
from hermesrt.chip.load import changed, chip_tables, load_chip, override, word
from hermesrt.chip.spec import COMPILED_IN, COMPILED_IN_KEYS, MODES, ChipSpec, Mode
from hermesrt.device import METHODS, Method
from hermesrt.errors import OptionError
from hermesrt.nearest import did_you_mean
from hermesrt.units import age_of

Pairs = tuple[tuple[str, str], ...]
_OF_A_RUN = ("method", "seed", "age", "mode")
_WORDS = ("chip", *_OF_A_RUN)


@dataclass(frozen=True, slots=True)
class Compilation:
    """What a program is compiled for; nothing of it where the sweep is of a program.

    chip: a name or a TOML file; empty for the sweep's own.
    chip_settings: numbers of the chip that programs are made for.
    passes: options of the passes.
    """

    chip: str = ""
    chip_settings: Pairs = ()
    passes: Pairs = ()

    @property
    def first(self) -> str:
        """The first thing that it says."""
        names = [f"chip.{key}" for key, _ in self.chip_settings]
        return [*(["chip"] if self.chip else []), *names, *(key for key, _ in self.passes)][0]


@dataclass(frozen=True, slots=True)
class Task:
    """One point as work.

    point: which.
    compilation: of its program.
    chip_settings: numbers of the chip that are set when it runs.
    method: how weights are programmed.
    seed: of the chip.
    age_s: time since programming, s.
    mode: read mode of all layers; None for each one's own.
    """

    point: Point
    compilation: Compilation
    chip_settings: Pairs
    method: Method
    seed: int
    age_s: float
    mode: Mode | None


def task_of(point: Point, chip: ChipSpec) -> Task:
    """The work of a point on a chip that has such numbers.

    Raises: OptionError for a name or a value that there is not.
    """
    values = dict(point.values)
    chip_words = {k.removeprefix("chip."): v for k, v in values.items() if k.startswith("chip.")}
    passes = {k: v for k, v in values.items() if "." in k and not k.startswith("chip.")}
    for name in values:
        if "." not in name and name not in _WORDS:
            raise OptionError(
                f"--grid: {name} is no setting{did_you_mean(name, _WORDS)}; there are "
                f"{', '.join(_WORDS)}, chip.TABLE.KEY, and the passes' options such as "
                "place.objective"
            )
    early = tuple((k, word(v)) for k, v in chip_words.items() if _compiled_in(k))
    late = tuple((k, word(v)) for k, v in chip_words.items() if not _compiled_in(k))
    pairs = tuple((k, word(v)) for k, v in passes.items())
    override(chip_tables(chip), (*early, *late))
    parse_settings(pairs)
    return Task(
        point,
        Compilation(str(values.get("chip", "")), early, pairs),
        late,
        cast(Method, _choice("method", values.get("method", "published"), METHODS)),
        _seed(values.get("seed", 0)),
        age_of(values.get("age", 0.0)),
        None if "mode" not in values else cast(Mode, _choice("mode", values["mode"], MODES)),
    )


def commands(task: Task, model: str, inputs: Path | None, common: Mapping[str, str]) -> str:
    """The commands that repeat a point; `common` are options of all compilations, by name."""
    compilation, run = task.compilation, model
    lines = []
    if not model.endswith(".hermes"):
        run = f"point-{task.point.number}.hermes"
        words = ["hermesc", "compile", model, "-o", run]
        options = dict(common) | ({"--chip": compilation.chip} if compilation.chip else {})
        words += [word for pair in options.items() for word in pair]
        for key, value in (
            *((f"chip.{k}", v) for k, v in compilation.chip_settings),
            *compilation.passes,
        ):
            words += ["--set", f"{key}={value}"]
        lines.append(shlex.join(words))
    words = ["hermesc", "run", run]
    words += ["--inputs", str(inputs)] if inputs else []
    words += ["--method", task.method, "--seed", str(task.seed), "--age", f"{task.age_s:.17g}s"]
    words += ["--mode", task.mode] if task.mode else []
    for key, value in task.chip_settings:
        words += ["--set", f"chip.{key}={value}"]
    return " && ".join([*lines, shlex.join(words)])


def chip_for(compilation: Compilation, own: str | ChipSpec) -> ChipSpec:
    """The chip that a compilation is for.

    Raises: ChipError, OptionError.
    """
    given: str | ChipSpec = compilation.chip or own
    if isinstance(given, str):
        return load_chip(given, compilation.chip_settings)
    return changed(given, compilation.chip_settings) if compilation.chip_settings else given


def _compiled_in(key: str) -> bool:
    return key.partition(".")[0] in COMPILED_IN or key in COMPILED_IN_KEYS


def _choice(name: str, value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise OptionError(f"--grid: {name} is {value!r}; it must be one of {', '.join(allowed)}")
    return str(value)


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise OptionError(f"--grid: seed is {value!r}; it must be a whole number from 0 to 2^63-1")
    return value
