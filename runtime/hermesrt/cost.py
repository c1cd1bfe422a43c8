"""What a run costs: time in integer picoseconds, energy in picojoules, by cause and by layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# What time and energy go to, as the command line's JSON names it and as a person reads it.
CAUSES: Mapping[str, str] = {
    "array": "array",
    "ldpu": "LDPU",
    "links": "links",
    "hops": "forwarding",
    "host_link": "host link",
    "host": "host",
    "transport": "transport",
    "vector_unit": "vector unit",
    "idle": "idle",
}
LaneKind = Literal["port_in", "array", "ldpu", "port_out", "link", "digital"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One resource: a unit of a core, a link from one core to another, or the digital unit (the
    host, or the chip's vector unit), which has no core."""

    kind: LaneKind
    cores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """One step's stream of `jobs` on one resource, for one sample; for timelines.

    `head` are the ends of its first jobs, each of which takes `service_ps`.
    """

    step: str
    label: str
    lane: Lane
    start_ps: int
    end_ps: int
    jobs: int
    service_ps: int
    head: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One step's share, on crossbars or digital: vectors, MVMs of cores, time from the first begin
    to the last end, energy without what is drawn idle, and values in the line buffers of a window
    (8 bits each before crossbars)."""

    step: str
    label: str
    analog: bool
    vectors: int
    core_mvms: int
    latency_ps: int
    energy_pj: float
    buffered: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Costs of one sample. Where the model fixes its batch, `samples` run at once: the latency is
    theirs together, energies are for each. The interval is that of samples that follow each other
    closely: the work of the busiest resource for one sample.

    `latency_by` adds up to the latency along the critical path, `energy_by` to the energy.
    `assumed` names the causes whose constants are assumed, for latency and for energy.
    """

    samples: int
    latency_ps: int
    interval_ps: int
    latency_by: Mapping[str, int]
    energy_by: Mapping[str, float]
    assumed_latency: tuple[str, ...]
    assumed_energy: tuple[str, ...]
    layers: tuple[LayerCost, ...]
    spans: tuple[Span, ...]

    @property
    def energy_pj(self) -> float:
        """Energy of one sample."""
        return sum(self.energy_by.values())

    @property
    def core_mvms(self) -> int:
        """MVMs of cores for one sample."""
        return sum(layer.core_mvms for layer in self.layers)

    @property
    def buffered(self) -> int:
        """Values in all line buffers."""
        return sum(layer.buffered for layer in self.layers)

    @property
    def assumed_share(self) -> dict[str, float]:
        """Shares of latency and energy that rest on assumed constants.

        Idle energy is power times latency, and so as assumed as the latency is.
        """
        time = sum(self.latency_by.get(k, 0) for k in self.assumed_latency)
        latency = time / self.latency_ps if self.latency_ps else 0.0
        energy = sum(self.energy_by.get(k, 0.0) for k in self.assumed_energy)
        if "idle" not in self.assumed_energy:
            energy += latency * self.energy_by["idle"]
        total = sum(self.energy_by.values())
        return {"latency": latency, "energy": energy / total if total else 0.0}


@dataclass(frozen=True, slots=True)
class Moved:
    """One assumed constant, and latency and energy of a sample for it x 0.5 and x 2."""

    key: str
    value: float
    latency_ps: tuple[int, ...]
    energy_pj: tuple[float, ...]
