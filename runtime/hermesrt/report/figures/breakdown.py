"""Where latency and energy go, by cause and by layer, as parts and as a figure. Needs no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import CAUSES, Cost, LayerCost
from hermesrt.report.figures.floorplan import figure_title
from hermesrt.report.figures.svg import (
    DIGITAL,
    INK,
    MUTED,
    document,
    fill,
    fitted,
    heading,
    n,
    swatch,
    text,
)
from hermesrt.report.figures.timeline import layer_of_step
from hermesrt.units import percent, si

Quantity = Literal["latency", "energy"]
_PS, _PJ = 1e-12, 1e-12
_BAR = "#3D5A80"
_MOST = 24
_NAME, _TRACK, _ROW = 170.0, 300.0, 24.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a total, or of the largest part; `layer` is a matrix's number. What is assumed
    rests on an assumed constant."""

    name: str
    value: str
    share: float
    assumed: bool = False
    layer: int | None = None


def by_cause(cost: Cost, quantity: Quantity) -> tuple[Bar, ...]:
    """The parts of the total."""
    parts: Mapping[str, float] = cost.energy_by if quantity == "energy" else cost.latency_by
    assumed = cost.assumed_energy if quantity == "energy" else cost.assumed_latency
    total = sum(parts.values())
    return tuple(
        Bar(CAUSES[cause], _value(part, quantity), part / total if total else 0.0, cause in assumed)
        for cause, part in parts.items()
    )


def by_layer(artifact: Artifact, cost: Cost, quantity: Quantity) -> tuple[Bar, ...]:
    """Each layer on the chip in its order, then digital operations by name, largest first; shares
    are of the total. A layer's time runs from its first begin to its last end, so that times
    overlap; what is drawn idle belongs to none."""
    layers = layer_of_step(artifact)
    analog: dict[int, float] = dict.fromkeys(range(len(artifact.manifest.matrices)), 0.0)
    digital: dict[str, float] = {}
    for layer in cost.layers:
        amount = _amount(layer, quantity)
        if layer.step in layers:
            analog[layers[layer.step]] += amount
        else:
            digital[layer.label] = digital.get(layer.label, 0.0) + amount
    total = cost.energy_pj if quantity == "energy" else float(cost.latency_ps)
    matrices = artifact.manifest.matrices
    bars = [_part(matrices[i].label, v, total, quantity, i) for i, v in analog.items()]
    ranked = sorted(digital.items(), key=lambda item: -item[1])
    return (*bars, *(_part(name, v, total, quantity, None) for name, v in ranked))


def breakdown_svg(artifact: Artifact, cost: Cost, quantity: Quantity) -> str:
    """Both as a picture that stands alone."""
    total = cost.energy_pj * _PJ if quantity == "energy" else cost.latency_ps * _PS
    words = f"{quantity.capitalize()} of {figure_title(artifact)}"
    per = "a sample" if cost.samples == 1 else f"a batch of {cost.samples}"
    share = percent(cost.assumed_share[quantity])
    subtitle = f"{si(total, 'J' if quantity == 'energy' else 's')} {per}; {share} of it rests on "
    subtitle += "assumed constants (hatched)"
    causes, layers = by_cause(cost, quantity), by_layer(artifact, cost, quantity)
    note = "digital operations grey" if quantity == "energy" else "times overlap"
    left, dropped = list(layers[:_MOST]), len(layers) - _MOST
    if dropped > 0:
        left = sorted(layers, key=lambda b: -b.share)[:_MOST]
        note += f"; the {_MOST} largest of {len(layers)}"
    body = [
        *heading(words, subtitle),
        '<g transform="translate(20 96)">',
        *_panel("By cause", causes),
        '</g><g transform="translate(640 96)">',
        *_panel(f"By layer ({note})", left),
        "</g>",
    ]
    height = 120 + _ROW * max(len(causes), len(left))
    return document(words, (1260, height), body, layers=len(artifact.manifest.matrices))


def _panel(name: str, bars: Sequence[Bar]) -> Iterator[str]:
    yield text(name, (0, 0), size=14, weight=600)
    most = max([bar.share for bar in bars], default=0.0) or 1.0
    for i, bar in enumerate(bars):
        y = 14 + _ROW * i
        wide = max(1.0, _TRACK * bar.share / most)
        words = fitted(bar.name, _NAME - 30, 13)
        if bar.layer is not None:
            yield f'<g transform="translate(0 {n(y)})">{swatch(bar.layer)}</g>'
        elif name != "By cause":
            yield f'<rect x="0" y="{n(y)}" width="14" height="14" rx="4" fill="{DIGITAL}"/>'
        yield text(words, (0 if name == "By cause" else 22, y + 12), size=13)
        colour = _BAR if name == "By cause" else DIGITAL
        colour = colour if bar.layer is None else fill(bar.layer)
        shape = f'x="{n(_NAME)}" y="{n(y)}" width="{n(wide)}" height="15"'
        if bar.assumed:
            yield f'<rect {shape} fill="url(#assumed)" stroke="{INK}" stroke-width="1.2"/>'
        else:
            yield f'<rect {shape} fill="{colour}"/>'
        number = f"{bar.value}, {percent(bar.share)}"
        yield text(number, (_NAME + wide + 8, y + 12), size=12.5, fill=MUTED)


def _amount(layer: LayerCost, quantity: Quantity) -> float:
    return layer.energy_pj if quantity == "energy" else float(layer.latency_ps)


def _part(name: str, amount: float, total: float, quantity: Quantity, layer: int | None) -> Bar:
    share = amount / total if total else 0.0
    return Bar(name, _value(amount, quantity), share, layer=layer)


def _value(amount: float, quantity: Quantity) -> str:
    return si(amount * _PJ, "J") if quantity == "energy" else si(amount * _PS, "s")
