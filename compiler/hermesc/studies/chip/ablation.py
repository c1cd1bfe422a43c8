"""Which effect explains what: the study of the chip with one thing changed at a time, and with each
combination of how counts and output codes are taken.

Every change is an effect of the chip file with its source, or another way to read a publication.
Temperature is left out: Boybat et al., IEDM 2021, report that a scale for each array corrects it,
and no coefficient of this chip's devices is public.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from hermesrt.chip.spec import Mode
from hermesrt.device import Method

ChipSettings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One change: settings of the chip, read mode, age, programming method."""

    name: str
    settings: ChipSettings = ()
    mode: Mode = "4-phase"
    age_s: float = 0.0
    method: Method = "published"


EFFECTS = (
    Variant("wire resistance", (("effects.wire_drop", "on"),)),
    Variant("converter spread not corrected", (("effects.column_correction", "off"),)),
    Variant(
        "ideal converters, no correction",
        (("effects.converter_spread", "off"), ("effects.column_correction", "off")),
    ),
    Variant("1-phase reads, asymmetric", mode="1-phase"),
    Variant("one day of drift", age_s=86400.0),
    Variant(
        "one day, each device alone (MSF)", (("statistics.model", "hermes-msf"),), age_s=86400.0
    ),
    Variant("all read noise at every MVM", (("read_statistics.read_noise", "added"),)),
    Variant("first read within the spread", (("read_statistics.read_noise", "within"),)),
    Variant(
        "all read noise, drawn once",
        (("read_statistics.read_noise", "added"), ("read_statistics.drawn", "once")),
    ),
    Variant("fast read noise 4 instead of 1.7", (("fast_noise.logarithm", "4"),)),
    Variant(
        "within the spread, drawn once",
        (("read_statistics.read_noise", "within"), ("read_statistics.drawn", "once")),
    ),
    Variant("no read noise", (("effects.read_noise", "off"),)),
    Variant("no programming noise", (("effects.programming_noise", "off"),)),
    Variant("programmed by gradient descent", method="gdp"),
    Variant("errors of the whole weight (counts)", (("statistics.model", "adc-count"),)),
    Variant("output code rounds", (("ldpu_code.rounding", "nearest"),)),
    Variant("no output code", (("effects.output_code", "off"),)),
    Variant("no input code", (("effects.input_code", "off"),)),
)

_RANGES = {"layer": "a layer's range", "column": "each column's range", "counts": "range in counts"}
_ROUNDINGS = {"truncate": "codes truncate", "nearest": "codes round"}
_COUNTS = {
    ("round", "line"): "counts round",
    ("truncate", "line"): "counts truncate",
    ("floor", "counter"): "counters floor",
    ("floor", "phase"): "phases floor",
}


def _converters() -> Iterator[Variant]:
    """Every way to count with every output code; a range in counts with the first two."""
    for whose, rounding in product(_RANGES, _ROUNDINGS):
        ways = list(_COUNTS)[:2] if whose == "counts" else list(_COUNTS)
        for counting, each in ways:
            names = (_RANGES[whose], _ROUNDINGS[rounding], _COUNTS[counting, each])
            settings = (
                ("ldpu_code.range", whose),
                ("ldpu_code.rounding", rounding),
                ("count_code.rounding", counting),
                ("count_code.each", each),
            )
            yield Variant(", ".join(names), settings)


CONVERTERS = tuple(_converters())
EXPLAINED: Mapping[str, tuple[Variant, ...]] = {"effects": EFFECTS, "converters": CONVERTERS}
