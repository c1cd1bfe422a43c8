"""Steps that take texts, dictionaries or names: scikit-learn does them, before the program.

A program takes numbers. Where the rows are none, the first steps of a pipeline make numbers of
them, and the program is that of the steps behind; its input is what those first steps give.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from torch import Tensor

from hermesc.frontend.sklearn.project import PROJECTIONS
from hermesc.frontend.sklearn.scale import SCALERS

HostStep = tuple[str, Any]


def on_host(estimator: Any, rows: Any) -> tuple[Any, Any, tuple[HostStep, ...]]:
    """The estimator without its first steps that rows which are no numbers need, these rows behind
    them, and the steps."""
    if isinstance(rows, tuple | list) and len(rows) == 1 and _is_table(rows[0]):
        rows = rows[0]
    if type(estimator) is not Pipeline or rows is None or _holds_numbers(rows):
        return estimator, rows, ()
    steps: list[HostStep] = []
    for name, step in estimator.steps[:-1]:
        if not _takes_names(step):
            break
        try:
            rows = _dense(step.transform(rows))
        except Exception:  # what is wrong with the rows is said where they are read
            break
        steps.append((name, step))
        if _holds_numbers(rows):
            break
    if not steps or not _holds_numbers(rows):
        return estimator, rows, ()
    return Pipeline(estimator.steps[len(steps) :]), rows, tuple(steps)


def transformed(steps: Sequence[HostStep], rows: Any) -> Any:
    """What such steps give for other rows."""
    if steps and isinstance(rows, tuple | list) and len(rows) == 1 and _is_table(rows[0]):
        rows = rows[0]
    for _, step in steps:
        rows = _dense(step.transform(rows))
    return rows


def host_notes(steps: Sequence[HostStep]) -> Iterator[str]:
    """What the user must do before a run."""
    if steps:
        names = ", ".join(f"{name} ({type(step).__name__})" for name, step in steps)
        yield (
            f"the rows are no numbers, so scikit-learn does {names} before the program, whose "
            "input is what that gives; it is neither timed nor counted"
        )


def _takes_names(step: Any) -> bool:
    """Not what makes numbers of numbers, although it reads "1.5" as one."""
    method = getattr(type(step), "transform", None)
    return hasattr(step, "transform") and method not in (*SCALERS, *PROJECTIONS)


def _is_table(value: Any) -> bool:
    return isinstance(value, np.ndarray | Tensor) or hasattr(value, "iloc")


def _holds_numbers(rows: Any) -> bool:
    if isinstance(rows, Tensor):
        return True
    if hasattr(rows, "iloc") and hasattr(rows, "dtypes"):
        kinds = [getattr(t, "kind", "O") for t in np.atleast_1d(np.asarray(rows.dtypes, object))]
        return all(k in "fiub" for k in kinds)
    if hasattr(rows, "toarray"):
        return True
    try:
        return np.asarray(rows).dtype.kind in "fiub"
    except ValueError:  # rows of different lengths are told apart later
        return True


def _dense(rows: Any) -> Any:
    return rows.toarray() if hasattr(rows, "toarray") else rows
