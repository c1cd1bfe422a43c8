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
Tiles that look alike and begin alike share one stream, so a step costs vectors plus tiles.
Source: Le Gallo 2023 (resources, overlap of MVM and LDPU); the buffer's depth is assumed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hermes_sim import digital
from hermes_sim.fifo import Feed, Hold, Track, collect, join, loop_of, replayed, serve
from hermesrt.artifact.schema import Artifact, Matrix, Tile
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Lane
from hermesrt.interchip import chip_inputs
from hermesrt.ops.recurrence import GATES
from hermesrt.ops.window import Places
from hermesrt.units import to_ps
from hermesrt.workload import HostWork, MvmWork, Needs, Workload

Use = tuple[Lane, Track]
_Uses = list[Use]


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


@dataclass(slots=True)
class _Core:
    """The last streams on a core's resources."""

    port_in: Track | None = None
    array: Track | None = None
    ldpu: Track | None = None
    port_out: Track | None = None
    mvms: tuple[Hold, ...] = ()  # the last MVM, as the next one but one sees it, and the one before

    def buffer(self) -> tuple[Hold, ...]:
        """The input buffer's two places may be taken: by the last MVM and the one before."""
        return self.mvms

    def run(self, array: Track) -> None:
        """An MVM stream more."""
        last, before = array.count - 1, [replace(hold, job=0) for hold in self.mvms[:1]]
        if array.before_last is not None:
            before = [Hold(0, array.before_last, array, last - 1)]
        self.array = array
        self.mvms = (Hold(1, array.last, array, last), *before)

    def repeat(self, once: "_Core", repeated: Callable[[Track], Track]) -> None:
        """What the core does in one round of a loop, in all rounds after the first."""
        names = ("port_in", "array", "ldpu", "port_out")
        found = {name: track for name in names if (track := getattr(once, name)) is not None}
        if "array" not in found:
            return
        for name, track in found.items():
            setattr(self, name, repeated(track))
        self.mvms = (*_repeated_mvms(once.mvms, self.mvms, repeated),)

    def state(self, now: int) -> tuple[int, ...]:
        """All that decides when a stream that comes `now` gets its turn."""
        tracks = (self.port_in, self.array, self.ldpu, self.port_out)
        ends = [t.last if t else 0 for t in tracks] + [h.time for h in self.buffer()]
        return tuple(max(end, now) for end in ends)


def _repeated_mvms(
    once: tuple[Hold, ...], first: tuple[Hold, ...], repeated: Callable[[Track], Track]
) -> Iterator[Hold]:
    """The last two MVMs of a core, from those of one round, and of the first round."""
    for hold in once:
        track = repeated(hold.source)
        assert track.times is not None, "they were made just now"
        number = track.count - hold.source.count + hold.source_job
        yield Hold(hold.job, int(track.times[number]), track, number)
    if len(once) == 1:  # the round before holds the other one
        track, before = repeated(once[0].source), [replace(hold, job=0) for hold in first[:1]]
        if track.before_last is not None:
            before = [Hold(0, track.before_last, track, track.count - 2)]
        yield from before


@dataclass(frozen=True, slots=True)
class _TileRun:
    """The streams of one tile; only a cascade's last one sends to its port, and to the chip's own
    gates, which have all sums of a vector at the times of `gates`."""

    port_in: Track
    array: Track
    ldpu: Track
    port_out: Track | None
    gates: Track | None


