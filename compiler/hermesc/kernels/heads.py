"""Heads on features: ridge regression and classification, linear SVM, Gaussian process.

Each is trained at once, in closed form or by scikit-learn, and is then an ordinary module with
fixed matrices.
"""

import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hermesc.kernels.options import check_positive, import_optional
from hermesrt.errors import InputError


def fit_ridge(
    features: Float[Tensor, "rows columns"],
    targets: Float[Tensor, " rows"] | Float[Tensor, "rows outputs"] | None,
    ridge: float = 1.0,
) -> nn.Linear:
    """Ridge regression with an intercept that is not penalised.

    Raises: InputError when targets are missing or do not fit; OptionError for a ridge that is not
    positive.
    """
    check_positive(ridge, "ridge")
    wanted = _targets(features, targets).double()
    z = features.double()
    mean_z, mean_t = z.mean(0), wanted.mean(0)
    gram = (z - mean_z).T @ (z - mean_z)
    gram.diagonal().add_(ridge)
    weight = torch.cholesky_solve((z - mean_z).T @ (wanted - mean_t), torch.linalg.cholesky(gram))
    return _linear(weight.T, mean_t - mean_z @ weight)


def fit_ridge_classifier(
    features: Float[Tensor, "rows columns"],
    labels: Int[Tensor, " rows"] | None,
    ridge: float = 1.0,
) -> nn.Linear:
    """Ridge regression on one-hot labels 0 to k-1; the class is the largest output.

    Raises: InputError when labels are missing, do not fit or are not 0 to k-1.
    """
    return fit_ridge(features, nn.functional.one_hot(_labels(features, labels)).float(), ridge)


def fit_svm(
    features: Float[Tensor, "rows columns"],
    labels: Int[Tensor, " rows"] | None,
    penalty: float = 1.0,
) -> nn.Linear:
    """A linear support vector machine by scikit-learn (LinearSVC, one against all); an output for
    each class.

    Raises: InputError as `fit_ridge_classifier`, and when scikit-learn is not installed or does not
    converge.
    """
    check_positive(penalty, "penalty")
    found = _labels(features, labels)
    svm = import_optional("sklearn.svm", "fit_svm")
    problems = import_optional("sklearn.exceptions", "fit_svm")
    machine = svm.LinearSVC(C=penalty, dual=False, tol=1e-6, max_iter=5000)
    with warnings.catch_warnings():
        warnings.simplefilter("error", problems.ConvergenceWarning)
        try:
            machine.fit(features.double().numpy(), found.numpy())
        except problems.ConvergenceWarning:
            raise InputError(
                f"fit_svm did not converge at the penalty {penalty:g}; scale the features or take "
                "a smaller one"
            ) from None
    weight = torch.from_numpy(machine.coef_)
    bias = torch.from_numpy(machine.intercept_)
    if len(weight) == 1:  # two classes have one plane
        weight, bias = torch.cat([-weight, weight]), torch.cat([-bias, bias])
    return _linear(weight, bias)


class GaussianProcess(nn.Module):
    """The posterior of a Gaussian process whose kernel is the product of features.

    Gives mean and variance of the function without noise. Both are products with fixed matrices:
    the mean's weights, and a root of the posterior covariance whose image is squared and summed.
    """

    weight: Tensor
    root: Tensor

    def __init__(
        self, weight: Float[Tensor, "columns outputs"], root: Float[Tensor, "columns columns"]
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("root", root)

    def forward(
        self, features: Float[Tensor, "*rows columns"]
    ) -> tuple[Float[Tensor, "*rows outputs"], Float[Tensor, "*rows 1"]]:
        spread = (features @ self.root).square().sum(-1, keepdim=True)
        return features @ self.weight, spread


def fit_gaussian_process(
    features: Float[Tensor, "rows columns"],
    targets: Float[Tensor, " rows"] | Float[Tensor, "rows outputs"] | None,
    noise: float = 0.1,
) -> GaussianProcess:
    """Gaussian-process regression with the prior kernel z z' and observation noise of that
    standard deviation, in the space of the features.

    Raises: InputError when targets are missing or do not fit; OptionError for a noise that is not
    positive. Source: Rasmussen and Williams 2006, equations 2.8 and 2.9.
    """
    check_positive(noise, "noise")
    wanted = _targets(features, targets).double()
    z = features.double()
    precision = z.T @ z / noise**2
    precision.diagonal().add_(1.0)
    factor = torch.linalg.cholesky(precision)
    weight = torch.cholesky_solve(z.T @ wanted / noise**2, factor)
    identity = torch.eye(len(factor), dtype=factor.dtype)
    root = torch.linalg.solve_triangular(factor, identity, upper=False).T
    return GaussianProcess(weight.float(), root.float().contiguous())


def _targets(features: Tensor, targets: Tensor | None) -> Float[Tensor, "rows outputs"]:
    _check_rows(features, targets, "targets")
    assert targets is not None
    return targets[:, None] if targets.ndim == 1 else targets


def _labels(features: Tensor, labels: Tensor | None) -> Int[Tensor, " rows"]:
    _check_rows(features, labels, "labels")
    assert labels is not None
    whole = labels.ndim == 1 and not labels.is_floating_point() and not labels.is_complex()
    found = torch.unique(labels)
    if not whole or len(found) < 2 or not torch.equal(found, torch.arange(len(found))):
        shown = ", ".join(str(v) for v in found[:6].tolist())
        raise InputError(
            f"labels are {labels.dtype} of the shape {tuple(labels.shape)} with the values "
            f"{shown}; they must be the whole numbers 0 to k-1, one for each row, of two classes "
            "or more: torch.unique(labels, return_inverse=True) gives them"
        )
    return labels.long()


def _check_rows(features: Tensor, given: Tensor | None, what: str) -> None:
    if given is None:
        raise InputError(f"{what} are missing; a head needs one for each row of features")
    if features.ndim != 2 or len(features) == 0 or not 1 <= given.ndim <= 2:
        raise InputError(
            f"features have the shape {tuple(features.shape)} and {what} {tuple(given.shape)}; "
            "they must be rows by columns, and one for each row"
        )
    if len(features) != len(given):
        raise InputError(f"there are {len(features)} rows of features and {len(given)} {what}")


def _linear(weight: Float[Tensor, "outputs columns"], bias: Float[Tensor, " outputs"]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer.requires_grad_(False)
