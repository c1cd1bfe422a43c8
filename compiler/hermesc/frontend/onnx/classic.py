"""Operations of ai.onnx.ml: what skl2onnx writes for scikit-learn's estimators."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import OnnxNode, OnnxOp, OnnxValue, tensor

AFTER: Mapping[str, Callable[[Tensor], Tensor]] = {
    "NONE": lambda x: x,
    "LOGISTIC": torch.sigmoid,
    "SOFTMAX": lambda x: x.softmax(-1),
    "SOFTMAX_ZERO": lambda x: torch.where(x == 0, x, x.softmax(-1)),
}


# Attributes that are weights: a module's buffers, so that reports can name them.
WEIGHTS = (
    "coefficients", "imputed_value_floats", "intercepts", "offset", "rho", "scale",
    "support_vectors",
)  # fmt: skip


class Words:
    """Strings in place of a tensor: no program holds them, so nothing may take them."""


def _floats(node: OnnxNode, name: str) -> Tensor:
    value: Tensor = node.get(name, torch.zeros(0))
    return value


def _scaler(node: OnnxNode, x: Tensor) -> Tensor:
    return (x.float() - _floats(node, "offset")) * _floats(node, "scale")


def _normalizer(node: OnnxNode, x: Tensor) -> Tensor:
    kind = node.get("norm", "MAX")
    if kind == "MAX":  # of the values, not of their sizes
        length = x.amax(-1, keepdim=True)
    else:
        length = torch.linalg.vector_norm(x, {"L1": 1.0, "L2": 2.0}[kind], -1, keepdim=True)
    return x / torch.where(length == 0, torch.ones_like(length), length)


def _linear_regressor(node: OnnxNode, x: Tensor) -> Tensor:
    weight = _floats(node, "coefficients").reshape(node.get("targets", 1), -1)
    y = F.linear(x.float(), weight, node.get("intercepts"))
    return AFTER[node.get("post_transform", "NONE")](y)


def _linear_classifier(node: OnnxNode, x: Tensor) -> tuple[Any, Tensor]:
    """The label and the scores of each class."""
    labels = node.get("classlabels_ints") or node.get("classlabels_strings") or ()
    bias = node.get("intercepts")
    count = len(labels) if bias is None else len(bias)
    scores = F.linear(x.float(), _floats(node, "coefficients").reshape(count, -1), bias)
    kind = node.get("post_transform", "NONE")
    if count == 1:
        index = (scores[:, 0] > 0).long()
        positive = AFTER["LOGISTIC" if kind == "LOGISTIC" else "NONE"](scores)
        negative = 1 - positive if kind == "LOGISTIC" else -positive
        return _labels(node, index), torch.cat([negative, positive], 1)
    return _labels(node, scores.argmax(1)), AFTER[kind](scores)


def _labels(node: OnnxNode, index: Tensor) -> Any:
    return labels(node.get("classlabels_ints") or (), index)


def labels(known: Sequence[Any], index: Tensor) -> Any:
    """The whole number of each class in its place; strings are no tensor."""
    numbers = [n for n in known if isinstance(n, int)]
    return torch.tensor(numbers)[index] if numbers else Words()


def _feature_vectorizer(_: OnnxNode, *values: Tensor) -> Tensor:
    return torch.cat([v.float() for v in values], 1)


def _array_feature_extractor(_: OnnxNode, x: Tensor, index: Tensor) -> Tensor:
    found = x.index_select(-1, index.reshape(-1).long())
    return found if found.dim() > 1 else found.unsqueeze(0)


def _binarizer(node: OnnxNode, x: Tensor) -> Tensor:
    return (x > float(node.get("threshold", 0.0))).to(x.dtype)


def _imputer(node: OnnxNode, x: Tensor) -> Tensor:
    missing, values = (
        node.get("replaced_value_float", math.nan),
        _floats(node, "imputed_value_floats"),
    )
    return torch.where(x.isnan() if math.isnan(missing) else x == missing, values, x)


def _whole_numbers(node: OnnxNode) -> str | None:
    return "it replaces whole numbers" if node.get("imputed_value_int64s") else None


def _one_label_a_column(node: OnnxNode) -> str | None:
    labels = node.get("classlabels_ints") or node.get("classlabels_strings") or ()
    rows = len(node.get("intercepts") or labels)
    if rows not in (len(labels), 1):
        return f"it has {rows} scores and {len(labels)} classes (several labels a row?)"
    return _known_transform(node)


def _known_transform(node: OnnxNode) -> str | None:
    kind = node.get("post_transform", "NONE")
    return None if kind in AFTER else f"its post_transform is {kind}; known are {', '.join(AFTER)}"


def _zip_map(_: OnnxNode, value: OnnxValue) -> Tensor:
    """Scores by class, as a sequence of maps in ONNX; here the columns stay columns."""
    return tensor(value)


def _svm_kernel(node: OnnxNode, x: Tensor, vectors: Tensor) -> Tensor:
    gamma, coef0, degree = (*node.get("kernel_params", ()), 0.0, 0.0, 0.0)[:3]
    match node.get("kernel_type", "LINEAR"):
        case "RBF":
            squares = x.square().sum(1, keepdim=True) + vectors.square().sum(1)
            return torch.exp(-gamma * (squares - 2 * F.linear(x, vectors)).clamp(min=0))
        case "POLY":
            return torch.pow(gamma * F.linear(x, vectors) + coef0, degree)
        case "SIGMOID":
            return torch.tanh(gamma * F.linear(x, vectors) + coef0)
    return F.linear(x, vectors)


def _svm_regressor(node: OnnxNode, x: Tensor) -> Tensor:
    coefficients = _floats(node, "coefficients")
    count = node.get("n_supports", 0)
    if count:
        vectors = _floats(node, "support_vectors").reshape(count, -1)
        y = F.linear(_svm_kernel(node, x.float(), vectors), coefficients.reshape(1, -1))
    else:
        y = F.linear(x.float(), coefficients.reshape(1, -1))
    y = y + _floats(node, "rho")
    return torch.where(y > 0, 1.0, -1.0) if node.get("one_class", 0) else y


def _pairs(node: OnnxNode) -> Tensor:
    """[pairs of classes, support vectors], from libsvm's rows: one for each other class."""
    counts = node.get("vectors_per_class")
    ends = list(itertools.accumulate(counts))
    dual = _floats(node, "coefficients").reshape(len(counts) - 1, ends[-1])
    rows = []
    for i, j in itertools.combinations(range(len(counts)), 2):
        parts = [torch.zeros(count) for count in counts]
        parts[i] = dual[j - 1, ends[i] - counts[i] : ends[i]]
        parts[j] = dual[i, ends[j] - counts[j] : ends[j]]
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def _svm_classifier(node: OnnxNode, x: Tensor) -> tuple[Any, Tensor]:
    """The label with most votes, and the score of each pair of classes; of two classes both."""
    count = len(node.get("vectors_per_class"))
    vectors = _floats(node, "support_vectors").reshape(sum(node.get("vectors_per_class")), -1)
    kernel = _svm_kernel(node, x.float(), vectors)
    scores = F.linear(kernel, _pairs(node), _floats(node, "rho"))
    votes = []
    for c in range(count):
        pairs = enumerate(itertools.combinations(range(count), 2))
        won = [
            scores[:, k] > 0 if i == c else scores[:, k] <= 0 for k, (i, j) in pairs if c in (i, j)
        ]
        votes.append(torch.stack(won, 1).sum(1))
    label = _labels(node, torch.stack(votes, 1).argmax(1))
    return label, torch.cat([-scores, scores], 1) if count == 2 else scores


