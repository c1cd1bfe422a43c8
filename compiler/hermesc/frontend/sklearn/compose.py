"""A tree of fitted estimators as one torch module; what has no torch form is listed at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectorMixin
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted
from torch import nn

from hermesc.frontend.sklearn.beside import side_by_side
from hermesc.frontend.sklearn.bins import LOOKED_UP
from hermesc.frontend.sklearn.ensemble import COMPOSED
from hermesc.frontend.sklearn.gaussian import CLASS_PROCESSES, PROCESSES
from hermesc.frontend.sklearn.head import DECISIONS, PREDICTIONS, PROBABILITIES
from hermesc.frontend.sklearn.likelihood import LIKELIHOOD_DECISIONS, LIKELIHOODS
from hermesc.frontend.sklearn.project import PROJECTIONS, selector
from hermesc.frontend.sklearn.scale import SCALERS
from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep, chain
from hermesc.frontend.sklearn.trees import TREE_DECISIONS, TREE_PREDICTIONS, TREE_PROBABILITIES
from hermesrt.errors import Location, Refusal

# For each method, in the order of preference: what makes a module of an estimator that has it.
_FORMS: dict[str, dict[Any, Any]] = {
    "decision_function": DECISIONS | LIKELIHOOD_DECISIONS | TREE_DECISIONS,
    "predict": PREDICTIONS | PROCESSES | TREE_PREDICTIONS,
    "predict_proba": PROBABILITIES | LIKELIHOODS | TREE_PROBABILITIES | CLASS_PROCESSES,
    "transform": SCALERS | PROJECTIONS | LOOKED_UP,
}


def output_method(estimator: Any) -> str | None:
    """The method whose result the program's output equals: decision values of a classifier (or
    probabilities, if it has no decision values, or else a column of 0 and 1 for each class that it
    may predict), predictions of a regressor, else features."""
    kind = get_tags(estimator).estimator_type
    wanted = {
        "classifier": ("decision_function", "predict_proba", "predict"),
        "outlier_detector": ("decision_function",),
        "regressor": ("predict",),
    }.get(str(kind), ("transform",))
    return next((name for name in wanted if hasattr(estimator, name)), None)


class Walk:
    """Makes the module of a tree of estimators, and gathers the refusals on the way."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    def module(self, estimator: Any, method: str | None, path: str) -> nn.Module:
        """The module of `estimator.method`; an empty one where it was refused."""
        try:
            return self._made(estimator, method, path)
        except RefusedStep as refused:
            reason = str(refused)
        except NotFittedError:
            reason = "it is not fitted; call fit(X, y) first"
        except AttributeError as error:
            reason = f"it is not fitted, or of another version of scikit-learn: {error}"
        name = type(estimator).__name__
        self.refusals.append(Refusal(name, Location(module=path or name.lower()), reason))
        return nn.Identity()

    def _made(self, estimator: Any, method: str | None, path: str) -> nn.Module:
        if estimator is None or estimator == "passthrough":
            return EstimatorStep(lambda _, x: x)
        kind = type(estimator)
        if kind is Pipeline:
            return self._pipeline(estimator, method, path)
        if isinstance(estimator, GridSearchCV | RandomizedSearchCV):
            check_is_fitted(estimator)
            return self.module(estimator.best_estimator_, method, _join(path, "best_estimator_"))
        check_is_fitted(estimator)
        if kind is FeatureUnion:
            return self._union(estimator, path)
        if kind is ColumnTransformer:
            return self._columns(estimator, path)
        composed = COMPOSED.get((kind, method or ""))
        if composed is not None:
            return composed(self, estimator, method or "", path)
        if method == "transform" and getattr(kind, "transform", None) is SelectorMixin.transform:
            return selector(estimator)
        return self._leaf(estimator, method)

    def _leaf(self, estimator: Any, method: str | None) -> nn.Module:
        name = type(estimator).__name__
        if method is None:
            raise RefusedStep("it has no decision_function, predict_proba, predict or transform")
        make = _FORMS[method].get(getattr(type(estimator), method, None))
        if make is None:
            raise RefusedStep(
                f"{name}.{method} has no torch form here (it looks things up, or is code that is "
                "not known)"
            )
        made: nn.Module = make(estimator)
        return made

    def _pipeline(self, pipeline: Any, method: str | None, path: str) -> nn.Module:
        *before, (name, last) = pipeline.steps
        parts = [(n, self.module(e, "transform", _join(path, n))) for n, e in before]
        parts.append((name, self.module(last, method, _join(path, name))))
        return chain(parts)

    def _union(self, union: Any, path: str) -> nn.Module:
        weights = union.transformer_weights or {}
        names, parts = [], []
        for name, estimator in union.transformer_list:
            if isinstance(estimator, str) and estimator == "drop":
                continue
            names.append(name)
            parts.append((self.module(estimator, "transform", _join(path, name)), None))
        if not parts:
            raise RefusedStep("it gives no feature: all of its transformers are dropped")
        return side_by_side(names, parts, [weights.get(name, 1.0) for name in names])

    def _columns(self, transformer: Any, path: str) -> nn.Module:
        names, parts = [], []
        for name, estimator, columns in transformer.transformers_:
            chosen = _column_indices(transformer, columns, name)
            if (isinstance(estimator, str) and estimator == "drop") or not chosen:
                continue
            names.append(name)
            parts.append((self.module(estimator, "transform", _join(path, name)), chosen))
        if not parts:
            raise RefusedStep("it gives no feature: all of its transformers are dropped")
        weights = transformer.transformer_weights or {}
        return side_by_side(names, parts, [weights.get(name, 1.0) for name in names])


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _column_indices(transformer: Any, columns: Any, name: str) -> list[int]:
    """The columns that a part of a ColumnTransformer takes, by number."""
    count = transformer.n_features_in_
    known = list(getattr(transformer, "feature_names_in_", ()))
    if isinstance(columns, str | int | np.integer):
        raise RefusedStep(f"{name} takes one column as a vector; give it [{columns!r}]")
    if isinstance(columns, slice):
        ends = [known.index(c) if isinstance(c, str) else c for c in (columns.start, columns.stop)]
        if isinstance(columns.stop, str):
            ends[1] += 1  # names include the last
        return list(range(count))[slice(ends[0], ends[1], columns.step)]
    chosen = np.asarray(columns)
    if chosen.dtype.kind == "b":
        return np.flatnonzero(chosen).tolist()
    return list(_numbers(columns, known, count))


def _numbers(columns: Any, known: list[str], count: int) -> Iterator[int]:
    for column in columns:
        yield known.index(column) if isinstance(column, str) else int(column) % count
