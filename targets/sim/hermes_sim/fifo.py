"""First-come-first-served resources in closed form, in integer picoseconds.

A resource that serves jobs in a fixed order, each for the same time s, finishes job i at
c_i = max(r_i, c_(i-1)) + s, where r_i is when the job is there. Without recursion,
c_i = s (i + 1) + max over j <= i of (r_j - s j): a running maximum, one pass in numpy for all jobs
of a stream. A `Track` is one such stream on one resource. It keeps how each job's time came about
in one bit a job (whether it waited for the job before it) and one bit a source (whether that source
was the last to come), so that the critical path can be walked back when all times are forgotten.
Where each job is a round through several resources that begins when the one before is done, as in a
recurrence, it is one job of a loop, for the time of a whole round; the streams on the resources
follow from one round (`replayed`).
The times of long streams are kept as their rule (`runs`) as long as they have one.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermes_sim.runs import IrregularError, Runs, TimesPs

Times = TimesPs | Runs
Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Feed:
    """A stream that a job waits for, and which of its jobs.

    source: the stream.
    delay: from its job's end, or start, to the end of the waiting, ps.
    cause: what the delay is booked to.
    from_start: whether the delay counts from the start of the source's job.
    whole: whether the source's last job is waited for; else job i waits for the source's job i.
    each_feeds: with v, job i waits for i // v.
    every: with v, job i waits for first + v i.
    first: see `every`.
    at: job i waits for at[i], [jobs]; for none where that is -1.
    """

    source: "Track"
    delay: int = 0
    cause: str = ""
    from_start: bool = False
    whole: bool = False
    each_feeds: int = 1
    every: int = 1
    first: int = 0
    at: TimesPs | None = None

    def times(self) -> Any:
        """When the waiting is over, for each job (a single time where `whole`)."""
        source = self.source
        if self.whole:
            return source.last + self._shift
        if isinstance(source.times, Runs) and self.at is None:
            with suppress(IrregularError):
                times = source.times.every(self.first, self.every).repeated(self.each_feeds)
                return times.shifted(self._shift)
        known = source.known()
        if self.at is not None:
            return np.where(self.at >= 0, known[self.at] + self._shift, 0)
        if self.every > 1:
            return known[self.first :: self.every] + self._shift
        moved = known + self._shift if self._shift else known
        return np.repeat(moved, self.each_feeds) if self.each_feeds > 1 else moved

    @property
    def _shift(self) -> int:
        return self.delay - (self.source.service if self.from_start else 0)

    def time(self, i: int) -> int:
        """When job i need not wait any more."""
        job = self.index(i)
        if self.whole:
            return self.source.last + self._shift
        assert self.source.times is not None, "the times of this stream are forgotten"
        return 0 if job < 0 else int(self.source.times[job]) + self._shift

    def index(self, i: int) -> int:
        """The job of the source that job i waits for."""
        if self.whole:
            return self.source.count - 1
        if self.at is not None:
            return int(self.at[i])
        return i // self.each_feeds if self.every == 1 else self.first + self.every * i


@dataclass(frozen=True, slots=True)
class Hold:
    """One job that must wait for another one, beside its feeds: a resource or a buffer is taken.

    job: the one that waits, by number.
    time: until when, ps.
    source: the other one's stream.
    source_job: its number there.
    """

    job: int
    time: int
    source: "Track"
    source_job: int


@dataclass(slots=True, eq=False)
class Track:
    """A stream of jobs on one resource.

    cause: what its time is booked to.
    service: of each job, ps.
    count: of its jobs.
    feeds: what its jobs wait for.
    holds: single jobs that wait for more.
    times: the jobs' ends, [count], ps; None once forgotten.
    starts: whether each job began without waiting for the one before, a bit a job; empty where all
        did, or the times have a rule.
    latest: for each feed, whether it was the last to come, a bit a job; empty likewise.
    dealt: the servers' streams, where jobs were dealt to several and put in order again.
    leading: the place, in the order before, of what each job of a dealt stream waited for.
    round: of a loop what ends a round that begins at time 0, and of a stream that a loop repeats
        its jobs in that round; None for others.
    loop: of a stream that a loop repeats, that loop.
    release: when each job was there, where the times have a rule; None otherwise.
    in_order: whether jobs wait for the one before, where the times have a rule.
    first: start of the first job, ps.
    last: end of the last job, ps.
    before_last: end of the one before, ps; None without one.
    head: ends of the first jobs, ps.
    """

    cause: str
    service: int
    count: int
    feeds: tuple[Feed, ...]
    holds: tuple[Hold, ...]
    times: Times | None
    starts: Bits
    latest: tuple[Bits, ...]
    dealt: tuple["Track", ...] = ()
    leading: TimesPs = field(default_factory=lambda: _NONE)
    round: "Track | None" = None
    loop: "Track | None" = None
    release: Runs | None = None
    in_order: bool = False
    first: int = field(init=False)
    last: int = field(init=False)
    before_last: int | None = field(init=False)
    head: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        assert self.times is not None
        self.first, self.last = int(self.times[0]) - self.service, int(self.times[-1])
        self.before_last = int(self.times[-2]) if self.count > 1 else None
        if isinstance(self.times, Runs):
            self.head = tuple(self.times.head(HEAD))
        else:
            self.head = tuple(self.times[:HEAD].tolist())

    def known(self) -> TimesPs:
        """The times one by one."""
        assert self.times is not None, "the times of this stream are forgotten"
        return self.times.array() if isinstance(self.times, Runs) else self.times

    def forget(self) -> None:
        """Free the times; what is needed to walk back stays."""
        if not isinstance(self.times, Runs):
            self.times = None


LONG = 2**13  # jobs of a stream whose rule is worth its time
HEAD = 8  # jobs whose ends are kept, for pictures


def serve(
    cause: str,
    service: int,
    count: int,
    feeds: Sequence[Feed] = (),
    holds: Sequence[Hold] = (),
    in_order: bool = True,
) -> Track:
    """A stream through one resource; without `in_order` jobs only wait for their feeds."""
    release, latest = _release(count, feeds)
    held = tuple(h for h in holds if h.job < count and h.time > release[h.job])
    if isinstance(release, Runs):
        with suppress(IrregularError):
            for h in held:
                release = release.at_least(h.job, h.time)
            times = release.served(service) if in_order else release.shifted(service)
            return Track(
                cause, service, count, tuple(feeds), held, times, _ALL, (),
                release=release, in_order=in_order,
            )  # fmt: skip
        release, latest = _each_release(count, feeds)
    assert not isinstance(release, Runs)
    return _serve_each(cause, service, count, feeds, held, release, latest, in_order=in_order)


def _serve_each(
    cause: str,
    service: int,
    count: int,
    feeds: Sequence[Feed],
    held: tuple[Hold, ...],
    release: TimesPs,
    latest: tuple[Bits, ...],
    *,
    in_order: bool,
) -> Track:
    """Job by job."""
    if held:
        release = release.copy()
        for h in held:
            release[h.job] = max(release[h.job], h.time)
    if not in_order:
        times = release + service if service else release
        return Track(cause, service, count, tuple(feeds), held, times, _ALL, latest)
    steps = _steps(service, count)
    times = release - steps
    np.maximum.accumulate(times, out=times)
    times += steps
    started = np.packbits(times == release)
    times += service
    return Track(cause, service, count, tuple(feeds), held, times, started, latest)


def join(count: int, feeds: Sequence[Feed]) -> Track:
    """What waits for several streams, and takes no time."""
    return serve("", 0, count, feeds, in_order=False)


def collect(servers: Sequence[Track], together: int) -> Track:
    """Jobs that were dealt to servers in turn, in order again: job i of the result is there when
    the first `together` (i + 1) of them are."""
    count = sum(track.count for track in servers)
    times: TimesPs = np.empty(count, np.int64)
    for turn, track in enumerate(servers):
        times[turn :: len(servers)] = track.known()
    done = np.maximum.accumulate(times)
    leading = np.maximum.accumulate(np.where(times == done, _ramp(count), 0))
    ends = slice(together - 1, None, together)
    return Track(
        "", 0, count // together, (), (), done[ends].copy(), _ALL, (),
        tuple(servers), leading[ends].copy(),
    )  # fmt: skip


def loop_of(rounds: Track, count: int, feeds: Sequence[Feed], holds: Sequence[Hold]) -> Track:
    """Rounds one after the other, each as `rounds`, whose last job ends one that begins at 0."""
    made = serve("", rounds.last, count, feeds, holds)
    made.round = rounds
    return made


def replayed(once: Track, loop: Track) -> Track:
    """A stream's jobs in each round of a loop; `once` are those in a round that begins at 0."""
    times = ((loop.known() - loop.service)[:, None] + once.known()).reshape(-1)
    return Track(
        once.cause, once.service, len(times), (), (), times, _ALL, (), round=once, loop=loop
    )


