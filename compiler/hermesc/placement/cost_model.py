"""What a placement costs at least, in closed form: the placer's model of time and energy.

Time is a lower bound of the timing engine's, and equals it for a stream through one matrix and for
chains of single vectors: each resource of a core (port in, array, LDPU, port out) needs, from the
first of some MVMs that it serves being there, the time of all of them, and then what follows the
last of them (the one-machine bound of job-shop scheduling, Carlier 1982). Digital work, which no
placement changes, counts as nothing, and so do forwarding over links and what crosses between
chips. All times are integer picoseconds. Energy is the engine's own but for these.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hermesc.ir.stages import Dependence, MvmWorkload
from hermesrt.artifact.cut import Cut, Range
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.pricing import Counts, Way, dynamic_pj, tile_counts
from hermesrt.units import to_ps

RESOURCES = ("port_in", "array", "ldpu", "port_out")
_FEW = 16  # below it plain Python is faster than numpy


@dataclass(frozen=True, slots=True)
class MatrixWork:
    """What one MVM has to do for a sample.

    matrix: the number of its matrix.
    vectors: how many it serves.
    dependences: the MVMs that it waits for.
    steps: of a recurrence, each begun when the one before is done; 0 without one.
    value: the name of the result that it takes.
    together: the MVMs of each of its time steps, itself among them; it may be empty where it is
        alone in them.
    """

    matrix: int
    vectors: int
    dependences: tuple[Dependence, ...]
    steps: int = 0
    value: str = ""
    together: tuple[int, ...] = ()

    @property
    def parts(self) -> int:
        """Of its vectors, one after the other."""
        return max(1, self.steps)


@dataclass(frozen=True, slots=True)
class Item:
    """What one MVM takes of one resource of one tile's core.

    resource: its place in `RESOURCES`.
    head: when it comes at the earliest, ps.
    load: how long it needs the resource, ps.
    tail: what follows until the sample's end, ps.
    """

    resource: int
    head: int
    load: int
    tail: int


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """The times in picoseconds of a chip.

    chip: whose times.
    """

    chip: ChipSpec

    def mvm(self, mode: Mode) -> int:
        """One MVM of a core."""
        return to_ps(self.chip.mvm_ns[mode])

    def ldpu(self, columns: int) -> int:
        """An LDPU's outputs."""
        return to_ps(self.chip.ldpu_time.output_interval_ns * columns)

    def port(self, count: int) -> int:
        """Bytes through a core's port."""
        unit = self.chip.vector_unit
        byte_ns = unit.byte_ns if unit else self.chip.host_link_time.byte_ns
        return to_ps(byte_ns * count)

    @property
    def arrival(self) -> int:
        """Latency of a chip's own transport, once a vector."""
        unit = self.chip.vector_unit
        return to_ps(unit.latency_ns) if unit else 0

    @property
    def stage(self) -> int:
        """From one LDPU of a cascade to the next, or out."""
        return to_ps(self.chip.stage_time.stage_ns)


