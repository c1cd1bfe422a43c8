"""Times of a long stream by its rule, exactly: runs of jobs whose times repeat with a period.

In a run, job j from its first one on is at pattern[j % period] + (j // period) * step. What is done
to streams (a delay, each job waiting for the later of two streams, service one after the other)
makes runs of runs, and their number follows from the streams' rules and not from their length.
Where it does not, or a pattern would become long, `IrregularError` says so, and times are computed
one by one.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

TimesPs = NDArray[np.int64]

_LONGEST = 2**14  # pattern
_MOST = 512  # runs of a stream
_SHORT = 64  # jobs of a run that is not kept as one beside other such ones
_NEVER = -(2**62)


class IrregularError(Exception):
    """A stream has no short rule."""


@dataclass(frozen=True, slots=True)
class Run:
    """Jobs in a row.

    start: the first one's number.
    stop: that after the last one's.
    pattern: times of the first period, [period], ps.
    step: from one period to the next, ps.
    """

    start: int
    stop: int
    pattern: TimesPs
    step: int

    def values(self, start: int, count: int) -> TimesPs:
        """The times of some of its jobs, or as if it went on."""
        period, before = len(self.pattern), start - self.start
        if before + count <= period:
            return self.pattern[before : before + count]
        if period == 1:
            straight: TimesPs = np.arange(before, before + count) * self.step + self.pattern
            return straight
        turns, places = np.divmod(np.arange(before, before + count), period)
        times: TimesPs = self.pattern[places] + turns * self.step
        return times

    def part(self, start: int, stop: int) -> "Run":
        """Some of its jobs."""
        count = min(len(self.pattern), stop - start)
        whole = count == len(self.pattern) and start == self.start
        return Run(start, stop, self.pattern if whole else self.values(start, count), self.step)


class Runs:
    """The times of all jobs of a stream."""

    __slots__ = ("_starts", "count", "runs")

    def __init__(self, runs: list[Run]) -> None:
        if len(runs) > _MOST:
            raise IrregularError
        self.runs = tuple(_joined(runs))
        self.count = self.runs[-1].stop
        self._starts = [run.start for run in self.runs]

    @classmethod
    def constant(cls, time: int, count: int) -> "Runs":
        """All at once."""
        return cls([Run(0, count, np.array([time]), 0)])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: Any) -> Any:
        """As of an array."""
        if isinstance(place, slice):
            return self.array()[place]
        place = place + self.count if place < 0 else place
        run = self.runs[bisect_right(self._starts, place) - 1]
        turn, left = divmod(place - run.start, len(run.pattern))
        return int(run.pattern[left]) + turn * run.step

    def array(self) -> TimesPs:
        """All times."""
        return np.concatenate([run.values(run.start, run.stop - run.start) for run in self.runs])

    def head(self, count: int) -> list[int]:
        """The first times."""
        first, count = self.runs[0], min(count, self.count)
        if first.stop < count:
            return [self[i] for i in range(count)]
        found: list[int] = first.values(0, count).tolist()
        return found

    def tolist(self) -> list[int]:
        """As of an array."""
        found: list[int] = self.array().tolist()
        return found

    def shifted(self, time: int) -> "Runs":
        """All that much later."""
        if not time:
            return self
        return Runs([Run(r.start, r.stop, r.pattern + time, r.step) for r in self.runs])

    def repeated(self, each: int) -> "Runs":
        """Each job so often."""
        if each == 1:
            return self
        return Runs(
            [
                Run(r.start * each, r.stop * each, np.repeat(r.pattern, each), r.step)
                for r in self.runs
            ]
        )

    def every(self, first: int, each: int) -> "Runs":
        """Job first, first + each, and so on."""
        if each == 1 and not first:
            return self
        made = []
        for run in self.runs:
            start, stop = (max(0, -(-(end - first) // each)) for end in (run.start, run.stop))
            if start < stop:
                period = min(lcm(len(run.pattern), each) // each, stop - start)
                if period > _LONGEST:
                    raise IrregularError
                values = run.values(first + start * each, (period - 1) * each + 1)[::each]
                step = period * each // len(run.pattern) * run.step
                made.append(Run(start, stop, values, step))
        return Runs(made)

    def at_least(self, job: int, time: int) -> "Runs":
        """With one job no sooner than that."""
        one = Run(job, job + 1, np.array([max(time, self[job])]), 0)
        ends = ((0, job), (job + 1, self.count))
        before, after = ([*self._between(*end)] if end[0] < end[1] else [] for end in ends)
        return Runs([*before, one, *after])

    def later(self, other: "Runs") -> "Runs":
        """Each job when the later of both is there."""
        return Runs([run for pair in _aligned(self, other) for run in _later(*pair)])

    def served(self, service: int) -> "Runs":
        """The ends of jobs that are there at these times, one after the other for so long each."""
        made, most = [], _NEVER
        for run in self.runs:
            slots = [*_served(run, service, most)]
            made += slots
            last = slots[-1]
            most = int(last.values(last.stop - 1, 1)[0]) - service * last.stop
        return Runs(made)

    def last_equal(self, other: "Runs", job: int) -> int:
        """The last job up to that one that is at the same time in both."""
        try:
            pairs = [*_aligned(self, other)]
        except IrregularError:
            return int(np.flatnonzero((self.array() == other.array())[: job + 1])[-1])
        for first, second in reversed(pairs):
            if first.start <= job:
                found = _last_equal(first, second, min(job + 1, first.stop))
                if found is not None:
                    return found
        raise AssertionError("the first job waits for none")

    def _between(self, start: int, stop: int) -> Iterator[Run]:
        for run in self.runs:
            if run.start < stop and run.stop > start:
                yield run.part(max(run.start, start), min(run.stop, stop))


def _joined(runs: list[Run]) -> Iterator[Run]:
    """Fewer and shorter ones for the same jobs."""
    last: Run | None = None
    for run in map(_shortened, _written_out(runs)):
        if last is None:
            last = run
        elif _goes_on(last, run):
            last = Run(last.start, run.stop, last.pattern, last.step)
        else:
            yield last
            last = run
    assert last is not None, "a stream has jobs"
    yield last


def _written_out(runs: list[Run]) -> Iterator[Run]:
    """Short runs in a row as one whose pattern is all their jobs."""
    short: list[Run] = []
    for run in runs:
        if run.stop - run.start <= _SHORT:
            short.append(run)
            continue
        yield from _one(short)
        short = []
        yield run
    yield from _one(short)


def _one(runs: list[Run]) -> Sequence[Run]:
    if len(runs) < 2:
        return runs
    times = np.concatenate([run.values(run.start, run.stop - run.start) for run in runs])
    return (Run(runs[0].start, runs[-1].stop, times, 0),)


def _shortened(run: Run) -> Run:
    """With a period of one, where times are equally far apart."""
    count = run.stop - run.start
    if count == 1 or len(run.pattern) == 1:
        return run
    apart = np.diff(run.pattern[:count])
    step = int(apart[0]) if len(apart) else run.step
    regular = bool((apart == step).all())
    if regular and (count <= len(run.pattern) or run.step == step * len(run.pattern)):
        return Run(run.start, run.stop, run.pattern[:1], step)
    return run


def _goes_on(last: Run, run: Run) -> bool:
    """Whether a run is the one before it, gone on."""
    period, count = len(last.pattern), run.stop - run.start
    if last.stop - last.start < period:
        return False
    if count > len(run.pattern) and (len(run.pattern), run.step) != (period, last.step):
        return False
    known = min(count, len(run.pattern))
    return bool((last.values(run.start, known) == run.pattern[:known]).all())


def _aligned(one: Runs, other: Runs) -> Iterator[tuple[Run, Run]]:
    """Runs of both that begin and end together, with one period."""
    places = sorted({r.start for r in one.runs} | {r.start for r in other.runs})
    i = j = 0
    for start, stop in zip(places, [*places[1:], one.count], strict=True):
        while one.runs[i].stop <= start:
            i += 1
        while other.runs[j].stop <= start:
            j += 1
        first, second = one.runs[i], other.runs[j]
        period = min(lcm(len(first.pattern), len(second.pattern)), stop - start)
        if period > _LONGEST:
            raise IrregularError
        yield _spread(first, start, stop, period), _spread(second, start, stop, period)


def _spread(run: Run, start: int, stop: int, period: int) -> Run:
    """Some of its jobs, with a longer period."""
    return Run(start, stop, run.values(start, period), period * run.step // len(run.pattern))


def _later(first: Run, second: Run) -> Iterator[Run]:
    """Of two runs that begin and end together and have one period."""
    period, count = len(first.pattern), first.stop - first.start
    if count <= period or first.step == second.step:
        latest = np.maximum(first.pattern, second.pattern)
        yield Run(first.start, first.stop, latest, first.step)
        return
    if first.step < second.step:
        first, second = second, first
    gain = first.step - second.step  # so the first one is the later one in the end
    turns = np.maximum(-((first.pattern - second.pattern) // gain), 0)
    start, mixed, most = first.start, int(turns.min()) * period, int(turns.max()) * period
    mixed, most = min(mixed, count), min(most, count)
    if most - mixed > _LONGEST:
        raise IrregularError
    if mixed:
        yield second.part(start, start + mixed)
    if mixed < most:
        both = (run.values(start + mixed, most - mixed) for run in (first, second))
        yield Run(start + mixed, start + most, np.maximum(*both), 0)
    if most < count:
        yield first.part(start + most, first.stop)


def _served(run: Run, service: int, most: int) -> Iterator[Run]:
    """The ends of a run's jobs. In time less service * number of job, an end is the latest release
    up to there; `most` is the latest one before the run."""
    period, count, start = len(run.pattern), run.stop - run.start, run.start
    known, gain = min(period, count), run.step - service * period
    numbers = np.arange(known) + start
    latest = np.maximum.accumulate(run.pattern[:known] - service * numbers)
    top = int(latest[-1])
    if count <= period or gain <= 0:
        latest = np.maximum(latest, most)
        yield Run(start, start + known, latest + service * (numbers + 1), 0)
        if known < count:
            yield _back_to_back(start + known, run.stop, max(top, most), service)
        return
    turns = max(0, (most - top) // gain + 1)  # that only wait for what came before
    waiting = min(turns * period, count)
    if waiting:
        yield _back_to_back(start, start + waiting, most, service)
    if waiting == count:
        return
    start, numbers, known = start + waiting, numbers + waiting, min(period, count - waiting)
    ends = np.maximum(latest + turns * gain, most)[:known] + service * (numbers[:known] + 1)
    yield Run(start, start + known, ends, 0)
    if start + known < run.stop:
        ends = np.maximum(latest + (turns + 1) * gain, top + turns * gain)
        ends += service * (numbers + period + 1)
        yield Run(start + known, run.stop, ends, run.step)


def _back_to_back(start: int, stop: int, latest: int, service: int) -> Run:
    return Run(start, stop, np.array([latest + service * (start + 1)]), service)


def _last_equal(first: Run, second: Run, stop: int) -> int | None:
    """The last job before `stop` at which both runs are at the same time."""
    apart, gain = first.pattern - second.pattern, second.step - first.step
    period, count = len(apart), stop - first.start
    turns = (count - 1 - np.arange(period)) // period  # the last period of each place
    if gain:
        met, rest = np.divmod(apart, gain)
        good = (rest == 0) & (met >= 0) & (met <= turns)
        turns = met
    else:
        good = (apart == 0) & (turns >= 0)
    places = (turns * period + np.arange(period))[good]
    return first.start + int(places.max()) if len(places) else None
