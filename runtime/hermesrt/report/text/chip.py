"""A chip in a terminal. Needs no numpy."""

from collections.abc import Iterator

from hermesrt.chip.headline import headlines
from hermesrt.chip.scaling import extrapolated, scaled_numbers
from hermesrt.chip.spec import ChipSpec
from hermesrt.shown import shown
from hermesrt.units import percent


def chip_text(chip: ChipSpec, tables: dict[str, dict[str, object]]) -> str:
    """A chip, table by table, with kind and source, its laws, and what it is known by."""
    lines = [f"{chip.name}: {chip.description}", *_headline_lines(chip), ""]
    for name, content in tables.items():
        numbers = {k: v for k, v in content.items() if k not in ("kind", "source", "note")}
        lines.append(f"[{name}]  {content['kind']}: {content['source']}")
        if content.get("note"):
            lines.append(f"  note: {content['note']}")
        lines += [f"  {key} = {value}" for key, value in numbers.items()]
        lines.append("")
    return "\n".join(map(shown, [*lines, *_law_lines(chip)])).rstrip()


def _headline_lines(chip: ChipSpec) -> Iterator[str]:
    for found in headlines(chip):
        area = "" if found.tops_mm2 is None else f", {found.tops_mm2:.3g} TOPS/mm2"
        yield (
            f"{found.mode} reads: {found.tops:.3g} TOPS, {found.tops_watt:.3g} TOPS/W{area} (MVMs "
            "alone)"
        )
    if extrapolated(chip):
        yield extrapolated(chip)
    for number in scaled_numbers(chip):
        yield f"  {number.key} = {number.value:.5g}; measured {number.measured:.5g}"


def _law_lines(chip: ChipSpec) -> Iterator[str]:
    if chip.laws:
        yield "Laws: a part of a number follows what it depends on; tables hold it as measured."
    for law in chip.laws:
        share, inverse = (
            percent(law.part / law.whole),
            "".join(f" /{d}" for d in law.inversely_with),
        )
        yield (
            f"  {law.scales}: {share} with {' x '.join(law.scales_with) or '1'}{inverse}  "
            f"{law.kind}: {law.source}"
        )
