"""What the page says in words and numbers: rows of text for the template, which escapes them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from hermesrt.artifact.schema import Artifact, Matrix, MvmStep, NodeAssignment, Tile
from hermesrt.chip.load import chip_tables
from hermesrt.chip.spec import Kind
from hermesrt.cost import Cost, LayerCost, Moved
from hermesrt.ops.table import base_name
from hermesrt.report.figures.floorplan import chip_count
from hermesrt.report.figures.svg import swatch_svg
from hermesrt.report.text.comparison import change, ratio, times
from hermesrt.roofline import MachineEstimate
from hermesrt.run_report import RunReport
from hermesrt.snapshot import ProgrammingSnapshot
from hermesrt.units import duration, percent, plural, si

_PS, _PJ, _NS, _NJ = 1e-12, 1e-12, 1e-9, 1e-9
_PEDIGREE = ("kind", "source", "note")
_KINDS: tuple[Kind, ...] = ("assumed", "derived", "quoted")


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value, as text, with what the value is about."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of the table; `places` are the source lines that use it."""

    label: str
    size: str
    tiles: int
    cores: str
    mvms: str
    latency: str
    energy: str
    places: tuple[Fact, ...]
    swatch: Markup


@dataclass(frozen=True, slots=True)
class OffChip:
    """One digital operation and how often it stands on its line."""

    place: str
    op: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Constants:
    """One table of the chip."""

    name: str
    kind: Kind
    source: str
    note: str
    values: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A digital machine beside the chip."""

    name: str
    utilisation: str
    latency: str
    latency_ratio: str
    energy: str
    energy_ratio: str


@dataclass(frozen=True, slots=True)
class MovedRow:
    """What half and twice an assumed constant make of latency and of energy."""

    name: str
    value: str
    changes: tuple[str, ...]


def run_facts(run: RunReport) -> tuple[Fact, ...]:
    """Results of a run."""
    method = "ideal" if run.ideal else f"{run.method} weights"
    age = "every non-ideality off" if run.ideal else f"{duration(run.age_s)} after programming"
    facts = [
        Fact("Samples", f"{run.samples:,}", f"seed {run.seed}"),
        Fact("Weights", method, age if run.ideal else f"{age}, {run.mode} reads"),
    ]
    if run.accuracy is not None and run.reference_accuracy is not None:
        points = 100 * (run.accuracy - run.reference_accuracy)
        facts += [
            Fact("Accuracy on the chip", percent(run.accuracy), f"{points:+.1f} points"),
            Fact("Accuracy in FP32", percent(run.reference_accuracy), "torch, same samples"),
        ]
    for name, output in run.outputs.items():
        shape = " × ".join(map(str, output.shape)) or "scalar"
        error = f"{output.relative_error:.3g}"
        facts.append(Fact(f"Relative error of {name}", error, f"{shape}, against FP32"))
        chip, exact = output.nonfinite_rows, output.nonfinite_reference_rows
        if chip or exact:
            rows = f"{chip:,} of {run.samples:,} rows"
            facts.append(Fact(f"NaN or infinity in {name}", rows, f"{exact:,} rows in FP32"))
    return tuple(facts)


def summary(artifact: Artifact, cost: Cost) -> tuple[Fact, ...]:
    """The program in eight numbers."""
    tiles = Counter(t.core for m in artifact.manifest.matrices for t in m.tiles)
    shared = sum(count > 1 for count in tiles.values())
    share, chips = cost.assumed_share, chip_count(artifact)
    where = f"on {chips} chips" if chips > 1 else "of one chip"
    return (
        Fact("Cores used", f"{len(artifact.cores)} of {artifact.chip.cores * chips}", where),
        Fact("Utilisation", percent(artifact.utilisation), "of the used cores’ cells"),
        Fact("Tiles", f"{artifact.tiles}", plural(shared, "shared core")),
        Fact("Latency", si(cost.latency_ps * _PS, "s"), per(cost)),
        Fact("Interval", si(cost.interval_ps * _PS, "s"), "between samples, steady state"),
        Fact("Energy", si(cost.energy_pj * _PJ, "J"), "a sample"),
        Fact("Latency assumed", percent(share["latency"]), "rests on assumed constants"),
        Fact("Energy assumed", percent(share["energy"]), "rests on assumed constants"),
    )


def per(cost: Cost) -> str:
    """What times are for."""
    return "a sample" if cost.samples == 1 else f"a batch of {cost.samples:,}"


def layer_rows(artifact: Artifact, cost: Cost) -> list[LayerRow]:
    """The matrices, in order."""
    return [_layer(artifact, cost, i, m) for i, m in enumerate(artifact.manifest.matrices)]


def _layer(artifact: Artifact, cost: Cost, number: int, matrix: Matrix) -> LayerRow:
    steps = [s for s in artifact.mvms if s.matrix == matrix.name]
    names = {s.name for s in steps}
    costs = [layer for layer in cost.layers if layer.step in names]
    return LayerRow(
        label=matrix.label,
        size=f"{matrix.rows} × {matrix.columns}",
        tiles=len(matrix.tiles),
        cores=", ".join(map(str, sorted({t.core for t in matrix.tiles}))),
        mvms=f"{sum(c.core_mvms for c in costs):,}",
        latency=si(sum(c.latency_ps for c in costs) * _PS, "s"),
        energy=si(sum(c.energy_pj for c in costs) * _PJ, "J"),
        places=_places(steps),
        swatch=Markup(swatch_svg(number)),
    )


def _places(steps: Sequence[MvmStep]) -> tuple[Fact, ...]:
    places = dict.fromkeys((str(s.location), s.location.code.strip()) for s in steps)
    return tuple(Fact("Source", place, code) for place, code in places)


def layer_facts(row: LayerRow) -> tuple[Fact, ...]:
    """A layer wherever it is pointed at."""
    return (
        Fact("Latency", row.latency),
        Fact("Energy", row.energy),
        Fact("Core MVMs", row.mvms),
        Fact("Matrix", f"{row.size}, in {plural(row.tiles, 'tile')}"),
        Fact("Cores", row.cores),
        *row.places,
    )


def step_facts(account: NodeAssignment | None, layer: LayerCost | None) -> tuple[Fact, ...]:
    """A digital operation wherever it is pointed at."""
    facts = []
    if layer is not None:
        facts += [
            Fact("Latency", si(layer.latency_ps * _PS, "s")),
            Fact("Energy", si(layer.energy_pj * _PJ, "J")),
            Fact("Vectors", f"{layer.vectors:,}"),
        ]
    if account is not None:
        facts += [
            Fact("Digital", account.reason),
            Fact("Source", str(account.location), account.location.code.strip()),
        ]
    return tuple(facts)


def core_facts(
    tiles: int, share: float, rms: float | None, error: float | None
) -> tuple[Fact, ...]:
    """A core in a few numbers."""
    facts = [Fact("Tiles", str(tiles)), Fact("Cells in use", percent(share))]
    if error is not None:
        facts.append(Fact("MVM error", percent(error)))
    if rms is not None:
        facts.append(Fact("Rms error of the cells", f"{rms:.2f} µS"))
    return tuple(facts)


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


def off_chip(account: Sequence[NodeAssignment]) -> tuple[OffChip, ...]:
    """Digital operations, the same ones of a line together."""
    found = Counter((str(a.location), base_name(a.op), a.reason) for a in account)
    return tuple(OffChip(*key, count) for key, count in found.items())


def programming_facts(held: ProgrammingSnapshot) -> tuple[Fact, ...]:
    """How the weights were written."""
    facts = [Fact("Method", held.method, f"seed {held.seed}")]
    if held.errors:
        worst = max(held.errors, key=lambda core: held.errors[core])
        facts += [
            Fact("MVM error", percent(fmean(held.errors.values())), "mean of the cores"),
            Fact("Worst core", percent(held.errors[worst]), f"core {worst}"),
        ]
    if held.iterations:
        counts = held.iterations[-1].counts
        facts += [
            Fact("Iterations", f"{len(held.iterations):,}"),
            Fact("Pulses", f"{counts.pulses:,}", f"{counts.reads:,} verify reads"),
        ]
    return tuple(facts)


def machine_rows(cost: Cost, found: Sequence[MachineEstimate]) -> list[MachineRow]:
    """Digital machines at their utilisation and at their peak."""
    rows = []
    for e in found:
        name, used = f"{e.machine} {e.precision}", percent(e.utilisation)
        rows.append(_machine(cost, name, used, e.latency_ns, e.energy_nj))
        rows.append(_machine(cost, "", "at its peak", e.peak_latency_ns, e.peak_energy_nj))
    return rows


def _machine(cost: Cost, name: str, used: str, latency_ns: float, energy_nj: float) -> MachineRow:
    return MachineRow(
        name,
        used,
        si(latency_ns * _NS, "s"),
        times(ratio(cost.latency_ps / 1000, latency_ns)),
        si(energy_nj * _NJ, "J"),
        times(ratio(cost.energy_pj / 1000, energy_nj)),
    )


def moved_rows(cost: Cost, moved: Sequence[Moved]) -> list[MovedRow]:
    """Assumed constants and their strength."""
    return [
        MovedRow(
            m.key,
            f"{m.value:g}",
            (
                *(change(ps, cost.latency_ps) for ps in m.latency_ps),
                *(change(pj, cost.energy_pj) for pj in m.energy_pj),
            ),
        )
        for m in moved
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
            values=tuple(Fact(k, _value(v)) for k, v in table.items() if k not in _PEDIGREE),
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
