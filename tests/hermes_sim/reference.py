"""The slow, obvious definition of the timeline: every job an event, queues served by SimPy.

Each resource is a process that takes its jobs in the order of the program (step, stage, column,
vector) and, for each, waits for all that the job needs, holds the resource for the job's time, and
says so. Nothing is folded, nothing shared.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np
import simpy

from hermes_sim import digital
from hermes_sim.critical_path import critical_path
from hermes_sim.timeline import Timeline
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.interchip import chip_inputs
from hermesrt.ops.window import Window
from hermesrt.units import to_ps
from hermesrt.workload import HostWork, MvmWork, Needs, Workload

Event = Any


def seen(window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...], token: int) -> list[int]:
    """Raster indices of the inputs that an output of a window sees, tap by tap."""
    place = np.unravel_index(token, outputs)
    found = []
    for taps in product(*map(range, window.kernel)):
        at = [
            p * s - b + t * d
            for p, s, b, t, d in zip(
                place, window.stride, window.before, taps, window.dilation, strict=True
            )
        ]
        pairs = list(zip(at, window.spread, sizes, strict=True))
        if all(a % w == 0 and 0 <= a // w < size for a, w, size in pairs):
            found.append(int(np.ravel_multi_index([a // w for a, w, _ in pairs], sizes)))
    return found


def idle(work: MvmWork, token: int) -> bool:
    """Whether an output sees nothing but padding, and so takes no MVM."""
    window = work.step.window
    if window is None or work.needs.tokens == 1:
        return False
    return not seen(window, work.sizes, window.outputs(work.sizes), token)


@dataclass
class Job:
    """One job: the events it needs, each with a delay after it."""

    service: int
    needs: list[tuple[Event, int]]
    began: Event
    done: Event


@dataclass
class Reference:
    """All jobs of a workload, by resource, in order."""

    chip: ChipSpec
    workload: Workload
    mode: Mode | None
    env: simpy.Environment = field(default_factory=simpy.Environment)
    queues: dict[Any, list[Job]] = field(default_factory=lambda: defaultdict(list))
    results: dict[str, list[Event]] = field(default_factory=dict)

    @cached_property
    def lacks(self) -> dict[tuple[str, int], float]:
        """The share of each MVM's input that a chip gets from others."""
        return {(taken.step, taken.chip): taken.share for taken in chip_inputs(self.workload)}

    def run(self) -> dict[str, list[int]]:
        """When each token of each step's result is there."""
        for work in self.workload.work:
            if isinstance(work, MvmWork) and work.steps:
                self.results[work.step.name] = self.recurrence(work)
            elif isinstance(work, MvmWork):
                self.results[work.step.name] = self.mvm(work)
            else:
                self.results[work.step.name] = self.digital(work)
        times: dict[str, list[int]] = {n: [0] * len(e) for n, e in self.results.items()}
        for name, events in self.results.items():
            for i, event in enumerate(events):
                self.env.process(self.note(times[name], i, event))
        for queue in self.queues.values():
            self.env.process(self.serve(queue))
        self.env.run()
        return times

    def note(self, times: list[int], i: int, event: Event) -> Iterator[Event]:
        yield event
        times[i] = self.env.now

    def serve(self, queue: list[Job]) -> Iterator[Event]:
        for job in queue:
            for event, delay in job.needs:
                yield self.after(event, delay)
            job.began.succeed()
            yield self.env.timeout(job.service)
            job.done.succeed()

    def after(self, event: Event, delay: int) -> Event:
        later = self.env.event()

        def wait() -> Iterator[Event]:
            yield event
            yield self.env.timeout(delay)
            later.succeed()

        self.env.process(wait())
        return later

    def add(self, resource: Any, service: int, needs: list[tuple[Event, int]]) -> Job:
        # the delays must run from the event, not from when the resource turns to the job
        ready = [(self.after(event, delay), 0) for event, delay in needs]
        job = Job(service, ready, self.env.event(), self.env.event())
        self.queues[resource].append(job)
        return job

    @property
    def start(self) -> tuple[Event, int]:
        return self.env.timeout(0), 0

    def inputs(self, needs: Needs, token: int) -> list[tuple[Event, int]]:
        each = [(self.results[n][token], 0) for n in needs.each if n in self.results]
        whole = [(e, 0) for n in needs.whole if n in self.results for e in self.results[n][-1:]]
        moved = [
            (self.results[w.name][i], 0)
            for w in needs.windows
            if w.name in self.results
            for i in seen(w.window, w.sizes, w.outputs, token)
        ]
        return each + whole + moved

    def all_of(self, needs: list[tuple[Event, int]]) -> Event:
        return self.env.all_of([self.after(e, d) for e, d in needs])

    def digital(self, work: HostWork) -> list[Event]:
        service = round(digital.time_ps(work, self.chip) / work.needs.tokens)
        tokens = [self.inputs(work.needs, i) for i in range(work.needs.tokens)]
        if not service:
            return [self.all_of(needs) for needs in tokens]
        return [self.add("digital", service, needs).done for needs in tokens]

    def recurrence(self, work: MvmWork) -> list[Event]:
        """Each time step as an MVM of its own that needs the gates before it, then its gates; and
        then the second MVM, if there is one, that needs these gates, and its own."""
        split = work.vectors // work.steps
        whole = work.needs.tokens != work.steps
        results: list[Event] = []
        for step in range(work.steps):
            token = 0 if whole else step
            needs = self.inputs(work.needs, token) + [(e, 0) for e in results[-1:]]
            for part in work.products:
                once = replace(part, vectors=split, needs=Needs(), steps=0)
                recurrence = part.step.recurrence
                gated = recurrence is not None and recurrence.unit == "gdpu"
                done = self.all_of([(e, 0) for e in self.mvm(once, needs, gated=gated)])
                gates = digital.time_ps(part, self.chip)
                if gates:
                    done = self.add("digital", gates, [(done, 0)]).done
                needs = [(done, 0)]
            results.append(done)
        return results[-1:] if whole else results

    def mvm(
        self,
        work: MvmWork,
        given: list[tuple[Event, int]] | None = None,
        *,
        gated: bool = False,
    ) -> list[Event]:
        chip, artifact = self.chip, self.workload.artifact
        matrix, tokens = artifact.matrices[work.step.matrix], work.needs.tokens
        served = [t for t in range(tokens) if not idle(work, t)]
        split, last = work.vectors // max(1, len(served)), len(matrix.row_ranges) - 1
        paths = {(r.matrix, r.copy, r.columns, r.stage): r.cores for r in artifact.manifest.routes}
        stage_ps, out = to_ps(chip.stage_time.stage_ns), to_ps(chip.hop_time.hop_ns)
        ldpus: dict[Any, dict[int, Job]] = {}
        sent: list[list[Event]] = [[] for _ in range(work.vectors)]
        copies = 1 + max(t.copy for t in matrix.tiles)
        mode = self.mode or matrix.mode
        for tile in sorted(matrix.tiles, key=lambda t: (t.copy, t.stage, t.columns)):
            rows, columns = tile.rows[1] - tile.rows[0], tile.columns[1] - tile.columns[0]
            jobs: dict[int, Job] = {}
            sums = ldpus.get((tile.copy, tile.columns, tile.stage - 1))
            byte_ns, wait = chip.host_link_time.byte_ns, 0
            if chip.vector_unit is not None:
                byte_ns, wait = chip.vector_unit.byte_ns, to_ps(chip.vector_unit.latency_ns)
            in_ns, in_wait = byte_ns, wait
            lack = self.lacks.get((work.step.name, tile.core // chip.cores), 0.0)
            if chip.vector_unit is not None and lack:
                far = chip.far_link
                in_ns = max(byte_ns, lack * (far or chip.host_link_time).byte_ns)
                in_wait += to_ps(far.latency_ns) if far else 0
            for i in range(tile.copy, work.vectors, copies):
                arrays = self.queues["array", tile.core]
                free = [(arrays[-2].done, 0)] if len(arrays) > 1 else []
                loaded = self.add(
                    ("in", tile.core),
                    to_ps(in_ns * rows),
                    [
                        (e, in_wait)
                        for e, _ in given
                        or self.inputs(work.needs, served[i // split])
                        or [self.start]
                    ]
                    + free,
                )
                mvm = self.add(("array", tile.core), to_ps(chip.mvm_ns[mode]), [(loaded.done, 0)])
                needs = [(mvm.done, 0)]
                ldpu_ps = to_ps(chip.ldpu_time.output_interval_ns * columns)
                if sums:
                    begin, delay = sums[i].began, stage_ps
                    path = paths.get((matrix.name, tile.copy, tile.columns, tile.stage), ())
                    for link in pairwise(path):
                        link_ps = to_ps(chip.link_time.byte_ns * columns)
                        begin, delay = self.add(link, link_ps, [(begin, delay)]).began, out
                    lag = max(0, to_ps(chip.link_time.byte_ns * columns) - ldpu_ps)
                    needs.append((begin, lag if len(path) > 1 else delay))
                jobs[i] = self.add(("ldpu", tile.core), ldpu_ps, needs)
                if tile.stage == last:
                    port_ps = to_ps(byte_ns * (columns // 4 if gated else columns))
                    gate_ps = to_ps(chip.gdpu.latency_ns) if gated else 0
                    began = self.after(jobs[i].began, stage_ps)
                    left = self.add(("out", tile.core), port_ps, [(began, gate_ps)])
                    sent[i] += [left.done, self.after(jobs[i].done, stage_ps + gate_ps)]
            ldpus[tile.copy, tile.columns, tile.stage] = jobs
        results: list[Event] = []
        for t in range(tokens):  # results are taken in order
            place = served.index(t) * split if t in served else work.vectors
            own = [e for events in sent[place : place + split] for e in events]
            results.append(self.env.all_of(own + results[-1:]))
        return results


def assert_times_agree(spec: ChipSpec, work: Workload) -> None:
    """Every time of the timeline is the reference's, and each critical path adds up to the end."""
    wanted = Reference(spec, work, None).run()
    timeline = Timeline(spec, work, None)
    for step in work.work:
        ran = timeline.run(step)
        assert ran.done.known().tolist() == wanted[step.step.name]
        path = critical_path(ran.done, ran.done.count - 1)
        assert sum(path.values()) == ran.done.last
