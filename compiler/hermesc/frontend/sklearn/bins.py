"""Transformers that look a value up: bins, quantiles, splines, categories. They run on the host."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import norm
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    SplineTransformer,
)
from torch import Tensor, nn

from hermesc.frontend.sklearn.scale import nonzero
from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep

_BOUND = 1e-7  # scikit-learn's BOUNDS_THRESHOLD
_NORMAL = float(norm.ppf(_BOUND - np.spacing(1)))


def interpolated(x: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Straight lines between points (xs, ys) [points, columns], level outside; as numpy.interp."""
    last = xs.shape[0] - 1
    if last == 0:
        return ys[0].expand_as(x)
    place = (x.unsqueeze(0) >= xs.unsqueeze(1)).sum(0) - 1
    place = place.clamp(0, last - 1)
    x0, y0, x1, y1 = (t.gather(0, p) for p in (place, place + 1) for t in (xs, ys))
    y = y0 + (y1 - y0) / nonzero(x1 - x0) * (x - x0)
    y = torch.where(x >= xs[last], ys[last], torch.where(x < xs[0], ys[0], y))
    return torch.where(x.isnan(), x, y)


def quantiles(e: Any) -> EstimatorStep:
    """The share of training values below each value, as it is or as a normal number."""

    def forward(m: Any, x: Tensor) -> Tensor:
        low, high = m.quantiles[0], m.quantiles[-1]
        back = interpolated(-x, -m.quantiles.flip(0), -m.references.flip(0))
        y = (interpolated(x, m.quantiles, m.references) - back) / 2
        if e.output_distribution == "normal":
            above, below = x + _BOUND > high, x - _BOUND < low
        else:
            above, below = x == high, x == low
        y = torch.where(below, 0.0, torch.where(above, 1.0, y))
        return _normal_of(y) if e.output_distribution == "normal" else y

    return _with_quantiles(e, forward)


def values_at(e: Any) -> EstimatorStep:
    """The inverse of `quantiles`."""

    def forward(m: Any, x: Tensor) -> Tensor:
        if e.output_distribution == "normal":
            x = torch.special.ndtr(x)
            above, below = x + _BOUND > 1, x - _BOUND < 0
        else:
            above, below = x == 1, x == 0
        y = interpolated(x, m.references, m.quantiles)
        return torch.where(below, m.quantiles[0], torch.where(above, m.quantiles[-1], y))

    return _with_quantiles(e, forward)


def _with_quantiles(e: Any, forward: Any) -> EstimatorStep:
    references = np.broadcast_to(e.references_[:, None], e.quantiles_.shape)
    return EstimatorStep(forward, quantiles=e.quantiles_, references=references)


def _normal_of(share: Tensor) -> Tensor:
    y = math.sqrt(2) * torch.erfinv(2 * share - 1)
    return y.clamp(_NORMAL, -_NORMAL)


def k_bins(e: Any) -> EstimatorStep:
    """The number of the bin of each value, or a column for each bin."""
    inner = [np.asarray(edges[1:-1], dtype=np.float64) for edges in e.bin_edges_]
    most = max(map(len, inner))
    edges = np.stack([np.pad(i, (0, most - len(i)), constant_values=np.inf) for i in inner], 1)
    encoder = None if e.encode == "ordinal" else _columns_of(e._encoder)

    def forward(m: Any, x: Tensor) -> Tensor:
        number = (x.unsqueeze(0) >= m.edges.unsqueeze(1)).sum(0).to(x.dtype)
        return number if encoder is None else _indicators(m, number)

    column, value = encoder or (None, None)
    return EstimatorStep(forward, edges=edges, column=column, value=value)


def one_hot(e: Any) -> EstimatorStep:
    """A column for each category of numbers; one that the fit did not see has none."""
    column, value = _columns_of(e)
    return EstimatorStep(_indicators, column=column, value=value)


def ordinal(e: Any) -> EstimatorStep:
    """The place of each number among its categories."""
    if any(getattr(e, "_infrequent_indices", None) or []):
        raise RefusedStep("it puts rare categories together; leave min_frequency out")
    found = [_numbers(c) for c in e.categories_]
    most = max(map(len, found))
    table = np.stack([np.pad(c, (0, most - len(c)), constant_values=np.nan) for c in found], 1)
    unknown = e.unknown_value if e.handle_unknown == "use_encoded_value" else np.nan

    def forward(m: Any, x: Tensor) -> Tensor:
        same = x.unsqueeze(0) == m.categories.unsqueeze(1)
        place = (same * torch.arange(most, device=x.device).reshape(-1, 1, 1)).sum(0).to(x.dtype)
        return torch.where(same.any(0), place, float(unknown))

    return EstimatorStep(forward, categories=table)


def _columns_of(encoder: Any) -> tuple[Any, Any]:
    """For each column of an encoder's result: which column it looks at, and for which value."""
    if any(i is not None for i in getattr(encoder, "infrequent_categories_", None) or []):
        raise RefusedStep("it puts rare categories together; leave min_frequency out")
    dropped = encoder.drop_idx_ if encoder.drop_idx_ is not None else ()
    columns, values = [], []
    for i, categories in enumerate(map(_numbers, encoder.categories_)):
        gone = dropped[i] if len(dropped) else None
        kept = [v for j, v in enumerate(categories) if j != gone]
        columns += [i] * len(kept)
        values += kept
    return np.array(columns, dtype=np.int64), np.array(values, dtype=np.float64)


