"""When each step of a program runs: streams of vectors through the resources of cores and host.

Resources, each serving its jobs first come, first served in the order of the program's steps and,
within a step, of its tiles by copy, stage and column:
  port in, port out  of each core: one byte after another, to and from the host (or on the chip)
  array              of each core: PWM, crossbar and converters, one MVM at a time
  LDPU               of each core: one output a clock; beside the array, which goes on meanwhile
  link               from core to core, for the partial sums of cascades
  digital            the host, or the chip's vector unit: one operation at a time
A core's input buffer holds two vectors: one in the array, one behind it; this holds up the vectors
of the next stream, and those of one stream only where it can matter for what comes after them.
Counts wait for the LDPU without limit. Partial sums are streams:
the next LDPU of a cascade begins `stage_ns` after the one before it began. A vector's outputs leave
while the LDPU makes them. A link that is busy holds a stream of partial sums back, not its LDPU.
A step's vectors are dealt to the copies of its matrix in turn, and its results taken in order.
An output of a window waits for the last input that it sees, so that rows of an image follow each
other through the layers.
A time step of a recurrence waits for the gates of the one before it, and so finds all resources
idle but at the first; its gates are the digital unit's, or the chip's own for LSTMs, which stands
between the last LDPUs and their ports. Where it takes a second product, that waits for the gates of
the first, and the next time step for it and its gates.
On several chips the host does what is digital, over its link; or the chips' vector units do, each
where its operands are, one at a time as if they were one. What a chip's cores take that other chips
made crosses the chips' links, or the host link, and the chip's own transport behind it.
Tiles that look alike and begin alike share one stream, and streams are kept by their rule, so a
step costs tiles, whatever its vectors.
Source: Le Gallo 2023 (resources, overlap of MVM and LDPU); the buffer's depth is assumed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hermes_sim import digital
from hermes_sim.core_streams import turn
from hermes_sim.cores import Cores, Use
from hermes_sim.fifo import collect, join, loop_of, repeated, replayed, serve, split_jobs
from hermes_sim.runs import Run, Runs
from hermes_sim.tracks import Feed, Hold, Track
from hermes_sim.window_places import last_places
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Lane
from hermesrt.interchip import chip_inputs
from hermesrt.ops.tokens import Windowed
from hermesrt.workload import HostWork, MvmWork, Needs, Workload

_Uses = list[Use]
_DIGITAL = Lane("digital", ())


@dataclass(frozen=True, slots=True)
class Ran:
    """One step that was run.

    work: what it had to do.
    done: its result's stream.
    uses: the resources it used, and its streams on them.
    second: the same of the second product of its time steps, where there is one.
    """

    work: MvmWork | HostWork
    done: Track
    uses: tuple[Use, ...]
    second: "Ran | None" = None


class Timeline:
    """Runs the steps of a workload one by one; state of all resources between them."""

    def __init__(self, chip: ChipSpec, workload: Workload, mode: Mode | None) -> None:
        self._chip = chip
        self._workload = workload
        self._artifact: Artifact = workload.artifact
        self._mode = mode
        self._cores = Cores(chip, self._artifact, mode)
        self._digital: Track | None = None
        self._values: dict[str, Track] = {}
        self._lacked: dict[str, dict[int, float]] = {}
        for taken in chip_inputs(workload) if len(self._artifact.chips) > 1 else ():
            self._lacked.setdefault(taken.step, {})[taken.chip] = taken.share

    def run(self, work: MvmWork | HostWork) -> Ran:
        """The next step of the program."""
        if isinstance(work, HostWork):
            ran = self._host(work)
        else:
            ran = self._recur(work) if work.steps else self._mvm(work)
        self._values[work.step.name] = ran.done
        for _, track in (*ran.uses, *(ran.second.uses if ran.second else ())):
            if track is not ran.done:
                track.forget()
        return ran

    def drop(self, name: str) -> None:
        """Nobody needs the times of that result any more."""
        track = self._values.pop(name, None)
        if track is not None:
            self._forget(track)

    def _forget(self, track: Track) -> None:
        """The times of a stream that is no result any more, or was none."""
        if track.bits is not None and all(track is not t for t in self._values.values()):
            track.forget()

    def _needs(
        self, needs: Needs, split: int = 1, served: NDArray[np.bool_] | None = None
    ) -> list[Feed]:
        """Feeds of a step; each token of it that is `served`, if not all are, is `split` jobs."""
        values = self._values
        at = split_jobs(needs.tokens, split) if split > 1 else None
        each = [Feed(values[n], at=at) for n in needs.each if n in values]
        whole = [Feed(values[n], whole=True) for n in needs.whole if n in values]
        moved = [
            Feed(values[w.name], at=repeated(_places(w, served), split))
            for w in needs.windows
            if w.name in values
        ]
        return each + whole + moved

    def _host(self, work: HostWork) -> Ran:
        needs, total = work.needs, digital.time_ps(work, self._chip)
        feeds, service = self._needs(work.needs), round(total / needs.tokens)
        if not service:
            return Ran(work, join(needs.tokens, feeds), ())
        done = self._in_unit(service, needs.tokens, feeds)
        return Ran(work, done, ((_DIGITAL, done),))

    def _in_unit(self, service: int, count: int, feeds: Sequence[Feed]) -> Track:
        """A stream through the host or the chip's vector unit."""
        cause, holds = digital.cause(self._chip), turn(self._digital)
        self._digital = serve(cause, service, count, feeds, holds)
        return self._digital

    def _mvm(self, work: MvmWork) -> Ran:
        if not work.vectors:  # nothing but padding
            return Ran(work, join(work.needs.tokens, ()), ())
        served = work.served
        tokens = work.needs.tokens if served is None else int(served.sum())
        split = work.vectors // tokens
        arrival = join(work.vectors, self._needs(work.needs, split, served))
        uses: _Uses = []
        done = self._through_matrix(work, arrival, tokens, uses)
        if served is not None:  # what sees only padding is there with the token before it
            done = join(served.size, [Feed(done, at=Runs.listed(np.cumsum(served) - 1))])
        self._forget(arrival)
        return Ran(work, done, tuple(uses))

    def _through_matrix(self, work: MvmWork, arrival: Track, tokens: int, uses: _Uses) -> Track:
        """The vectors of all tokens, dealt to the copies of a matrix."""
        matrix, lacks = self._artifact.matrices[work.step.matrix], self._lacks(work)
        count, split = arrival.count, arrival.count // tokens
        if matrix.copies == 1:
            return join(tokens, self._cores.run(matrix, 0, arrival, split, lacks, uses))
        servers, copies = [], min(matrix.copies, count)
        for copy in range(copies):
            mine = len(range(copy, count, copies))
            own = join(mine, [Feed(arrival, at=Runs([Run(0, mine, copy, copies)]))])
            servers.append(join(mine, self._cores.run(matrix, copy, own, 1, lacks, uses)))
        return collect(servers, split)

    def _lacks(self, work: MvmWork) -> dict[int, float]:
        """What chips get of an input from others, as a share, by chip."""
        return self._lacked.get(work.step.name, {})

    def _recur(self, work: MvmWork) -> Ran:
        """The first time step meets resources as they are, each later one idle ones."""
        steps, split = work.steps, work.vectors // work.steps
        there = join(steps, self._needs(work.needs))
        uses = [_Uses() for _ in work.products]
        first = self._time_step(work, _together(there, split), uses)
        done = first
        if steps > 1:
            scratch, patterns = Timeline(self._chip, self._workload, self._mode), [_Uses(), _Uses()]
            once = scratch._time_step(work, join(split, ()), patterns)
            feeds = [Feed(there, at=Runs([Run(0, steps - 1, 1, 1)]))]
            loop = loop_of(once, steps - 1, feeds, [Hold(0, first.last, first, 0)])
            for own, more in zip(uses, self._repeat(scratch, patterns, loop), strict=False):
                own += more
            after = [Feed(first, whole=True), Feed(loop, at=Runs([Run(0, steps, -1, 1)]))]
            done = join(steps, after)
        if work.needs.tokens != steps:
            done = join(1, [Feed(done, whole=True)])
        second = None if work.second is None else Ran(work.second, done, tuple(uses[1]))
        return Ran(work, done, tuple(uses[0]), second)

    def _time_step(self, work: MvmWork, arrival: Track, uses: Sequence[_Uses]) -> Track:
        """One time step's vectors through its products, each followed by its gates."""
        done = arrival
        for product, own in zip(work.products, uses, strict=False):
            done = self._product(product, arrival, own)
            arrival = _together(done, arrival.count)
        return done

    def _product(self, work: MvmWork, arrival: Track, uses: _Uses) -> Track:
        """A time step's vectors through a matrix, and then their gates."""
        matrix, recurrence = self._artifact.matrices[work.step.matrix], work.step.recurrence
        gated = recurrence is not None and recurrence.unit == "gdpu"
        lacks, count = self._lacks(work), arrival.count
        sums = join(1, self._cores.run(matrix, 0, arrival, count, lacks, uses, gated=gated))
        service = digital.time_ps(work, self._chip)
        if not service:
            return sums
        done = self._in_unit(service, 1, [Feed(sums)])
        uses.append((_DIGITAL, done))
        return done

    def _repeat(
        self, scratch: "Timeline", patterns: Sequence[_Uses], loop: Track
    ) -> Iterator[_Uses]:
        """The streams of each product of a round in all rounds of a loop; the resources are theirs
        now."""
        made: dict[int, Track] = {}

        def repeated(once: Track) -> Track:
            if id(once) not in made:
                made[id(once)] = replayed(once, loop)
            return made[id(once)]

        self._cores.repeat(scratch._cores, repeated)
        if scratch._digital is not None:
            self._digital = repeated(scratch._digital)
        return ([(lane, repeated(track)) for lane, track in pattern] for pattern in patterns)


def _places(windowed: Windowed, served: NDArray[np.bool_] | None) -> Runs:
    """The job that each token waits for, of those that are served if not all are."""
    return last_places(windowed) if served is None else Runs.listed(windowed.last()[served])


def _together(source: Track, count: int) -> Track:
    """So many jobs that come with the source's first one."""
    return join(count, [Feed(source, at=Runs.constant(0, count))])
