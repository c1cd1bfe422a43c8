"""What a program is and where it sits, in words. Needs no torch."""

from collections import Counter

from hermesrt.artifact.schema import Artifact, Score, Unit
from hermesrt.facts.cost import extrapolation_facts
from hermesrt.facts.cut import cut_facts
from hermesrt.facts.errors import error_warnings
from hermesrt.facts.fact import Fact
from hermesrt.units import percent, plural, si


def program_facts(artifact: Artifact, file: str) -> tuple[Fact, ...]:
    """A program file in a few facts."""
    manifest, chip = artifact.manifest, artifact.chip
    hypothetical = " (hypothetical)" if chip.hypothetical else ""
    return (
        Fact("Program", f"{manifest.name} in {file}"),
        Fact("Chip", f"{chip.name}{hypothetical}: {chip.description}"),
        *extrapolation_facts(chip),
        _graph(artifact),
        _cores(artifact),
        Fact("Placement", placement_text(manifest.placement)),
        *cut_facts(artifact),
        Fact("Calibration", f"{manifest.calibration_rows} rows{_clipped(artifact)}"),
        *([_defects(artifact)] if manifest.defects else []),
        *(Fact("Warning", text) for text in error_warnings(artifact)),
        *(Fact("Note", note) for note in manifest.notes),
    )


def placement_text(score: Score) -> str:
    """How good a placement is: objective, value, bound, gap and who found it."""
    value, bound = (_amount(v, score.unit) for v in (score.value, score.bound))
    how = {"file": "as given"}.get(score.solver, f"{score.solver} solver")
    proven = (
        "no less is possible" if score.gap <= 0 else f"at least {bound}, gap {percent(score.gap)}"
    )
    return f"{score.objective}: {value} ({proven}), {how}"


def _amount(value: float, unit: str) -> str:
    match unit:
        case "ns":
            return f"{si(value * 1e-9, 's')} in the cores"
        case "nJ":
            return f"{si(value * 1e-9, 'J')} in the cores"
    return f"{value:,.0f} {unit}"


def _graph(artifact: Artifact) -> Fact:
    kinds: tuple[Unit, ...] = ("analog", "ldpu", "digital", "free")
    units = {u: artifact.count(u) for u in kinds}
    return Fact(
        "Graph",
        f"{plural(len(artifact.manifest.account), 'node')}: {units['analog']} analog, "
        f"{units['ldpu']} in LDPUs, {units['digital']} digital, {units['free']} folded or free",
    )


def _cores(artifact: Artifact) -> Fact:
    cells = sum(t.cells for m in artifact.manifest.matrices for t in m.tiles)
    cores = len(artifact.cores)
    tiles = Counter(t.core for m in artifact.manifest.matrices for t in m.tiles)
    shared = sum(count > 1 for count in tiles.values())
    return Fact(
        "Cores",
        f"{cores} of {artifact.cores_in_all}, {cells:,} of "
        f"{cores * artifact.chip.cells_per_core:,} cells "
        f"({percent(artifact.utilisation)}); {plural(artifact.tiles, 'tile')}, "
        f"{plural(shared, 'shared core')}",
    )


def _defects(artifact: Artifact) -> Fact:
    """What the known defects cost: cells, and the worst layer."""
    layers = artifact.manifest.defects
    stuck, left = sum(d.stuck for d in layers), sum(d.left for d in layers)
    worst = max(layers, key=lambda d: d.error)
    return Fact(
        "Defects",
        f"{plural(stuck, 'cell')} in use with a stuck device, {left:,} not made up for by the "
        f"others; weights at most {percent(worst.error)} off ({worst.label}), "
        f"{percent(worst.blind_error)} without the map",
    )


def _clipped(artifact: Artifact) -> str:
    """What the input ranges cut off on the calibration data, where they cut anything."""
    shares = [(step.clipped_share, artifact.matrices[step.matrix].label) for step in artifact.mvms]
    most, label = max(shares, default=(0.0, ""))
    return f"; up to {percent(most)} of an input clipped ({label})" if most else ""
