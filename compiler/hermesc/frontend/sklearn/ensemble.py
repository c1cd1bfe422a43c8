"""Estimators made of others: votes, bags, stacks, calibration, one against another."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.base import is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from torch import Tensor, nn

from hermesc.frontend.sklearn.beside import Joined, indicator, side_by_side, winner
from hermesc.frontend.sklearn.bins import interpolated
from hermesc.frontend.sklearn.inverse import inverse
from hermesc.frontend.sklearn.likelihood import both
from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep, chain


class Walker(Protocol):
    """What makes the modules of the estimators inside."""

    def module(self, estimator: Any, method: str | None, path: str) -> nn.Module:
        """The module of `estimator.method`."""


Maker = Callable[[Walker, Any, str, str], nn.Module]


def has(estimator: Any, method: str) -> bool:
    """Whether a fitted estimator has that method; a pipeline asks its last step."""
    return hasattr(estimator, method)


def classifying(estimator: Any) -> str:
    """The method by which a classifier inside of another is asked."""
    names = ("decision_function", "predict_proba", "predict")
    return next(name for name in names if has(estimator, name))


def _votes(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    kept = [(n, w) for n, w in zip(e.estimators, e.weights or [1] * len(e.estimators), strict=True)]
    weights = np.array([w for (_, one), w in kept if one != "drop"], dtype=np.float64)
    names = [name for (name, one), _ in kept if not (isinstance(one, str) and one == "drop")]
    shares = (weights / weights.sum()).tolist()
    pairs = list(zip(names, e.estimators_, strict=True))
    if method == "predict_proba" or is_regressor(e):
        parts = [(walk.module(one, method, f"{path}.{name}"), None) for name, one in pairs]
        return Joined(names, parts, lambda ys, _: _weighted(ys, shares))
    parts = [(walk.module(one, classifying(one), f"{path}.{name}"), None) for name, one in pairs]
    count = len(e.classes_)

    def join(ys: list[Tensor], x: Tensor) -> Tensor:
        votes = _weighted([indicator(winner(y), count, x) for y in ys], shares)
        return indicator(votes.argmax(1), count, x)

    return Joined(names, parts, join)


def _weighted(ys: list[Tensor], shares: list[float]) -> Tensor:
    total = ys[0] * shares[0]
    for y, share in zip(ys[1:], shares[1:], strict=True):
        total = total + y * share
    return total


def _bag(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    count = len(e.estimators_)
    width = e.n_features_in_
    parts, names = [], []
    for i, (one, columns) in enumerate(zip(e.estimators_, e.estimators_features_, strict=True)):
        if method != "predict" and len(one.classes_) != e.n_classes_:
            raise RefusedStep(f"its estimator {i} has not seen all classes; use larger samples")
        asked = method if has(one, method) else classifying(one)
        plain = len(columns) == width and np.array_equal(columns, np.arange(width))
        names.append(f"estimator_{i}")
        parts.append(
            (walk.module(one, asked, f"{path}.estimators_[{i}]"), None if plain else columns)
        )
        if asked != method:
            parts[-1] = (chain([("it", parts[-1][0]), ("vote", _Vote(e.n_classes_))]), parts[-1][1])
    return Joined(names, parts, lambda ys, _: _weighted(ys, [1.0 / count] * count))


class _Vote(nn.Module):
    """1 for the class that decision values speak for, else 0."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self._classes = classes

    def forward(self, y: Tensor) -> Tensor:
        """[rows, classes]."""
        return indicator(winner(y), self._classes, y)


class _Place(nn.Module):
    """The number of the class that decision values speak for."""

    def forward(self, y: Tensor) -> Tensor:
        """[rows]."""
        return winner(y).to(y.dtype)


