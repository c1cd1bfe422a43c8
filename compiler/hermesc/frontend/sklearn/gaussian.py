"""Gaussian processes, their kernels' trees as torch modules: the mean of a regression, the class
probabilities of a classification."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from sklearn.gaussian_process import _gpc as laplace
from torch import Tensor, nn

from hermesc.frontend.sklearn.head import KernelHead
from hermesc.frontend.sklearn.likelihood import both
from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep, dense


def gaussian_process(e: Any) -> nn.Module:
    """kernel(x, training rows) @ alpha, times the targets' deviation, plus their mean."""
    if not hasattr(e, "X_train_"):
        raise RefusedStep("it is not fitted, and a prior has no training rows")
    kernel = _covariance(e.kernel_, e.X_train_)
    alpha = e.alpha_.reshape(len(e.alpha_), -1)
    return KernelHead(kernel, (alpha * e._y_train_std).T, e._y_train_mean, flat=e.alpha_.ndim == 1)


class Laplace(nn.Module):
    """The probabilities of two classes: a latent mean and variance, squashed.

    Source: Rasmussen and Williams 2006, algorithm 3.2, with the integral as scikit-learn has it.
    """

    def __init__(self, e: Any) -> None:
        super().__init__()
        self.kernel = _covariance(e.kernel_, e.X_train_)
        self._diagonal = _diagonal(e.kernel_)
        weights = (e.y_train_ - e.pi_)[None]
        roots = np.linalg.solve(e.L_, np.diag(e.W_sr_))
        self.mean = EstimatorStep(lambda m, k: F.linear(k, m.weights), weights=weights)
        self.spread = EstimatorStep(lambda m, k: F.linear(k, m.roots), roots=roots)
        self._terms = list(zip(laplace.LAMBDAS.ravel(), laplace.COEFS.ravel(), strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """[rows, 2]; the terms cancel to a thousandth, so they are summed in FP64."""
        k = self.kernel(x)
        mean = self.mean(k).squeeze(1).double()
        variance = (self._diagonal(x) - self.spread(k).square().sum(1)).double()
        alpha = 1 / (2 * variance)
        sums = torch.zeros_like(mean)
        for scale, share in self._terms:
            inner = float(scale) * mean * (alpha / (alpha + float(scale) ** 2)).sqrt()
            whole = (math.pi / alpha).sqrt() / (2 * (variance * 2 * math.pi).sqrt())
            sums = sums + float(share) * (whole * torch.erf(inner) + 0.5)
        return both(sums).to(x.dtype)


def _diagonal(kernel: Any) -> Any:
    """k(x, x) of each row, for a kernel of scikit-learn's."""
    match type(kernel):
        case kernels.Sum | kernels.Product:
            one, two = _diagonal(kernel.k1), _diagonal(kernel.k2)
            join = torch.add if type(kernel) is kernels.Sum else torch.mul
            return lambda x: join(one(x), two(x))
        case kernels.Exponentiation:
            inner, exponent = _diagonal(kernel.kernel), kernel.exponent
            return lambda x: inner(x) ** exponent
        case kernels.DotProduct:
            shift = kernel.sigma_0**2
            return lambda x: x.square().sum(1) + shift
        case kernels.ConstantKernel:
            return lambda x: torch.full_like(x[:, 0], kernel.constant_value)
        case kernels.WhiteKernel:
            return lambda x: torch.full_like(x[:, 0], kernel.noise_level)
    return lambda x: torch.ones_like(x[:, 0])


def _covariance(kernel: Any, points: Any) -> nn.Module:
    """k(x, points) for a kernel of scikit-learn's."""
    match type(kernel):
        case kernels.Sum:
            return _Both(kernel, points, torch.add)
        case kernels.Product:
            return _Both(kernel, points, torch.mul)
        case kernels.Exponentiation:
            return _Powers(_covariance(kernel.kernel, points), kernel.exponent)
        case kernels.ConstantKernel:
            return _constant(kernel.constant_value, len(points))
        case kernels.WhiteKernel:
            return _constant(0.0, len(points))  # between different rows
        case kernels.DotProduct:
            shift = kernel.sigma_0**2
            return EstimatorStep(lambda m, x: F.linear(x, m.points) + shift, points=points)
        case kernels.RBF:
            return _Radial(points, kernel.length_scale, lambda d: torch.exp(-0.5 * d))
        case kernels.RationalQuadratic:
            alpha = kernel.alpha
            return _Radial(points, kernel.length_scale, lambda d: (1 + d / (2 * alpha)) ** -alpha)
        case kernels.Matern:
            return _Radial(points, kernel.length_scale, _matern(kernel.nu))
    raise RefusedStep(
        f"its kernel holds {type(kernel).__name__}; known are sums, products and powers of RBF, "
        "Matern (nu 0.5, 1.5, 2.5, inf), RationalQuadratic, DotProduct, ConstantKernel and "
        "WhiteKernel"
    )


def _constant(value: float, points: int) -> EstimatorStep:
    return EstimatorStep(lambda _, x: torch.full_like(x[:, :1], value).expand(-1, points))


def _matern(nu: float) -> Any:
    """The Matern kernel of a squared distance."""
    if nu == 0.5:
        return lambda d: torch.exp(-d.sqrt())
    if nu == math.inf:
        return lambda d: torch.exp(-0.5 * d)
    if nu == 1.5:
        return lambda d: (1 + (3 * d).sqrt()) * torch.exp(-(3 * d).sqrt())
    if nu == 2.5:
        return lambda d: (1 + (5 * d).sqrt() + 5 * d / 3) * torch.exp(-(5 * d).sqrt())
    raise RefusedStep(f"its Matern kernel has nu={nu:g}; known are 0.5, 1.5, 2.5 and inf")


class _Both(nn.Module):
    def __init__(self, kernel: Any, points: Any, join: Any) -> None:
        super().__init__()
        self.k1, self.k2 = _covariance(kernel.k1, points), _covariance(kernel.k2, points)
        self._join = join

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self._join(self.k1(x), self.k2(x))
        return result


class _Powers(nn.Module):
    def __init__(self, kernel: nn.Module, exponent: float) -> None:
        super().__init__()
        self.kernel, self._exponent = kernel, exponent

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.kernel(x) ** self._exponent
        return result


class _Radial(nn.Module):
    """A function of the squared distance in units of the length scales, from one product."""

    def __init__(self, points: Any, length_scale: Any, function: Any) -> None:
        super().__init__()
        scale = np.broadcast_to(np.asarray(length_scale, dtype=np.float64), (points.shape[1],))
        scaled = dense(points) / dense(scale)
        self.scale: Tensor
        self.points: Tensor
        self.squares: Tensor
        self.register_buffer("scale", dense(scale))
        self.register_buffer("points", scaled)
        self.register_buffer("squares", scaled.square().sum(1))
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        x = x / self.scale
        squares = x.square().sum(1, keepdim=True) + self.squares
        distance = (squares - 2 * F.linear(x, self.points)).clamp(min=0)
        result: Tensor = self._function(distance)
        return result


PROCESSES = {GaussianProcessRegressor.predict: gaussian_process}
CLASS_PROCESSES = {laplace._BinaryGaussianProcessClassifierLaplace.predict_proba: Laplace}
