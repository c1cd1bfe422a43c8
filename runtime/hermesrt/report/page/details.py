"""What the page says in words and numbers: rows of text for the template, which escapes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hermesrt.artifact.contents import CoreContents, cores_text
from hermesrt.artifact.schema import Artifact, Matrix, MvmStep, NodeAssignment, Tile
from hermesrt.artifact.short_names import layer_names
from hermesrt.breakdown import MatrixCost, Part, Quantity, matrix_costs
from hermesrt.chip.load import chip_tables
from hermesrt.chip.spec import ChipSpec, Kind
from hermesrt.cost import Cost, LayerCost
from hermesrt.facts.errors import error_text, layer_errors
from hermesrt.pricing import FunctionPrice, function_prices
from hermesrt.report.figures.breakdown import amount_text
from hermesrt.report.figures.svg import swatch_svg
from hermesrt.units import percent, plural, si

_PS, _PJ = 1e-12, 1e-12
_PLACES = {
    "host": "host",
    "ldpu": "LDPU, one output of its affine",
    "vector_unit": "unit on the chip",
}
_PEDIGREE = ("kind", "source", "note")
_KINDS: tuple[Kind, ...] = ("assumed", "derived", "quoted")


@dataclass(frozen=True, slots=True)
class Detail:
    """A line of what a user points at.

    name: what it is.
    value: as text, with its unit.
    note: what the value is about; may be empty.
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of the table, all of it text.

    label: its name.
    name: the same without what most names share.
    size: rows and columns of its matrix.
    tiles: how many it is cut into.
    cores: the numbers of those that hold it.
    mvms: of cores, for a sample.
    latency: first begin to last end, with its unit.
    energy: of a sample, with its unit.
    expected: the error of its outputs, relative to how much they vary; may be empty.
    places: the source lines that use it.
    swatch: a picture of its colour and hatch.
    """

    label: str
    name: str
    size: str
    tiles: int
    cores: str
    mvms: str
    latency: str
    energy: str
    expected: str
    places: tuple[Detail, ...]
    swatch: Markup


@dataclass(frozen=True, slots=True)
class Constants:
    """One table of the chip.

    name: of the table in the chip's file.
    kind: quoted, derived or assumed.
    source: the publication, the arithmetic or the reason.
    note: what else is to be said; may be empty.
    values: the constants, the unit in each name.
    """

    name: str
    kind: Kind
    source: str
    note: str
    values: tuple[Detail, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a total.

    name: the cause, the layer or the operation, without what most names share.
    label: the whole of it.
    value: its amount, as text.
    share: of the total, 0 to 1.
    assumed: whether it rests on an assumed constant.
    layer: the number of its matrix; None where it has none.
    """

    name: str
    label: str
    value: str
    share: float
    assumed: bool
    layer: int | None


