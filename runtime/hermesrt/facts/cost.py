"""Time and energy of one sample, in words and as plain data. Needs no torch."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.scaling import extrapolated
from hermesrt.chip.spec import ChipSpec
from hermesrt.cost import CAUSES, Bound, Cost
from hermesrt.facts.cut import cut_facts
from hermesrt.facts.fact import Fact
from hermesrt.files.typed import encode
from hermesrt.units import PS_PER_NS, percent, plural, si

if TYPE_CHECKING:  # commands that show a chip need no torch
    from hermesrt.one_more_token import TokenCost

_PS, _PJ = 1e-12, 1e-12
_PJ_PER_NJ = 1000
_PHASES = ("prefill", "decode")


def cost_facts(artifact: Artifact, cost: Cost) -> tuple[Fact, ...]:
    """Time and energy of one sample, and on what they rest."""
    latency, interval = si(cost.latency_ps * _PS, "s"), si(cost.interval_ps * _PS, "s")
    energy, share = si(cost.energy_pj * _PJ, "J"), cost.assumed_share
    cores = f"{len(artifact.cores)} of {artifact.cores_in_all}"
    digital = plural(artifact.count("digital"), "node")
    assumed = f"{percent(share['latency'])} of the latency"
    return (
        Fact(
            "Latency",
            f"{latency} {per(cost)}: {_parts(cost.latency_by, _PS, 's')}",
            latency,
        ),
        Fact("Interval", f"{interval} between samples in steady state", interval),
        Fact("Energy", f"{energy} a sample: {_parts(cost.energy_by, _PJ, 'J')}", energy),
        Fact(
            "Cores",
            f"{cores}, {percent(artifact.utilisation)} of "
            f"their cells; {plural(cost.core_mvms, 'core MVM')} a sample",
            cores,
        ),
        *cut_facts(artifact),
        *_bounds(artifact, cost),
        *_mvms_alone(cost),
        *_line_buffers(cost),
        Fact("Not analog", f"{digital}, listed by `hermesc inspect`", digital),
        Fact(
            "Assumed",
            f"{assumed} and {percent(share['energy'])} of the "
            f"energy rest on assumed numbers; `hermesc chips {artifact.chip.name}` lists them",
            assumed,
        ),
        *extrapolation_facts(artifact.chip),
    )


def token_facts(tokens: "tuple[TokenCost, ...]") -> Iterator[Fact]:
    """Rate and energy of a prompt's tokens, and of one more."""
    for phase, each in zip(_PHASES, tokens, strict=False):
        digits = ",.0f" if each.tokens_per_s >= 100 else ".3g"
        rate = f"{each.tokens_per_s:{digits}} tokens/s"
        energy = si(each.joules_per_token, "J")
        share, work = each.cost.assumed_share, f"{each.tokens:,} tokens at once"
        if each.tokens == 1:
            work = f"one token after {each.context - 1:,}, keys and values kept"
        text = (
            f"{rate}, {energy} a token: {work}; {percent(share['latency'])} of the time and "
            f"{percent(share['energy'])} of the energy assumed"
        )
        yield Fact(phase.capitalize(), text, rate)


def tokens_json(tokens: "tuple[TokenCost, ...]") -> dict[str, Any]:
    """The same as plain data; nothing where it was not asked for."""
    found = {
        phase: {
            "tokens": each.tokens,
            "context": each.context,
            "tokens_per_s": each.tokens_per_s,
            "joules_per_token": each.joules_per_token,
            "latency_ns": each.cost.latency_ps / PS_PER_NS,
            "energy_nj": each.cost.energy_pj / _PJ_PER_NJ,
            "assumed_share": each.cost.assumed_share,
        }
        for phase, each in zip(_PHASES, tokens, strict=False)
    }
    return {"tokens": found} if found else {}


def extrapolation_facts(chip: ChipSpec) -> tuple[Fact, ...]:
    """That the chip is not where its numbers were measured; nothing where it is."""
    told = extrapolated(chip)
    return (Fact("Chip numbers", told, "extrapolated"),) if told else ()


