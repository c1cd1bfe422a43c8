"""Pathfinder: is there a dashed path from one marker to the other? Drawn with numpy.

Two long paths of dashes, and short ones that distract, wander over the image without touching. In a
positive image both ends of the first path carry a disc; in a negative one a disc lies at an end of
each. Settings are the benchmark's (dashes of 2 pixels and gaps of 1, discs of radius 1.5, paths of
14 dashes; 6 in its easy variant); the paths themselves are drawn by a method of ours: walkers
grow dash by dash with bounded turns, and an image takes the first that keeps clear of all others.
Source: Linsley et al. 2018; Tay et al. 2021 (the generator's settings).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesrt.errors import InputError

_DASH, _GAP, _THICK, _CONTRAST, _RADIUS = 2.0, 1.0, 0.5, 0.75, 1.5
_TURN = 1.05  # radians between dashes, at most
_CLEAR = 2.2  # pixels between the middles of dashes of two paths
_WALKERS, _TURNS, _ROUNDS, _BLOCK = 16, 6, 40, 256
_BORDER = 1.5
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class PathfinderLimits:
    """What is drawn.

    side: pixels of a side of the image.
    dashes: of each of the two long paths.
    distractors: short paths, with a third of the dashes.
    """

    side: int = 32
    dashes: int = 14
    distractors: int = 5

    @property
    def short(self) -> int:
        """Dashes of a distractor."""
        return max(self.dashes // 3, 1)


def pathfinder(
    count: int, limits: PathfinderLimits, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [count, side * side] of 0 to 255, and whether the discs' path is one.

    Raises: InputError where the image is too small for its paths.
    """
    draw = np.random.default_rng([seed, 0x9A7F])
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int64]] = []
    missed = 0
    while (found := sum(map(len, labels))) < count:
        paths = _paths(draw, limits)
        missed = missed + 1 if not len(paths[0]) else 0
        if missed == _ROUNDS:
            raise InputError(
                f"Pathfinder: {limits.dashes} dashes twice and {limits.distractors} distractors do "
                f"not fit in {limits.side}x{limits.side} pixels; {found} of {count} images found"
            )
        positive = draw.integers(0, 2, len(paths[0]))
        images.append(_drawn(paths, positive, limits.side))
        labels.append(positive)
    return np.concatenate(images)[:count], np.concatenate(labels)[:count]


def _paths(draw: np.random.Generator, limits: PathfinderLimits) -> list[Floats]:
    """Ends of the dashes of each path [images, dashes, 2, 2], for the images that took all."""
    taken = np.zeros((_BLOCK, 0, 2), np.float32)
    found: list[Floats] = []
    for dashes in (limits.dashes, limits.dashes, *[limits.short] * limits.distractors):
        path, whole = _grown(draw, dashes, taken, limits.side)
        found = [other[whole] for other in found] + [path]
        taken = np.concatenate([taken[whole], path.mean(2)], 1)
    return found


def _grown(
    draw: np.random.Generator, dashes: int, taken: Floats, side: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """A path [images, dashes, 2 ends, x and y] in each image that has room for one, and which have.

    Several walkers grow in each image, a dash at a time; each takes the first of some turns that
    keeps clear, and the first walker that does not get stuck is the path.
    """
    size = (len(taken), _WALKERS)
    angle: Floats = draw.uniform(0, 2 * np.pi, size).astype(np.float32)
    at: Floats = draw.uniform(_BORDER, side - _BORDER, (*size, 2)).astype(np.float32)
    alive = np.ones(size, bool)
    ends: Floats = np.zeros((*size, 0, 2, 2), np.float32)
    for _ in range(dashes):
        turn = draw.uniform(-_TURN, _TURN, (*size, _TURNS)).astype(np.float32)
        angles = angle[..., None] + turn
        step = np.stack([np.cos(angles), np.sin(angles)], -1)
        begin = at[:, :, None]
        middle, end = begin + _DASH / 2 * step, begin + _DASH * step
        own = ends[:, :, None, :-1].mean(4)  # the dash before may be near
        others = taken[:, None, None]
        free = _inside(begin, end, side) & _clear(middle, own) & _clear(middle, others)
        alive &= free.any(2)
        chosen = free.argmax(2)[..., None]
        angle = np.take_along_axis(angles, chosen, 2)[..., 0]
        step = np.take_along_axis(step, chosen[..., None], 2)[:, :, 0]
        dash = np.stack([at, at + _DASH * step], 2)
        ends, at = np.concatenate([ends, dash[:, :, None]], 2), at + (_DASH + _GAP) * step
    whole: NDArray[np.bool_] = np.any(alive, axis=1)
    path: Floats = ends[np.arange(len(taken)), alive.argmax(1)][whole]
    return path, whole


def _inside(begin: Floats, end: Floats, side: int) -> NDArray[np.bool_]:
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    inside: NDArray[np.bool_] = np.all((low > _BORDER) & (high < side - _BORDER), axis=-1)
    return inside


def _clear(middle: Floats, others: Floats) -> NDArray[np.bool_]:
    """Whether the middles of dashes are clear of all others [..., dashes, 2]."""
    gaps = ((middle[..., None, :] - others) ** 2).sum(-1)
    clear: NDArray[np.bool_] = np.all(gaps > _CLEAR**2, axis=-1)
    return clear


def _drawn(paths: list[Floats], positive: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
    """Grey images: dashes, and over them the discs."""
    pixels = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1) + 0.5
    pixels = pixels.reshape(-1, 2).astype(np.float32)
    ink = np.zeros((len(positive), side * side), np.float32)
    for path in paths:
        for dash in range(path.shape[1]):
            begin, end = path[:, dash, 0], path[:, dash, 1]
            ink = np.maximum(ink, _CONTRAST * _near(_to_dash(pixels, begin, end), _THICK))
    other = np.where(positive[:, None] == 1, paths[0][:, -1, 1], paths[1][:, 0, 0])
    for disc in (paths[0][:, 0, 0], other):
        gap = np.sqrt(((pixels - disc[:, None]) ** 2).sum(-1))
        ink = np.maximum(ink, _near(gap, _RADIUS))
    return np.rint(255 * ink).astype(np.uint8)


def _to_dash(pixels: Floats, begin: Floats, end: Floats) -> Floats:
    """Distance of each pixel's middle to a dash."""
    along = (end - begin)[:, None]
    offset = pixels - begin[:, None]
    share = np.clip((offset * along).sum(-1, keepdims=True) / _DASH**2, 0, 1)
    gap: Floats = np.sqrt(((offset - share * along) ** 2).sum(-1))
    return gap


def _near(gap: Floats, radius: float) -> Floats:
    """1 within the radius, falling to 0 over a pixel."""
    ink: Floats = np.clip(radius + 0.5 - gap, 0, 1)
    return ink
