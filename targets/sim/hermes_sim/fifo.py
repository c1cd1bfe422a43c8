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
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

TimesPs = NDArray[np.int64]
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
        assert source.times is not None, "the times of this stream are forgotten"
        shift = self.delay - (source.service if self.from_start else 0)
        if self.whole:
            return source.times[-1] + shift
        if self.at is not None:
            return np.where(self.at >= 0, source.times[self.at] + shift, 0)
        if self.every > 1:
            return source.times[self.first :: self.every] + shift
        times = source.times + shift if shift else source.times
        return np.repeat(times, self.each_feeds) if self.each_feeds > 1 else times

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
    starts: whether each job began without waiting for the one before, a bit a job.
    latest: for each feed, whether it was the last to come, a bit a job.
    dealt: the servers' streams, where jobs were dealt to several and put in order again.
    leading: the place, in the order before, of what each job of a dealt stream waited for.
    round: of a loop what ends a round that begins at time 0, and of a stream that a loop repeats
        its jobs in that round; None for others.
    loop: of a stream that a loop repeats, that loop.
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
    times: TimesPs | None
    starts: Bits
    latest: tuple[Bits, ...]
    dealt: tuple["Track", ...] = ()
    leading: TimesPs = field(default_factory=lambda: _NONE)
    round: "Track | None" = None
    loop: "Track | None" = None
    first: int = field(init=False)
    last: int = field(init=False)
    before_last: int | None = field(init=False)
    head: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        assert self.times is not None
        self.first, self.last = int(self.times[0]) - self.service, int(self.times[-1])
        self.before_last = int(self.times[-2]) if self.count > 1 else None
        self.head = tuple(self.times[:HEAD].tolist())

    def forget(self) -> None:
        """Free the times; what is needed to walk back stays."""
        self.times = None


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
    held = [h for h in holds if h.job < count and h.time > release[h.job]]
    if held:
        release = release.copy()
        for h in held:
            release[h.job] = max(release[h.job], h.time)
    if not in_order:
        times = release + service if service else release
        return Track(cause, service, count, tuple(feeds), tuple(held), times, _ALL, latest)
    steps = _steps(service, count)
    times = release - steps
    np.maximum.accumulate(times, out=times)
    times += steps
    started = np.packbits(times == release)
    times += service
    return Track(cause, service, count, tuple(feeds), tuple(held), times, started, latest)


def join(count: int, feeds: Sequence[Feed]) -> Track:
    """What waits for several streams, and takes no time."""
    return serve("", 0, count, feeds, in_order=False)


def collect(servers: Sequence[Track], together: int) -> Track:
    """Jobs that were dealt to servers in turn, in order again: job i of the result is there when
    the first `together` (i + 1) of them are."""
    count = sum(track.count for track in servers)
    times: TimesPs = np.empty(count, np.int64)
    for turn, track in enumerate(servers):
        assert track.times is not None, "the times of this stream are forgotten"
        times[turn :: len(servers)] = track.times
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
    assert loop.times is not None, "the times of this stream are forgotten"
    assert once.times is not None, "the times of this stream are forgotten"
    times = ((loop.times - loop.service)[:, None] + once.times).reshape(-1)
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
        began = _last_set(here.starts, job) if len(here.starts) else job
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


def _release(count: int, feeds: Sequence[Feed]) -> tuple[TimesPs, tuple[Bits, ...]]:
    """When each job is there, and which feeds were the last to come."""
    if not feeds:
        return np.zeros(count, np.int64), ()
    if len(feeds) == 1:
        times = feeds[0].times()
        return (np.full(count, times, np.int64) if feeds[0].whole else times), ()
    found = [feed.times() for feed in feeds]
    release: TimesPs = np.zeros(count, np.int64)
    for times in found:
        np.maximum(release, times, out=release)
    return release, tuple(np.packbits(release == times) for times in found)


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
        if len(track.feeds) == 1 or _bit(track.latest[i], job):
            by[feed.cause] += feed.delay
            return feed.source, feed.index(job), time - feed.delay, not feed.from_start
    assert time == 0, "a job that waits for nothing begins at once"
    return None, 0, 0, True


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
