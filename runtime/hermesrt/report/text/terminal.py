"""Summaries that a person reads in a terminal. They compute nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from hermesrt.artifact.assignments import digital_nodes, off_chip
from hermesrt.artifact.schema import AS_RUN, Artifact, Matrix
from hermesrt.cost import Cost, LayerCost
from hermesrt.facts.fact import Fact, aligned
from hermesrt.facts.program import program_facts
from hermesrt.ops.table import base_name
from hermesrt.shown import shown
from hermesrt.units import percent, plural, si

if TYPE_CHECKING:  # `hermesc inspect` shows a program without importing torch
    from hermesrt.workload import Workload

_PS, _PJ = 1e-12, 1e-12


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, the first row a header."""
    lines = [tuple(map(shown, line)) for line in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    return aligned(Fact(name, value) for name, value in rows)


def compile_summary(artifact: Artifact, work: "Workload", file: str) -> str:
    """What the compiler made of a model."""
    from hermesrt.facts.placement import crossing_facts, product_fact
    from hermesrt.interchip import interchip_transfers

    crosses = crossing_facts(artifact, interchip_transfers(work))
    return aligned([*program_facts(artifact, file), *crosses, product_fact(work)])


def account_table(artifact: Artifact) -> str:
    """What does not run on crossbars, with source line and reason; layout in one line."""
    nodes = digital_nodes(artifact)
    if not nodes.work and not nodes.layout:
        sliced = any(m.slice is not None for m in artifact.manifest.matrices)
        return f"Everything runs on the chip{' but the sums of slices' if sliced else ''}."
    lines = sorted(off_chip(nodes.work), key=lambda o: (o.place, o.op, o.reason))
    rows = [(o.place, o.op if o.count == 1 else f"{o.op} x{o.count}", o.reason) for o in lines]
    text = "Not analog:\n" + table(("where", "operation", "why"), rows) if rows else "Not analog:"
    if nodes.layout:
        names = ", ".join(dict.fromkeys(base_name(a.op) for a in nodes.layout))
        text += f"\n  {len(nodes.layout)} more only move or rename data: {names}"
    return text


def layer_table(cost: Cost) -> str:
    """Time and energy by layer; what is digital in one line."""
    rows = [
        (
            layer.label,
            f"{layer.vectors:,}",
            f"{layer.core_mvms:,}",
            si(layer.latency_ps * _PS, "s"),
            si(layer.energy_pj * _PJ, "J"),
        )
        for layer in cost.layers
        if layer.analog
    ]
    digital = [layer for layer in cost.layers if not layer.analog]
    if digital:
        rows.append(_together(digital))
    return table(("layer", "vectors", "core MVMs", "latency", "energy"), rows)


def _together(digital: Sequence[LayerCost]) -> tuple[str, str, str, str, str]:
    """Digital steps as one line; they share one unit, so their times add up to its work."""
    energy = si(sum(layer.energy_pj for layer in digital) * _PJ, "J")
    return f"{plural(len(digital), 'digital step')}", "", "", "", energy


def matrix_table(artifact: Artifact) -> str:
    """Where every matrix sits."""
    uses = Counter(step.matrix for step in artifact.mvms)
    columns = _columns(artifact)
    rows = [
        (
            m.label,
            f"{m.rows}x{m.columns}",
            str(len(m.tiles)),
            ", ".join(map(str, sorted({t.core for t in m.tiles}))),
            str(uses[m.name]),
            ", ".join(f"{g * 1e6:.1f}" for g in m.g_max_siemens),
            m.mode,
            *_special(m, columns),
        )
        for m in artifact.manifest.matrices
    ]
    header = ("layer", "size", "tiles", "cores", "uses", "g_max (uS)", "reads")
    return table((*header, *columns), rows)


def _columns(artifact: Artifact) -> tuple[str, ...]:
    """What only some layers have, where any has it."""
    matrices = artifact.manifest.matrices
    sliced = any(m.slice is not None for m in matrices)
    return (
        *(("slice", "share", "fill") if sliced else ()),
        *(("devices",) if any(m.devices for m in matrices) else ()),
        *(("programmed",) if any(m.method != AS_RUN for m in matrices) else ()),
    )


def _special(matrix: Matrix, columns: Sequence[str]) -> Iterator[str]:
    part = matrix.slice
    found = {"devices": str(matrix.devices or "as chip"), "programmed": matrix.method}
    if part is not None:
        found |= {"slice": str(part), "share": percent(part.share), "fill": part.fill}
    yield from (found.get(name, "") for name in columns)
