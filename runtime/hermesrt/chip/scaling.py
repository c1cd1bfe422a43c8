"""Apply a chip's laws: its numbers where it is, from those where it was measured.

At the measured point nothing changes, to the last bit. Elsewhere a table that a law takes along
says so in its pedigree, and is as assumed as the law is.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from hermesrt.chip.fields import Kind, Pedigree, weakest
from hermesrt.chip.laws import Law, Measured, amount
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import ChipError

_TOLD = {
    "counter_bits": "{} bits",
    "input_bits": "{} input bits",
    "output_bits": "{} output bits",
    "devices_per_polarity": "{} devices a polarity",
    "pwm_mhz": "{:g} MHz pulses",
    "ldpu_mhz": "an LDPU clock of {:g} MHz",
    "one_phase_ns": "{:g} ns a 1-phase read",
    "four_phase_ns": "{:g} ns a 4-phase read",
}
_ALWAYS = ("rows", "columns", "counter_bits")
_FOLLOWED = ("cores", "one_phase_ns", "four_phase_ns", "core_mm2")  # told only where set by hand


@dataclass(frozen=True, slots=True)
class Scaled:
    """A number that laws took away from where it was measured.

    key: its dotted name.
    measured: as measured.
    value: as it is on this chip.
    """

    key: str
    measured: float
    value: float


def follow_laws(chip: ChipSpec, where: str) -> ChipSpec:
    """The chip with its laws applied, each table as its file gives it kept in `nominal`.

    Raises: ChipError for a law of no number, without a measured point, or that leads out of a
    number's range.
    """
    described = chip.description
    given = {"description": described} if "{" in described else {}
    found = replace(chip, description=description_of(chip), nominal=tuple(given.items()))
    if not chip.laws:
        return found
    if chip.measured is None:
        raise ChipError(f"{where}: `laws` need the table `measured`: the point where numbers hold")
    _check(chip, where)
    for key in dict.fromkeys(law.scales for law in chip.laws):
        laws = [law for law in chip.laws if law.scales == key]
        found = _followed(found, key, laws, chip.measured, where)
    return found


def description_of(chip: ChipSpec) -> str:
    """The chip's sentence with its own numbers in it."""
    numbers = {
        "cores": chip.cores, "rows": chip.crossbar.rows, "columns": chip.crossbar.columns,
        "counter_bits": chip.adc.counter_bits, "input_bits": chip.input.input_bits,
    }  # fmt: skip
    text = chip.description
    for name, number in numbers.items():
        text = text.replace("{" + name + "}", str(number))
    return text


def extrapolated(chip: ChipSpec) -> str:
    """Where the chip's numbers were measured, if it is another place; empty at the measured one."""
    if chip.measured is None or not chip.laws:
        return ""
    old, new = chip.measured, point_of(chip)
    names = [f.name for f in fields(old) if f.name not in ("pedigree", *_FOLLOWED)]
    differ = [name for name in names if getattr(old, name) != getattr(new, name)]
    moved = [s for s in scaled_numbers(chip) if not s.key.startswith("area.")]
    if not differ and not moved:
        return ""
    others = [n for n in differ if n not in _ALWAYS]
    told = [f"{old.rows}x{old.columns}"]
    told += [_TOLD[n].format(getattr(old, n)) for n in ("counter_bits", *others)]
    return f"measured at {', '.join(told[:-1])} and {told[-1]}; extrapolated"


def scaled_numbers(chip: ChipSpec) -> tuple[Scaled, ...]:
    """All numbers that the laws changed."""
    return tuple(
        Scaled(f"{name}.{f.name}", getattr(before, f.name), getattr(getattr(chip, name), f.name))
        for name, before in chip.nominal
        if name != "description"
        for f in fields(before)
        if f.name != "pedigree" and getattr(before, f.name) != getattr(getattr(chip, name), f.name)
    )