class Timeline:
    """Runs the steps of a workload one by one; state of all resources between them."""

    def __init__(self, chip: ChipSpec, workload: Workload, mode: Mode | None) -> None:
        self._chip = chip
        self._workload = workload
        self._artifact: Artifact = workload.artifact
        self._mode = mode
        self._times = _Times(chip)
        self._cores: dict[int, _Core] = {core: _Core() for core in self._artifact.cores}
        self._links: dict[tuple[int, int], Track] = {}
        self._digital: Track | None = None
        self._values: dict[str, Track] = {}
        self._lacks: dict[int, float] = {}  # of the step that runs: of its input, by chip
        self._lacked: dict[str, dict[int, float]] = {}
        for taken in chip_inputs(workload) if len(self._artifact.chips) > 1 else ():
            self._lacked.setdefault(taken.step, {})[taken.chip] = taken.share
        self._paths = {
            (r.matrix, r.copy, r.columns, r.stage): r.cores for r in self._artifact.manifest.routes
        }

    def run(self, work: MvmWork | HostWork) -> Ran:
        """The next step of the program."""
        if isinstance(work, HostWork):
            ran = self._host(work)
        else:
            self._lacks = self._lacked.get(work.step.name, {})
            ran = self._recur(work) if work.steps else self._mvm(work)
        self._values[work.step.name] = ran.done
        for _, track in (*ran.uses, *(ran.second.uses if ran.second else ())):
            if track is not ran.done:
                track.forget()
        return ran

    def drop(self, name: str) -> None:
        """Nobody needs the times of that result any more."""
        track = self._values.pop(name, None)
        if track is not None and all(track is not other for other in self._values.values()):
            track.forget()

    def _needs(
        self, needs: Needs, split: int = 1, served: NDArray[np.bool_] | None = None
    ) -> list[Feed]:
        """Feeds of a step; each token of it that is `served`, if not all are, is `split` jobs."""
        each = [Feed(self._values[n], each_feeds=split) for n in needs.each if n in self._values]
        whole = [Feed(self._values[n], whole=True) for n in needs.whole if n in self._values]
        moved = [
            Feed(self._values[w.name], at=_repeated(w.last(), split, served))
            for w in needs.windows
            if w.name in self._values
        ]
        return each + whole + moved

    def _host(self, work: HostWork) -> Ran:
        needs, total = work.needs, digital.time_ps(work, self._chip)
        feeds, service = self._needs(work.needs), round(total / needs.tokens)
        if not service:
            alone = len(feeds) == 1 and not feeds[0].whole
            return Ran(work, feeds[0].source if alone else join(needs.tokens, feeds), ())
        done = serve(digital.cause(self._chip), service, needs.tokens, feeds, _turn(self._digital))
        self._digital = done
        return Ran(work, done, ((Lane("digital", ()), done),))

    def _mvm(self, work: MvmWork) -> Ran:
        if not work.vectors:  # nothing but padding
            return Ran(work, join(work.needs.tokens, ()), ())
        matrix = self._artifact.matrices[work.step.matrix]
        served = work.served
        tokens = work.needs.tokens if served is None else int(served.sum())
        split = work.vectors // tokens
        arrival = join(work.vectors, self._needs(work.needs, split, served))
        uses: _Uses = []
        if matrix.copies == 1:
            feeds = self._copy(matrix, 0, arrival, split, uses, gated=False)
            done = join(tokens, feeds)
        else:
            copies = min(matrix.copies, work.vectors)
            servers = []
            for copy in range(copies):
                count = len(range(copy, work.vectors, copies))
                mine = join(count, [Feed(arrival, every=copies, first=copy)])
                sent = self._copy(matrix, copy, mine, 1, uses, gated=False)
                servers.append(join(count, sent))
            done = collect(servers, split)
        if served is not None:  # what sees only padding is there with the token before it
            done = join(served.size, [Feed(done, at=np.cumsum(served) - 1)])
        arrival.forget()
        return Ran(work, done, tuple(uses))

    def _recur(self, work: MvmWork) -> Ran:
        """The first time step meets resources as they are, each later one idle ones."""
        steps, split = work.steps, work.vectors // work.steps
        there = join(steps, self._needs(work.needs))
        uses = [_Uses() for _ in work.products]
        first = self._time_step(
            work, join(split, [Feed(there, at=np.zeros(split, np.int64))]), uses
        )
        done = first
        if steps > 1:
            scratch, patterns = Timeline(self._chip, self._workload, self._mode), [_Uses(), _Uses()]
            once = scratch._time_step(work, join(split, ()), patterns)
            feeds = [Feed(there, at=np.arange(1, steps))]
            loop = loop_of(once, steps - 1, feeds, [Hold(0, first.last, first, 0)])
            for own, more in zip(uses, self._repeat(scratch, patterns, loop), strict=False):
                own += more
            after = [Feed(first, whole=True), Feed(loop, at=np.arange(steps) - 1)]
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
            arrival = join(arrival.count, [Feed(done, at=np.zeros(arrival.count, np.int64))])
        return done

    def _product(self, work: MvmWork, arrival: Track, uses: _Uses) -> Track:
        """A time step's vectors through a matrix, and then their gates."""
        self._lacks = self._lacked.get(work.step.name, {})
        matrix, recurrence = self._artifact.matrices[work.step.matrix], work.step.recurrence
        gated = recurrence is not None and recurrence.unit == "gdpu"
        sums = join(1, self._copy(matrix, 0, arrival, arrival.count, uses, gated=gated))
        service = digital.time_ps(work, self._chip)
        if not service:
            return sums
        turn = _turn(self._digital)
        done = serve(digital.cause(self._chip), service, 1, [Feed(sums)], turn)
        self._digital = done
        uses.append((Lane("digital", ()), done))
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

        for number, core in scratch._cores.items():
            self._cores[number].repeat(core, repeated)
        self._links |= {link: repeated(track) for link, track in scratch._links.items()}
        if scratch._digital is not None:
            self._digital = repeated(scratch._digital)
        return ([(lane, repeated(track)) for lane, track in pattern] for pattern in patterns)

    def _copy(
        self, matrix: Matrix, copy: int, arrival: Track, split: int, uses: _Uses, *, gated: bool
    ) -> list[Feed]:
        """The vectors of one copy, `gated` through the chip's own gates; what the results wait
        for."""
        alike: dict[object, _TileRun] = {}
        alike_links: dict[object, Track] = {}
        stages: dict[tuple[tuple[int, int], int], _TileRun] = {}
        last = len(matrix.row_ranges) - 1
        for stage in range(last + 1):
            for tile in matrix.at_stage(stage, copy):
                before = stages.get((tile.columns, stage - 1))
                sums = (
                    self._partial_sums(matrix, tile, before, alike_links, uses) if before else None
                )
                ran = self._tile(matrix, tile, arrival, sums, alike, gated=gated)
                stages[tile.columns, stage] = ran
                uses += self._occupy(tile.core, ran)
        ends = {id(r): r for (_, stage), r in stages.items() if stage == last}
        return [f for ran in ends.values() for f in self._outputs(ran, split)]

    def _tile(
        self,
        matrix: Matrix,
        tile: Tile,
        arrival: Track,
        sums: Feed | None,
        alike: dict[object, _TileRun],
        *,
        gated: bool,
    ) -> _TileRun:
        core, times = self._cores[tile.core], self._times
        rows, columns = (b - a for a, b in (tile.rows, tile.columns))
        port = times.port
        into = times.port_in(self._lacks.get(tile.core // self._chip.cores, 0.0))
        key = (rows, columns, sums and id(sums.source), core.state(arrival.first), into)
        if key in alike:
            return alike[key]
        count = arrival.count
        port_in = serve(
            into.cause, into.time(rows), count,
            [Feed(arrival, into.latency, into.cause)], [*_turn(core.port_in), *core.buffer()],
        )  # fmt: skip
        mvm = times.mvm(self._mode or matrix.mode)
        array = serve("array", mvm, count, [Feed(port_in)], _turn(core.array))
        waits = [Feed(array), sums] if sums else [Feed(array)]
        ldpu = serve("ldpu", times.ldpu(columns), count, waits, _turn(core.ldpu))
        port_out = gates = None
        if tile.stage == len(matrix.row_ranges) - 1:
            leaves, sent = Feed(ldpu, times.stage, "links", from_start=True), columns
            if gated:
                gates = join(count, [Feed(ldpu, times.stage, "links")])
                leaves, sent = Feed(join(count, [leaves]), times.gdpu, "gdpu"), columns // GATES
            port_out = serve(port.cause, port.time(sent), count, [leaves], _turn(core.port_out))
        alike[key] = _TileRun(port_in, array, ldpu, port_out, gates)
        return alike[key]

    def _occupy(self, number: int, ran: _TileRun) -> Iterator[Use]:
        """The core's resources are in use by these streams now."""
        core = self._cores[number]
        core.port_in, core.ldpu = ran.port_in, ran.ldpu
        core.run(ran.array)
        yield Lane("port_in", (number,)), ran.port_in
        yield Lane("array", (number,)), ran.array
        yield Lane("ldpu", (number,)), ran.ldpu
        if ran.port_out is not None:
            core.port_out = ran.port_out
            yield Lane("port_out", (number,)), ran.port_out

    def _outputs(self, ran: _TileRun, split: int) -> Iterator[Feed]:
        """A vector is there when its last byte has left, not before the LDPU has made it."""
        assert ran.port_out is not None
        if ran.gates is not None:
            gdpu = self._times.gdpu
            yield Feed(ran.gates, gdpu, "gdpu", every=split, first=split - 1)
        elif ran.ldpu.service >= ran.port_out.service:
            yield Feed(ran.ldpu, self._times.stage, "links", every=split, first=split - 1)
        yield Feed(ran.port_out, every=split, first=split - 1)

    def _partial_sums(
        self, matrix: Matrix, tile: Tile, before: _TileRun, alike: dict[object, Track], uses: _Uses
    ) -> Feed:
        """When this stage's LDPU may begin: the sums of the stage before come over links."""
        times = self._times
        feed = Feed(before.ldpu, times.stage, "links", from_start=True)
        service = times.link(tile.columns[1] - tile.columns[0])
        path = self._paths.get((matrix.name, tile.copy, tile.columns, tile.stage), ())
        for index, link in enumerate(pairwise(path)):
            if index:
                feed = Feed(feed.source, times.hop, "hops", from_start=True)
            held = self._links.get(link)
            key = (id(feed.source), service, max(held.last, before.ldpu.first) if held else 0)
            if key not in alike:
                alike[key] = serve("links", service, before.ldpu.count, [feed], _turn(held))
            track = self._links[link] = alike[key]
            uses.append((Lane("link", link), track))
            feed = Feed(track, from_start=True)
        if feed.source is not before.ldpu:  # a link that is slower than the LDPU lags behind it
            lag = max(0, service - before.ldpu.service)
            feed = Feed(feed.source, lag, "links", from_start=True)
        return feed


@dataclass(frozen=True, slots=True)
class _Times:
    """The chip's times in picoseconds."""

    chip: ChipSpec

    def mvm(self, mode: Mode) -> int:
        return to_ps(self.chip.mvm_ns[mode])

    @property
    def stage(self) -> int:
        return to_ps(self.chip.stage_time.stage_ns)

    @property
    def hop(self) -> int:
        return to_ps(self.chip.hop_time.hop_ns)

    @property
    def gdpu(self) -> int:
        return 0 if self.chip.gdpu is None else to_ps(self.chip.gdpu.latency_ns)

    def ldpu(self, columns: int) -> int:
        return to_ps(self.chip.ldpu_time.output_interval_ns * columns)

    def link(self, columns: int) -> int:
        return to_ps(self.chip.link_time.byte_ns * columns)

    @property
    def port(self) -> "_Port":
        unit = self.chip.vector_unit
        if unit is None:
            return _Port("host_link", self.chip.host_link_time.byte_ns, 0)
        return _Port("transport", unit.byte_ns, to_ps(unit.latency_ns))

    def port_in(self, lack: float) -> "_Port":
        """Of what comes in, that share from other chips; the slower of the two ways sets the
        pace."""
        own, link = self.port, self.chip.far_link
        if self.chip.vector_unit is None or not lack:
            return own
        if link is None:
            byte_ns = max(own.byte_ns, lack * self.chip.host_link_time.byte_ns)
            return _Port("host_link", byte_ns, own.latency)
        byte_ns = max(own.byte_ns, lack * link.byte_ns)
        return _Port("chip_link", byte_ns, own.latency + to_ps(link.latency_ns))


@dataclass(frozen=True, slots=True)
class _Port:
    """How bytes come to a core and leave it; `latency` in picoseconds, once a vector."""

    cause: str
    byte_ns: float
    latency: int

    def time(self, count: int) -> int:
        return to_ps(self.byte_ns * count)


def _repeated(at: Places, split: int, served: NDArray[np.bool_] | None) -> Places:
    """The jobs to wait for of the tokens that are served, each of so many jobs."""
    at = at if served is None else at[served]
    return np.repeat(at, split) if split > 1 else at


def _turn(before: Track | None) -> list[Hold]:
    """A stream's first job waits until the resource is free."""
    return [] if before is None else [Hold(0, before.last, before, before.count - 1)]