@dataclass(frozen=True)
class CostModel:
    """The MVMs of a program, each matrix cut in some way.

    chip: of which the cores are.
    works: one for each MVM.
    cuts: one for each matrix.
    """

    chip: ChipSpec
    works: tuple[MatrixWork, ...]
    cuts: tuple[Cut, ...]

    @cached_property
    def times(self) -> ServiceTimes:
        """The chip's times."""
        return ServiceTimes(self.chip)

    @cached_property
    def fills(self) -> tuple[int, ...]:
        """From a vector's arrival at each matrix to its result, nothing in its way."""
        return tuple(self._fill(cut) for cut in self.cuts)

    @cached_property
    def spans(self) -> tuple[int, ...]:
        """From the first vector's arrival at each MVM to its last result, nothing in its way."""
        found = []
        for work in self.works:
            own = self._round(work, work.matrix)
            rounds = [self._round(work, self.works[i].matrix) for i in work.together] or [own]
            found.append((work.parts - 1) * sum(rounds) + own)
        return tuple(found)

    def _round(self, work: MatrixWork, matrix: int) -> int:
        """The time of one of its parts through a matrix."""
        cut = self.cuts[matrix]
        rounds = -(-work.vectors // work.parts // cut.copies) - 1
        return self.fills[matrix] + rounds * self._rate(cut)

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """When the first vector of each MVM can be there."""
        found: list[int] = []
        for work in self.works:
            ends = (found[w.mvm] + self._until(w, w.mvm) for w in work.dependences)
            found.append(max(ends, default=0))
        return tuple(found)

    @cached_property
    def tails(self) -> tuple[int, ...]:
        """What has to follow the last result of each MVM."""
        found = [0] * len(self.works)
        for i, work in reversed(list(enumerate(self.works))):
            for w in work.dependences:
                found[w.mvm] = max(found[w.mvm], self._until(w, i) + found[i])
        return tuple(found)

    def _until(self, wait: Dependence, work: int) -> int:
        """From an MVM's begin to all of its result where that is waited for, else the first."""
        return self.spans[work] if wait.barrier else self.fills[self.works[work].matrix]

    def items(self, matrix: int, copy: int, stage: int, column: int) -> tuple[Item, ...]:
        """What the MVMs of a matrix take of the core of one of its tiles."""
        cut, times = self.cuts[matrix], self.times
        rows, columns = (b - a for a, b in (cut.rows[stage], cut.columns[column]))
        port, mvm, ldpu, out = (
            times.port(rows), times.mvm(cut.mode), times.ldpu(columns), times.port(columns),
        )  # fmt: skip
        stages_on = (len(cut.rows) - 1 - stage) * times.stage
        after_array = stages_on + times.stage + max(ldpu, out)
        found = []
        for i in self.uses[matrix]:
            count = len(range(copy, self.works[i].vectors, cut.copies))
            head, tail = self.heads[i] + times.arrival, self.tails[i]
            if not count:
                continue
            started = head + port + mvm
            found += [
                Item(0, head, count * port, mvm + after_array + tail),
                Item(1, head + port, count * mvm, after_array + tail),
                Item(2, started, count * ldpu, stages_on + times.stage + tail),
            ]
            if stage == len(cut.rows) - 1:
                found.append(Item(3, started + times.stage, count * out, tail))
        return tuple(found)

    @cached_property
    def beside(self) -> tuple[int, ...]:
        """For each MVM a bit for each one that may be under way at the same time, itself too: all
        but those that are over before it begins, or begin when it is over, whatever the times."""
        before, over = [0] * len(self.works), [0] * len(self.works)
        after = [0] * len(self.works)
        for i, work in enumerate(self.works):
            for w in work.dependences:
                earlier = before[w.mvm] | 1 << w.mvm
                before[i] |= earlier
                over[i] |= earlier if w.barrier else over[w.mvm]
            for j in _bits(over[i]):
                after[j] |= 1 << i
        every = (1 << len(self.works)) - 1
        return tuple(every & ~(o | a) for o, a in zip(over, after, strict=True))

    @cached_property
    def uses(self) -> tuple[tuple[int, ...], ...]:
        """The MVMs of each matrix, by number."""
        found: list[list[int]] = [[] for _ in self.cuts]
        for i, work in enumerate(self.works):
            found[work.matrix].append(i)
        return tuple(map(tuple, found))

    def dynamic_pj(self) -> float:
        """Energy of what one sample has to do on the chip, without idle power."""
        counts = (self._per_vector(self.cuts[w.matrix]) * w.vectors for w in self.works)
        return sum(dynamic_pj(self.chip, sum(counts, Counts())).values())

    def _per_vector(self, cut: Cut) -> Counts:
        """What one vector through a cut matrix takes; partial sums pass one link each."""
        last, width = len(cut.rows) - 1, cut.columns[-1][1]
        tiles = (
            tile_counts(
                rows[1] - rows[0], columns[1] - columns[0], cut.mode,
                leaving=columns[1] - columns[0] if stage == last else 0, way=self._way,
            )
            for stage, rows in enumerate(cut.rows)
            for columns in cut.columns
        )  # fmt: skip
        return sum(tiles, Counts(link_bytes=last * width))

    @property
    def _way(self) -> Way:
        """How bytes come and go on a chip."""
        return "host_link" if self.chip.vector_unit is None else "transport"

    def partial_sums(self) -> int:
        """Words of 8 bits that LDPUs hand on within cascades, for one sample."""
        return sum(
            w.vectors * self.cuts[w.matrix].columns[-1][1] * (len(self.cuts[w.matrix].rows) - 1)
            for w in self.works
        )

    def _rate(self, cut: Cut) -> int:
        """The time between two vectors of a copy, set by the slowest resource of its tiles."""
        times = self.times
        height = max(b - a for a, b in cut.rows)
        width = max(b - a for a, b in cut.columns)
        ends = times.ldpu(width), times.port(width)
        return max(times.port(height), times.mvm(cut.mode), *ends)

    def _fill(self, cut: Cut) -> int:
        times, last = self.times, len(cut.rows) - 1
        widest = max(b - a for a, b in cut.columns)
        begins = max(
            times.port(b - a) + (last - stage) * times.stage
            for stage, (a, b) in enumerate(cut.rows)
        )
        ends = times.stage + max(times.ldpu(widest), times.port(widest))
        return times.arrival + begins + times.mvm(cut.mode) + ends


def works_of(matrices: Sequence[int], workloads: Sequence[MvmWorkload]) -> tuple[MatrixWork, ...]:
    """The MVMs of a graph in order, each with the number of its matrix."""
    pairs = zip(matrices, workloads, strict=True)
    return tuple(
        MatrixWork(m, w.vectors, w.dependences, w.steps, together=w.together) for m, w in pairs
    )


def busiest_ps(items: Iterable[Item]) -> int:
    """The time that one core with these items needs at least: over its resources and over all sets
    of items that come late and have much after them."""
    by: dict[int, list[Item]] = {}
    for item in items:
        by.setdefault(item.resource, []).append(item)
    return max((_one_machine(mine) for mine in by.values()), default=0)


def _one_machine(items: list[Item]) -> int:
    if len(items) <= _FEW:
        items = sorted(items, key=lambda i: -i.tail)
        return max(_from(threshold, items) for threshold in {i.head for i in items})
    head, load, tail = np.array([(i.head, i.load, i.tail) for i in items], np.int64).T
    order = np.argsort(-tail, kind="stable")
    head, load, tail = head[order], load[order], tail[order]
    most = 0
    for threshold in np.unique(head):
        late = head >= threshold
        most = max(most, int(threshold + (np.cumsum(load[late]) + tail[late]).max()))
    return most


def _from(threshold: int, items: list[Item]) -> int:
    """The same for the items that come at a time or later, which are sorted by what follows."""
    most, total = 0, threshold
    for item in items:
        if item.head >= threshold:
            total += item.load
            most = max(most, total + item.tail)
    return most


def load_bound_ps(items: Sequence[Item], cores: int) -> int:
    """What some core needs at least when all these items are spread evenly over so many."""
    most = 0
    for resource in range(len(RESOURCES)):
        mine = [i for i in items if i.resource == resource]
        if mine:
            spread = -(-sum(i.load for i in mine) // cores)
            most = max(most, min(i.head for i in mine) + spread + min(i.tail for i in mine))
    return most


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def equal_parts(size: int, count: int) -> tuple[Range, ...]:
    """A range in so many parts whose sizes differ by one at most."""
    ends = [size * (i + 1) // count for i in range(count)]
    return tuple(zip([0, *ends[:-1]], ends, strict=True))


def full_parts(size: int, limit: int) -> tuple[Range, ...]:
    """A range in parts of the limit and what is left."""
    return tuple(_steps(size, limit))


def _steps(size: int, limit: int) -> Iterator[Range]:
    for start in range(0, size, limit):
        yield start, min(start + limit, size)