def critical_path(track: Track, job: int) -> dict[str, int]:
    """What the end of a job is made of, by cause; the values add up to its time."""
    assert job == track.count - 1, "the path of a stream's last job only"
    return _path(track, job, track.last)


def _path(track: Track, job: int, time: int) -> dict[str, int]:
    by: Counter[str] = Counter()
    at_end = True
    here: Track | None = track
    while here is not None:
        if here.loop is not None:
            assert here.round is not None
            assert here.round.times is not None, "a round's times stay"
            turn, place = divmod(job, here.round.count)
            in_round = int(here.round.times[place])
            by.update(_path(here.round, place, in_round))
            here, job, time, at_end = here.loop, turn, time - in_round, False
        began = _began(here, job)
        rounds = job - began + at_end
        if here.round is None:
            by[here.cause] += rounds * here.service
        else:
            last = here.round.count - 1
            for cause, ps in _path(here.round, last, here.round.last).items():
                by[cause] += rounds * ps
        time -= rounds * here.service
        here, job, time, at_end = _source(here, began, time, by)
    by.pop("", None)
    return {cause: ps for cause, ps in by.items() if ps}


def _began(track: Track, job: int) -> int:
    """The last job up to that one that did not wait for the one before it."""
    if len(track.starts):
        return _last_set(track.starts, job)
    if not track.in_order:
        return job
    assert isinstance(track.times, Runs) and track.release is not None, "in order, by a rule"
    return track.release.last_equal(track.times.shifted(-track.service), job)