def _by_votes(node: OnnxNode) -> str | None:
    if node.get("prob_a") is not None:
        return "it gives probabilities of support vector machines (probability=True)"
    if not node.get("vectors_per_class"):
        return "it has no support vectors"
    return (
        None if node.get("post_transform", "NONE") == "NONE" else "its post_transform is not read"
    )


CLASSIC: Mapping[str, OnnxOp] = {
    "Scaler": on_tensors(_scaler, "offset", "scale"),
    "Normalizer": on_tensors(_normalizer, "norm"),
    "LinearRegressor": on_tensors(
        _linear_regressor,
        *("coefficients", "intercepts", "post_transform", "targets"),
        refuse=_known_transform,
    ),
    "LinearClassifier": on_tensors(
        _linear_classifier,
        *("classlabels_ints", "classlabels_strings", "coefficients", "intercepts"),
        *("multi_class", "post_transform"),
        refuse=_one_label_a_column,
    ),
    "SVMClassifier": on_tensors(
        _svm_classifier,
        *("classlabels_ints", "classlabels_strings", "coefficients", "kernel_params"),
        *("kernel_type", "post_transform", "rho", "support_vectors", "vectors_per_class"),
        *("prob_a", "prob_b"),
        refuse=_by_votes,
    ),
    "SVMRegressor": on_tensors(
        _svm_regressor,
        *("coefficients", "kernel_params", "kernel_type", "n_supports", "one_class"),
        *("post_transform", "rho", "support_vectors"),
        refuse=_known_transform,
    ),
    "FeatureVectorizer": on_tensors(_feature_vectorizer, "inputdimensions"),
    "ArrayFeatureExtractor": on_tensors(_array_feature_extractor),
    "Binarizer": on_tensors(_binarizer, "threshold"),
    "Imputer": on_tensors(
        _imputer,
        *("imputed_value_floats", "imputed_value_int64s", "replaced_value_float"),
        "replaced_value_int64",
        refuse=_whole_numbers,
    ),
    "ZipMap": OnnxOp(_zip_map, ("classlabels_int64s", "classlabels_strings")),
}
