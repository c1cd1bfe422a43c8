"""Several estimators on the same rows, and what becomes of their outputs."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hermesc.frontend.sklearn.step import EstimatorStep, chain, plain_name

Join = Callable[[list[Tensor], Tensor], Tensor]


class Joined(nn.Module):
    """Modules of the same rows, or of some of their columns, and one function of their outputs and
    the rows."""

    def __init__(
        self,
        names: Sequence[str],
        parts: Sequence[tuple[nn.Module, Sequence[int] | None]],
        join: Join,
    ) -> None:
        super().__init__()
        self._names, self._join = [plain_name(n) for n in names], join
        for name, (part, columns) in zip(self._names, parts, strict=True):
            pick = None if columns is None else np.array(columns, dtype=np.int64)
            chosen = EstimatorStep(lambda m, x: x.index_select(1, m.columns), columns=pick)
            setattr(self, name, part if pick is None else chain([("pick", chosen), ("use", part)]))

    def forward(self, x: Tensor) -> Tensor:
        """The joined outputs for some rows."""
        return self._join([getattr(self, name)(x) for name in self._names], x)


def side_by_side(
    names: Sequence[str],
    parts: Sequence[tuple[nn.Module, Sequence[int] | None]],
    weights: Sequence[float],
    *,
    flat: bool = False,
) -> Joined:
    """The outputs one beside the other, each by its weight; `flat` is one output as a vector."""

    def join(outputs: list[Tensor], _: Tensor) -> Tensor:
        found = [
            y if w == 1.0 else y * w for y, w in zip(map(_matrix, outputs), weights, strict=True)
        ]
        return found[0].squeeze(1) if flat else torch.cat(found, 1)

    return Joined(names, parts, join)


def _matrix(y: Tensor) -> Tensor:
    return y.unsqueeze(1) if y.dim() == 1 else y


def winner(y: Tensor) -> Tensor:
    """The place of the class that decision values or probabilities speak for."""
    return (y > 0).long() if y.dim() == 1 else y.argmax(1)


def indicator(place: Tensor, classes: int, like: Tensor) -> Tensor:
    """1 in the column of each row's class, else 0."""
    columns = torch.arange(classes, device=place.device)
    return (place.unsqueeze(1) == columns).to(like.dtype)
