"""A machine of the literature: what it publishes, and what the cost model finds for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from hermesc.studies.accelerators.published import Published


@dataclass(frozen=True, slots=True)
class Costed:
    """One sample of a task on a machine.

    latency_ns: first input to last output; None where it does not follow.
    energy_nj: of all of it; None where it does not follow.
    products_nj: of the products with fixed matrices alone, by the published efficiency; None where
        none is published.
    assumed: share of the energy that rests on assumed constants; None where nothing counts it.
    """

    latency_ns: float | None
    energy_nj: float | None
    products_nj: float | None
    assumed: float | None


@dataclass(frozen=True, slots=True)
class PeakFigures:
    """What the cost model finds for a machine at full use; None where it does not follow.

    tops: 10^12 operations a second.
    tops_per_watt: energy efficiency.
    tops_per_mm2: rate by area.
    """

    tops: float | None
    tops_per_watt: float | None
    tops_per_mm2: float | None


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A machine.

    name: short.
    published: what its publication says.
    headline: what the cost model finds for it.
    tasks: the same work on it, by name.
    """

    name: str
    published: Published
    headline: PeakFigures
    tasks: Mapping[str, Costed]
