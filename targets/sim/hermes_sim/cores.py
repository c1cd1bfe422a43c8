"""The vectors of a step through the tiles of a matrix: ports, arrays, LDPUs and links of cores."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hermes_sim.core_streams import CoreStreams, turn
from hermes_sim.fifo import every, join, serve
from hermes_sim.resource_times import Port, ResourceTimes
from hermes_sim.tracks import Feed, Track
from hermesrt.artifact.schema import Artifact, Matrix, Tile
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Lane
from hermesrt.ops.recurrence import GATES

Use = tuple[Lane, Track]


@dataclass(frozen=True, slots=True)
class _TileRun:
    """The streams of one tile; only a cascade's last one sends to its port, and to the chip's own
    gates, which have all sums of a vector at the times of `gates`."""

    port_in: Track
    array: Track
    ldpu: Track
    port_out: Track | None
    gates: Track | None


class Cores:
    """The cores of a program and the links between them, each with its last streams."""

    def __init__(self, chip: ChipSpec, artifact: Artifact, mode: Mode | None) -> None:
        self.times = ResourceTimes(chip)
        self.mode = mode
        self.streams = {number: CoreStreams.of(number) for number in artifact.cores}
        self.links: dict[tuple[int, int], Track] = {}
        self.paths = {
            (r.matrix, r.copy, r.columns, r.stage): r.cores for r in artifact.manifest.routes
        }

    def run(
        self,
        matrix: Matrix,
        copy: int,
        arrival: Track,
        split: int,
        lacks: Mapping[int, float],
        uses: list[Use],
        *,
        gated: bool = False,
    ) -> list[Feed]:
        """The vectors of one copy, `gated` through the chip's own gates; what the results wait for.

        matrix, copy: which tiles.
        arrival: when each vector is there.
        split: vectors of a result.
        lacks: the share of them that a chip gets from others, by chip.
        uses: takes the streams on all resources.
        """
        through = _Copy(self, matrix, arrival, lacks, uses, gated)
        return [feed for ran in through.run(copy) for feed in through.outputs(ran, split)]

    def repeat(self, once: "Cores", repeated: Callable[[Track], Track]) -> None:
        """What was done in one round of a loop, in all rounds after the first."""
        for number, core in once.streams.items():
            self.streams[number].repeat(core, repeated)
        self.links |= {link: repeated(track) for link, track in once.links.items()}


class _Copy:
    """A stream of vectors through one copy of a matrix. Tiles that look alike and find their cores
    alike have the same streams."""

    def __init__(
        self,
        cores: Cores,
        matrix: Matrix,
        arrival: Track,
        lacks: Mapping[int, float],
        uses: list[Use],
        gated: bool,
    ) -> None:
        self._cores, self._matrix, self._arrival = cores, matrix, arrival
        self._lacks, self._uses, self._gated = lacks, uses, gated
        self._times = cores.times
        self._mvm = cores.times.mvm(cores.mode or matrix.mode)
        self._soonest = min(arrival.first, arrival.known()[1 if arrival.count > 1 else 0])
        self._alike: dict[object, _TileRun] = {}
        self._fronts: dict[object, tuple[Track, Track]] = {}
        self._alike_links: dict[object, Track] = {}

    def run(self, copy: int) -> list[_TileRun]:
        """The last tiles of all cascades; alike ones once."""
        tiles = [tile for tile in self._matrix.tiles if tile.copy == copy]
        before: dict[tuple[int, int], _TileRun] = {}
        for tile in sorted(tiles, key=lambda t: (t.stage, t.columns)):
            sums = self._partial_sums(tile, before[tile.columns]) if tile.stage else None
            ran = self._tile(tile, sums)
            before[tile.columns] = ran
            self._occupy(self._cores.streams[tile.core], ran)
        return list({id(ran): ran for ran in before.values()}.values())

    def outputs(self, ran: _TileRun, split: int) -> Iterator[Feed]:
        """A vector is there when its last byte has left, not before the LDPU has made it."""
        assert ran.port_out is not None, "the last tile of a cascade sends"
        if ran.gates is not None:
            yield every(ran.gates, split, self._times.gdpu, "gdpu")
        elif ran.ldpu.service >= ran.port_out.service:
            yield every(ran.ldpu, split, self._times.stage, "links")
        yield every(ran.port_out, split)

    def _tile(self, tile: Tile, sums: Feed | None) -> _TileRun:
        core, arrival = self._cores.streams[tile.core], self._arrival
        rows, columns = tile.rows[1] - tile.rows[0], tile.columns[1] - tile.columns[0]
        into = self._times.port_in(self._lacks.get(tile.core // self._times.chip.cores, 0.0))
        since = sums and (id(sums.source), sums.delay)
        key = (rows, columns, since, core.state(arrival.first), into)
        found = self._alike.get(key)
        if found is None:
            port_in, array = self._front(core, rows, into)
            waits = (Feed(array), sums) if sums else (Feed(array),)
            ldpu = self._serve("ldpu", self._times.ldpu(columns), waits, core.ldpu)
            last = tile.stage == len(self._matrix.row_ranges) - 1
            gates, port_out = self._leave(core, ldpu, columns) if last else (None, None)
            found = self._alike[key] = _TileRun(port_in, array, ldpu, port_out, gates)
        return found

    def _front(self, core: CoreStreams, rows: int, into: Port) -> tuple[Track, Track]:
        """Port and array: the same for all tiles of so many rows whose cores wait for the same."""
        key = (rows, into, core.front(self._soonest))
        found = self._fronts.get(key)
        if found is None:
            port_in = serve(
                into.cause, into.time(rows), self._arrival.count,
                (Feed(self._arrival, into.latency, into.cause),), (*turn(core.port_in), *core.mvms),
            )  # fmt: skip
            array = self._serve("array", self._mvm, (Feed(port_in),), core.array)
            found = self._fronts[key] = (port_in, array)
        return found

    def _leave(self, core: CoreStreams, ldpu: Track, columns: int) -> tuple[Track | None, Track]:
        """Through the chip's gates, if it has to, and the port."""
        times, port = self._times, self._times.port
        leaves = Feed(ldpu, times.stage, "links", from_start=True)
        if not self._gated:
            return None, self._serve(port.cause, port.time(columns), (leaves,), core.port_out)
        gates = join(ldpu.count, (Feed(ldpu, times.stage, "links"),))
        leaves = Feed(join(ldpu.count, (leaves,)), times.gdpu, "gdpu")
        sent = port.time(columns // GATES)
        return gates, self._serve(port.cause, sent, (leaves,), core.port_out)

    def _serve(
        self, cause: str, service: int, feeds: Sequence[Feed], before: Track | None
    ) -> Track:
        """All vectors through a resource, behind the stream before."""
        return serve(cause, service, self._arrival.count, feeds, turn(before))

    def _occupy(self, core: CoreStreams, ran: _TileRun) -> None:
        """The core's resources are in use by these streams now."""
        core.run(ran.port_in, ran.array, ran.ldpu, ran.port_out)
        port_in, array, ldpu, port_out = core.lanes
        self._uses += [(port_in, ran.port_in), (array, ran.array), (ldpu, ran.ldpu)]
        if ran.port_out is not None:
            self._uses.append((port_out, ran.port_out))

    def _partial_sums(self, tile: Tile, before: _TileRun) -> Feed:
        """When this stage's LDPU may begin: the sums of the stage before come over links."""
        times, links, alike = self._times, self._cores.links, self._alike_links
        feed = Feed(before.ldpu, times.stage, "links", from_start=True)
        service = times.link(tile.columns[1] - tile.columns[0])
        path = self._cores.paths.get((self._matrix.name, tile.copy, tile.columns, tile.stage), ())
        for index, link in enumerate(pairwise(path)):
            if index:
                feed = Feed(feed.source, times.hop, "hops", from_start=True)
            held = links.get(link)
            key = (id(feed.source), service, max(held.last, before.ldpu.first) if held else 0)
            if key not in alike:
                alike[key] = self._serve("links", service, (feed,), held)
            track = links[link] = alike[key]
            self._uses.append((Lane("link", link), track))
            feed = Feed(track, from_start=True)
        if feed.source is not before.ldpu:  # a link that is slower than the LDPU lags behind it
            lag = max(0, service - before.ldpu.service)
            feed = Feed(feed.source, lag, "links", from_start=True)
        return feed
