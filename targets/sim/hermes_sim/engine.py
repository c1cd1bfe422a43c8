"""When each operation runs and what it costs: a list schedule in integer picoseconds.

First version: operations start in the program's order as soon as their inputs are there and their
resource is free; a core serves one matrix at a time, the host one operation at a time. The vectors
of one MVM step stream through its cores at the rate of the slowest resource. Needs counts and
shapes only. Cost: linear in steps and tiles, whatever the number of vectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hermes_sim import digital
from hermes_sim.energy import Counts, assumed_causes, energy_pj
from hermesc.artifact.schema import Artifact, Matrix
from hermesc.target.spec import ChipSpec, Mode
from hermesc.units import to_ps
from hermesrt.cost import Cost, LayerCost, Span
from hermesrt.workload import HostWork, MvmWork, Workload

CAUSES = ("array", "ldpu", "links", "host_link", "host")


def cost(chip: ChipSpec, workload: Workload, mode: Mode) -> Cost:
    """Time and energy of one sample of the workload."""
    return _Engine(chip, workload, mode).run()


@dataclass(frozen=True, slots=True)
class _Task:
    """One step's demand: what it occupies, for how long, and where its latency goes."""

    name: str
    label: str
    takes: tuple[str, ...]
    cores: tuple[int, ...]  # empty: the host
    busy: Mapping[int | str, int]
    latency_by: Mapping[str, int]
    counts: Counts
    vectors: int

    @property
    def latency(self) -> int:
        return sum(self.latency_by.values())


@dataclass(frozen=True, slots=True)
class _Done:
    """A task on the time line; `after` is the task whose end let it start."""

    task: _Task
    start: int
    end: int
    after: str | None


