"""Decision trees on the host: rows walk all trees at once, one level after the other.

A leaf points at itself, so that a row which has arrived stays. Works on tensors alone, for every
front end whose models hold trees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Trees:
    """The nodes of some trees, one after the other; all arrays but the last two are [nodes].

    feature: the column that a node looks at.
    threshold: what it compares with.
    yes, no: the next node; a leaf's are its own number.
    missing_goes_yes: where a value that is NaN goes.
    values: what a leaf gives [nodes, outputs].
    roots: the first node of each tree [trees].
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    yes: NDArray[np.int64]
    no: NDArray[np.int64]
    missing_goes_yes: NDArray[np.bool_]
    values: NDArray[np.float64]
    roots: NDArray[np.int64]

    def depth(self) -> int:
        """Steps from a root to the farthest leaf.

        Raises: ValueError for nodes that lead in a circle, or to none.
        """
        count = len(self.feature)
        children = np.concatenate([self.yes, self.no, self.roots])
        if count == 0 or children.min() < 0 or children.max() >= count:
            raise ValueError("a tree's node points at one that is not there")
        at, steps = np.unique(self.roots), 0
        while True:
            inner = at[(self.yes[at] != at) | (self.no[at] != at)]
            if not len(inner):
                return steps
            at, steps = np.unique(np.concatenate([self.yes[inner], self.no[inner]])), steps + 1
            if steps > count:
                raise ValueError("a tree's nodes lead in a circle")


def joined(parts: Sequence[Trees]) -> Trees:
    """The trees of all parts, in order."""
    ends = np.cumsum([0, *(len(p.feature) for p in parts)])[:-1]
    pairs = list(zip(parts, ends, strict=True))
    return Trees(
        feature=np.concatenate([p.feature for p in parts]),
        threshold=np.concatenate([p.threshold for p in parts]),
        yes=np.concatenate([p.yes + start for p, start in pairs]),
        no=np.concatenate([p.no + start for p, start in pairs]),
        missing_goes_yes=np.concatenate([p.missing_goes_yes for p in parts]),
        values=np.concatenate([p.values for p in parts]),
        roots=np.concatenate([p.roots + start for p, start in pairs]),
    )


class Forest(nn.Module):
    """What the leaves of all trees give, [rows, trees, outputs]; `test` is the comparison whose
    truth is `yes`, of a value and a threshold."""

    feature: Tensor
    threshold: Tensor
    yes: Tensor
    no: Tensor
    missing: Tensor
    values: Tensor
    roots: Tensor

    def __init__(self, trees: Trees, test: Any = torch.le) -> None:
        super().__init__()
        self._test, self._depth = test, trees.depth()
        self.register_buffer("feature", torch.from_numpy(trees.feature.astype(np.int64)))
        self.register_buffer("threshold", torch.from_numpy(trees.threshold.astype(np.float64)))
        self.register_buffer("yes", torch.from_numpy(trees.yes.astype(np.int64)))
        self.register_buffer("no", torch.from_numpy(trees.no.astype(np.int64)))
        self.register_buffer("missing", torch.from_numpy(trees.missing_goes_yes.astype(np.bool_)))
        self.register_buffer("values", torch.from_numpy(trees.values.astype(np.float64)))
        self.register_buffer("roots", torch.from_numpy(trees.roots.astype(np.int64)))

    def forward(self, x: Tensor) -> Tensor:
        """The leaves' values of some rows [rows, features]."""
        at = self.roots.expand(x.shape[0], -1)
        for _ in range(self._depth):
            value = x.gather(1, torch.take(self.feature, at))
            found = self._test(value, torch.take(self.threshold, at).to(x.dtype))
            found = torch.where(value.isnan(), torch.take(self.missing, at), found)
            at = torch.where(found, torch.take(self.yes, at), torch.take(self.no, at))
        return F.embedding(at, self.values)


def rounded_down(thresholds: Any) -> NDArray[np.float64]:
    """The largest FP32 numbers that are not above: of an FP32 x, `x <= t` means the same."""
    wide = np.asarray(thresholds, dtype=np.float64)
    near = wide.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near.astype(np.float64) > wide, below, near).astype(np.float64)
