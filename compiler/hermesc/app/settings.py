"""What `--set` says of a compilation: the passes' options, and the digital fallback's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any

from hermesc.app.digital_fallback import FallbackOptions
from hermesc.passes.assign_gates import GateOptions
from hermesc.passes.bound_loops import LoopOptions
from hermesc.passes.convolve import ConvolveOptions
from hermesc.passes.partition import PartitionOptions
from hermesc.passes.quantize import QuantizeOptions
from hermesc.pipeline import LAYER_OPTIONS, Options
from hermesc.placement.options import PlaceOptions, TileOptions, split_layers
from hermesrt.chip.load import changed, load_chip, word
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import OptionError
from hermesrt.files.typed import parse_groups


@dataclass(frozen=True, slots=True)
class _Settings:
    """A user sets how much accuracy to spend where he sets what stays digital."""

    convolve: ConvolveOptions = field(default_factory=ConvolveOptions)
    partition: PartitionOptions = field(default_factory=PartitionOptions)
    quantize: QuantizeOptions = field(default_factory=QuantizeOptions)
    place: PlaceOptions = field(default_factory=PlaceOptions)
    tile: TileOptions = field(default_factory=TileOptions)
    gates: GateOptions = field(default_factory=GateOptions)
    loops: LoopOptions = field(default_factory=LoopOptions)
    fallback: FallbackOptions = field(
        default_factory=FallbackOptions, metadata={"group": "partition"}
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the settings of a compilation say.

    options: of the passes.
    fallback: of the search for layers to leave digital.
    chip: numbers of the chip to replace, such as ("adc.counter_bits", "6").
    """

    options: Options
    fallback: FallbackOptions
    chip: tuple[tuple[str, str], ...] = ()


def settings_of(
    given: Options | Mapping[str, Any] | None, keywords: Mapping[str, Any] = MappingProxyType({})
) -> Settings:
    """The same from Python: Options, or a mapping such as {"place.objective": "latency"}, in which
    a group may be a mapping or a dataclass; and keywords such as place_objective="latency".

    Raises: OptionError for anything else, and for an unknown name or value.
    """
    if isinstance(given, Options) and not keywords:
        return Settings(given, FallbackOptions())
    if given is not None and not isinstance(given, Options | Mapping):
        raise OptionError(
            f"options is a {type(given).__name__}; give hermesc.Options, or a mapping such as "
            '{"place.objective": "latency"}'
        )
    tables = _tables(given) if isinstance(given, Options) else given or {}
    named = {_dotted(key): value for key, value in keywords.items()}
    pairs = [(key, word(value)) for key, value in (*_flat(tables), *named.items())]
    chip = tuple((k.removeprefix("chip."), v) for k, v in pairs if k.startswith("chip."))
    options, fallback = parse_settings([pair for pair in pairs if not pair[0].startswith("chip.")])
    return Settings(options, fallback, chip)


def chip_of(chip: str | ChipSpec, said: Settings) -> ChipSpec:
    """The chip, or the one of that name or file, with the numbers that were said.

    Raises: ChipError, OptionError.
    """
    if isinstance(chip, str):
        return load_chip(chip, said.chip)
    return changed(chip, said.chip) if said.chip else chip


def _dotted(keyword: str) -> str:
    """place_objective is place.objective."""
    return keyword.replace("_", ".", 1)


def _tables(options: Options) -> dict[str, Any]:
    """The same as tables; single layers by their names."""
    layers = {f"{pattern}.{name}": value for pattern, name, value in options.layers.said}
    return _fields(options) | {"layers": layers}


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}


def _flat(tables: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Values by their dotted names, from tables in tables."""
    for key, value in tables.items():
        if not isinstance(key, str):
            raise OptionError(f"options: {key!r} is no name; write GROUP.NAME")
        inner = _fields(value) if is_dataclass(value) and not isinstance(value, type) else value
        if isinstance(inner, Mapping):
            yield from ((f"{key}.{name}", one) for name, one in _flat(inner))
        else:
            yield key, inner


def parse_settings(settings: Sequence[tuple[str, str]]) -> tuple[Options, FallbackOptions]:
    """Options from pairs such as ("partition.max_accuracy_drop", "0.5").

    Raises: OptionError for an unknown name or value.
    """
    rest, layers = split_layers(settings, LAYER_OPTIONS)
    found = parse_groups(_Settings, rest)
    options = Options(
        partition=found.partition,
        quantize=found.quantize,
        place=found.place,
        tile=found.tile,
        convolve=found.convolve,
        gates=found.gates,
        loops=found.loops,
        layers=layers,
    )
    return options, found.fallback
