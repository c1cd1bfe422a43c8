"""Drawing a directed graph in layers: ranks by longest path, few crossings, straight lines.

Method: Sugiyama et al. 1981 with barycentres; abscissae by least squares that keep the order and
the distances (pool-adjacent-violators). Edges that would close a circle run upwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from hermesrt.report.figures.svg import Point

Size = tuple[float, float]
Edge = tuple[str, str, str | None]  # from, to, and what tells parallel edges apart

_SWEEPS = 24
_STRAIGHT = 6.0  # how much more a line's straightness counts than a box's place
_APART, _RANK_GAP, _LINE_ROOM = 22.0, 30.0, 12.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """Left and top of each box, the points of each edge (pairs of which are curves, then lines in
    turn), and the size of all."""

    corners: Mapping[str, Point]
    lines: Mapping[Edge, tuple[Point, ...]]
    size: Size


def layered(sizes: Mapping[str, Size], edges: Sequence[Edge], last: Sequence[str] = ()) -> Drawing:
    """Place boxes of those sizes, in their order where nothing else decides; the boxes in `last`
    are on the lowest rank."""
    rank = _ranks(list(sizes), edges)
    bottom = max(rank.values(), default=0)
    if last:
        bottom = max([bottom, *(1 + r for name, r in rank.items() if name not in last)])
        rank |= dict.fromkeys(last, bottom)
    chains = {edge: _chain(edge, rank) for edge in edges}
    wide = {name: size[0] for name, size in sizes.items()}
    rows: list[list[str]] = [[] for _ in range(bottom + 1)]
    for name in sizes:
        rows[rank[name]].append(name)
    for edge, chain in chains.items():
        for step, name in enumerate(chain[1:-1], start=1):
            way = 1 if rank[edge[1]] > rank[edge[0]] else -1
            rows[rank[edge[0]] + way * step].append(name)
            wide[name] = _LINE_ROOM
    above, below = _neighbours(rows, chains)
    _order(rows, above, below)
    centre = _centres(rows, wide, above, below)
    _straighten(rows, wide, chains, centre)
    heights = [max([sizes[n][1] for n in row if n in sizes], default=0.0) for row in rows]
    tops = [sum(heights[:i]) + i * _RANK_GAP for i in range(len(rows))]
    left = min((centre[n] - wide[n] / 2 for n in centre), default=0.0)
    right = max((centre[n] + wide[n] / 2 for n in centre), default=0.0)
    corners = {
        name: (
            centre[name] - wide[name] / 2 - left,
            tops[rank[name]] + (heights[rank[name]] - size[1]) / 2,
        )
        for name, size in sizes.items()
    }
    at = {n: r for r, row in enumerate(rows) for n in row}
    lines = {
        edge: _points(chain, sizes, corners, centre, left, at, tops, heights)
        for edge, chain in chains.items()
    }
    return Drawing(corners, lines, (right - left, (tops[-1] + heights[-1]) if rows else 0.0))


def _ranks(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Longest path from a source. In a circle the first box comes first."""
    sources: dict[str, set[str]] = {name: set() for name in names}
    for source, target, _ in edges:
        if source != target:
            sources[target].add(source)
    rank: dict[str, int] = {}
    left = list(names)
    while left:
        name = next((x for x in left if sources[x] <= rank.keys()), left[0])
        rank[name] = 1 + max((rank[s] for s in sources[name] if s in rank), default=-1)
        left.remove(name)
    return rank


def _chain(edge: Edge, rank: Mapping[str, int]) -> list[str]:
    """The edge's ends with a place for its line on each rank between."""
    source, target, _ = edge
    between = range(1, abs(rank[target] - rank[source]))
    return [source, *(f"\0{edge!r}{i}" for i in between), target]