class _Engine:
    def __init__(self, chip: ChipSpec, workload: Workload, mode: Mode) -> None:
        self._chip = chip
        self._workload = workload
        self._mode = mode
        self._done: dict[str, _Done] = {}

    def run(self) -> Cost:
        artifact, samples = self._workload.artifact, self._workload.samples
        tasks = [self._task(work) for work in self._workload.work]
        self._schedule(tasks)
        latency = max((d.end for d in self._done.values()), default=0)
        busy: dict[int | str, int] = {}
        counts = Counts()
        for task in tasks:
            counts += task.counts
            for resource, time in task.busy.items():
                busy[resource] = busy.get(resource, 0) + time
        energy = energy_pj(self._chip, counts, self._mode, len(artifact.cores), latency)
        pedigrees = {
            "array": self._chip.mvm_time.pedigree,
            "ldpu": self._chip.ldpu_time.pedigree,
            "links": self._chip.stage_time.pedigree,
            "host_link": self._chip.host_link_time.pedigree,
            "host": self._chip.host_time.pedigree,
        }
        return Cost(
            samples=samples,
            latency_ps=latency,
            interval_ps=max(busy.values(), default=0) // samples,
            latency_by=self._critical_path(),
            energy_by={cause: value / samples for cause, value in energy.items()},
            assumed_latency=tuple(c for c in CAUSES if pedigrees[c].kind == "assumed"),
            assumed_energy=assumed_causes(self._chip),
            layers=tuple(self._layers(tasks)),
            spans=tuple(self._spans()),
        )

    def _task(self, work: MvmWork | HostWork) -> _Task:
        return self._mvm(work) if isinstance(work, MvmWork) else self._host(work)

    def _mvm(self, work: MvmWork) -> _Task:
        """Source: Le Gallo 2023 Table I, T = T_mvm + 2.5 ns N_out + 55 ns N_stages, plus the host's
        transfers; a further vector follows at the rate of the slowest of array, LDPU and ports."""
        matrix = self._matrices[work.step.matrix]
        chip, stages = self._chip, len(matrix.row_ranges)
        mvm = to_ps(self._mvm_ns)
        ldpu = {t.core: 0 for t in matrix.tiles}
        array, port_in, port_out = dict(ldpu), dict(ldpu), dict(ldpu)
        for tile in matrix.tiles:
            rows, columns = (b - a for a, b in (tile.rows, tile.columns))
            array[tile.core] += mvm
            ldpu[tile.core] += to_ps(chip.ldpu_time.output_interval_ns) * columns
            port_in[tile.core] += to_ps(chip.host_link_time.byte_ns) * rows
            if tile.stage == stages - 1:
                port_out[tile.core] += to_ps(chip.host_link_time.byte_ns) * columns
        resources = (array, ldpu, port_in, port_out)
        pace = {core: max(r[core] for r in resources) for core in array}
        follow = (work.vectors - 1) * max(pace.values())
        after_ldpu = max(0, *(port_out[c] - ldpu[c] for c in ldpu))  # outputs leave as they come
        slowest = {
            "array": max(array.values()),
            "ldpu": max(ldpu.values()),
            "host_link": max(port_in.values()) + after_ldpu,
        }
        waits = max(slowest, key=lambda cause: slowest[cause])
        latency = slowest | {"links": to_ps(chip.stage_time.stage_ns) * stages, "host": 0}
        latency[waits] += follow
        widths = sum(t.columns[1] - t.columns[0] for t in matrix.tiles)
        tiles = len(matrix.tiles)
        transfers = sum(t.rows[1] - t.rows[0] for t in matrix.tiles) + matrix.columns
        counts = Counts(tiles * work.vectors, widths * work.vectors, transfers * work.vectors, 0)
        busy: dict[int | str, int] = {core: pace[core] * work.vectors for core in pace}
        return _Task(
            work.step.name, matrix.label, work.step.takes, tuple(sorted(array)), busy,
            {cause: latency[cause] for cause in CAUSES}, counts, work.vectors,
        )  # fmt: skip

    def _host(self, work: HostWork) -> _Task:
        operations = digital.operations(work, self._chip)
        time = to_ps(operations * self._chip.host_time.op_ns)
        latency = dict.fromkeys(CAUSES, 0) | {"host": time}
        label = work.step.op.split(".")[1]
        counts = Counts(host_operations=operations)
        return _Task(work.step.name, label, work.step.takes, (), {"host": time}, latency, counts, 0)

    def _schedule(self, tasks: list[_Task]) -> None:
        free: dict[int | str, tuple[int, str | None]] = {}
        for task in tasks:
            held = list(task.busy) if task.latency else []
            starts = [(self._done[n].end, n) for n in task.takes if n in self._done]
            starts += [(free[r][0], free[r][1]) for r in held if r in free]  # type: ignore[misc]
            start, after = max(starts, key=lambda s: s[0], default=(0, None))
            end = start + task.latency
            self._done[task.name] = _Done(task, start, end, after)
            for resource in held:
                free[resource] = (end, task.name)

    def _critical_path(self) -> dict[str, int]:
        """Where the latency goes, back from the operation that ends last."""
        by = dict.fromkeys(CAUSES, 0)
        last = max(self._done.values(), key=lambda d: d.end, default=None)
        while last is not None:
            for cause, time in last.task.latency_by.items():
                by[cause] += time
            last = self._done[last.after] if last.after is not None else None
        return by

    def _layers(self, tasks: list[_Task]) -> list[LayerCost]:
        layers = []
        for task in tasks:
            if task.cores:
                energy = energy_pj(
                    self._chip, task.counts, self._mode, len(task.cores), task.latency
                )
                layers.append(
                    LayerCost(
                        step=task.name,
                        label=task.label,
                        vectors=task.vectors,
                        core_mvms=task.counts.core_mvms // self._workload.samples,
                        latency_ps=task.latency,
                        energy_pj=sum(energy.values()) / self._workload.samples,
                    )
                )
        return layers

    def _spans(self) -> list[Span]:
        return [
            Span(d.task.name, d.task.label, "core" if d.task.cores else "host", d.task.cores,
                 d.start, d.end)
            for d in self._done.values()
            if d.end > d.start
        ]  # fmt: skip

    @property
    def _matrices(self) -> dict[str, Matrix]:
        artifact: Artifact = self._workload.artifact
        return artifact.matrices

    @property
    def _mvm_ns(self) -> float:
        times = self._chip.mvm_time
        return times.one_phase_ns if self._mode == "1-phase" else times.four_phase_ns
