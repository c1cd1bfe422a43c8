"""What a program costs: its steps through the timeline, their counts through the energy table.

Needs counts and shapes only. Cost: linear in steps, tiles and tokens; see `timeline`.
"""

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from hermes_sim import digital
from hermes_sim.critical_path import critical_path
from hermes_sim.timeline import Ran, Timeline
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Bound, Cost, Lane, LayerCost, MvmsAlone, Span
from hermesrt.interchip import interchip_transfers
from hermesrt.ops.call import last_uses
from hermesrt.ops.recurrence import GATES
from hermesrt.ops.table import base_name
from hermesrt.pricing import (
    Counts,
    Way,
    dynamic_pj,
    energy_kinds,
    idle_pj,
    shared_pj,
    tile_counts,
    time_kinds,
    total,
)
from hermesrt.units import to_ps
from hermesrt.workload import HostWork, MvmWork, Workload

NOTHING = Counts()


def bounded_cost(chip: ChipSpec, workload: Workload, mode: Mode | None) -> Cost:
    """The cost, and what it would be with the digital part on the host and on the chip."""
    found, unit = cost(chip, workload, mode), chip.vector_unit or chip.on_chip_bound
    if unit is None:
        return found
    other = replace(chip, vector_unit=unit if chip.vector_unit is None else None)
    both = (found, cost(other, workload, mode, parts=False))
    on_host, on_chip = both if chip.vector_unit is None else reversed(both)
    return replace(found, bounds=(_bound("host", on_host), _bound("vector_unit", on_chip)))


