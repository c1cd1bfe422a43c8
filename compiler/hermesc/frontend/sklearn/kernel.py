"""Kernels between rows and fixed points, written with products so that these go to crossbars."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hermesc.frontend.sklearn.scale import nonzero
from hermesc.frontend.sklearn.step import RefusedStep, dense

_KERNELS = ("linear", "rbf", "poly", "polynomial", "sigmoid", "cosine", "laplacian")


class KernelToPoints(nn.Module):
    """k(x, p) of rows x and fixed points p, [rows, points].

    `name` is the points' name in reports; parameters that are None take scikit-learn's defaults.
    """

    def __init__(self, kind: Any, points: Any, parameters: Mapping[str, Any], name: str) -> None:
        super().__init__()
        if not isinstance(kind, str) or kind not in _KERNELS:
            found = "a function of your own" if callable(kind) else repr(kind)
            raise RefusedStep(f"its kernel is {found}; known are {', '.join(_KERNELS)}")
        value = dense(points)
        self._kind, self._name = kind, name
        gamma = parameters.get("gamma")
        self._gamma = 1.0 / value.shape[1] if gamma is None else float(gamma)
        coef0, degree = parameters.get("coef0"), parameters.get("degree")
        self._coef0 = 1.0 if coef0 is None else float(coef0)
        self._degree = 3.0 if degree is None else float(degree)
        self.center: Tensor
        self.squares: Tensor
        if kind == "rbf":  # it knows no origin, and smaller numbers cancel less
            self.register_buffer("center", value.mean(0))
            value = value - self.center
            self.register_buffer("squares", value.square().sum(1))
        if kind == "cosine":
            value = value / nonzero(value.norm(dim=1, keepdim=True))
        self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        """The kernel of all rows with all points."""
        points: Tensor = getattr(self, self._name)
        match self._kind:
            case "laplacian":
                return torch.exp(-self._gamma * torch.cdist(x, points, p=1.0))
            case "cosine":
                return F.linear(x, points) / nonzero(x.norm(dim=1, keepdim=True))
            case "rbf":
                x = x - self.center
                squares = x.square().sum(1, keepdim=True) + self.squares
                return torch.exp(-self._gamma * (squares - 2 * F.linear(x, points)).clamp(min=0))
            case "sigmoid":
                return torch.tanh(self._gamma * F.linear(x, points) + self._coef0)
            case "poly" | "polynomial":
                return (self._gamma * F.linear(x, points) + self._coef0) ** self._degree
        return F.linear(x, points)
