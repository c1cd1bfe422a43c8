"""One self-contained page about a program: floor plan, layers, costs, sources of every number.

Everything here is text for the template, which escapes it; only pictures that we drew are markup.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hermesc.artifact.schema import Account, Artifact, Matrix, MvmStep, Tile
from hermesc.aten import op_class
from hermesc.target.load import chip_tables
from hermesc.target.spec import Kind
from hermesc.units import duration, percent, si
from hermesrt.cost import CAUSES, Cost
from hermesrt.report.floorplan import chip_svg, swatch_svg, tile_name
from hermesrt.report.run import RunReport

_PS, _PJ = 1e-12, 1e-12
_PEDIGREE = ("kind", "source", "note")


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
class Bar:
    """One cause's part of a total."""

    name: str
    value: str
    share: float
    assumed: bool


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


def page_html(
    artifact: Artifact,
    cost: Cost,
    run: RunReport | None = None,
    mvm_errors: Mapping[int, float] | None = None,
) -> str:
    """The page of a program, with a run's results and the cores' MVM errors where given.

    It asks nothing of a network and opens from a file.
    """
    layers = _layers(artifact, cost)
    tiles = [(m, t) for m in artifact.manifest.matrices for t in m.tiles]
    digital = [a for a in artifact.manifest.account if a.unit == "digital"]
    template = _environment().get_template("page.html.j2")
    text = template.render(
        artifact=artifact,
        chip=artifact.chip,
        header=_run_facts(run) if run else (),
        summary=_summary(artifact, cost),
        plan=Markup(chip_svg(artifact, [tile_name(m, t) for m, t in tiles])),
        layers=layers,
        per=_per(cost),
        data={
            "layers": [{"label": r.label, "facts": _pairs(_layer_facts(r))} for r in layers],
            "tiles": [{"facts": _pairs(_tile_facts(m, t, mvm_errors or {}))} for m, t in tiles],
        },
        latency=_latency_bars(cost),
        energy=_energy_bars(cost),
        off_chip=_off_chip([a for a in digital if op_class(a.op) != "layout"]),
        layout_only=_off_chip([a for a in digital if op_class(a.op) == "layout"]),
        constants=_constants(artifact),
    )
    return _without_surrogates(text)


def _without_surrogates(text: str) -> str:
    """Text that UTF-8 can hold: a hostile name may carry half a pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment


def _run_facts(run: RunReport) -> tuple[Fact, ...]:
    method = "ideal" if run.ideal else f"{run.method} weights"
    age = "every non-ideality off" if run.ideal else f"{duration(run.age_s)} after programming"
    facts = [
        Fact("Samples", f"{run.samples:,}", f"seed {run.seed}"),
        Fact("Weights", method, age if run.ideal else f"{age}, {run.read_mode} reads"),
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
    return tuple(facts)


def _summary(artifact: Artifact, cost: Cost) -> tuple[Fact, ...]:
    tiles = Counter(t.core for m in artifact.manifest.matrices for t in m.tiles)
    shared = sum(count > 1 for count in tiles.values())
    share, per = cost.assumed_share, _per(cost)
    return (
        Fact("Cores used", f"{len(artifact.cores)} of {artifact.chip.cores}"),
        Fact("Utilisation", percent(artifact.utilisation), "of the used cores’ cells"),
        Fact("Tiles", f"{artifact.tiles}", f"{shared} shared core{'' if shared == 1 else 's'}"),
        Fact("Latency", si(cost.latency_ps * _PS, "s"), per),
        Fact("Interval", si(cost.interval_ps * _PS, "s"), "between samples, steady state"),
        Fact("Energy", si(cost.energy_pj * _PJ, "J"), "a sample"),
        Fact("Latency assumed", percent(share["latency"]), "rests on assumed constants"),
        Fact("Energy assumed", percent(share["energy"]), "rests on assumed constants"),
    )


def _per(cost: Cost) -> str:
    return "a sample" if cost.samples == 1 else f"a batch of {cost.samples:,}"


def _layers(artifact: Artifact, cost: Cost) -> list[LayerRow]:
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


def _layer_facts(row: LayerRow) -> tuple[Fact, ...]:
    return (
        *row.places,
        Fact("Matrix", f"{row.size}, in {row.tiles} tile{'' if row.tiles == 1 else 's'}"),
        Fact("Cores", row.cores),
        Fact("Core MVMs", row.mvms),
        Fact("Latency", row.latency),
        Fact("Energy", row.energy),
    )


def _tile_facts(matrix: Matrix, tile: Tile, errors: Mapping[int, float]) -> tuple[Fact, ...]:
    stages = len(matrix.row_ranges)
    stage = f"{tile.stage + 1} of {stages}" if stages > 1 else "none: one block of rows"
    block = f"rows {_range(tile.rows)}, columns {_range(tile.columns)}"
    array = f"rows {_range(tile.core_rows)}, columns {_range(tile.core_columns)}"
    facts = (
        Fact("Core", f"{tile.core}", array),
        Fact("Block", block),
        Fact("Cascade stage", stage),
        Fact("g_max", f"{matrix.g_max_siemens[tile.stage] * 1e6:.2f} µS"),
    )
    if tile.core not in errors:
        return facts
    return (*facts, Fact("MVM error", percent(errors[tile.core]), "of the core"))


def _range(pair: tuple[int, int]) -> str:
    return f"{pair[0]}–{pair[1]}"


def _pairs(facts: Sequence[Fact]) -> list[dict[str, str]]:
    return [asdict(fact) for fact in facts]


def _latency_bars(cost: Cost) -> tuple[Bar, ...]:
    parts = {cause: float(ps) for cause, ps in cost.latency_by.items()}
    return _bars(parts, cost.assumed_latency, _PS, "s")


def _energy_bars(cost: Cost) -> tuple[Bar, ...]:
    return _bars(cost.energy_by, cost.assumed_energy, _PJ, "J")


def _bars(
    parts: Mapping[str, float], assumed: Sequence[str], scale: float, unit: str
) -> tuple[Bar, ...]:
    total = sum(parts.values())
    return tuple(
        Bar(
            name=CAUSES[cause],
            value=si(part * scale, unit),
            share=part / total if total else 0.0,
            assumed=cause in assumed,
        )
        for cause, part in parts.items()
    )


def _off_chip(account: Sequence[Account]) -> tuple[OffChip, ...]:
    found = Counter((str(a.location), _short(a.op), a.reason) for a in account)
    return tuple(OffChip(*key, count) for key, count in found.items())


def _short(op: str) -> str:
    """`cos` of `aten.cos.default`."""
    parts = op.split(".")
    return parts[1] if len(parts) == 3 else op


def _constants(artifact: Artifact) -> tuple[Constants, ...]:
    tables = {k: t for k, t in chip_tables(artifact.chip).items() if isinstance(t, dict)}
    return tuple(
        Constants(
            name=name,
            kind=table["kind"],
            source=table["source"],
            note=table["note"],
            values=tuple(Fact(k, _value(v)) for k, v in table.items() if k not in _PEDIGREE),
        )
        for name, table in tables.items()
    )


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
