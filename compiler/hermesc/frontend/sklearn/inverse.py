"""Inverse transforms, which bring a regressor's predictions back to its targets' own scale."""

from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from torch import Tensor, nn

from hermesc.frontend.sklearn.bins import values_at
from hermesc.frontend.sklearn.scale import numpy_function
from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep, chain


def inverse(e: Any) -> nn.Module:
    """The module of `e.inverse_transform`.

    Raises: RefusedStep where it has no torch form.
    """
    if type(e) is Pipeline:
        parts = [(name, inverse(step)) for name, step in reversed(e.steps)]
        return chain(parts)
    if isinstance(e, str) and e == "passthrough":
        return EstimatorStep(lambda _, y: y)
    make = _INVERSES.get(getattr(type(e), "inverse_transform", None))
    if make is None:
        raise RefusedStep(f"{type(e).__name__}.inverse_transform has no torch form here")
    made: nn.Module = make(e)
    return made


def _standard(e: Any) -> EstimatorStep:
    return _scaled(e.scale_, e.mean_ if e.with_mean else None)


def _robust(e: Any) -> EstimatorStep:
    return _scaled(e.scale_ if e.with_scaling else None, e.center_ if e.with_centering else None)


def _max_abs(e: Any) -> EstimatorStep:
    return _scaled(e.scale_, None)


def _scaled(scale: Any, shift: Any) -> EstimatorStep:
    def forward(m: Any, y: Tensor) -> Tensor:
        y = y * m.scale if scale is not None else y
        return y + m.shift if shift is not None else y

    return EstimatorStep(forward, scale=scale, shift=shift)


def _min_max(e: Any) -> EstimatorStep:
    return EstimatorStep(lambda m, y: (y - m.min_) / m.scale_, min_=e.min_, scale_=e.scale_)


def _power(e: Any) -> EstimatorStep:
    back = _standard(e._scaler) if e.standardize else EstimatorStep(lambda _, y: y)
    one = _yeo_johnson if e.method == "yeo-johnson" else _box_cox
    step = EstimatorStep(lambda m, y: one(m.back(y), m.lambdas_), lambdas_=e.lambdas_)
    step.back = back
    return step


def _yeo_johnson(y: Tensor, lambdas: Tensor) -> Tensor:
    above = _root(y.clamp(min=0), lambdas)
    return torch.where(y >= 0, above, -_root((-y).clamp(min=0), 2 - lambdas))


def _root(y: Tensor, lambdas: Tensor) -> Tensor:
    """(y * lambda + 1)^(1 / lambda) - 1, and its limit at 0."""
    zero = lambdas.abs() < np.spacing(1.0)
    safe = torch.where(zero, 1.0, lambdas)
    return torch.where(zero, y.expm1(), (y * safe + 1) ** (1 / safe) - 1)


def _box_cox(y: Tensor, lambdas: Tensor) -> Tensor:
    safe = torch.where(lambdas == 0, 1.0, lambdas)
    return torch.where(lambdas == 0, y.exp(), (y * safe + 1) ** (1 / safe))


def _function(e: Any) -> EstimatorStep:
    if e.inv_kw_args:
        raise RefusedStep("its inverse_func has inv_kw_args, which have no torch form")
    known = numpy_function(e.inverse_func)
    return EstimatorStep(lambda _, y: known(y))


_INVERSES: dict[Any, Any] = {
    StandardScaler.inverse_transform: _standard,
    RobustScaler.inverse_transform: _robust,
    MaxAbsScaler.inverse_transform: _max_abs,
    MinMaxScaler.inverse_transform: _min_max,
    PowerTransformer.inverse_transform: _power,
    QuantileTransformer.inverse_transform: values_at,
    FunctionTransformer.inverse_transform: _function,
}
