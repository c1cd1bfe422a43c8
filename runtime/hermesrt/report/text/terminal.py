"""Summaries that a person reads in a terminal. They compute nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from hermesrt.artifact.schema import Artifact, NodeAssignment, Unit
from hermesrt.chip.spec import ChipSpec
from hermesrt.cost import CAUSES, Cost, LayerCost
from hermesrt.ops.table import base_name, op_class
from hermesrt.report.text.score import placement_text
from hermesrt.units import duration, percent, plural, si

if TYPE_CHECKING:  # `hermesc inspect` shows a program without importing torch
    from hermesrt.run_report import OutputReport, RunReport
    from hermesrt.workload import Workload

_PS, _PJ = 1e-12, 1e-12


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, the first row a header."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    return "\n".join(f"{name:<13}{value}" for name, value in rows)


def compile_summary(artifact: Artifact, work: "Workload", file: str) -> str:
    """What the compiler made of a model."""
    from hermesrt.interchip import interchip_transfers
    from hermesrt.report.text.placement import crossing_fact

    share = ("Products", f"{percent(work.analog_mac_share)} of multiply-adds on crossbars")
    crosses = crossing_fact(artifact, interchip_transfers(work))
    return facts([*artifact_facts(artifact, file), *crosses, share])


def artifact_facts(artifact: Artifact, file: str) -> list[tuple[str, str]]:
    """A program in a few lines."""
    manifest, chip = artifact.manifest, artifact.chip
    kinds: tuple[Unit, ...] = ("analog", "ldpu", "digital", "free")
    units = {u: artifact.count(u) for u in kinds}
    cells = sum(t.cells for m in manifest.matrices for t in m.tiles)
    cores = len(artifact.cores)
    tiles = Counter(t.core for m in manifest.matrices for t in m.tiles)
    shared = sum(count > 1 for count in tiles.values())
    hypothetical = " (hypothetical)" if chip.hypothetical else ""
    lines = [
        ("Program", f"{manifest.name} in {file}"),
        ("Chip", f"{chip.name}{hypothetical}: {chip.description}"),
        (
            "Graph",
            f"{plural(len(manifest.account), 'node')}: {units['analog']} analog, "
            f"{units['ldpu']} in LDPUs, {units['digital']} digital, {units['free']} folded or free",
        ),
        (
            "Cores",
            f"{cores} of {artifact.cores_in_all}, {cells:,} of "
            f"{cores * chip.cells_per_core:,} cells "
            f"({percent(artifact.utilisation)}); {plural(artifact.tiles, 'tile')}, "
            f"{plural(shared, 'shared core')}",
        ),
        ("Placement", placement_text(manifest.placement)),
        ("Calibration", f"{manifest.calibration_rows} rows{_clipped(artifact)}"),
    ]
    if manifest.defects:
        lines.append(("Defects", _defects(artifact)))
    return lines + [("Note", note) for note in manifest.notes]


def _defects(artifact: Artifact) -> str:
    """What the known defects cost: cells, and the worst layer."""
    layers = artifact.manifest.defects
    stuck, left = sum(d.stuck for d in layers), sum(d.left for d in layers)
    worst = max(layers, key=lambda d: d.error)
    return (
        f"{plural(stuck, 'cell')} in use with a stuck device, {left:,} not made up for by the "
        f"others; weights at most {percent(worst.error)} off ({worst.label}), "
        f"{percent(worst.blind_error)} without the map"
    )


def _clipped(artifact: Artifact) -> str:
    """What the input ranges cut off on the calibration data, where they cut anything."""
    shares = [(step.clipped_share, artifact.matrices[step.matrix].label) for step in artifact.mvms]
    most, label = max(shares, default=(0.0, ""))
    return f"; up to {percent(most)} of an input clipped ({label})" if most else ""


def account_table(artifact: Artifact) -> str:
    """What does not run on crossbars, with source line and reason; layout in one line."""
    digital = [a for a in artifact.manifest.account if a.unit == "digital"]
    if not digital:
        return "Everything runs on the chip."
    layout = [a for a in digital if op_class(a.op) == "layout"]
    work = sorted((a for a in digital if a not in layout), key=_place_and_op)
    rows = []
    for (place, op, reason), group in groupby(work, key=_place_and_op):
        count = len(list(group))
        rows.append((place, op if count == 1 else f"{op} x{count}", reason))
    text = "Not analog:\n" + table(("where", "operation", "why"), rows) if rows else "Not analog:"
    if layout:
        names = ", ".join(dict.fromkeys(base_name(a.op) for a in layout))
        text += f"\n  {len(layout)} more only move or rename data: {names}"
    return text


def _place_and_op(a: NodeAssignment) -> tuple[str, str, str]:
    return str(a.location), base_name(a.op), a.reason


def run_summary(report: "RunReport") -> str:
    """What a run told."""
    cost, artifact = report.cost, report.artifact
    how = "ideal: every non-ideality off" if report.ideal else (
        f"{report.method} weights, {duration(report.age_s)} after programming, "
        f"{report.read_mode} reads"
    )  # fmt: skip
    lines = [
        ("Program", f"{artifact.manifest.name} on {artifact.chip.name}, seed {report.seed}"),
        ("Weights", how),
        ("Samples", f"{report.samples:,}"),
    ]
    if report.accuracy is not None and report.reference_accuracy is not None:
        drop = 100 * (report.accuracy - report.reference_accuracy)
        text = (
            f"{percent(report.accuracy)} on the chip, {percent(report.reference_accuracy)} in FP32"
        )
        lines.append(("Accuracy", f"{text} ({drop:+.1f} points)"))
    for name, output in report.outputs.items():
        shape = "x".join(map(str, output.shape)) or "scalar"
        lines.append((name, f"{shape}, relative error {output.relative_error:.3g} against FP32"))
        lines += [("", text) for text in nonfinite_text(output, report.samples)]
    return facts(lines + cost_facts(artifact, cost))


def nonfinite_text(output: "OutputReport", samples: int) -> list[str]:
    """How many rows of an output are not finite; nothing where all are."""
    chip, exact = output.nonfinite_rows, output.nonfinite_reference_rows
    if not chip and not exact:
        return []
    return [
        f"NaN or infinity in {chip:,} of {samples:,} rows on the chip, {exact:,} in FP32: left out "
        "of the error, never counted as a right class"
    ]


def cost_facts(artifact: Artifact, cost: Cost) -> list[tuple[str, str]]:
    """Time and energy of one sample, and on what they rest."""
    share = cost.assumed_share
    return [
        (
            "Latency",
            f"{si(cost.latency_ps * _PS, 's')} a sample: {_parts(cost.latency_by, _PS, 's')}",
        ),
        ("Interval", f"{si(cost.interval_ps * _PS, 's')} between samples in steady state"),
        ("Energy", f"{si(cost.energy_pj * _PJ, 'J')} a sample: {_parts(cost.energy_by, _PJ, 'J')}"),
        (
            "Cores",
            f"{len(artifact.cores)} of {artifact.cores_in_all}, {percent(artifact.utilisation)} of "
            f"their cells; {plural(cost.core_mvms, 'core MVM')} a sample",
        ),
        ("Not analog", f"{plural(artifact.count('digital'), 'node')}, listed by `hermesc inspect`"),
        (
            "Assumed",
            f"{percent(share['latency'])} of the latency and {percent(share['energy'])} of the "
            f"energy rest on assumed numbers; `hermesc chips {artifact.chip.name}` lists them",
        ),
    ]


def _parts(by: Mapping[str, int] | Mapping[str, float], scale: float, unit: str) -> str:
    parts = [f"{CAUSES[k]} {si(v * scale, unit)}" for k, v in by.items() if v]
    return ", ".join(parts) or "none"


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
    rows = [
        (
            m.label,
            f"{m.rows}x{m.columns}",
            str(len(m.tiles)),
            ", ".join(map(str, sorted({t.core for t in m.tiles}))),
            str(uses[m.name]),
            ", ".join(f"{g * 1e6:.1f}" for g in m.g_max_siemens),
        )
        for m in artifact.manifest.matrices
    ]
    return table(("layer", "size", "tiles", "cores", "uses", "g_max (uS)"), rows)


def chip_text(chip: ChipSpec, tables: dict[str, dict[str, object]]) -> str:
    """A chip, table by table, with kind and source."""
    lines = [f"{chip.name}: {chip.description}", ""]
    for name, content in tables.items():
        numbers = {k: v for k, v in content.items() if k not in ("kind", "source", "note")}
        lines.append(f"[{name}]  {content['kind']}: {content['source']}")
        if content.get("note"):
            lines.append(f"  note: {content['note']}")
        lines += [f"  {key} = {value}" for key, value in numbers.items()]
        lines.append("")
    return "\n".join(lines).rstrip()