def _bounds(artifact: Artifact, cost: Cost) -> Iterator[Fact]:
    """The digital part in both places: a real system lies between them."""
    if cost.bounds:
        on_host, on_chip = map(_totals, cost.bounds)
        lacks = ", which it does not have" if artifact.chip.vector_unit is None else ""
        text = (
            f"{on_host} with the digital part on the host; {on_chip} in a unit on the chip{lacks}"
        )
        yield Fact("Bounds", text)


def _totals(bound: Bound) -> str:
    """Latency and energy, with the assumed share of each."""
    totals = f"{si(bound.latency_ps * _PS, 's')} and {si(bound.energy_pj * _PJ, 'J')}"
    shares = f"{percent(bound.assumed_latency)} and {percent(bound.assumed_energy)}"
    return f"{totals} ({shares} assumed)"


def _mvms_alone(cost: Cost) -> Iterator[Fact]:
    """The scope of publications that count crossbars alone, to lay the two beside each other."""
    alone = cost.mvms_alone
    if alone.time_ps:
        energy, time = si(alone.energy_pj * _PJ, "J"), si(alone.time_ps * _PS, "s")
        text = (
            f"{energy} and {time} a sample, {alone.tops:.3g} TOPS, {alone.tops_per_watt:.3g} "
            "TOPS/W: crossbars and converters without LDPUs, links and host, as publications count"
        )
        yield Fact("MVMs alone", text, energy)


def _line_buffers(cost: Cost) -> Iterator[Fact]:
    """What has to wait for later positions of windows, where there are any."""
    if cost.buffered:
        windows = plural(sum(layer.buffered > 0 for layer in cost.layers), "window")
        text = f"{cost.buffered:,} values wait in the line buffers of {windows}"
        yield Fact("Line buffers", text, f"{cost.buffered:,}")


def per(cost: Cost) -> str:
    """What the latency is for."""
    return "a sample" if cost.samples == 1 else f"a batch of {cost.samples:,}"


def _parts(by: Mapping[str, int] | Mapping[str, float], scale: float, unit: str) -> str:
    parts = [f"{CAUSES[k]} {si(v * scale, unit)}" for k, v in by.items() if v]
    return ", ".join(parts) or "none"


def cost_json(artifact: Artifact, cost: Cost) -> dict[str, Any]:
    """Time in ns and energy in nJ of one sample, in all and in parts."""
    return {
        "latency_ns": cost.latency_ps / PS_PER_NS,
        "interval_ns": cost.interval_ps / PS_PER_NS,
        "energy_nj": cost.energy_pj / _PJ_PER_NJ,
        "latency_by": {k: v / PS_PER_NS for k, v in cost.latency_by.items()},
        "energy_by": {k: v / _PJ_PER_NJ for k, v in cost.energy_by.items()},
        "mvms_alone": {
            "operations": cost.mvms_alone.operations,
            "time_ns": cost.mvms_alone.time_ps / PS_PER_NS,
            "energy_nj": cost.mvms_alone.energy_pj / _PJ_PER_NJ,
            "tops": cost.mvms_alone.tops,
            "tops_per_watt": cost.mvms_alone.tops_per_watt,
        },
        "bounds": {
            bound.place: {
                "latency_ns": bound.latency_ps / PS_PER_NS,
                "interval_ns": bound.interval_ps / PS_PER_NS,
                "energy_nj": bound.energy_pj / _PJ_PER_NJ,
                "assumed_share": {
                    "latency": bound.assumed_latency,
                    "energy": bound.assumed_energy,
                },
            }
            for bound in cost.bounds
        },
        "assumed_share": cost.assumed_share,
        "extrapolated": extrapolated(artifact.chip) or None,
        "cores_used": len(artifact.cores),
        "chips_used": len(artifact.chips),
        "cut": encode(artifact.manifest.cut),
        "utilisation": artifact.utilisation,
        "mvms": cost.core_mvms,
        "line_buffer_values": cost.buffered,
        "layers": [
            {
                "label": layer.label,
                "analog": layer.analog,
                "vectors": layer.vectors,
                "mvms": layer.core_mvms,
                "latency_ns": layer.latency_ps / PS_PER_NS,
                "energy_nj": layer.energy_pj / _PJ_PER_NJ,
                "line_buffer_values": layer.buffered,
            }
            for layer in cost.layers
        ],
    }
