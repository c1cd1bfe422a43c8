"""What a run costs: time in integer picoseconds, energy in picojoules, by cause and by layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

# What time and energy go to, as the command line's JSON names it and as a person reads it.
CAUSES: Mapping[str, str] = {
    "array": "array",
    "ldpu": "LDPU",
    "links": "links",
    "gdpu": "GDPU",
    "hops": "forwarding",
    "host_link": "host link",
    "chip_link": "chip links",
    "host": "host",
    "transport": "transport",
    "vector_unit": "vector unit",
    "idle": "idle",
}
LaneKind = Literal["port_in", "array", "ldpu", "port_out", "link", "digital"]


class Lane(NamedTuple):
    """One resource: a unit of a core, a link between cores, or the digital unit. (Lanes and spans
    are named tuples, for a cost has thousands.)

    kind: which of these.
    cores: the core, or a link's two, from and to; none for the digital unit (host or vector unit).
    """

    kind: LaneKind
    cores: tuple[int, ...]


class Span(NamedTuple):
    """One step's stream of jobs on one resource, for one sample; for timelines.

    step: the name of its result.
    label: what the user calls the layer.
    lane: the resource.
    start_ps: when its first job begins.
    end_ps: when its last job ends.
    jobs: how many.
    service_ps: what each takes.
    head: the ends of its first jobs, ps.
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
    """One step's share of a sample's cost.

    step: the name of its result.
    label: what the user calls the layer.
    analog: on crossbars, or digital.
    vectors: how many it serves.
    core_mvms: MVMs of cores.
    latency_ps: from the first begin to the last end.
    energy_pj: without what is drawn idle.
    buffered: values in the line buffers of a window, 8 bits each before crossbars.
    """

    step: str
    label: str
    analog: bool
    vectors: int
    core_mvms: int
    latency_ps: int
    energy_pj: float
    buffered: int = 0


@dataclass(frozen=True, slots=True)
class MvmsAlone:
    """What publications count as MVMs alone: crossbars, converters and input modulation of one
    sample, without LDPUs, links, host and the power of cores that wait.

    operations: of all products on crossbars, two a multiply-add.
    time_ps: of the busiest array's MVMs, as if nothing else kept it waiting.
    energy_pj: of all MVMs, and of what a chip's cores share over that time.

    Source: Le Gallo 2023, Table I, "MVM only".
    """

    operations: float
    time_ps: int
    energy_pj: float

    @property
    def tops(self) -> float:
        """Throughput in 10^12 operations a second."""
        return self.operations / self.time_ps if self.time_ps else 0.0

    @property
    def tops_per_watt(self) -> float:
        """Efficiency in 10^12 operations a joule."""
        return self.operations / self.energy_pj if self.energy_pj else 0.0


@dataclass(frozen=True, slots=True)
class Bound:
    """A sample's cost with the digital part in one place.

    place: `host` or `vector_unit`.
    latency_ps: from first input to last output.
    interval_ps: between samples that follow each other closely.
    energy_pj: of one sample.
    assumed_latency: share of the latency that rests on assumed constants.
    assumed_energy: share of the energy that does.
    """

    place: str
    latency_ps: int
    interval_ps: int
    energy_pj: float
    assumed_latency: float
    assumed_energy: float


@dataclass(frozen=True, slots=True, repr=False)
class Cost:
    """Costs of one sample.

    samples: run at once, where the model fixes its batch: the latency is theirs together, energies
        are for each.
    latency_ps: from first input to last output.
    interval_ps: between samples that follow each other closely: the work of the busiest resource
        for one sample.
    latency_by: cause to ps along the critical path; they add up to the latency.
    energy_by: cause to pJ; they add up to the energy.
    assumed_latency: causes whose time rests on assumed constants.
    assumed_energy: causes whose energy rests on assumed constants.
    layers: one share a step, in order.
    spans: of all resources, for timelines.
    mvms_alone: what a publication that counts nothing else would compare with.
    bounds: with the digital part on the host and in a unit on the chip; none where the chip's
        description has no prices for the latter.
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
    mvms_alone: MvmsAlone
    bounds: tuple[Bound, ...] = ()

    def __repr__(self) -> str:
        return f"<Cost of a sample: {self.latency_ps / 1000:g} ns, {self.energy_pj / 1000:.6g} nJ>"

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
    """What one assumed constant decides.

    key: its dotted name.
    value: as the chip has it.
    latency_ps: of a sample, for the constant x 0.5 and x 2.
    energy_pj: of a sample, for the same two.
    """

    key: str
    value: float
    latency_ps: tuple[int, ...]
    energy_pj: tuple[float, ...]