def _release(count: int, feeds: Sequence[Feed]) -> tuple[Times, tuple[Bits, ...]]:
    """When each job is there, and which feeds were the last to come."""
    if count < LONG:
        return _each_release(count, feeds)
    found = [feed.times() for feed in feeds]
    if any(isinstance(times, np.ndarray) for times in found):
        return _each_release(count, feeds)
    release = Runs.constant(0, count)
    try:
        for times in found:
            later = times if isinstance(times, Runs) else Runs.constant(int(times), count)
            release = later if len(found) == 1 else release.later(later)
    except IrregularError:
        return _each_release(count, feeds)
    return release, ()


def _each_release(count: int, feeds: Sequence[Feed]) -> tuple[TimesPs, tuple[Bits, ...]]:
    """The same, job by job."""
    if not feeds:
        return np.zeros(count, np.int64), ()
    found = [times.array() if isinstance(times, Runs) else times for times in map(_times, feeds)]
    if len(feeds) == 1:
        return (np.full(count, found[0], np.int64) if feeds[0].whole else found[0]), ()
    release: TimesPs = np.zeros(count, np.int64)
    for times in found:
        np.maximum(release, times, out=release)
    return release, tuple(np.packbits(release == times) for times in found)


def _times(feed: Feed) -> Any:
    return feed.times()


def _source(
    track: Track, job: int, time: int, by: "Counter[str]"
) -> tuple[Track | None, int, int, bool]:
    """What made a job begin at that time: the job of another stream, or nothing."""
    if track.dealt:
        place, turn = divmod(int(track.leading[job]), len(track.dealt))
        return track.dealt[turn], place, time, True
    for hold in track.holds:
        if hold.job == job and hold.time == time:
            return hold.source, hold.source_job, time, True
    for i, feed in enumerate(track.feeds):
        if time == 0 and feed.index(job) < 0:
            break
        if len(track.feeds) == 1 or _is_latest(track, i, job):
            by[feed.cause] += feed.delay
            return feed.source, feed.index(job), time - feed.delay, not feed.from_start
    assert time == 0, "a job that waits for nothing begins at once"
    return None, 0, 0, True


def _is_latest(track: Track, number: int, job: int) -> bool:
    """Whether a feed of a job was the last to come."""
    if track.release is not None:
        return track.feeds[number].time(job) == int(track.release[job])
    return _bit(track.latest[number], job)


@lru_cache(maxsize=64)
def _ramp(count: int) -> TimesPs:
    return np.arange(count, dtype=np.int64)


def _steps(service: int, count: int) -> TimesPs:
    return _ramp(count) * service


_ALL: Bits = np.zeros(0, np.uint8)  # every job began by itself
_NONE: TimesPs = np.zeros(0, np.int64)


def _bit(bits: Bits, i: int) -> bool:
    return bool(bits[i >> 3] >> (7 - (i & 7)) & 1)


def _last_set(bits: Bits, i: int) -> int:
    """The last set bit up to the i-th; the first bit is always set."""
    byte = int(bits[i >> 3]) >> (7 - (i & 7))
    if byte:
        return i - ((byte & -byte).bit_length() - 1)
    nonzero = np.flatnonzero(bits[: i >> 3])
    place = int(nonzero[-1])
    byte = int(bits[place])
    return place * 8 + 7 - ((byte & -byte).bit_length() - 1)