def _stack(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    names = [name for name, one in e.estimators if not (isinstance(one, str) and one == "drop")]
    two = is_classifier(e) and len(e.classes_) == 2
    parts: list[tuple[nn.Module, None]] = []
    for name, one, asked in zip(names, e.estimators_, e.stack_method_, strict=True):
        at = f"{path}.{name}"
        made: nn.Module
        if asked == "predict" and is_classifier(one):
            made = chain([("it", walk.module(one, classifying(one), at)), ("class", _Place())])
        else:
            made = walk.module(one, asked, at)
        if asked == "predict_proba" and two:
            made = chain([("it", made), ("second", EstimatorStep(lambda _, p: p[:, 1:]))])
        parts.append((made, None))
    if e.passthrough:
        names, parts = [*names, "rows"], [*parts, (EstimatorStep(lambda _, x: x), None)]
    first = side_by_side(names, parts, [1.0] * len(parts))
    if method == "transform":
        return first
    last = walk.module(e.final_estimator_, method, f"{path}.final_estimator_")
    return chain([("estimators_", first), ("final_estimator_", last)])


def _outputs(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    names = [f"estimator_{i}" for i in range(len(e.estimators_))]
    parts = []
    for i, one in enumerate(e.estimators_):
        at = f"{path}.estimators_[{i}]"
        if is_classifier(one) and method == "predict":
            votes = _Vote(len(one.classes_))
            made: nn.Module = chain(
                [("it", walk.module(one, classifying(one), at)), ("vote", votes)]
            )
        else:
            made = walk.module(one, method, at)
        parts.append((made, None))
    return side_by_side(names, parts, [1.0] * len(parts))


class _Chain(nn.Module):
    """Each target's estimator sees the rows and the predictions before its own."""

    def __init__(self, parts: list[nn.Module], order: Any) -> None:
        super().__init__()
        self.estimators_ = nn.ModuleList(parts)
        self._places = np.argsort(order).tolist()

    def forward(self, x: Tensor) -> Tensor:
        """[rows, targets]."""
        found: list[Tensor] = []
        for part in self.estimators_:
            found.append(part(torch.cat([x, *(y.unsqueeze(1) for y in found)], 1)))
        return torch.stack([found[i] for i in self._places], 1)


def _one_after_another(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    parts = [
        walk.module(one, method, f"{path}.estimators_[{i}]") for i, one in enumerate(e.estimators_)
    ]
    return _Chain(parts, e.order_)


def _back(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    regressor = walk.module(e.regressor_, method, f"{path}.regressor_")
    flat = e._training_dim == 1

    def columns(_: Any, y: Tensor) -> Tensor:
        return y.unsqueeze(1) if y.dim() == 1 else y

    def shaped(_: Any, y: Tensor) -> Tensor:
        return y.squeeze(1) if flat and y.shape[1] == 1 else y

    parts: list[tuple[str, nn.Module]] = [("regressor_", regressor)]
    parts += [("columns", EstimatorStep(columns)), ("transformer_", inverse(e.transformer_))]
    return chain([*parts, ("shaped", EstimatorStep(shaped))])


def _rest(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    names = [f"estimator_{i}" for i in range(len(e.estimators_))]
    parts = [
        (walk.module(one, method, f"{path}.estimators_[{i}]"), None)
        for i, one in enumerate(e.estimators_)
    ]
    if method == "decision_function":
        return side_by_side(names, parts, [1.0] * len(parts), flat=len(parts) == 1)

    def join(ys: list[Tensor], _: Tensor) -> Tensor:
        found = torch.stack([y[:, 1] for y in ys], 1)
        found = torch.cat([1 - found, found], 1) if len(ys) == 1 else found
        if e.multilabel_:
            return found
        total = found.sum(1, keepdim=True)
        return found / torch.where(total == 0, 1.0, total)

    return Joined(names, parts, join)


def _pairs(walk: Walker, e: Any, _: str, path: str) -> nn.Module:
    if e.pairwise_indices_ is not None:
        raise RefusedStep("its kernel is precomputed; give the kernel itself")
    count = len(e.classes_)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    parts, names = [], [f"estimator_{k}" for k in range(len(pairs))]
    for k, one in enumerate(e.estimators_):
        asked = "predict" if is_regressor(one) else classifying(one)
        parts.append((walk.module(one, asked, f"{path}.estimators_[{k}]"), None))

    def join(ys: list[Tensor], x: Tensor) -> Tensor:
        sums = [torch.zeros_like(x[:, 0]) for _ in range(count)]
        votes = list(sums)
        for (i, j), y in zip(pairs, ys, strict=True):
            second = winner(y).to(x.dtype)
            sure = y if y.dim() == 1 else y[:, 1]
            sums[i], sums[j] = sums[i] - sure, sums[j] + sure
            votes[i], votes[j] = votes[i] + 1 - second, votes[j] + second
        total = torch.stack(sums, 1)
        found = torch.stack(votes, 1) + total / (3 * (total.abs() + 1))
        return found[:, 1] if count == 2 else found

    return Joined(names, parts, join)


def _calibrated(walk: Walker, e: Any, _: str, path: str) -> nn.Module:
    folds = e.calibrated_classifiers_
    names = [f"fold_{i}" for i in range(len(folds))]
    parts = []
    for i, fold in enumerate(folds):
        at = f"{path}.calibrated_classifiers_[{i}]"
        one = walk.module(fold.estimator, classifying(fold.estimator), at)
        parts.append((chain([("it", one), ("calibrators", _Calibration(fold))]), None))
    return Joined(names, parts, lambda ys, _: _weighted(ys, [1 / len(ys)] * len(ys)))


class _Calibration(nn.Module):
    """Decision values as probabilities, by what was fitted on held-out rows."""

    def __init__(self, fold: Any) -> None:
        super().__init__()
        if fold.method not in ("sigmoid", "isotonic"):
            raise RefusedStep(f"its method is {fold.method}; known are sigmoid and isotonic")
        self._classes = len(fold.classes)
        self._places = [list(fold.classes).index(c) for c in fold.estimator.classes_]
        self.calibrators = nn.ModuleList(_calibrator(c, fold.method) for c in fold.calibrators)

    def forward(self, y: Tensor) -> Tensor:
        """[rows, classes]."""
        if self._classes == 2:
            return both(self.calibrators[0](y if y.dim() == 1 else y[:, 1]))
        columns = [torch.zeros_like(y[:, 0])] * self._classes
        for i, calibrator in zip(self._places, self.calibrators, strict=True):
            columns[i] = calibrator(y[:, self._places.index(i)])
        found = torch.stack(columns, 1)
        total = found.sum(1, keepdim=True)
        same = torch.full_like(found, 1 / self._classes)
        return torch.where(total == 0, same, found / torch.where(total == 0, 1.0, total))


def _calibrator(c: Any, method: str) -> nn.Module:
    if method == "sigmoid":
        a, b = float(c.a_), float(c.b_)
        return EstimatorStep(lambda _, t: torch.sigmoid(-(a * t + b)))
    if c.out_of_bounds != "clip":
        raise RefusedStep("its isotonic regression does not clip; only out_of_bounds='clip'")

    def forward(m: Any, t: Tensor) -> Tensor:
        found = interpolated(t.unsqueeze(1), m.xs.unsqueeze(1), m.ys.unsqueeze(1))
        return found.squeeze(1)

    return EstimatorStep(forward, xs=c.X_thresholds_, ys=c.y_thresholds_)


def _adaptive(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    count, weights = len(e.classes_), np.asarray(e.estimator_weights_, dtype=np.float64)
    used = list(zip(e.estimators_, weights, strict=False))
    shares = [float(w) / float(weights.sum()) for _, w in used]
    names = [f"estimator_{i}" for i in range(len(used))]
    parts = [
        (walk.module(one, classifying(one), f"{path}.estimators_[{i}]"), None)
        for i, (one, _) in enumerate(used)
    ]

    def join(ys: list[Tensor], x: Tensor) -> Tensor:
        places = [indicator(winner(y), count, x) for y in ys]
        wrong = -1 / (count - 1)
        found = _weighted([p + (1 - p) * wrong for p in places], shares)
        decided = found[:, 1] - found[:, 0] if count == 2 else found
        if method == "decision_function":
            return decided
        scores = torch.stack([-decided, decided], 1) / 2 if count == 2 else decided / (count - 1)
        return scores.softmax(1)

    return Joined(names, parts, join)


def _process(walk: Walker, e: Any, method: str, path: str) -> nn.Module:
    if len(e.classes_) > 2 and e.multi_class == "one_vs_one":
        raise RefusedStep("one_vs_one gives no probabilities; fit with multi_class='one_vs_rest'")
    return walk.module(e.base_estimator_, method, f"{path}.base_estimator_")


COMPOSED: Mapping[tuple[type, str], Maker] = {
    (VotingClassifier, "predict_proba"): _votes,
    (VotingClassifier, "predict"): _votes,
    (VotingRegressor, "predict"): _votes,
    (BaggingClassifier, "decision_function"): _bag,
    (BaggingClassifier, "predict_proba"): _bag,
    (BaggingRegressor, "predict"): _bag,
    (StackingClassifier, "decision_function"): _stack,
    (StackingClassifier, "predict_proba"): _stack,
    (StackingRegressor, "predict"): _stack,
    (MultiOutputRegressor, "predict"): _outputs,
    (MultiOutputClassifier, "predict_proba"): _outputs,
    (MultiOutputClassifier, "predict"): _outputs,
    (RegressorChain, "predict"): _one_after_another,
    (TransformedTargetRegressor, "predict"): _back,
    (OneVsRestClassifier, "decision_function"): _rest,
    (OneVsRestClassifier, "predict_proba"): _rest,
    (OneVsOneClassifier, "decision_function"): _pairs,
    (CalibratedClassifierCV, "predict_proba"): _calibrated,
    (AdaBoostClassifier, "decision_function"): _adaptive,
    (AdaBoostClassifier, "predict_proba"): _adaptive,
    (GaussianProcessClassifier, "predict_proba"): _process,
}
