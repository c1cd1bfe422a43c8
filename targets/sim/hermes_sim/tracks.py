"""Streams of jobs on resources, and what their jobs wait for.

A `Track` keeps when each of its jobs was there and when it ended, by the rule of the stream, so
that the critical path can be walked back (`critical_path`). Where times are a long list and no
rule, it keeps one bit a job instead (whether it waited for the job before it) and one bit a source
(whether that source was the last to come), and forgets the list when nobody waits for it any more.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermes_sim.rules import last_equal, taken
from hermes_sim.runs import Runs

_Packed = NDArray[np.uint8]

HEAD = 8  # jobs whose ends are shown in pictures


class Feed(NamedTuple):
    """A stream that a job waits for, and which of its jobs. (A named tuple as `Run` is.)

    source: the stream.
    delay: from its job's end, or start, to the end of the waiting, ps.
    cause: what the delay is booked to.
    from_start: whether the delay counts from the start of the source's job.
    whole: whether the source's last job is waited for; else job i waits for the source's job i.
    at: job i waits for job at[i]; for none where that is -1.
    """

    source: "Track"
    delay: int = 0
    cause: str = ""
    from_start: bool = False
    whole: bool = False
    at: Runs | None = None

    def times(self) -> Runs:
        """When the waiting is over, for each job; for the one where `whole`."""
        if self.whole:
            return Runs.constant(self.source.last + self._shift, 1)
        times = self.source.known().shifted(self._shift)
        return times if self.at is None else taken(times, self.at)

    @property
    def _shift(self) -> int:
        return self.delay - self.source.service if self.from_start else self.delay

    def time(self, i: int) -> int:
        """When job i need not wait any more."""
        if self.whole:
            return self.source.last + self._shift
        job = self.awaited(i)
        return 0 if job < 0 else self.source.known()[job] + self._shift

    def awaited(self, i: int) -> int:
        """The job of the source that job i waits for."""
        if self.whole:
            return self.source.count - 1
        return i if self.at is None else self.at[i]


class Hold(NamedTuple):
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


@dataclass(frozen=True, slots=True)
class Bits:
    """What is kept of a stream whose times are a list, a bit a job each.

    starts: whether a job began without waiting for the one before.
    latest: for each feed, whether it was the last to come.
    """

    starts: _Packed
    latest: tuple[_Packed, ...]

    def began(self, job: int) -> int:
        """The last job up to that one that did not wait; the first never does."""
        whole = job >> 3
        byte = int(self.starts[whole]) >> (7 - (job & 7))
        if byte:
            return job - _trailing_zeros(byte)
        whole = int(np.flatnonzero(self.starts[:whole])[-1])
        return whole * 8 + 7 - _trailing_zeros(int(self.starts[whole]))

    def is_latest(self, feed: int, job: int) -> bool:
        """Whether a feed of a job was the last to come."""
        return bool(self.latest[feed][job >> 3] >> (7 - (job & 7)) & 1)


def _trailing_zeros(byte: int) -> int:
    return (byte & -byte).bit_length() - 1


@dataclass(slots=True, eq=False)
class Track:
    """A stream of jobs on one resource.

    cause: what its time is booked to.
    service: of each job, ps.
    feeds: what its jobs wait for.
    holds: single jobs that wait for more.
    release: when each job was there; None once forgotten.
    times: the jobs' ends; None once forgotten.
    in_order: whether jobs wait for the one before.
    bits: what stays of times that are a list; None for others.
    dealt: the servers' streams, where it has jobs of several in turn.
    round: of a loop what ends a round that begins at time 0, and of a stream that a loop repeats
        its jobs in that round; None for others.
    loop: of a stream that a loop repeats, that loop.
    count: of its jobs.
    first: start of the first job, ps.
    last: end of the last job, ps.
    """

    cause: str
    service: int
    feeds: tuple[Feed, ...]
    holds: tuple[Hold, ...]
    release: Runs | None
    times: Runs | None
    in_order: bool = True
    bits: Bits | None = None
    dealt: tuple["Track", ...] = ()
    round: "Track | None" = None
    loop: "Track | None" = None
    count: int = field(init=False)
    first: int = field(init=False)
    last: int = field(init=False)
    _head: tuple[int, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        times = self.known()
        self.count = times.count
        self.first = times.runs[0].time - self.service
        self.last = times.runs[-1].at(times.count - 1)

    @property
    def before_last(self) -> int | None:
        """End of the last job but one, ps; None without one."""
        return self.known()[-2] if self.count > 1 else None

    @property
    def head(self) -> tuple[int, ...]:
        """Ends of the first jobs, ps."""
        if not self._head:
            self._head = tuple(self.known().head(HEAD))
        return self._head

    def known(self) -> Runs:
        """The times."""
        assert self.times is not None, "the times of this stream are forgotten"
        return self.times

    def forget(self) -> None:
        """Free times that are a list; what is needed to walk back stays."""
        if self.bits is not None and self.times is not None:
            self._head = self.head
            self.release = self.times = None

    def began(self, job: int) -> int:
        """The last job up to that one that did not wait for the one before it."""
        if not self.in_order:
            return job
        if self.bits is not None:
            return self.bits.began(job)
        assert self.release is not None, "only lists are forgotten"
        if self.release[job] == self.known()[job] - self.service:
            return job
        return last_equal(self.release, self.known().shifted(-self.service), job)

    def is_latest(self, feed: int, job: int) -> bool:
        """Whether a feed of a job was the last to come."""
        if len(self.feeds) == 1:
            return True
        if self.bits is not None:
            return self.bits.is_latest(feed, job)
        assert self.release is not None, "only lists are forgotten"
        return self.feeds[feed].time(job) == self.release[job]