def _numbers(categories: Any) -> Any:
    found = np.asarray(categories)
    try:
        return found.astype(np.float64)
    except (TypeError, ValueError):
        raise RefusedStep(
            "its categories are no numbers; as the first step of a pipeline it runs on the host"
        ) from None


def _indicators(m: Any, x: Tensor) -> Tensor:
    chosen = x.index_select(1, m.column)
    same: Tensor = (chosen == m.value) | (chosen.isnan() & m.value.isnan())
    return same.to(x.dtype)


class Splines(nn.Module):
    """Values of B-splines as polynomials between knots, [rows, features * splines]."""

    knots: Tensor
    pieces: Tensor

    def __init__(self, e: Any) -> None:
        super().__init__()
        self._degree, self._how, self._bias = e.degree, e.extrapolation, e.include_bias
        first, last = e.degree, len(e.bsplines_[0].t) - e.degree - 1
        knots = np.stack([s.t[first : last + 1] for s in e.bsplines_])
        pieces = np.stack(
            [_polynomials(s, k[:-1]) for s, k in zip(e.bsplines_, knots, strict=True)]
        )
        self._shape = pieces.shape  # features, pieces, powers, splines
        self.register_buffer("knots", torch.from_numpy(np.ascontiguousarray(knots)))
        flat = pieces.reshape(pieces.shape[0] * pieces.shape[1], -1)
        self.register_buffer("pieces", torch.from_numpy(np.ascontiguousarray(flat)))

    def forward(self, x: Tensor) -> Tensor:
        """The splines of some rows; outside of the knots as `extrapolation` says."""
        low, high = self.knots[:, 0], self.knots[:, -1]
        at = x
        if self._how == "periodic":
            at = x = low + torch.remainder(x - low, high - low)
        elif self._how in ("constant", "linear"):
            at = torch.minimum(torch.maximum(x, low), high)
        value, slope = self._evaluated(at)
        if self._how == "linear":
            value = value + (x - at).unsqueeze(2) * slope
        if self._how == "error":
            outside = ((x < low) | (x > high)).unsqueeze(2)
            value = torch.where(outside, torch.full_like(value, math.nan), value)
        return (value if self._bias else value[:, :, :-1]).flatten(1)

    def _evaluated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features, count, powers, splines = self._shape
        place = (x.unsqueeze(2) >= self.knots).sum(2).sub(1).clamp(0, count - 1)
        start = self.knots.expand(x.shape[0], -1, -1).gather(2, place.unsqueeze(2)).squeeze(2)
        offset = torch.arange(features, device=x.device) * count
        found = F.embedding(place + offset, self.pieces).reshape(-1, features, powers, splines)
        t = (x - start).unsqueeze(2)
        value, slope = torch.zeros_like(found[:, :, 0]), torch.zeros_like(found[:, :, 0])
        for p in range(powers):
            slope = slope * t + value
            value = value * t + found[:, :, p]
        return value, slope


def _polynomials(spline: Any, starts: Any) -> Any:
    """The pieces from each start on, [pieces, powers, splines], the highest power first."""
    powers = range(spline.k, -1, -1)
    return np.stack([spline(starts, nu=p) / math.factorial(p) for p in powers], 1)


def splines(e: Any) -> nn.Module:
    """B-splines of each column."""
    if e.degree == 0 and e.extrapolation in ("constant", "linear"):
        raise RefusedStep("its splines are steps (degree=0); use degree=1 or more")
    if e.degree == 1 and e.extrapolation == "linear":
        raise RefusedStep(
            "with degree=1 and linear extrapolation scikit-learn treats the first column otherwise "
            "than the rest; use degree=2 or more"
        )
    if getattr(e, "handle_missing", "error") != "error":
        raise RefusedStep("handle_missing is not read; impute before")
    return Splines(e)


def tfidf(e: Any) -> EstimatorStep:
    """Counts by how rare a term is, each row of length 1."""

    def forward(m: Any, x: Tensor) -> Tensor:
        if e.sublinear_tf:
            x = torch.where(x > 0, torch.where(x > 0, x, 1.0).log() + 1, x)
        x = x * m.idf if e.use_idf else x
        if e.norm is None:
            return x
        order = {"l1": 1.0, "l2": 2.0}[e.norm]
        length: Tensor = torch.linalg.vector_norm(x, order, -1, keepdim=True)
        return x / nonzero(length)

    return EstimatorStep(forward, idf=e.idf_ if e.use_idf else None)


LOOKED_UP = {
    QuantileTransformer.transform: quantiles,
    KBinsDiscretizer.transform: k_bins,
    OneHotEncoder.transform: one_hot,
    OrdinalEncoder.transform: ordinal,
    SplineTransformer.transform: splines,
    TfidfTransformer.transform: tfidf,
}
