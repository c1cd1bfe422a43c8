"""A fitted scikit-learn estimator or pipeline as a ModelSource, checked against scikit-learn."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hermesc.frontend.describe import describe
from hermesc.frontend.inputs import Labels, label_positions, matrix
from hermesc.frontend.request import ModelRequest, ModelSource, calibration_tensors
from hermesc.frontend.sklearn.compose import Walk, output_method
from hermesc.frontend.sklearn.host import HostStep, host_notes, on_host, transformed
from hermesrt.errors import InternalError, ModelError, UnsupportedOpError

_CHECKED_ROWS = 64
_SAME = 1e-6  # of the outputs' scale, in FP64
_ILL_CONDITIONED = 1e-3  # of FP32 against FP64
_FAR = 1e3  # spreads from zero: the square of that is lost in FP32
_ADVICE = (
    "Leave these steps out of the pipeline that you compile (do them in your own code before or "
    "after it), or use another step in their place."
)


def estimator_source(given: ModelRequest) -> ModelSource:
    """The ModelSource of a fitted estimator; its one input is `x`, [rows, features].

    The output is `decision_function` of a classifier, `predict` of a regressor, else `transform`;
    it is compared with scikit-learn's own, in FP64, on the example inputs.
    Raises: ModelError; UnsupportedOpError that lists all steps without a torch form.
    """
    estimator, given_rows, host = on_host(given.model, given.example_inputs)
    method = output_method(estimator)
    walk = Walk()
    module = walk.module(estimator, method, "")
    if walk.refusals:
        raise UnsupportedOpError(walk.refusals, noun="step", advice=_ADVICE)
    assert method is not None
    if given.dynamic_shapes is not None:
        raise ModelError(f"{given.place('dynamic_shapes')}: an estimator's input has rows alone")
    rows = _ordered(estimator, given_rows)
    x = _features(estimator, rows, given.place("example_inputs"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = _answer(estimator, method, rows)
        deviation = _check(module, answer, x)
        classes = _classes(estimator, answer)
    return ModelSource(
        model=module.float(),
        example_inputs=(x.float(),),
        calibration=_calibration(given, estimator, host),
        labels=_labels(given.labels, given.place("labels"), estimator, classes),
        calibration_labels=_labels(
            given.calibration_labels, given.place("calibration_labels"), estimator, classes
        ),
        name=given.name,
        folder=given.folder,
        classes=classes,
        notes=(*host_notes(host), *_notes(deviation, method, x)),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What scikit-learn itself says on some rows."""

    values: NDArray[np.float64]
    predicted: Any


def _ordered(estimator: Any, given: Any) -> Any:
    """The rows, with a data frame's columns in the order of the fit."""
    if isinstance(given, tuple | list) and len(given) == 1:
        given = given[0]
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and hasattr(given, "iloc") and set(names) <= set(given.columns):
        return given[list(names)]
    return given


def _features(estimator: Any, rows: Any, place: str) -> Tensor:
    x = matrix(rows, place)
    wanted = getattr(estimator, "n_features_in_", x.shape[1])
    if x.shape[1] != wanted:
        raise ModelError(f"{place} has {x.shape[1]} columns; it was fitted on {wanted} features")
    return x


def _answer(estimator: Any, method: str, rows: Any) -> _Answer:
    few = rows.iloc[:_CHECKED_ROWS] if hasattr(rows, "iloc") else rows[:_CHECKED_ROWS]
    few = few.detach().numpy() if isinstance(few, Tensor) else few
    if isinstance(few, np.ndarray) and few.dtype.kind == "f":
        few = few.astype(np.float64)  # some estimators compute in the precision of their rows
    try:
        values = getattr(estimator, method)(few)
        classifies = method != "transform" and hasattr(estimator, "classes_")
        predicted = estimator.predict(few) if classifies else None
        if classifies and method == "predict":
            values = indicators(values, estimator.classes_)
    except Exception as error:
        raise ModelError(
            f"the estimator's own {method} fails on its example_inputs: {describe(error)}"
        ) from error
    values = values.toarray() if hasattr(values, "toarray") else values
    if isinstance(values, list):  # of several targets, side by side
        values = np.concatenate(values, 1)
    return _Answer(np.asarray(values, dtype=np.float64), predicted)


