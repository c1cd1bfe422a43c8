"""What `--set` says of a compilation: the passes' options, and the digital fallback's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hermesc.app.digital_fallback import FallbackOptions
from hermesc.passes.convolve import ConvolveOptions
from hermesc.passes.partition import PartitionOptions
from hermesc.passes.quantize import QuantizeOptions
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions
from hermesrt.errors import OptionError
from hermesrt.files.typed import parse_groups


@dataclass(frozen=True, slots=True)
class _Settings:
    """A user sets how much accuracy to spend where he sets what stays digital."""

    convolve: ConvolveOptions = field(default_factory=ConvolveOptions)
    partition: PartitionOptions = field(default_factory=PartitionOptions)
    quantize: QuantizeOptions = field(default_factory=QuantizeOptions)
    place: PlaceOptions = field(default_factory=PlaceOptions)
    fallback: FallbackOptions = field(
        default_factory=FallbackOptions, metadata={"group": "partition"}
    )


def settings_of(
    given: Options | Mapping[str, Any] | None,
) -> tuple[Options, FallbackOptions]:
    """The same from Python: Options, or a mapping such as {"place.objective": "latency"}.

    Raises: OptionError for anything else, and for an unknown name or value.
    """
    if given is None or isinstance(given, Options):
        return given or Options(), FallbackOptions()
    if not isinstance(given, Mapping) or not all(isinstance(k, str) for k in given):
        raise OptionError(
            f"options is a {type(given).__name__}; give hermesc.pipeline.Options, or a mapping "
            'such as {"place.objective": "latency"}'
        )
    groups = [key for key, value in given.items() if isinstance(value, Mapping)]
    if groups:
        raise OptionError(
            f"options: {groups[0]!r} holds a mapping; write its options as "
            f'{{"{groups[0]}.NAME": value}}'
        )
    return parse_settings([(key, _word(value)) for key, value in given.items()])


def _word(value: Any) -> str:
    """A value as --set takes it."""
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_settings(settings: Sequence[tuple[str, str]]) -> tuple[Options, FallbackOptions]:
    """Options from pairs such as ("partition.max_accuracy_drop", "0.5").

    Raises: OptionError for an unknown name or value.
    """
    found = parse_groups(_Settings, settings)
    options = Options(found.partition, found.quantize, found.place, found.convolve)
    return options, found.fallback
