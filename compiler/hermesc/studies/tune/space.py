"""What a search may set, and the settings that it begins with.

A choice is what Optuna draws, by name; from choices follow the settings of a sweep's point. Every
option of the passes that has a few words to choose from is one (and each such word alone a preset),
and for each layer its read mode, its slices, and whether it stays digital.
"""

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Literal, Protocol, get_args, get_origin, get_type_hints

from hermesc.pipeline import Options
from hermesc.studies.sweep.grid import Value
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.fields import MODES
from hermesrt.device import Method

MOST_LAYERS = 24  # that are set one by one
FEW_CORES = 4  # on which pulse-by-pulse methods are quick
_PULSED: tuple[Method, ...] = ("published", "gdp", "verify")
DEFAULTS = "defaults"
DIGITAL = "digital"
AS_ALL = "as all"
AS_PLACED = "as placed"
_READS, _METHOD, _LAYER, _SLICES = "reads", "method", "layer ", "slices "
_NUMBERS: Mapping[str, tuple[Value, ...]] = {  # beside the usual ones
    "place.copies": (1, 2, 4, 8),
    "tile.slices": (2, 3, 4),
    "quantize.percentile": (99.0, 99.99),
    "quantize.deviations": (2.5, 4.0, 5.0),
}
_ONLY_WITH = {  # choices that say nothing without another
    "quantize.percentile": ("quantize.range", "percentile"),
    "quantize.deviations": ("quantize.range", "deviations"),
}
_SLICED = ("tile.slice_weights", "tile.slice_fill")
_GROUPS = ("partition", "quantize", "place", "tile", "convolve", "gates")
_SOLVER = "place.solver"  # a longer search for the same objective
Choices = dict[str, Value]


class Trial(Protocol):
    """What Optuna's trials and our presets have: a value for each choice."""

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        """One of the choices."""
        ...


@dataclass(frozen=True, slots=True)
class Space:
    """What may be chosen.

    layers: labels of those that may be set one by one.
    methods: how weights may be programmed; the first one is the usual.
    whole: labels of those that have no slices.
    """

    layers: tuple[str, ...]
    methods: tuple[Method, ...]
    whole: frozenset[str] = frozenset()

    def choose(self, trial: Trial) -> Choices:
        """A value for everything that means something."""
        found: Choices = {}
        for name, choices in options().items():
            if self._means(name, found):
                found[name] = trial.suggest_categorical(name, choices)
        found[_READS] = trial.suggest_categorical(_READS, (AS_PLACED, *MODES))
        if len(self.methods) > 1:
            found[_METHOD] = trial.suggest_categorical(_METHOD, self.methods)
        for label in self.layers:
            name = f"{_LAYER}{label}"
            found[name] = trial.suggest_categorical(name, (AS_ALL, *MODES, DIGITAL))
            if found[name] != DIGITAL and label not in self.whole:
                name = f"{_SLICES}{label}"
                found[name] = trial.suggest_categorical(name, (AS_ALL, 1, 2, 4))
        return found

    def _means(self, name: str, before: Choices) -> bool:
        if name in _ONLY_WITH:
            other, value = _ONLY_WITH[name]
            return before[other] == value
        return True

    def presets(self) -> Iterator[tuple[str, Choices]]:
        """The defaults, then each word of each option alone, each number of slices, and each layer
        digital, with all choices that they fix."""
        yield DEFAULTS, self._preset({})
        for name, choices in words().items():
            for value in choices[1:]:
                yield f"{name}={value}", self._preset({name: value} | _needed(name))
        for value in _NUMBERS["tile.slices"]:
            yield f"tile.slices={value}", self._preset({"tile.slices": value})
        for mode in MODES:
            yield f"mode={mode}", self._preset({_READS: mode})
        for method in self.methods[1:]:
            yield f"method={method}", self._preset({_METHOD: method})
        for label in self.layers:
            yield digital(label), self._preset({f"{_LAYER}{label}": DIGITAL})

    def _preset(self, said: Choices) -> Choices:
        return self.choose(_Fixed(said))


