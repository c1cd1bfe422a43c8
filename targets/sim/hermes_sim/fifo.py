"""First-come-first-served resources in closed form, in integer picoseconds.

A resource that serves jobs in a fixed order, each for the same time s, finishes job i at
c_i = max(r_i, c_(i-1)) + s, where r_i is when the job is there. Without recursion,
c_i = s (i + 1) + max over j <= i of (r_j - s j): a running maximum, which a stream's rule goes
through as a whole (`rules.served`). A `Track` is one such stream on one resource.
Where each job is a round through several resources that begins when the one before is done, as in a
recurrence, it is one job of a loop, for the time of a whole round; the streams on the resources
follow from one round (`replayed`).
"""

from collections.abc import Sequence

import numpy as np

from hermes_sim.rules import dealt, later, served, taken
from hermes_sim.runs import Run, Runs, TimesPs, patterned
from hermes_sim.tracks import Bits, Feed, Hold, Track


def serve(
    cause: str,
    service: int,
    count: int,
    feeds: Sequence[Feed] = (),
    holds: Sequence[Hold] = (),
    in_order: bool = True,
) -> Track:
    """A stream through one resource; without `in_order` jobs only wait for their feeds."""
    there = release = _release(count, feeds)
    held: tuple[Hold, ...] = ()
    for hold in holds:
        if hold.job < count and hold.time > there[hold.job]:
            held = (*held, hold)
            release = release.at_least(hold.job, hold.time)
    times = served(release, service) if in_order else release.shifted(service)
    made = Track(cause, service, tuple(feeds), held, release, times, in_order)
    listed = release.is_list or times.is_list
    if listed or (len(feeds) > 1 and any(feed.source.bits for feed in feeds)):
        made.bits = _bits(made, there)
    return made


def _release(count: int, feeds: Sequence[Feed]) -> Runs:
    """When each job is there."""
    release: Runs | None = None
    soonest = -1
    for feed in feeds:
        times = feed.times()
        if feed.whole:
            soonest = max(soonest, times.runs[0].time)
        else:
            assert times.count == count, "each job waits for one of each stream"
            release = times if release is None else later(release, times)
    if release is None:
        return Runs.constant(max(soonest, 0), count)
    return release if soonest < 0 else later(release, Runs.constant(soonest, count))


def _bits(track: Track, there: Runs) -> Bits:
    assert track.release is not None, "made just now"
    starts = track.release.array() == track.known().array() - track.service
    feeds, each = track.feeds if len(track.feeds) > 1 else (), there.array()
    latest = [np.packbits(feed.times().array() == each) for feed in feeds]
    return Bits(np.packbits(starts), tuple(latest))


def join(count: int, feeds: Sequence[Feed]) -> Track:
    """What waits for several streams, and takes no time; a stream itself where it waits for it."""
    if len(feeds) == 1 and feeds[0] == Feed(feeds[0].source):
        return feeds[0].source
    return serve("", 0, count, feeds, in_order=False)


def collect(servers: Sequence[Track], together: int) -> Track:
    """Jobs that were dealt to servers in turn, in order again: job i of the result is there when
    the first `together` (i + 1) of them are."""
    release = dealt([track.known() for track in servers])
    times = served(release, 0)
    ordered = Track("", 0, (), (), release, times, dealt=tuple(servers))
    if release.is_list or times.is_list:
        ordered.bits = _bits(ordered, release)
    if together == 1:
        return ordered
    return join(ordered.count // together, [every(ordered, together)])


def every(source: Track, together: int, delay: int = 0, cause: str = "") -> Feed:
    """Job i waits for the i-th so many of the source's jobs."""
    if together == 1:
        return Feed(source, delay, cause)
    last = Run(0, source.count // together, together - 1, together)
    return Feed(source, delay, cause, at=Runs([last]))


def repeated(places: Runs, times: int) -> Runs:
    """Each of these so often."""
    return places if times == 1 else taken(places, split_jobs(places.count, times))


def split_jobs(count: int, parts: int) -> Runs:
    """For each of the parts of so many jobs, the job."""
    return Runs([patterned(0, count * parts, np.zeros(parts, np.int64), 1)])


def loop_of(rounds: Track, count: int, feeds: Sequence[Feed], holds: Sequence[Hold]) -> Track:
    """Rounds one after the other, each as `rounds`, whose last job ends one that begins at 0."""
    made = serve("", rounds.last, count, feeds, holds)
    made.round = rounds
    return made


def replayed(once: Track, loop: Track) -> Track:
    """A stream's jobs in each round of a loop; `once` are those in a round that begins at 0."""
    begins, jobs = loop.known().shifted(-loop.service), once.known().array()
    times = Runs.joined([_each_round(run, jobs) for run in begins.runs])
    return Track(once.cause, once.service, (), (), None, times, round=once, loop=loop)


def _each_round(run: Run, jobs: TimesPs) -> Run:
    """Jobs of rounds that begin at the times of a run."""
    begins = run.values(run.start, min(run.period, run.stop - run.start))
    pattern = (begins[:, None] + jobs).reshape(-1)
    return patterned(run.start * len(jobs), run.stop * len(jobs), pattern, run.step)