def point_of(chip: ChipSpec) -> Measured:
    """Where a chip is, in the terms of `measured`; what it does not say is as measured."""
    assert chip.measured is not None
    found = replace(
        chip.measured,
        rows=chip.crossbar.rows,
        columns=chip.crossbar.columns,
        cores=chip.cores,
        devices_per_polarity=chip.unit_cell.devices_per_polarity,
        input_bits=chip.input.input_bits,
        counter_bits=chip.adc.counter_bits,
        output_bits=chip.ldpu.output_bits,
        one_phase_ns=chip.mvm_time.one_phase_ns,
        four_phase_ns=chip.mvm_time.four_phase_ns,
    )
    if chip.area is not None:
        found = replace(found, core_mm2=chip.area.core_mm2)
    if chip.clock is None:
        return found
    return replace(found, pwm_mhz=chip.clock.pwm_mhz, ldpu_mhz=chip.clock.ldpu_mhz)


def _check(chip: ChipSpec, where: str) -> None:
    for law in chip.laws:
        name, _, key = law.scales.partition(".")
        table = getattr(chip, name, None) if name in _names(chip) else None
        known = table is not None and key in _names(table)
        if not known or not isinstance(getattr(table, key), float):
            raise ChipError(
                f"{where}: `laws` scales {law.scales!r}, which is no number with a fraction of "
                "this chip; write TABLE.KEY, such as mvm_time.one_phase_ns"
            )
        if not law.scales_with and not law.inversely_with:
            raise ChipError(
                f"{where}: the law of `{law.scales}` says neither `scales_with` nor "
                "`inversely_with`: what it follows"
            )


def _names(table: Any) -> list[str]:
    return [f.name for f in fields(table)] if is_dataclass(table) else []


def _followed(
    chip: ChipSpec, number: str, laws: Sequence[Law], measured: Measured, where: str
) -> ChipSpec:
    """The chip with one number where its laws take it."""
    here = point_of(chip)
    ratios = [_ratio(law, here, measured) for law in laws]
    if all(ratio == 1.0 for ratio in ratios):
        return chip
    name, _, key = number.partition(".")
    table = getattr(chip, name)
    value = getattr(table, key)
    parts = (law.part / law.whole * (r - 1) for law, r in zip(laws, ratios, strict=True))
    new = value * (1 + math.fsum(parts))
    limit = next(f for f in fields(table) if f.name == key).metadata
    low, high = limit.get("low", -math.inf), limit.get("high", math.inf)
    if not low <= new <= high:
        raise ChipError(
            f"{where}: the laws take `{number}` from {value:g}, as measured, to {new:g}; it must "
            f"lie between {low:g} and {high:g}: stay nearer to the measured point, or give the "
            "table itself"
        )
    moved = [law for law, r in zip(laws, ratios, strict=True) if r != 1.0]
    pedigree = _extrapolated(table.pedigree, key, value, moved, here, measured)
    nominal = chip.nominal if name in dict(chip.nominal) else (*chip.nominal, (name, table))
    return replace(chip, **{name: replace(table, pedigree=pedigree, **{key: new})}, nominal=nominal)


def _ratio(law: Law, here: Measured, measured: Measured) -> float:
    up = math.prod(_ratios(law.scales_with, here, measured))
    down = math.prod(_ratios(law.inversely_with, here, measured))
    return up / down if down else math.inf


def _ratios(drivers: Sequence[Any], here: Measured, measured: Measured) -> Iterator[float]:
    for driver in drivers:
        yield amount(driver, here) / amount(driver, measured)


def _extrapolated(
    before: Pedigree,
    key: str,
    value: float,
    laws: Sequence[Law],
    here: Measured,
    measured: Measured,
) -> Pedigree:
    """The pedigree of a table one number of which follows laws."""
    kinds = [before.kind, *(_kind(law, here, measured) for law in laws)]
    sources = "; ".join(dict.fromkeys(law.source for law in laws))
    note = f"{key} was measured as {value:g}; extrapolated by: {sources}"
    return Pedigree(weakest(*kinds), before.source, f"{before.note}; {note}".lstrip("; "))


def _kind(law: Law, here: Measured, measured: Measured) -> Kind:
    """A law's kind; assumed where one of its drivers is further away than it covers."""
    drivers = (*law.scales_with, *law.inversely_with)
    far = max(max(r, 1 / r) if r else math.inf for r in _ratios(drivers, here, measured))
    return law.kind if far <= law.within else "assumed"
