"""The last streams on a core's resources: what the next one finds taken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hermes_sim.tracks import Hold, Track
from hermesrt.cost import Lane


@dataclass(slots=True)
class CoreStreams:
    """The last streams on a core's resources.

    lanes: the names of its port in, array, LDPU and port out.
    port_in: the last stream there; None before the first.
    array: likewise.
    ldpu: likewise.
    port_out: likewise.
    mvms: the input buffer's two places may be taken: by the last MVM, as the next one but one sees
        it, and by the one before.
    """

    lanes: tuple[Lane, Lane, Lane, Lane]
    port_in: Track | None = None
    array: Track | None = None
    ldpu: Track | None = None
    port_out: Track | None = None
    mvms: tuple[Hold, ...] = ()

    @classmethod
    def of(cls, number: int) -> "CoreStreams":
        """An idle core."""
        at = (number,)
        lanes = (Lane("port_in", at), Lane("array", at), Lane("ldpu", at), Lane("port_out", at))
        return cls(lanes)

    def run(self, port_in: Track, array: Track, ldpu: Track, port_out: Track | None) -> None:
        """Streams of a tile more."""
        self.port_in, self.ldpu = port_in, ldpu
        self.port_out = port_out or self.port_out
        self.array, last = array, array.count - 1
        before = [hold._replace(job=0) for hold in self.mvms[:1]]
        if array.before_last is not None:
            before = [Hold(0, array.before_last, array, last - 1)]
        self.mvms = (Hold(1, array.last, array, last), *before)

    def repeat(self, once: "CoreStreams", repeated: Callable[[Track], Track]) -> None:
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
        ends = [t.last if t else 0 for t in tracks] + [h.time for h in self.mvms]
        return tuple([end if end > now else now for end in ends])

    def front(self, now: int) -> tuple[object, ...]:
        """The very streams that a stream which comes `now` waits for at the port and the array."""
        tracks = (self.port_in, self.array)
        taken = [id(t) if t is not None and t.last > now else 0 for t in tracks]
        return (*taken, *[(h.job, id(h.source), h.source_job) for h in self.mvms if h.time > now])


def _repeated_mvms(
    once: tuple[Hold, ...], first: tuple[Hold, ...], repeated: Callable[[Track], Track]
) -> Iterator[Hold]:
    """The last two MVMs of a core, from those of one round, and of the first round."""
    for hold in once:
        track = repeated(hold.source)
        number = track.count - hold.source.count + hold.source_job
        yield Hold(hold.job, track.known()[number], track, number)
    if len(once) == 1:  # the round before holds the other one
        track, before = repeated(once[0].source), [hold._replace(job=0) for hold in first[:1]]
        if track.before_last is not None:
            before = [Hold(0, track.before_last, track, track.count - 2)]
        yield from before


def turn(before: Track | None) -> tuple[Hold, ...]:
    """A stream's first job waits until the resource is free."""
    return () if before is None else (Hold(0, before.last, before, before.count - 1),)
