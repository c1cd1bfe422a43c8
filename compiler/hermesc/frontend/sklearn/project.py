"""Projections and random features: their matrices go to crossbars."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from torch import Tensor, nn

from hermesc.frontend.sklearn.kernel import KernelToPoints
from hermesc.frontend.sklearn.step import EstimatorStep, chain, dense


def pca(e: Any) -> EstimatorStep:
    """(x - mean) @ components.T, divided by the deviations where whitened."""
    scale = None
    if e.whiten:
        scale = np.maximum(np.sqrt(e.explained_variance_), np.finfo(np.float64).eps)

    def forward(m: Any, x: Tensor) -> Tensor:
        y = F.linear(x - m.mean_, m.components_)
        return y / m.scale if e.whiten else y

    return EstimatorStep(forward, mean_=e.mean_, components_=e.components_, scale=scale)


def components(e: Any) -> EstimatorStep:
    """x @ components.T."""
    return EstimatorStep(lambda m, x: F.linear(x, m.components_), components_=e.components_)


def fast_ica(e: Any) -> EstimatorStep:
    """(x - mean) @ components.T; without whitening there is no mean."""
    mean = e.mean_ if e.whiten else None

    def forward(m: Any, x: Tensor) -> Tensor:
        return F.linear(x - m.mean_ if e.whiten else x, m.components_)

    return EstimatorStep(forward, mean_=mean, components_=e.components_)


def discriminant(e: Any) -> EstimatorStep:
    """(x - mean) @ scalings, of which some columns are kept."""
    kept = e.scalings_[:, : e._max_components].T
    mean = e.xbar_ if e.solver == "svd" else np.zeros(kept.shape[1])
    return EstimatorStep(
        lambda m, x: F.linear(x - m.xbar_, m.scalings_), xbar_=mean, scalings_=kept
    )


def least_squares_scores(e: Any) -> EstimatorStep:
    """(x - mean) / deviation @ rotations."""
    rotations = e.x_weights_ if isinstance(e, PLSSVD) else e.x_rotations_
    return EstimatorStep(
        lambda m, x: F.linear((x - m.mean) / m.deviation, m.x_rotations_),
        mean=e._x_mean,
        deviation=e._x_std,
        x_rotations_=rotations.T,
    )


def selector(e: Any) -> EstimatorStep:
    """The columns that were kept."""
    kept = e.get_support(indices=True).astype(np.int64)
    return EstimatorStep(lambda m, x: x.index_select(1, m.kept), kept=kept)


def rbf_sampler(e: Any) -> EstimatorStep:
    """sqrt(2 / s) cos(x @ weights + offset)."""
    return _cosines(e, lambda x: x, math.sqrt(2.0 / e.n_components))


def skewed_chi2_sampler(e: Any) -> EstimatorStep:
    """sqrt(2 / s) cos(log(x + skewedness) @ weights + offset)."""
    return _cosines(e, lambda x: (x + e.skewedness).log(), math.sqrt(2.0 / e.n_components))


def _cosines(e: Any, before: Any, factor: float) -> EstimatorStep:
    def forward(m: Any, x: Tensor) -> Tensor:
        angle = F.linear(before(x), m.random_weights_, m.random_offset_)
        return angle.cos() * factor

    return EstimatorStep(
        forward, random_weights_=e.random_weights_.T, random_offset_=e.random_offset_
    )


def nystroem(e: Any) -> nn.Module:
    """The kernel with some training rows, times a matrix that makes products approximate it."""
    kernel = KernelToPoints(e.kernel, e.components_, e._get_kernel_params(), "components_")
    matrix = _without_noise(e.normalization_)
    with torch.no_grad():  # what all rows have in common need not pass the converters
        usual = kernel(dense(e.components_)).mean(0).numpy()

    def forward(m: Any, k: Tensor) -> Tensor:
        return F.linear(k - m.usual, m.normalization_, m.offset)

    rest = EstimatorStep(forward, usual=usual, normalization_=matrix, offset=matrix @ usual)
    return chain([("kernel", kernel), ("map", rest)])


def _without_noise(normalization: NDArray[np.float64]) -> NDArray[np.float64]:
    """The map without directions in which the basis kernel is 0 but for round-off.

    scikit-learn divides them by sqrt(1e-12) and relies on FP64 for 0 to stay 0.
    """
    left, inverse_roots, right = np.linalg.svd(np.asarray(normalization, dtype=np.float64))
    spectrum = inverse_roots**-2.0
    floor = max(1e-12 * (1 + 1e-6), len(spectrum) * np.finfo(np.float64).eps * spectrum.max())
    kept = spectrum > floor
    return np.asarray((left[:, kept] * inverse_roots[kept]) @ right[kept])


def kernel_pca(e: Any) -> nn.Module:
    """The centred kernel with the training rows, times the scaled eigenvectors."""
    parameters = e.kernel_params or {n: getattr(e, n) for n in ("gamma", "degree", "coef0")}
    parameters |= {"gamma": getattr(e, "gamma_", e.gamma)}
    center = e._centerer
    positive = e.eigenvalues_ > 0
    scaled = np.zeros_like(e.eigenvectors_)
    scaled[:, positive] = e.eigenvectors_[:, positive] / np.sqrt(e.eigenvalues_[positive])

    def forward(m: Any, k: Tensor) -> Tensor:
        k = k - m.rows_mean - k.mean(1, keepdim=True) + m.mean
        return F.linear(k, m.eigenvectors_)

    kernel = KernelToPoints(e.kernel, e.X_fit_, parameters, "X_fit_")
    rest = EstimatorStep(
        forward, rows_mean=center.K_fit_rows_, mean=center.K_fit_all_, eigenvectors_=scaled.T
    )
    return chain([("kernel", kernel), ("map", rest)])


def count_sketch(e: Any) -> EstimatorStep:
    """Products of count sketches by way of Fourier transforms.

    A sketch adds each feature, with a sign, to one of s sums: a product with a fixed matrix.
    Source: Pham and Pagh 2013, algorithm 1.
    """
    degree, features = e.indexHash_.shape
    sketches = np.zeros((degree, e.n_components, features))
    for d in range(degree):
        np.add.at(sketches[d], (e.indexHash_[d], np.arange(features)), e.bitHash_[d])
    rows = features - (1 if e.coef0 != 0 else 0)
    weights = sketches[:, :, :rows] * math.sqrt(e.gamma)
    constant = sketches[:, :, rows:].sum(2) * math.sqrt(e.coef0)

    def forward(m: Any, x: Tensor) -> Tensor:
        sketch = F.linear(x, m.sketches.flatten(0, 1), m.constant.flatten())
        spectra = torch.fft.rfft(sketch.reshape(-1, degree, e.n_components))
        product = spectra.select(1, 0)
        for d in range(1, degree):
            product = product * spectra.select(1, d)
        features: Tensor = torch.fft.irfft(product, n=e.n_components)
        return features

    return EstimatorStep(forward, sketches=weights, constant=constant)


def additive_chi2_sampler(e: Any) -> EstimatorStep:
    """Samples of the additive chi-squared kernel's spectrum, value by value: no product.

    Source: Vedaldi and Zisserman 2012.
    """
    interval = {1: 0.8, 2: 0.5, 3: 0.4}.get(e.sample_steps, e.sample_interval)
    interval = e.sample_interval if e.sample_interval is not None else interval

    def forward(_: Any, x: Tensor) -> Tensor:
        positive = x > 0
        safe = torch.where(positive, x, torch.ones_like(x))
        logarithm = interval * safe.log()
        parts = [(safe * interval).sqrt()]
        for j in range(1, e.sample_steps):
            factor = (safe * (2 * interval / math.cosh(math.pi * j * interval))).sqrt()
            parts += [factor * (j * logarithm).cos(), factor * (j * logarithm).sin()]
        return torch.cat([torch.where(positive, p, torch.zeros_like(p)) for p in parts], 1)

    return EstimatorStep(forward)


PROJECTIONS = {
    PCA.transform: pca,
    IncrementalPCA.transform: pca,
    TruncatedSVD.transform: components,
    GaussianRandomProjection.transform: components,
    SparseRandomProjection.transform: components,
    FastICA.transform: fast_ica,
    LinearDiscriminantAnalysis.transform: discriminant,
    SelectKBest.transform: selector,
    **{kind.transform: least_squares_scores for kind in (PLSRegression, PLSCanonical, CCA, PLSSVD)},
    RBFSampler.transform: rbf_sampler,
    SkewedChi2Sampler.transform: skewed_chi2_sampler,
    Nystroem.transform: nystroem,
    KernelPCA.transform: kernel_pca,
    PolynomialCountSketch.transform: count_sketch,
    AdditiveChi2Sampler.transform: additive_chi2_sampler,
}
