"""Preprocessing, value by value or row by row: it runs on the host."""

from typing import Any

import numpy as np
import torch
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from torch import Tensor

from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep

# What FunctionTransformer may hold: functions that torch has too.
_FUNCTIONS: dict[Any, Any] = {
    None: lambda x: x,
    np.abs: torch.abs,
    np.cbrt: lambda x: x.sign() * x.abs() ** (1 / 3),
    np.ceil: torch.ceil,
    np.cos: torch.cos,
    np.deg2rad: torch.deg2rad,
    np.exp: torch.exp,
    np.exp2: torch.exp2,
    np.expm1: torch.expm1,
    np.floor: torch.floor,
    np.log: torch.log,
    np.log10: torch.log10,
    np.log1p: torch.log1p,
    np.log2: torch.log2,
    np.negative: torch.neg,
    np.rad2deg: torch.rad2deg,
    np.reciprocal: torch.reciprocal,
    np.sign: torch.sign,
    np.sin: torch.sin,
    np.sqrt: torch.sqrt,
    np.square: torch.square,
    np.tan: torch.tan,
    np.tanh: torch.tanh,
}


def standard_scaler(e: Any) -> EstimatorStep:
    """(x - mean) / scale."""
    return EstimatorStep(_shift_and_divide, shift=e.mean_ if e.with_mean else None, scale=e.scale_)


def robust_scaler(e: Any) -> EstimatorStep:
    """(x - median) / quantile range."""
    center = e.center_ if e.with_centering else None
    return EstimatorStep(
        _shift_and_divide, shift=center, scale=e.scale_ if e.with_scaling else None
    )


def min_max_scaler(e: Any) -> EstimatorStep:
    """x * scale + minimum, clipped where asked."""
    low, high = e.feature_range

    def forward(m: Any, x: Tensor) -> Tensor:
        y: Tensor = x * m.scale_ + m.min_
        return y.clamp(low, high) if e.clip else y

    return EstimatorStep(forward, scale_=e.scale_, min_=e.min_)


def max_abs_scaler(e: Any) -> EstimatorStep:
    """x / largest absolute value."""
    clip = getattr(e, "clip", False)

    def forward(m: Any, x: Tensor) -> Tensor:
        y: Tensor = x / m.scale_
        return y.clamp(-1.0, 1.0) if clip else y

    return EstimatorStep(forward, scale_=e.scale_)


def normalizer(e: Any) -> EstimatorStep:
    """Rows of length 1 in the norm l1, l2 or max; a row of zeros stays."""
    order = {"l1": 1.0, "l2": 2.0, "max": float("inf")}[e.norm]
    return EstimatorStep(
        lambda _, x: x / nonzero(torch.linalg.vector_norm(x, order, -1, keepdim=True))
    )


def binarizer(e: Any) -> EstimatorStep:
    """1 above the threshold, else 0."""
    return EstimatorStep(lambda _, x: (x > e.threshold).to(x.dtype))


def simple_imputer(e: Any) -> EstimatorStep:
    """The statistic in place of a missing value."""
    if e.add_indicator or not (isinstance(e.missing_values, float) and np.isnan(e.missing_values)):
        raise RefusedStep("only missing_values=nan without add_indicator has a torch form")
    if np.isnan(np.asarray(e.statistics_, dtype=np.float64)).any():
        raise RefusedStep("it drops columns that had no value; drop them before")
    return EstimatorStep(
        lambda m, x: torch.where(x.isnan(), m.statistics_, x), statistics_=e.statistics_
    )


def power_transformer(e: Any) -> EstimatorStep:
    """Yeo-Johnson's or Box-Cox's power of each column, then a standard scaler where asked."""
    scaler = e._scaler if e.standardize else None

    def forward(m: Any, x: Tensor) -> Tensor:
        y = _yeo_johnson(x, m.lambdas_) if e.method == "yeo-johnson" else _box_cox(x, m.lambdas_)
        return _shift_and_divide(m, y)

    shift, scale = (None, None) if scaler is None else (scaler.mean_, scaler.scale_)
    return EstimatorStep(forward, lambdas_=e.lambdas_, shift=shift, scale=scale)


def polynomial_features(e: Any) -> EstimatorStep:
    """Products of columns, one for each row of `powers_`."""
    powers = e.powers_
    if not len(powers):
        raise RefusedStep("it gives no feature")
    order = max(1, int(powers.sum(1).max()))
    ones = powers.shape[1]  # the place of a column of ones, after the features
    picks = np.full((order, len(powers)), ones, dtype=np.int64)
    for j, row in enumerate(powers):
        columns = np.repeat(np.arange(len(row)), row)
        picks[: len(columns), j] = columns

    def forward(m: Any, x: Tensor) -> Tensor:
        padded = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        product = padded.index_select(1, m.picks[0])
        for i in range(1, order):
            product = product * padded.index_select(1, m.picks[i])
        return product

    return EstimatorStep(forward, picks=picks)


def function_transformer(e: Any) -> EstimatorStep:
    """A known numpy function, or nothing."""
    known = numpy_function(e.func, " with kw_args" if e.kw_args else "")
    return EstimatorStep(lambda _, x: known(x))


def numpy_function(function: Any, arguments: str = "") -> Any:
    """What torch has for a function of numpy, or for None.

    Raises: RefusedStep where it has none, and for one with further arguments.
    """
    known = next((f for k, f in _FUNCTIONS.items() if k is function), None)
    if known is None or arguments:
        name = getattr(function, "__name__", repr(function))
        names = ", ".join(f"np.{k.__name__}" for k in _FUNCTIONS if k is not None)
        raise RefusedStep(
            f"{name}{arguments} is code that has no torch form; known are {names}, without kw_args"
        )
    return known


def nonzero(norms: Tensor) -> Tensor:
    """1 in place of 0, as scikit-learn divides."""
    return torch.where(norms == 0, torch.ones_like(norms), norms)


def _shift_and_divide(m: Any, x: Tensor) -> Tensor:
    if hasattr(m, "shift"):
        x = x - m.shift
    return x / m.scale if hasattr(m, "scale") else x


def _yeo_johnson(x: Tensor, lambdas: Tensor) -> Tensor:
    above = _powers(x.clamp(min=0), lambdas)
    return torch.where(x >= 0, above, -_powers((-x).clamp(min=0), 2 - lambdas))


def _powers(x: Tensor, lambdas: Tensor) -> Tensor:
    """((x + 1)^lambda - 1) / lambda, and its limit log(x + 1) at 0."""
    zero = lambdas.abs() < np.spacing(1.0)
    safe = torch.where(zero, torch.ones_like(lambdas), lambdas)
    return torch.where(zero, x.log1p(), ((x + 1) ** safe - 1) / safe)


def _box_cox(x: Tensor, lambdas: Tensor) -> Tensor:
    zero = lambdas == 0
    safe = torch.where(zero, torch.ones_like(lambdas), lambdas)
    return torch.where(zero, x.log(), (x**safe - 1) / safe)


SCALERS = {
    StandardScaler.transform: standard_scaler,
    RobustScaler.transform: robust_scaler,
    MinMaxScaler.transform: min_max_scaler,
    MaxAbsScaler.transform: max_abs_scaler,
    Normalizer.transform: normalizer,
    Binarizer.transform: binarizer,
    SimpleImputer.transform: simple_imputer,
    PowerTransformer.transform: power_transformer,
    PolynomialFeatures.transform: polynomial_features,
    FunctionTransformer.transform: function_transformer,
}
