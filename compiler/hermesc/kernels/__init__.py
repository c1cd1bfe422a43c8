"""Kernels, their feature maps, kernelised attention and heads: torch modules to build models with.

    phi = feature_map(Rbf(gamma=0.05), inputs=16, features=128, sampler="orf", seed=0)
    head = fit_ridge_classifier(phi(x), labels)
    model = nn.Sequential(phi, head)          # for hermesc.compile, or for torch alone

Every map keeps its projection as a buffer and multiplies by it plainly (`x @ self.omega`), so that
it lands on crossbars; beside it stands the kernel that it estimates (`phi.exact(x, y)`).
"""

from hermesc.kernels.arccos import ArcCosine
from hermesc.kernels.attention import (
    CosformerAttention,
    FavorAttention,
    KernelAttention,
    LinearAttention,
    MultiheadAttention,
    NystroemAttention,
    RandomFeatureAttention,
)
from hermesc.kernels.factory import feature_map, samplers_of
from hermesc.kernels.fourier import Laplacian, Rbf
from hermesc.kernels.heads import (
    GaussianProcess,
    fit_gaussian_process,
    fit_ridge,
    fit_ridge_classifier,
    fit_svm,
)
from hermesc.kernels.maps import FeatureMap, Kernel
from hermesc.kernels.ntk import Ntk
from hermesc.kernels.polynomial import Polynomial
from hermesc.kernels.samplers import NORMAL_SAMPLERS, draw
from hermesc.kernels.softmax import Softmax

__all__ = [
    "NORMAL_SAMPLERS",
    "ArcCosine",
    "CosformerAttention",
    "FavorAttention",
    "FeatureMap",
    "GaussianProcess",
    "Kernel",
    "KernelAttention",
    "Laplacian",
    "LinearAttention",
    "MultiheadAttention",
    "Ntk",
    "NystroemAttention",
    "Polynomial",
    "RandomFeatureAttention",
    "Rbf",
    "Softmax",
    "draw",
    "feature_map",
    "fit_gaussian_process",
    "fit_ridge",
    "fit_ridge_classifier",
    "fit_svm",
    "samplers_of",
]
