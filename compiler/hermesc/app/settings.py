"""What `--set` says of a compilation: the passes' options, and the digital fallback's."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hermesc.app.digital_fallback import FallbackOptions
from hermesc.passes.convolve import ConvolveOptions
from hermesc.passes.partition import PartitionOptions
from hermesc.passes.quantize import QuantizeOptions
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions
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


def parse_settings(settings: Sequence[tuple[str, str]]) -> tuple[Options, FallbackOptions]:
    """Options from pairs such as ("partition.max_accuracy_drop", "0.5").

    Raises: OptionError for an unknown name or value.
    """
    found = parse_groups(_Settings, settings)
    options = Options(found.partition, found.quantize, found.place, found.convolve)
    return options, found.fallback
