"""One core's array as a skyline: rectangles are set down, lowest place first.

Method: bottom-left skyline packing (Jylänki 2010), which keeps, for each column of the array, the
first row above all that was set down there. Cost: the square of the skyline's steps.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Skyline:
    """The free space of an array.

    rows: of the array.
    columns: of the array.
    steps: first column and first free row of each.
    used: cells in use.
    """

    rows: int
    columns: int
    steps: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    used: int = 0

    @property
    def free(self) -> int:
        """Cells not in use."""
        return self.rows * self.columns - self.used

    def find(self, height: int, width: int) -> tuple[int, int] | None:
        """Row and column of the lowest place that takes a rectangle, the leftmost of them."""
        if height * width > self.free:
            return None
        best: tuple[int, int] | None = None
        for i, (left, top) in enumerate(self.steps):
            if left + width > self.columns:
                break
            if best is not None and top >= best[0]:
                continue
            highest = top
            for column, row in self.steps[i + 1 :]:
                if column >= left + width:
                    break
                highest = max(highest, row)
            if highest + height <= self.rows and (best is None or highest < best[0]):
                best = (highest, left)
        return best

    def put(self, place: tuple[int, int], height: int, width: int) -> None:
        """Take the cells of a place that `find` found."""
        top, left = place
        right = left + width
        after, level = [], 0
        for column, row in self.steps:
            if column < right:
                level = row
            if column < left or column > right:
                after.append((column, row))
            elif column == right:
                level = row
        after += [(left, top + height)]
        if right < self.columns:
            after.append((right, level))
        after.sort()
        self.steps = [s for i, s in enumerate(after) if i == 0 or s[1] != after[i - 1][1]]
        self.used += height * width
