"""What the end of a stream is made of: the walk back from job to job that it waited for."""

from collections import Counter

from hermes_sim.tracks import Track


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
            turn, place = divmod(job, here.round.count)
            in_round = here.round.known()[place]
            by.update(_path(here.round, place, in_round))
            here, job, time, at_end = here.loop, turn, time - in_round, False
        began = here.began(job)
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


def _source(
    track: Track, job: int, time: int, by: "Counter[str]"
) -> tuple[Track | None, int, int, bool]:
    """What made a job begin at that time: the job of another stream, or nothing."""
    if track.dealt:
        place, turn = divmod(job, len(track.dealt))
        return track.dealt[turn], place, time, True
    for hold in track.holds:
        if hold.job == job and hold.time == time:
            return hold.source, hold.source_job, time, True
    for number, feed in enumerate(track.feeds):
        if time == 0 and feed.awaited(job) < 0:
            break
        if track.is_latest(number, job):
            by[feed.cause] += feed.delay
            return feed.source, feed.awaited(job), time - feed.delay, not feed.from_start
    assert time == 0, "a job that waits for nothing begins at once"
    return None, 0, 0, True
