"""What a run costs: time in integer picoseconds, energy in picojoules, by cause and by layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Resource = Literal["core", "host"]


@dataclass(frozen=True, slots=True)
class Span:
    """One operation's time on the chip or the host, for one sample; for timelines."""

    step: str
    label: str
    resource: Resource
    cores: tuple[int, ...]
    start_ps: int
    end_ps: int


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One MVM step's share: MVMs of cores, time from first input to last output, energy."""

    step: str
    label: str
    vectors: int
    core_mvms: int
    latency_ps: int
    energy_pj: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Costs of one sample. Where the model fixes its batch, `samples` run at once: the latency is
    theirs together, energies are for each.

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
    def assumed_share(self) -> dict[str, float]:
        """Shares of latency and energy that rest on assumed constants.

        Idle energy is power times latency, and so as assumed as the latency is.
        """
        time = sum(self.latency_by[k] for k in self.assumed_latency)
        latency = time / self.latency_ps if self.latency_ps else 0.0
        energy = sum(self.energy_by[k] for k in self.assumed_energy)
        if "idle" not in self.assumed_energy:
            energy += latency * self.energy_by["idle"]
        total = sum(self.energy_by.values())
        return {"latency": latency, "energy": energy / total if total else 0.0}
