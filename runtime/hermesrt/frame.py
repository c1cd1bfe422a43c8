"""Rows of plain data as a pandas DataFrame."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hermesrt.extras import require

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(rows: Sequence[Mapping[str, Any]]) -> "DataFrame":
    """One line a row, one column a key.

    Raises: InputError without pandas.
    """
    require("pandas", "to_frame()")
    import pandas

    return pandas.DataFrame(list(rows))
