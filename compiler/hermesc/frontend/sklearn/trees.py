"""Trees and sums of them; they hold no product, so they run on the host."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from torch import Tensor, nn

from hermesc.frontend.sklearn.step import RefusedStep
from hermesc.frontend.trees import Forest, Trees, joined, rounded_down


class Grown(nn.Module):
    """A function of what the leaves of all trees give."""

    def __init__(self, trees: Sequence[Trees], then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.trees = Forest(joined(trees))
        self._then = then

    def forward(self, x: Tensor) -> Tensor:
        """The result for some rows; these are compared in FP32, as scikit-learn does."""
        return self._then(self.trees(x.float()).to(x.dtype))


def tree_probabilities(e: Any) -> nn.Module:
    """The shares of the classes in the leaf of a row."""
    return _forest([e], e, _shares, lambda leaves: leaves[:, 0])


def tree_value(e: Any) -> nn.Module:
    """The mean in the leaf of a row."""
    return _forest([e], e, _values, lambda leaves: leaves[:, 0, 0])


def forest_probabilities(e: Any) -> nn.Module:
    """The mean of the trees' shares."""
    return _forest(e.estimators_, e, _shares, lambda leaves: leaves.mean(1))


def forest_value(e: Any) -> nn.Module:
    """The mean of the trees' values."""
    return _forest(e.estimators_, e, _values, lambda leaves: leaves.mean((1, 2)))


def boosted(e: Any) -> nn.Module:
    """The first guess and a sum of small trees, one column a class; one column has no dimension."""
    if e.init is not None and e.init != "zero":
        raise RefusedStep("its init is an estimator of your own; only a constant one is known")
    first = e._raw_predict_init(np.zeros((1, e.n_features_in_)))[0]
    rounds, columns = e.estimators_.shape
    rate = float(e.learning_rate)
    start = torch.from_numpy(np.asarray(first, dtype=np.float64))

    def then(leaves: Tensor) -> Tensor:
        sums = leaves.reshape(-1, rounds, columns).sum(1) * rate + start.to(leaves.dtype)
        return sums.squeeze(1) if columns == 1 else sums

    return Grown([_nodes(t.tree_, _values(t.tree_)) for t in e.estimators_.ravel()], then)


def binned_boosting(e: Any) -> nn.Module:
    """The same of the histogram-based kind."""
    if e.is_categorical_ is not None:
        raise RefusedStep("it splits categories; only splits of numbers have a torch form")
    columns = e.n_trees_per_iteration_
    trees = [_binned(p.nodes) for one in e._predictors for p in one]
    start = torch.from_numpy(np.asarray(e._baseline_prediction, dtype=np.float64).reshape(-1))
    link = type(e._loss.link).__name__
    if link not in ("IdentityLink", "LogLink") and hasattr(e, "predict_proba") is False:
        raise RefusedStep(f"its link is {link}; known are IdentityLink and LogLink")
    inverse = torch.exp if link == "LogLink" else _same

    def then(leaves: Tensor) -> Tensor:
        sums = leaves.reshape(len(leaves), -1, columns).sum(1) + start.to(leaves.dtype)
        return inverse(sums.squeeze(1)) if columns == 1 else sums

    return Grown(trees, then) if trees else _constant(start, columns)


def isolation(e: Any) -> nn.Module:
    """How deep a row comes, by how deep it should come: the score, less the offset."""
    trees = []
    for i, (tree, columns) in enumerate(zip(e.estimators_, e.estimators_features_, strict=True)):
        nodes = tree.tree_
        depth = e._decision_path_lengths[i] + e._average_path_length_per_tree[i] - 1.0
        made = _nodes(nodes, np.asarray(depth).reshape(-1, 1))
        inner = nodes.children_left >= 0
        feature = np.where(inner, np.asarray(columns)[np.maximum(nodes.feature, 0)], 0)
        trees.append(_with_feature(made, feature))
    usual = len(trees) * float(_average_path(e._max_samples))
    offset = float(e.offset_)

    def then(leaves: Tensor) -> Tensor:
        return -torch.exp2(leaves.sum((1, 2)) / -usual) - offset

    return Grown(trees, then)


def _average_path(rows: int) -> float:
    """Of a search in a binary tree of that many rows. Source: Liu 2008, equation 1."""
    if rows <= 2:
        return max(0.0, float(rows - 1))
    return float(2.0 * (np.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows)


def _forest(
    trees: Sequence[Any], e: Any, values: Callable[[Any], Any], then: Callable[[Tensor], Tensor]
) -> nn.Module:
    if e.n_outputs_ != 1:
        raise RefusedStep("it has several outputs; fit one a target, or use MultiOutputRegressor")
    return Grown([_nodes(t.tree_, values(t.tree_)) for t in trees], then)


def _shares(tree: Any) -> Any:
    counts = tree.value[:, 0, :]
    return counts / np.maximum(counts.sum(1, keepdims=True), np.finfo(np.float64).tiny)


def _values(tree: Any) -> Any:
    return tree.value[:, 0, :1]


def _nodes(tree: Any, values: Any) -> Trees:
    """The nodes of a tree of scikit-learn; `<=` goes left."""
    own, leaf = np.arange(tree.node_count), tree.children_left < 0
    return Trees(
        feature=np.where(leaf, 0, tree.feature).astype(np.int64),
        threshold=np.where(leaf, 0.0, rounded_down(tree.threshold)),
        yes=np.where(leaf, own, tree.children_left).astype(np.int64),
        no=np.where(leaf, own, tree.children_right).astype(np.int64),
        missing_goes_yes=np.asarray(tree.missing_go_to_left, dtype=np.bool_),
        values=np.asarray(values, dtype=np.float64),
        roots=np.zeros(1, dtype=np.int64),
    )


def _with_feature(trees: Trees, feature: Any) -> Trees:
    return Trees(
        feature.astype(np.int64), trees.threshold, trees.yes, trees.no,
        trees.missing_goes_yes, trees.values, trees.roots,
    )  # fmt: skip


def _binned(nodes: Any) -> Trees:
    own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
    return Trees(
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        threshold=np.where(leaf, 0.0, rounded_down(nodes["num_threshold"])),
        yes=np.where(leaf, own, nodes["left"]).astype(np.int64),
        no=np.where(leaf, own, nodes["right"]).astype(np.int64),
        missing_goes_yes=nodes["missing_go_to_left"].astype(bool),
        values=nodes["value"].reshape(-1, 1).astype(np.float64),
        roots=np.zeros(1, dtype=np.int64),
    )


def _constant(start: Tensor, columns: int) -> nn.Module:
    raise RefusedStep(f"it holds no tree, only a constant of {columns} columns: {start.tolist()}")


def _same(x: Tensor) -> Tensor:
    return x


TREE_DECISIONS = {
    GradientBoostingClassifier.decision_function: boosted,
    HistGradientBoostingClassifier.decision_function: binned_boosting,
    IsolationForest.decision_function: isolation,
}
TREE_PREDICTIONS = {
    DecisionTreeRegressor.predict: tree_value,
    ExtraTreeRegressor.predict: tree_value,
    RandomForestRegressor.predict: forest_value,
    ExtraTreesRegressor.predict: forest_value,
    GradientBoostingRegressor.predict: boosted,
    HistGradientBoostingRegressor.predict: binned_boosting,
}
TREE_PROBABILITIES = {
    DecisionTreeClassifier.predict_proba: tree_probabilities,
    ExtraTreeClassifier.predict_proba: tree_probabilities,
    RandomForestClassifier.predict_proba: forest_probabilities,
    ExtraTreesClassifier.predict_proba: forest_probabilities,
}
