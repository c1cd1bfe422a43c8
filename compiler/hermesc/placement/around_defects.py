"""Around defects: the largest arrays on which a model still fits.

A chip with dead lines can be used as whole arrays without the cores that have them, or as smaller
arrays on more cores (`hermesrt.chip.defects.usable_arrays`). Which of them a model needs shows when
it is laid out, so the layouts are tried one after the other, the largest arrays first.
"""

from collections.abc import Callable
from typing import TypeVar

from hermesrt.chip.defects import DefectMap, usable_arrays
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import CapacityError

T = TypeVar("T")


def around_defects(
    chip: ChipSpec, defects: DefectMap | None, lay_out: Callable[[ChipSpec, frozenset[int]], T]
) -> T:
    """The first layout that fits; `lay_out(arrays, excluded)` makes one on a chip whose arrays have
    as many rows and columns as are used, without the cores `excluded`.

    Raises: CapacityError of the last layout.
    """
    *more, last = usable_arrays(chip, defects)
    for arrays, excluded in more:
        try:
            return lay_out(arrays, excluded)
        except CapacityError:
            continue
    arrays, excluded = last
    try:
        return lay_out(arrays, excluded)
    except CapacityError as error:
        if defects is None or not excluded:
            raise
        raise CapacityError(
            f"{error}\nThe defect map closes {len(excluded)} of {defects.cores} cores; they stay "
            "empty"
        ) from None
