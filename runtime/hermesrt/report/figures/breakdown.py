"""Where latency and energy go, by cause and by layer, as a figure. Needs no torch."""

from collections.abc import Iterator, Mapping, Sequence

from hermesrt.artifact.schema import Artifact
from hermesrt.artifact.short_names import layer_names
from hermesrt.breakdown import Part, Quantity, by_cause, by_layer, total
from hermesrt.cost import Cost
from hermesrt.facts.cost import per
from hermesrt.report.figures.floorplan import figure_title
from hermesrt.report.figures.svg import (
    DIGITAL,
    INK,
    MUTED,
    document,
    fill,
    fitted_name,
    heading,
    n,
    swatch,
    text,
)
from hermesrt.units import percent, si

_PS, _PJ = 1e-12, 1e-12
_BAR = "#3D5A80"
_MOST = 24
_NAME, _TRACK, _ROW = 170.0, 300.0, 24.0


def breakdown_svg(artifact: Artifact, cost: Cost, quantity: Quantity) -> str:
    """Both as a picture that stands alone."""
    words = f"{quantity.capitalize()} of {figure_title(artifact)}"
    amount, share = amount_text(total(cost, quantity), quantity), cost.assumed_share[quantity]
    subtitle = f"{amount} {_per(cost, quantity)}; {percent(share)} of it rests on assumed constants"
    subtitle += " (hatched)"
    causes, layers = by_cause(cost, quantity), by_layer(artifact, cost, quantity)
    note = "digital operations grey" if quantity == "energy" else "times overlap"
    left, dropped = list(layers[:_MOST]), len(layers) - _MOST
    if dropped > 0:
        left = sorted(layers, key=lambda b: -b.share)[:_MOST]
        note += f"; the {_MOST} largest of {len(layers)}"
    body = [
        *heading(words, subtitle),
        '<g transform="translate(20 96)">',
        *_panel("By cause", causes, quantity, {}),
        '</g><g transform="translate(640 96)">',
        *_panel(f"By layer ({note})", left, quantity, layer_names(artifact)),
        "</g>",
    ]
    height = 120 + _ROW * max(len(causes), len(left))
    return document(words, (1260, height), body, layers=len(artifact.manifest.matrices))


def _per(cost: Cost, quantity: Quantity) -> str:
    """What the total is for: energies are a sample's, whatever runs at once."""
    return "a sample" if quantity == "energy" else per(cost)


def _panel(
    name: str, bars: Sequence[Part], quantity: Quantity, names: Mapping[str, str]
) -> Iterator[str]:
    yield text(name, (0, 0), size=14, weight=600)
    most = max([bar.share for bar in bars], default=0.0) or 1.0
    for i, bar in enumerate(bars):
        y = 14 + _ROW * i
        wide = max(1.0, _TRACK * bar.share / most)
        words = fitted_name(names.get(bar.name, bar.name), _NAME - 30, 13)
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
        number = f"{amount_text(bar.amount, quantity)}, {percent(bar.share)}"
        yield text(number, (_NAME + wide + 8, y + 12), size=12.5, fill=MUTED)


def amount_text(amount: float, quantity: Quantity) -> str:
    """Picojoules or picoseconds as a person reads them."""
    return si(amount * _PJ, "J") if quantity == "energy" else si(amount * _PS, "s")