@dataclass(frozen=True, slots=True)
class BoundRow:
    """A sample's cost with the digital part in one place, all of it text.

    place: where.
    latency: with its unit.
    assumed_latency: share that rests on assumed constants.
    energy: with its unit.
    assumed_energy: share that rests on assumed constants.
    """

    place: str
    latency: str
    assumed_latency: str
    energy: str
    assumed_energy: str


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One cosine in one place, all of it text.

    place: where.
    time: with its unit.
    energy: with its unit.
    kind: of the energy.
    source: of the energy.
    """

    place: str
    time: str
    energy: str
    kind: Kind
    source: str


def bound_rows(cost: Cost) -> list[BoundRow]:
    """The digital part on the host, and on the chip."""
    return [
        BoundRow(
            place=_PLACES[b.place],
            latency=si(b.latency_ps * _PS, "s"),
            assumed_latency=percent(b.assumed_latency),
            energy=si(b.energy_pj * _PJ, "J"),
            assumed_energy=percent(b.assumed_energy),
        )
        for b in cost.bounds
    ]


def price_rows(chip: ChipSpec) -> list[PriceRow]:
    """One cosine on the host and on the chip, and an output of an LDPU beside them."""
    return [
        PriceRow(
            place=_PLACES[price.place],
            time=si(price.ns * 1e-9, "s"),
            energy=si(price.pj * _PJ, "J"),
            kind=price.pedigree.kind,
            source=price.pedigree.source,
        )
        for price in function_prices(chip)
    ]


def price_ratio(chip: ChipSpec) -> str:
    """How many times more energy a cosine takes on the host than in a unit on the chip."""
    prices: Mapping[str, FunctionPrice] = {p.place: p for p in function_prices(chip)}
    unit = prices.get("vector_unit")
    return f"{prices['host'].pj / unit.pj:,.0f}" if unit is not None and unit.pj else ""


def layer_rows(artifact: Artifact, cost: Cost) -> list[LayerRow]:
    """The matrices, in order."""
    errors = {layer.label: error_text(layer.found) for layer in layer_errors(artifact)}
    costs = enumerate(matrix_costs(artifact, cost))
    return [
        _layer(artifact, number, spent, errors.get(spent.matrix.label, ""))
        for number, spent in costs
    ]


def _layer(artifact: Artifact, number: int, spent: MatrixCost, expected: str) -> LayerRow:
    matrix = spent.matrix
    return LayerRow(
        label=matrix.label,
        name=layer_names(artifact)[matrix.label],
        size=f"{matrix.rows} × {matrix.columns}",
        tiles=len(matrix.tiles),
        cores=cores_text(artifact, (t.core for t in matrix.tiles)),
        mvms=f"{spent.core_mvms:,}",
        latency=si(spent.latency_ps * _PS, "s"),
        energy=si(spent.energy_pj * _PJ, "J"),
        expected=expected,
        places=_places(spent.steps),
        swatch=Markup(swatch_svg(number)),
    )


def _places(steps: Sequence[MvmStep]) -> tuple[Detail, ...]:
    places = dict.fromkeys((s.location.place, s.location.code.strip()) for s in steps)
    return tuple(Detail("Source", place, code) for place, code in places)


def layer_details(row: LayerRow) -> tuple[Detail, ...]:
    """A layer wherever it is pointed at."""
    return (
        Detail("Latency", row.latency),
        Detail("Energy", row.energy),
        Detail("Core MVMs", row.mvms),
        Detail("Matrix", f"{row.size}, in {plural(row.tiles, 'tile')}"),
        Detail("Cores", row.cores),
        *([Detail("Expected error", row.expected)] if row.expected else []),
        *row.places,
    )


def step_details(account: NodeAssignment | None, layer: LayerCost | None) -> tuple[Detail, ...]:
    """A digital operation wherever it is pointed at."""
    shown = []
    if layer is not None:
        shown += [
            Detail("Latency", si(layer.latency_ps * _PS, "s")),
            Detail("Energy", si(layer.energy_pj * _PJ, "J")),
            Detail("Vectors", f"{layer.vectors:,}"),
        ]
    if account is not None:
        shown += [
            Detail("Digital", account.reason),
            Detail("Source", account.location.place, account.location.code.strip()),
        ]
    return tuple(shown)


def core_details(
    contents: CoreContents, rms: float | None, error: float | None
) -> tuple[Detail, ...]:
    """A core in a few numbers."""
    shown = [
        Detail("Tiles", str(len(contents.tiles))),
        Detail("Cells in use", percent(contents.used_share)),
    ]
    if error is not None:
        shown.append(Detail("MVM error", percent(error)))
    if rms is not None:
        shown.append(Detail("Rms error of the cells", f"{rms:.2f} µS"))
    return tuple(shown)


def tile_cells(matrix: Matrix, tile: Tile) -> tuple[str, ...]:
    """A tile's line in its core's table: block, place, stage, g_max."""
    stages = len(matrix.row_ranges)
    return (
        f"rows {_range(tile.rows)}, columns {_range(tile.columns)}",
        f"rows {_range(tile.core_rows)}, columns {_range(tile.core_columns)}",
        f"{tile.stage + 1} of {stages}",
        f"{matrix.g_max_siemens[tile.stage] * 1e6:.2f} µS",
    )


def _range(pair: tuple[int, int]) -> str:
    return f"{pair[0]}–{pair[1]}"


def bars(
    parts: Sequence[Part], quantity: Quantity, names: Mapping[str, str] | None = None
) -> list[Bar]:
    """Parts of a total with their amounts in words, layers by their short names."""
    short = names or {}
    return [
        Bar(
            name=p.name if p.layer is None else short.get(p.name, p.name),
            label=p.name,
            value=amount_text(p.amount, quantity),
            share=p.share,
            assumed=p.assumed,
            layer=p.layer,
        )
        for p in parts
    ]


def constants(artifact: Artifact) -> list[tuple[Kind, tuple[Constants, ...]]]:
    """The chip's tables by kind, the assumed ones first."""
    tables: Mapping[str, dict[str, object]] = {
        k: t for k, t in chip_tables(artifact.chip).items() if isinstance(t, dict)
    }
    found = [
        Constants(
            name=name,
            kind=table["kind"],  # type: ignore[arg-type]
            source=str(table["source"]),
            note=str(table["note"]),
            values=tuple(Detail(k, _value(v)) for k, v in table.items() if k not in _PEDIGREE),
        )
        for name, table in tables.items()
    ]
    by_kind = [(kind, tuple(t for t in found if t.kind == kind)) for kind in _KINDS]
    return [(kind, group) for kind, group in by_kind if group]


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case dict():
            return ", ".join(f"{k} {_value(v)}" for k, v in value.items())
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            return str(value)
