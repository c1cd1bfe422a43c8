"""Tree ensembles and look-ups of ai.onnx.ml; they hold no product, so they run on the host."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hermesc.frontend.onnx.classic import AFTER, Words, labels
from hermesc.frontend.onnx.node import OnnxNode, OnnxValue, RefusedNode, tensor
from hermesc.frontend.trees import Forest, Trees, rounded_down

_TESTS = {
    "BRANCH_LEQ": torch.le,
    "BRANCH_LT": torch.lt,
    "BRANCH_GTE": torch.ge,
    "BRANCH_GT": torch.gt,
    "BRANCH_EQ": torch.eq,
    "BRANCH_NEQ": torch.ne,
}
_NODES = (
    *("nodes_falsenodeids", "nodes_featureids", "nodes_hitrates", "nodes_hitrates_as_tensor"),
    *("nodes_missing_value_tracks_true", "nodes_modes", "nodes_nodeids", "nodes_treeids"),
    *("nodes_truenodeids", "nodes_values", "nodes_values_as_tensor", "post_transform"),
    *("base_values", "base_values_as_tensor"),
)
ENSEMBLES: Mapping[str, Sequence[str]] = {
    "TreeEnsembleRegressor": (
        *_NODES,
        *("aggregate_function", "n_targets", "target_ids", "target_nodeids", "target_treeids"),
        *("target_weights", "target_weights_as_tensor"),
    ),
    "TreeEnsembleClassifier": (
        *_NODES,
        *("class_ids", "class_nodeids", "class_treeids", "class_weights"),
        *("class_weights_as_tensor", "classlabels_int64s", "classlabels_strings"),
    ),
}


def why_not(node: OnnxNode) -> str | None:
    """Why an ensemble of trees has no torch form."""
    modes = {m for m in node.get("nodes_modes", ()) if m != "LEAF"}
    if len(modes) > 1 or not modes <= set(_TESTS):
        return f"its nodes compare in several ways: {', '.join(sorted(modes))}"
    if node.get("post_transform", "NONE") not in AFTER:
        return f"its post_transform is {node.get('post_transform')}; known are {', '.join(AFTER)}"
    return None


class EnsembleModule(nn.Module):
    """A node of trees, which are made once."""

    def __init__(self, node: OnnxNode) -> None:
        super().__init__()
        self._node = node
        modes = [m for m in node.get("nodes_modes", ()) if m != "LEAF"]
        kind = "class" if node.op == "TreeEnsembleClassifier" else "target"
        self._classes = node.get("classlabels_int64s") or node.get("classlabels_strings") or ()
        ids = np.asarray(node.get(f"{kind}_ids", ()), dtype=np.int64)
        outputs = len(self._classes) if kind == "class" else int(node.get("n_targets", 1))
        self._one = kind == "class" and outputs == 2 and len(set(ids.tolist())) == 1
        weights = _floats(node, f"{kind}_weights")
        self._positive = bool((weights >= 0).all())
        try:
            trees = _trees(node, kind, np.zeros_like(ids) if self._one else ids, weights, outputs)
            self.forest = Forest(trees, _TESTS[modes[0]] if modes else torch.le).float()
        except (ValueError, IndexError, KeyError) as error:
            raise RefusedNode(f"its trees are damaged: {error}") from None
        base = _floats(node, "base_values")
        self.base: Tensor | None
        self.register_buffer("base", torch.from_numpy(base).float() if len(base) else None)

    def forward(self, value: OnnxValue) -> Any:
        """Targets, or labels and scores."""
        leaves = self.forest(tensor(value).float())
        match self._node.get("aggregate_function", "SUM"):
            case "AVERAGE":
                scores = leaves.mean(1)
            case "MIN":
                scores = leaves.amin(1)
            case "MAX":
                scores = leaves.amax(1)
            case _:
                scores = leaves.sum(1)
        if self._one:
            scores = scores[:, :1]
        if self.base is not None:
            scores = scores + self.base
        kind = self._node.get("post_transform", "NONE")
        if self._node.op == "TreeEnsembleRegressor":
            return AFTER[kind](scores)
        if not self._one:
            return labels(self._classes, scores.argmax(1)), AFTER[kind](scores)
        return self._two(scores, kind)

    def _two(self, score: Tensor, kind: str) -> Any:
        """Of two classes with one score, as onnxruntime reads it."""
        if self._positive:
            place = (score[:, 0] > 0.5).long()
            return labels(self._classes, place), torch.cat([1 - score, score], 1)
        place = (score[:, 0] > 0).long()
        both = torch.cat([-score, score], 1)
        return labels(self._classes, place), both.sigmoid() if kind == "LOGISTIC" else both


def _floats(node: OnnxNode, name: str) -> NDArray[np.float64]:
    found = node.get(f"{name}_as_tensor")
    found = node.get(name, ()) if found is None else found
    return np.asarray(found, dtype=np.float64).reshape(-1)


def _trees(
    node: OnnxNode, kind: str, ids: Any, weights: NDArray[np.float64], outputs: int
) -> Trees:
    tree, own = (np.asarray(node.get(f"nodes_{n}ids"), dtype=np.int64) for n in ("tree", "node"))
    place = {pair: i for i, pair in enumerate(zip(tree.tolist(), own.tolist(), strict=True))}
    leaf = np.array([m == "LEAF" for m in node.get("nodes_modes")])
    here = np.arange(len(leaf))

    def children(name: str) -> NDArray[np.int64]:
        told = np.asarray(node.get(name), dtype=np.int64).tolist()
        pairs = zip(tree.tolist(), told, leaf.tolist(), here.tolist(), strict=True)
        return np.array([i if end else place[(t, n)] for t, n, end, i in pairs], dtype=np.int64)

    values = np.zeros((len(leaf), outputs))
    told = zip(node.get(f"{kind}_treeids"), node.get(f"{kind}_nodeids"), strict=True)
    for pair, target, weight in zip(told, ids.tolist(), weights.tolist(), strict=True):
        values[place[pair], target] += weight
    missing = node.get("nodes_missing_value_tracks_true") or [0] * len(leaf)
    _, roots = np.unique(tree, return_index=True)
    threshold = _floats(node, "nodes_values")
    feature = np.asarray(node.get("nodes_featureids"), dtype=np.int64)
    return Trees(
        feature=np.where(leaf, 0, feature),
        threshold=np.where(leaf, 0.0, rounded_down(threshold)),
        yes=children("nodes_truenodeids"),
        no=children("nodes_falsenodeids"),
        missing_goes_yes=np.asarray(missing, dtype=np.bool_),
        values=values,
        roots=roots.astype(np.int64),
    )


def one_hot(node: OnnxNode, x: Tensor) -> Tensor:
    """A column for each of some whole numbers, behind the others."""
    known = torch.tensor(node.get("cats_int64s"), dtype=torch.int64)
    return (x.unsqueeze(-1) == known.to(x.dtype)).float()


def of_strings(node: OnnxNode) -> str | None:
    """Why an encoder is refused."""
    if node.get("cats_strings") or node.get("keys_strings"):
        return "it takes strings, which no chip computes with"
    if node.get("keys_tensor") is not None or node.get("values_tensor") is not None:
        return "its keys are a tensor; a list of numbers is read"
    return None


def label_encoder(node: OnnxNode, x: Tensor) -> Any:
    """Other numbers in the place of known ones."""
    if node.get("values_strings"):
        return Words()
    keys = node.get("keys_int64s") or node.get("keys_floats") or ()
    kinds: Sequence[tuple[str, torch.dtype, str, float]] = (
        ("values_int64s", torch.int64, "default_int64", -1),
        ("values_floats", torch.float32, "default_float", -0.0),
    )
    for name, kind, default, usual in kinds:
        found = node.get(name)
        if found:
            y = torch.full(x.shape, node.get(default, usual), dtype=kind)
            for key, value in zip(keys, found, strict=True):
                y = torch.where(x == key, torch.tensor(value, dtype=kind), y)
            return y
    raise RefusedNode("it has no values")
