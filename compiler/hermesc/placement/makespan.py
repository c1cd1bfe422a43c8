"""When a sample is done on a placement, each stream of vectors known by its first and its last.

A resource that serves a stream of n vectors, each for a time s, ends with the later of two: n s
after it could begin, or s after the last vector came. Resources serve MVMs in the program's order.
This is the timing engine's arithmetic with two times a stream in place of all, without the input
buffer's limit and without forwarding over links; a recurrence takes its steps' time. Cost: linear
in tiles and dependences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hermesc.placement.cost_model import CostModel

TileKey = tuple[int, int, int, int]  # matrix, copy, stage, column range


@dataclass(frozen=True, slots=True)
class _Stream:
    """When the first and the last of some vectors are there, in picoseconds."""

    first: int
    last: int


def makespan_ps(model: CostModel, cores: Mapping[TileKey, int]) -> int:
    """The time of one sample in picoseconds, every tile on its core; a tile that is not named has
    a core for itself."""
    free: dict[tuple[int | TileKey, int], int] = {}
    results: list[_Stream] = []
    for work in model.works:
        first = last = 0
        for wait in work.dependences:
            source = results[wait.mvm]
            first = max(first, source.last if wait.barrier else source.first)
            last = max(last, source.last)
        arrival = _Stream(first, max(first, last))
        done = _Mvm(model, work.matrix, work.vectors, cores, free).run(arrival)
        if work.steps > 1:
            done = replace(done, last=max(done.last, first + model.spans[len(results)]))
        results.append(done)
    return max((result.last for result in results), default=0)


@dataclass(slots=True)
class _Mvm:
    """One MVM on its way through the resources of its tiles' cores."""

    model: CostModel
    matrix: int
    vectors: int
    cores: Mapping[TileKey, int]
    free: dict[tuple[int | TileKey, int], int]

    def run(self, arrival: _Stream) -> _Stream:
        """When its results are there."""
        cut = self.model.cuts[self.matrix]
        ends = [
            self._cascade(copy, column, len(range(copy, self.vectors, cut.copies)), arrival)
            for copy in range(min(cut.copies, self.vectors))
            for column in range(len(cut.columns))
        ]
        return _Stream(max(e.first for e in ends), max(e.last for e in ends))

    def _cascade(self, copy: int, column: int, count: int, arrival: _Stream) -> _Stream:
        cut, times = self.model.cuts[self.matrix], self.model.times
        a, b = cut.columns[column]
        ldpu, out = times.ldpu(b - a), times.port(b - a)
        came = _Stream(arrival.first + times.arrival, arrival.last + times.arrival)
        sums = _Stream(0, 0)
        began = sums
        place: TileKey = (self.matrix, copy, 0, column)
        for stage, (top, bottom) in enumerate(cut.rows):
            place = (self.matrix, copy, stage, column)
            loaded = self._serve(place, 0, times.port(bottom - top), count, came)
            done = self._serve(place, 1, times.mvm(cut.mode), count, loaded)
            ready = _Stream(max(done.first, sums.first), max(done.last, sums.last))
            made = self._serve(place, 2, ldpu, count, ready)
            began = _Stream(made.first - ldpu, made.last - ldpu)
            sums = _Stream(began.first + times.stage, began.last + times.stage)
        left = self._serve(place, 3, out, count, sums)
        ends = began.first + ldpu + times.stage, began.last + ldpu + times.stage
        return _Stream(max(left.first, ends[0]), max(left.last, ends[1]))

    def _serve(
        self, place: TileKey, resource: int, service: int, count: int, came: _Stream
    ) -> _Stream:
        key = (self.cores.get(place, place), resource)
        begin = max(came.first, self.free.get(key, 0))
        end = max(begin + count * service, came.last + service)
        self.free[key] = end
        return _Stream(begin + service, end)