def indicators(predicted: Any, classes: Any) -> NDArray[np.float64]:
    """A column for each class, 1 where it is predicted; those of several targets side by side."""
    one = isinstance(classes, np.ndarray)
    targets = [(predicted, classes)] if one else zip(predicted.T, classes, strict=True)
    return np.concatenate([(y[:, None] == c).astype(np.float64) for y, c in targets], 1)


def _check(module: nn.Module, answer: _Answer, x: Tensor) -> float:
    """How far FP32 is from FP64; in FP64 the module must compute what scikit-learn does."""
    few = x[:_CHECKED_ROWS]
    with torch.no_grad():
        exact = module(few)
        rounded = copy.deepcopy(module).float()(few.float()).double()
    wanted = torch.from_numpy(answer.values)
    scale = float(wanted.abs().nan_to_num().amax())
    lost = float((rounded - exact).abs().nan_to_num(0.0, 0.0, 0.0).amax())
    # A dual form with large coefficients of both signs cancels, and FP64 itself is less exact; an
    # estimator that was fitted on FP32 rows may compute in FP32 whatever it is given.
    slack = max(_SAME * scale, 1e-9 * _magnitude(module), lost)
    if exact.shape != wanted.shape or not torch.allclose(
        exact, wanted, rtol=_SAME, atol=slack, equal_nan=True
    ):
        if _offset(x) > _FAR:
            raise ModelError(
                f"the rows lie {_offset(x):.2g} times their spread away from zero, where "
                "scikit-learn's own output is round-off; centre them before the fit"
            )
        raise InternalError(
            f"the torch form of the estimator, of shape {tuple(exact.shape)}, differs from "
            f"scikit-learn's own output, of shape {tuple(wanted.shape)}; this is a bug: please "
            "report it with the pipeline"
        )
    return float((rounded - exact).abs().nan_to_num().amax()) / scale if scale else 0.0


def _offset(x: Tensor) -> float:
    """How far from zero the rows lie, in their spread: the worst column."""
    spread = x.std(0, correction=0)
    far = torch.where(spread > 0, x.mean(0).abs() / spread, 0.0)
    return float(far.nan_to_num().amax())


def _magnitude(module: nn.Module) -> float:
    numbers = (b for b in module.buffers() if b.numel() and b.is_floating_point())
    return max((float(b.abs().nan_to_num().amax()) for b in numbers), default=0)


def _classes(estimator: Any, answer: _Answer) -> tuple[Labels, ...]:
    """The classes, if the largest decision value (of two classes the sign) tells the class."""
    classes = getattr(estimator, "classes_", None)
    if answer.predicted is None or not isinstance(classes, np.ndarray) or classes.ndim != 1:
        return ()
    found = answer.values
    if found.ndim == 1 and len(classes) == 2:
        index = (found > 0).astype(int)
    elif found.ndim == 2 and found.shape[1] == len(classes):
        index = found.argmax(1)
    else:
        return ()
    if np.asarray(answer.predicted).ndim != 1 or not np.array_equal(
        classes[index], answer.predicted
    ):
        return ()
    plain = [int(c) if isinstance(c, bool) else c for c in classes.tolist()]
    return tuple(plain) if all(isinstance(c, int | float | str) for c in plain) else ()


def _calibration(given: ModelRequest, estimator: Any, host: Sequence[HostStep]) -> Any:
    if given.calibration is None or isinstance(given.calibration, Mapping):
        return calibration_tensors(given)
    rows = _ordered(estimator, transformed(host, given.calibration))
    return (_features(estimator, rows, given.place("calibration_inputs")).float(),)


def _labels(labels: Any, place: str, estimator: Any, classes: tuple[Labels, ...]) -> Tensor | None:
    if labels is None:
        return None
    if not classes:
        raise ModelError(
            f"{place}: the pipeline gives no class for each row to compare them "
            f"with ({type(estimator).__name__}); leave them out"
        )
    return label_positions(labels, classes, place)


def _notes(deviation: float, method: str, x: Tensor) -> list[str]:
    """What the user should know of the conversion."""
    notes = [f"the output is scikit-learn's {method}"]
    if deviation > _ILL_CONDITIONED:
        advice = "regularise more"
        if _offset(x) > _FAR:
            advice = f"the rows lie {_offset(x):.2g} times their spread from zero: centre them"
        notes.append(
            f"in FP32 the outputs differ from scikit-learn's FP64 by {deviation:.2g} of the "
            f"largest: large coefficients cancel; {advice}"
        )
    return notes