def _neighbours(
    rows: Sequence[Sequence[str]], chains: Mapping[Edge, Sequence[str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    at = {name: r for r, row in enumerate(rows) for name in row}
    above: dict[str, list[str]] = {name: [] for name in at}
    below: dict[str, list[str]] = {name: [] for name in at}
    for chain in chains.values():
        for a, b in pairwise(chain):
            high, low = (a, b) if at[a] < at[b] else (b, a)
            above[low].append(high)
            below[high].append(low)
    return above, below


def _order(
    rows: list[list[str]], above: Mapping[str, list[str]], below: Mapping[str, list[str]]
) -> None:
    """Sort each rank by the mean place of its neighbours, downwards and upwards in turn."""
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        near = above if downwards else below
        for row in rows if downwards else reversed(rows):
            place = {n: i / max(1, len(r) - 1) for r in rows for i, n in enumerate(r)}
            row.sort(key=lambda x: fmean([place[y] for y in near[x]] or [place[x]]))


def _centres(
    rows: Sequence[Sequence[str]],
    wide: Mapping[str, float],
    above: Mapping[str, list[str]],
    below: Mapping[str, list[str]],
) -> dict[str, float]:
    """Abscissae that come as near to the neighbours' mean as order and distances allow."""
    centre: dict[str, float] = {}
    for row in rows:
        total = sum(wide[x] + _APART for x in row)
        x = -total / 2
        for name in row:
            centre[name] = x + wide[name] / 2
            x += wide[name] + _APART
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else reversed(rows):
            near = above if downwards else below  # one side alone: chains fall straight at once
            wanted = [_wanted(x, near[x], centre) for x in row]
            gaps = [(wide[a] + wide[b]) / 2 + _APART for a, b in pairwise(row)]
            weights = [_weight(x, near[x]) for x in row]
            centre |= zip(row, spaced(wanted, gaps, weights), strict=True)
    return centre


def _straighten(
    rows: Sequence[Sequence[str]],
    wide: Mapping[str, float],
    chains: Mapping[Edge, Sequence[str]],
    centre: dict[str, float],
) -> None:
    """Let each line fall straight where its neighbours leave it a common way."""
    beside = {name: (row, i) for row in rows for i, name in enumerate(row)}
    for chain in sorted(chains.values(), key=len, reverse=True):
        line = chain[1:-1]
        low, high = float("-inf"), float("inf")
        for name in line:
            row, i = beside[name]
            if i > 0:
                gap = (wide[row[i - 1]] + wide[name]) / 2 + _APART
                low = max(low, centre[row[i - 1]] + gap)
            if i + 1 < len(row):
                gap = (wide[row[i + 1]] + wide[name]) / 2 + _APART
                high = min(high, centre[row[i + 1]] - gap)
        if line and low <= high:
            middle = fmean([centre[name] for name in line])
            centre |= dict.fromkeys(line, min(high, max(low, middle)))


def _wanted(name: str, near: Sequence[str], centre: Mapping[str, float]) -> float:
    """The neighbours' mean; lines follow lines first, and boxes follow boxes alone where there are
    any, so that a way around a box does not push aside what comes after."""
    if not near:
        return centre[name]
    if _is_line(name):
        return fmean([centre[y] for y in near], [_STRAIGHT if _is_line(y) else 1.0 for y in near])
    return fmean([centre[y] for y in near if not _is_line(y)] or [centre[y] for y in near])


def _weight(name: str, near: Sequence[str]) -> float:
    """How much a place counts: a box below a box most, then a line that goes on."""
    alike = any(_is_line(name) == _is_line(y) for y in near)
    if _is_line(name):
        return _STRAIGHT if alike else 1.0
    return _STRAIGHT**4 if alike else 1.0


def _is_line(name: str) -> bool:
    return name.startswith("\0")


def spaced(wanted: Sequence[float], gaps: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The places nearest to those wanted (weighted squares) with at least those gaps between."""
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for want, offset, weight in zip(wanted, offsets, weights, strict=False):
        blocks.append((want - offset, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, u, m), (b, v, k) = blocks[-2:]
            blocks[-2:] = [((a * u + b * v) / (u + v), u + v, m + k)]
    means = [mean for mean, _, length in blocks for _ in range(length)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _points(
    chain: Sequence[str],
    sizes: Mapping[str, Size],
    corners: Mapping[str, Point],
    centre: Mapping[str, float],
    left: float,
    at: Mapping[str, int],
    tops: Sequence[float],
    heights: Sequence[float],
) -> tuple[Point, ...]:
    """From the source's lower edge to the target's upper edge, or the other way where it rises."""
    falls = at[chain[0]] < at[chain[-1]]
    points: list[Point] = []
    for i, name in enumerate(chain):
        x = centre[name] - left
        through = name not in sizes or not sizes[name][1]
        if not through:
            top, bottom = corners[name][1], corners[name][1] + sizes[name][1]
        else:
            top, bottom = tops[at[name]], tops[at[name]] + heights[at[name]]
        enter, leave = (top, bottom) if falls else (bottom, top)
        if i > 0 or through:
            points.append((x, enter))
        if i < len(chain) - 1 or through:
            points.append((x, leave))
    return tuple(points)