def _bound(place: str, found: Cost) -> Bound:
    share = found.assumed_share
    return Bound(
        place,
        found.latency_ps,
        found.interval_ps,
        found.energy_pj,
        share["latency"],
        share["energy"],
    )


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """All of the thousands of small objects that are made here stay to the end, and none refers to
    itself; to look for garbage among them takes a fifth of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


@_nothing_collected()
def cost(chip: ChipSpec, workload: Workload, mode: Mode | None, *, parts: bool = True) -> Cost:
    """Time and energy of one sample of the workload; without a read mode each matrix is read in
    its own, and without `parts` there are no layers and no spans."""
    artifact, samples = workload.artifact, workload.samples
    ran = _run(chip, workload, mode)
    last = max((r.done for r in ran), key=lambda track: track.last, default=None)
    latency = last.last if last is not None else 0
    busy, counts = _busy(ran), _counts(chip, workload, mode, ran)
    energy = dynamic_pj(chip, total((NOTHING, *counts)))
    energy["idle"] = _idle_pj(chip, artifact, ran, latency)
    times, prices = time_kinds(chip), energy_kinds(chip)
    by = critical_path(last, last.count - 1) if last is not None else {}
    return Cost(
        samples=samples,
        latency_ps=latency,
        interval_ps=max(_held_gates(ran), *busy.values(), 0) // samples,
        latency_by={cause: by.get(cause, 0) for cause in times if cause in energy or cause in by},
        energy_by={cause: value / samples for cause, value in energy.items()},
        assumed_latency=tuple(cause for cause, kind in times.items() if kind == "assumed"),
        assumed_energy=tuple(cause for cause, kind in prices.items() if kind == "assumed"),
        layers=tuple(_layers(chip, artifact, ran, counts, samples)) if parts else (),
        spans=tuple(_spans(artifact, ran)) if parts else (),
        mvms_alone=_mvms_alone(chip, workload, busy, energy["array"]),
    )


def _counts(
    chip: ChipSpec, workload: Workload, mode: Mode | None, ran: Sequence[Ran]
) -> list[Counts]:
    """What each step that was run does."""
    vector, crosses = per_vector(chip, workload.artifact, mode), crossing_counts(chip, workload)
    found = [count(r.work, vector, chip) for r in ran]
    if not crosses:
        return found
    return [c + crosses.get(r.work.step.name, NOTHING) for c, r in zip(found, ran, strict=True)]


def _idle_pj(chip: ChipSpec, artifact: Artifact, ran: Sequence[Ran], latency: int) -> float:
    """Of all chips all the time, or of each while it works, and a share while it is off."""
    gating = chip.gating
    if gating is None or gating.idle_chips == "on":
        return idle_pj(chip, len(artifact.cores), len(artifact.chips), latency)
    works: dict[int, list[tuple[int, int]]] = {number: [] for number in artifact.chips}
    for step in ran:
        for lane, track in step.uses:
            if lane.cores:
                works[lane.cores[0] // chip.cores].append((track.first, track.last))
    drawn = 0.0
    for number, spans in works.items():
        cores = sum(core // chip.cores == number for core in artifact.cores)
        on = covered(spans, to_ps(gating.wake_ns))
        drawn += idle_pj(chip, cores, 1, on)
        drawn += gating.kept_share * idle_pj(chip, cores, 1, latency - on)
    return drawn


def covered(spans: Sequence[tuple[int, int]], before: int) -> int:
    """The time in any of the spans, each begun so much earlier, but not before zero."""
    covered = end = 0
    for first, last in sorted(spans):
        start = max(end, first - before, 0)
        covered += max(0, last - start)
        end = max(end, last)
    return covered


def per_vector(
    chip: ChipSpec, artifact: Artifact, mode: Mode | None
) -> dict[str, tuple[Counts, ...]]:
    """What one vector through each copy of each matrix takes."""
    hops: Counter[tuple[str, int]] = Counter()
    for route in artifact.manifest.routes:
        width = route.columns[1] - route.columns[0]
        hops[route.matrix, route.copy] += (len(route.cores) - 1) * width
    gated = {s.matrix for s in artifact.mvms if s.recurrence and s.recurrence.unit == "gdpu"}
    found: dict[str, tuple[Counts, ...]] = {}
    for matrix in artifact.manifest.matrices:
        last, gates = len(matrix.row_ranges) - 1, GATES if matrix.name in gated else 1
        alike: Counter[tuple[int, int, int, int]] = Counter()
        for t in matrix.tiles:
            rows, columns = t.rows[1] - t.rows[0], t.columns[1] - t.columns[0]
            alike[t.copy, rows, columns, columns // gates if t.stage == last else 0] += 1
        copies = [[Counts(link_bytes=hops[matrix.name, c])] for c in range(matrix.copies)]
        for (copy, *sizes), many in alike.items():
            copies[copy].append(_tile(chip, mode or matrix.mode, *sizes) * many)
        found[matrix.name] = tuple(map(total, copies))
    return found


def _tile(chip: ChipSpec, mode: Mode, rows: int, columns: int, leaving: int) -> Counts:
    way: Way = "host_link" if chip.vector_unit is None else "transport"
    return tile_counts(rows, columns, mode, leaving=leaving, way=way)


def crossing_counts(chip: ChipSpec, workload: Workload) -> dict[str, Counts]:
    """What each MVM's input moves between chips that have a vector unit each: over their links, or
    up to the host and down again. Where the host does what is digital it goes there anyway."""
    found: dict[str, Counts] = {}
    several = len(workload.artifact.chips) > 1 and chip.vector_unit is not None
    for moved in interchip_transfers(workload) if several else ():
        size = moved.count * workload.samples
        cross = Counts(chip_link_bytes=size) if chip.far_link else Counts(host_link_bytes=2 * size)
        found[moved.step] = found.get(moved.step, NOTHING) + cross
    return found


def count(
    work: MvmWork | HostWork, per_vector: Mapping[str, Sequence[Counts]], chip: ChipSpec
) -> Counts:
    """What a step does, whenever it does it."""
    if isinstance(work, HostWork):
        return _digital(work, chip)
    copies = per_vector[work.step.matrix]
    if len(copies) == 1 and not work.steps:
        return copies[0] * work.vectors
    dealt = [len(range(copy, work.vectors, len(copies))) for copy in range(len(copies))]
    parts = [one * some for one, some in zip(copies, dealt, strict=True)]
    return total([*parts, _digital(work, chip)] if work.steps else parts)


def _digital(work: MvmWork | HostWork, chip: ChipSpec) -> Counts:
    if isinstance(work, HostWork) and work.row.price == "free":
        return NOTHING
    if chip.vector_unit is None:
        return Counts(host_operations=digital.operations(work, chip))
    done = digital.vector_work(work)
    return Counts(
        elements=done.elements, functions=done.functions, norms=done.norms, macs=done.macs
    )


def _run(chip: ChipSpec, workload: Workload, mode: Mode | None) -> list[Ran]:
    timeline = Timeline(chip, workload, mode)
    names = [(w.step.name, w.needs.names) for w in workload.work]
    dead = last_uses(names, ())
    ran = []
    for work, gone in zip(workload.work, dead, strict=True):
        done = timeline.run(work)
        ran += [done] if done.second is None else [done, done.second]
        for name in gone:
            timeline.drop(name)
    return ran


def _busy(ran: Sequence[Ran]) -> dict[Lane, int]:
    """Work of each resource, ps; that of the busiest bounds the rate of samples in a row."""
    busy: dict[Lane, int] = {}
    for step in ran:
        for lane, track in step.uses:
            busy[lane] = busy.get(lane, 0) + track.count * track.service
    return busy


def _held_gates(ran: Sequence[Ran]) -> int:
    """The longest that slices of the gate unit keep one sequence's cells, ps; the next sequence
    waits for its end."""
    gated = (
        step
        for step in ran
        if isinstance(step.work, MvmWork)
        and step.work.step.recurrence is not None
        and step.work.step.recurrence.unit == "gdpu"
    )
    return max((r.done.last - min(t.first for _, t in r.uses) for r in gated), default=0)


def _mvms_alone(
    chip: ChipSpec, workload: Workload, busy: Mapping[Lane, int], array_pj: float
) -> MvmsAlone:
    """Of one sample; arrays wait for nothing, and only what all cores share draws power."""
    time = max((ps for lane, ps in busy.items() if lane.kind == "array"), default=0)
    shared = shared_pj(chip, len(workload.artifact.chips), time)
    samples = workload.samples
    return MvmsAlone(
        operations=2 * workload.analog_macs / samples,
        time_ps=time // samples,
        energy_pj=(array_pj + shared) / samples,
    )


def _label(work: MvmWork | HostWork, artifact: Artifact) -> str:
    if isinstance(work, MvmWork):
        return artifact.matrices[work.step.matrix].label
    return base_name(work.step.op)


def _layers(
    chip: ChipSpec,
    artifact: Artifact,
    ran: Sequence[Ran],
    counts: Sequence[Counts],
    samples: int,
) -> Iterator[LayerCost]:
    for step, done in zip(ran, counts, strict=True):
        if not step.uses:
            continue
        work = step.work
        yield LayerCost(
            step=work.step.name,
            label=_label(work, artifact),
            analog=isinstance(work, MvmWork),
            vectors=work.vectors if isinstance(work, MvmWork) else work.needs.tokens,
            core_mvms=done.core_mvms // samples,
            latency_ps=step.done.last - min(track.first for _, track in step.uses),
            energy_pj=sum(dynamic_pj(chip, done).values()) / samples,
            buffered=work.needs.buffered,
        )


def _spans(artifact: Artifact, ran: Sequence[Ran]) -> Iterator[Span]:
    for step in ran:
        name, label = step.work.step.name, _label(step.work, artifact)
        for lane, t in step.uses:
            if t.service:
                yield Span(name, label, lane, t.first, t.last, t.count, t.service, t.head)