def space_of(artifact: Artifact, methods: Sequence[Method] | None) -> Space:
    """What may be chosen for a program; its methods are the usual ones, if none are given."""
    chosen = _usual_methods(artifact) if methods is None else tuple(dict.fromkeys(methods))
    return Space(_layers(artifact), chosen, _whole(artifact))


def _layers(artifact: Artifact) -> tuple[str, ...]:
    """Labels of the layers on crossbars, the largest if there are many; a comma cannot be said."""
    sizes: dict[str, int] = {}
    for m in artifact.manifest.matrices:
        sizes[m.label] = sizes.get(m.label, 0) + m.rows * m.columns
    known = [label for label in sizes if "," not in label]
    largest = sorted(known, key=lambda label: -sizes[label])[:MOST_LAYERS]
    return tuple(label for label in known if label in largest)


def _whole(artifact: Artifact) -> frozenset[str]:
    """Recurrent layers, which cannot be sliced."""
    steps = (step for step in artifact.mvms if step.name in artifact.timed)
    return frozenset(artifact.matrices[step.matrix].label for step in steps)


def _usual_methods(artifact: Artifact) -> tuple[Method, ...]:
    """Pulse by pulse too where the model has few cores."""
    return _PULSED if len(artifact.cores) <= FEW_CORES else _PULSED[:1]


def digital(label: str) -> str:
    """The name of the preset in which one layer is digital."""
    return f"partition.digital={label}"


def words() -> dict[str, tuple[Value, ...]]:
    """The passes' options that are one of a few words, the usual one first."""
    found: dict[str, tuple[Value, ...]] = {}
    hints = get_type_hints(Options)
    for group in _GROUPS:
        kinds = get_type_hints(hints[group])
        for option in fields(hints[group]):
            name = f"{group}.{option.name}"
            if get_origin(kinds[option.name]) is Literal and name != _SOLVER:
                assert option.default is not MISSING
                rest = (w for w in get_args(kinds[option.name]) if w != option.default)
                found[name] = (option.default, *rest)
    return dict(sorted(found.items(), key=lambda item: item[0] in _SLICED))


def options() -> dict[str, tuple[Value, ...]]:
    """The passes' options that may be chosen, words and numbers, the usual value first."""
    found = words()
    for name, others in _NUMBERS.items():
        group, _, option = name.partition(".")
        found[name] = (getattr(getattr(Options(), group), option), *others)
    return found


def settings(choices: Choices, space: Space) -> dict[str, Value]:
    """What a sweep's point sets, without what is as usual."""
    found: dict[str, Value] = {}
    off = [label for label in space.layers if choices.get(f"{_LAYER}{label}") == DIGITAL]
    usual = {name: values[0] for name, values in options().items()}
    for name, value in usual.items():
        if choices.get(name, value) != value:
            found[name] = choices[name]
    if off:
        found["partition.digital"] = ",".join(off)
    on = [label for label in space.layers if label not in off]
    if choices.get(_READS, AS_PLACED) != AS_PLACED and (on or not space.layers):
        found["layers.*.mode"] = choices[_READS]
    for label in on:
        mode, slices = choices.get(f"{_LAYER}{label}"), choices.get(f"{_SLICES}{label}")
        key = f"layers.{glob.escape(label)}"
        if mode not in (None, AS_ALL):
            found[f"{key}.mode"] = mode
        if slices not in (None, AS_ALL):
            found[f"{key}.slices"] = slices
        if label in space.whole and "tile.slices" in found:
            found[f"{key}.slices"] = 1
    method = choices.get(_METHOD, space.methods[0])
    if method != "published":
        found[_METHOD] = method
        if found.get("tile.slice_fill") == "corrected":  # needs drawn weights
            found["tile.slice_fill"] = "max"
    return found


def _needed(name: str) -> Choices:
    """Of slices there must be some for an option of theirs to mean something."""
    return {"tile.slices": 2} if name in _SLICED else {}


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A trial that takes what was said, and the usual otherwise."""

    said: Choices

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        return self.said.get(name, choices[0])
