"""Times of a stream by their rule, exactly: runs of jobs whose times repeat with a period.

In a run, job j from its first one on is at time + pattern[j % period] + (j // period) * step; most
runs are straight, with a period of one, and are then four whole numbers. Others share the patterns
of the streams that they come from, for a delay changes their first time alone. What is done to
streams (see `rules`) makes runs of runs, and their number follows from the streams' rules and not
from their length. Jobs without a short rule are one run whose pattern is all their times.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TimesPs = NDArray[np.int64]

_MANY = 48  # runs of a stream beside which short ones are kept as one
MOST = 512  # runs of a stream
_SHORT = 64  # jobs of a short run
LISTED = 2**10  # times of a pattern that is a list rather than a rule


class Pattern:
    """Times of a period, as they lie to each other.

    after: each one's distance from the first, [period], ps.
    last: that of the last one, ps.
    gap: the least from one to the next, ps.
    """

    __slots__ = ("after", "gap", "last")

    def __init__(self, after: TimesPs, gap: int) -> None:
        self.after, self.gap = after, gap
        self.last = int(after[-1])

    def __len__(self) -> int:
        return len(self.after)


class Run(NamedTuple):
    """Jobs in a row. (A named tuple, for millions are made.)

    start: the first one's number.
    stop: that after the last one's.
    time: the first one's, ps.
    step: from one period to the next, ps.
    pattern: how the times of a period lie; None for a period of one.
    """

    start: int
    stop: int
    time: int
    step: int
    pattern: Pattern | None = None

    @property
    def period(self) -> int:
        """Jobs after which times repeat."""
        return 1 if self.pattern is None else len(self.pattern.after)

    def at(self, job: int) -> int:
        """The time of a job, or as if the run went on."""
        if self.pattern is None:
            return self.time + (job - self.start) * self.step
        turn, place = divmod(job - self.start, len(self.pattern.after))
        return self.time + turn * self.step + int(self.pattern.after[place])

    def values(self, start: int, count: int) -> TimesPs:
        """The times of some of its jobs, or as if it went on."""
        before = start - self.start
        if self.pattern is not None and before + count <= len(self.pattern.after):
            return self.pattern.after[before : before + count] + self.time
        return self.take(np.arange(start, start + count, dtype=np.int64))

    def take(self, jobs: TimesPs) -> TimesPs:
        """The times of these jobs, or as if it went on."""
        jobs = jobs - self.start
        if self.pattern is None:
            return jobs * self.step + self.time
        turns, places = np.divmod(jobs, len(self.pattern.after))
        times: TimesPs = self.pattern.after[places] + (turns * self.step + self.time)
        return times

    def part(self, start: int, stop: int) -> "Run":
        """Some of its jobs."""
        if self.pattern is None:
            return Run(start, stop, self.time + (start - self.start) * self.step, self.step)
        period = len(self.pattern.after)
        if stop - start >= period and (start - self.start) % period == 0:
            return Run(start, stop, self.at(start), self.step, self.pattern)
        return patterned(start, stop, self.values(start, min(period, stop - start)), self.step)


def patterned(start: int, stop: int, times: TimesPs, step: int) -> Run:
    """A run of these times, straight where they are equally far apart."""
    times, first = times[: stop - start], int(times[0])
    period = len(times)
    if period == 1:
        return Run(start, stop, first, step)
    apart = times[1:] - times[:-1]
    gap = int(apart.min())
    if (stop - start == period or step == gap * period) and gap == int(apart.max()):
        return Run(start, stop, first, gap)
    return Run(start, stop, first, step, Pattern(times - first, gap))


class Runs:
    """The times of all jobs of a stream, or whole numbers of another kind."""

    __slots__ = ("count", "is_list", "runs")

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        self.count = runs[-1].stop
        self.is_list = False  # whether times are kept one by one, and not by a rule
        for run in runs:
            if run.pattern is not None and len(run.pattern.after) > LISTED:
                self.is_list = True

    @classmethod
    def joined(cls, runs: list[Run]) -> "Runs":
        """The fewest runs for the same jobs."""
        return cls(_joined(runs) if len(runs) > 1 else runs)

    @classmethod
    def constant(cls, time: int, count: int) -> "Runs":
        """All at once."""
        return cls([Run(0, count, time, 0)])

    @classmethod
    def listed(cls, times: TimesPs) -> "Runs":
        """One by one."""
        return cls([patterned(0, len(times), times, 0)])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, job: int) -> int:
        if job < 0:
            job += self.count
        for run in self.runs:
            if job < run.stop:
                return run.at(job)
        raise IndexError(job)

    def array(self) -> TimesPs:
        """All times."""
        return np.concatenate([run.values(run.start, run.stop - run.start) for run in self.runs])

    def head(self, count: int) -> list[int]:
        """The first times."""
        found: list[int] = []
        for run in self.runs:
            jobs = range(run.start, min(run.stop, count))
            if run.pattern is None:
                found += [run.time + (job - run.start) * run.step for job in jobs]
            elif jobs:
                found += run.values(run.start, len(jobs)).tolist()
        return found

    def tolist(self) -> list[int]:
        """As of an array."""
        found: list[int] = self.array().tolist()
        return found

    def take(self, jobs: TimesPs) -> TimesPs:
        """The times of these jobs; 0 for one that is -1."""
        if len(self.runs) == 1:
            found = self.runs[0].take(jobs)
        else:
            found = np.empty(len(jobs), np.int64)
            order = np.searchsorted(np.array([run.stop for run in self.runs]), jobs, side="right")
            for left, run in enumerate(self.runs):
                mine = order == left
                found[mine] = run.take(jobs[mine])
        return np.where(jobs < 0, 0, found)

    def shifted(self, time: int) -> "Runs":
        """All that much later."""
        if not time:
            return self
        return Runs([Run(a, b, t + time, step, p) for a, b, t, step, p in self.runs])

    def at_least(self, job: int, time: int) -> "Runs":
        """With one job no sooner than that."""
        made: list[Run] = []
        for run in self.runs:
            if not run.start <= job < run.stop:
                made.append(run)
                continue
            if run.start < job:
                made.append(run.part(run.start, job))
            made.append(Run(job, job + 1, max(time, run.at(job)), 0))
            if job + 1 < run.stop:
                made.append(run.part(job + 1, run.stop))
        return Runs(made)

    def between(self, start: int, stop: int) -> Iterator[Run]:
        """The runs of some jobs."""
        for run in self.runs:
            if run.start < stop and run.stop > start:
                yield run.part(max(run.start, start), min(run.stop, stop))


def _joined(runs: Sequence[Run]) -> list[Run]:
    """Fewer ones for the same jobs."""
    made: list[Run] = []
    for run in runs:
        longer = _as_one(made[-1], run) if made else None
        if longer is None:
            made.append(run)
        else:
            made[-1] = longer
    if len(made) > _MANY:
        made = list(_short_as_one(made))
    return made if len(made) <= MOST else [_listed(made)]


def _as_one(last: Run, run: Run) -> Run | None:
    """Two runs as one, where the second goes on as the first."""
    count, more = last.stop - last.start, run.stop - run.start
    if last.pattern is None:
        step = run.time - last.time if count == 1 else last.step
        same = run.pattern is None and (run.step == step or more == 1)
        if same and run.time == last.time + count * step:
            return Run(last.start, run.stop, last.time, step)
        return None
    if run.pattern is None and more > 1:
        return None
    period = len(last.pattern.after)
    step = last.step
    if count == period and run.period == period:  # one round only, so its step is not known yet
        step = run.time - last.time
    known = min(more, period)
    whole = Run(last.start, run.stop, last.time, step, last.pattern)
    if count < period or run.time != whole.at(run.start):
        return None
    if more > known and (run.period != period or run.step != step):
        return None
    if run.pattern is last.pattern and count % period == 0:
        return whole
    same = bool((whole.values(run.start, known) == run.values(run.start, known)).all())
    return whole if same else None


def _short_as_one(runs: Sequence[Run]) -> Iterator[Run]:
    """Short runs in a row as one whose pattern is all their jobs."""
    short: list[Run] = []
    for run in runs:
        if run.stop - run.start <= _SHORT:
            short.append(run)
            continue
        if short:
            yield _listed(short)
        short = []
        yield run
    if short:
        yield _listed(short)


def _listed(runs: Sequence[Run]) -> Run:
    times = np.concatenate([run.values(run.start, run.stop - run.start) for run in runs])
    return patterned(runs[0].start, runs[-1].stop, times, 0)
