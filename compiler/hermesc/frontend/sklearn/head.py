"""Predictors: linear, kernel and multi-layer heads, each with scikit-learn's own output shape."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeCV,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC, SVR, LinearSVR, NuSVC, NuSVR, OneClassSVM
from torch import Tensor, nn

from hermesc.frontend.sklearn.kernel import KernelToPoints
from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep, chain

_ACTIVATIONS: dict[str, Any] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "relu": torch.relu,
    "tanh": torch.tanh,
}
_OUTPUTS: dict[str, Any] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "softmax": lambda x: x.softmax(1),
    "exp": torch.exp,
}


def linear_classifier(e: Any) -> EstimatorStep:
    """x @ coef.T + intercept; of two classes one column, which is left out of the shape."""
    return _linear(e.coef_, e.intercept_, flat=e.coef_.ndim == 1 or e.coef_.shape[0] == 1)


def linear_regressor(e: Any) -> EstimatorStep:
    """x @ coef.T + intercept; one target has no column of its own."""
    return _linear(e.coef_, e.intercept_, flat=e.coef_.ndim == 1)


def _linear(coef: Any, intercept: Any, *, flat: bool) -> EstimatorStep:
    coef = np.atleast_2d(coef.toarray() if hasattr(coef, "toarray") else coef)
    bias = np.broadcast_to(np.ravel(intercept), (coef.shape[0],))

    def forward(m: Any, x: Tensor) -> Tensor:
        y = F.linear(x, m.coef_, getattr(m, "intercept_", None))
        return y.squeeze(1) if flat else y

    return EstimatorStep(forward, coef_=coef, intercept_=bias if bias.any() else None)


class KernelHead(nn.Module):
    """kernel(x, points) @ coefficients.T + intercept."""

    def __init__(self, kernel: nn.Module, coef: Any, intercept: Any, *, flat: bool) -> None:
        super().__init__()
        self.kernel = kernel
        self.dual = _linear(coef, intercept, flat=flat)

    def forward(self, x: Tensor) -> Tensor:
        """The decision values of some rows."""
        result: Tensor = self.dual(self.kernel(x))
        return result


class OneAgainstRest(nn.Module):
    """A value for each class from those of all pairs: votes, and confidences to break ties."""

    def __init__(self, pairs: nn.Module, classes: int) -> None:
        super().__init__()
        self.pairs = pairs
        index = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
        signs = torch.zeros(len(index), classes, dtype=torch.float64)
        for k, (i, j) in enumerate(index):
            signs[k, i], signs[k, j] = 1.0, -1.0
        self.signs: Tensor
        self.register_buffer("signs", signs)

    def forward(self, x: Tensor) -> Tensor:
        """[rows, classes]; written without a product, for votes are no work for a crossbar."""
        pairs = self.pairs(x).unsqueeze(2)
        confidence = (pairs * self.signs).sum(1)
        votes = torch.where(pairs < 0, self.signs < 0, self.signs > 0).to(pairs.dtype).sum(1)
        result: Tensor = votes + confidence / (3 * (confidence.abs() + 1))
        return result


def partial_least_squares(e: Any) -> EstimatorStep:
    """(x - mean) @ coef.T + intercept."""

    def forward(m: Any, x: Tensor) -> Tensor:
        y = F.linear(x - m.mean, m.coef_, m.intercept_)
        return y.flatten() if e._predict_1d else y

    intercept = np.broadcast_to(np.ravel(e.intercept_), (e.coef_.shape[0],))
    return EstimatorStep(forward, mean=e._x_mean, coef_=e.coef_, intercept_=intercept)


def generalized_linear(e: Any) -> nn.Module:
    """The exponential of a linear regression, or that itself."""
    link = type(e._base_loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise RefusedStep(f"its link is {link}; known are IdentityLink and LogLink")
    linear = linear_regressor(e)
    if link == "IdentityLink":
        return linear
    return chain([("linear", linear), ("exp", EstimatorStep(lambda _, y: y.exp()))])


def support_vector_classifier(e: Any) -> nn.Module:
    """Sums over support vectors, one for each pair of classes."""
    kernel = _svm_kernel(e)
    count = len(e.classes_)
    if count > 2 and e.decision_function_shape == "ovo":
        raise RefusedStep(
            "decision_function_shape='ovo' says pairs of classes, not classes; fit with 'ovr'"
        )
    if count == 2:
        return KernelHead(kernel, e.dual_coef_, e.intercept_, flat=True)
    pairs = KernelHead(kernel, _pairwise(e), e.intercept_, flat=False)
    return OneAgainstRest(pairs, count)


def support_vector_regressor(e: Any) -> nn.Module:
    """A sum over support vectors; also of the one-class machine."""
    return KernelHead(_svm_kernel(e), e.dual_coef_, e.intercept_, flat=True)


def _svm_kernel(e: Any) -> KernelToPoints:
    parameters = {"gamma": e._gamma, "degree": e.degree, "coef0": e.coef0}
    return KernelToPoints(e.kernel, e.support_vectors_, parameters, "support_vectors_")


def _pairwise(e: Any) -> NDArray[np.float64]:
    """[pairs, support vectors]: libsvm keeps, for the vectors of class i, a row for each other."""
    dual = e.dual_coef_.toarray() if hasattr(e.dual_coef_, "toarray") else e.dual_coef_
    ends = np.cumsum(e.n_support_)
    spans = [slice(end - size, end) for size, end in zip(e.n_support_, ends, strict=True)]
    rows = []
    for i in range(len(spans)):
        for j in range(i + 1, len(spans)):
            row = np.zeros(dual.shape[1])
            row[spans[i]], row[spans[j]] = dual[j - 1, spans[i]], dual[i, spans[j]]
            rows.append(row)
    return np.array(rows)


def kernel_ridge(e: Any) -> nn.Module:
    """kernel(x, training rows) @ dual coefficients."""
    if callable(e.kernel):
        raise RefusedStep("its kernel is a function of your own")
    parameters = {"gamma": e.gamma, "degree": e.degree, "coef0": e.coef0}
    kernel = KernelToPoints(e.kernel, e.X_fit_, parameters, "X_fit_")
    return KernelHead(kernel, e.dual_coef_.T, 0.0, flat=e.dual_coef_.ndim == 1)


class Perceptrons(nn.Module):
    """Layers of a multi-layer perceptron."""

    def __init__(self, e: Any, *, flat: bool) -> None:
        super().__init__()
        layers = [_linear(c.T, b, flat=False) for c, b in zip(e.coefs_, e.intercepts_, strict=True)]
        self.layers = nn.ModuleList(layers)
        self._hidden, self._last = _ACTIVATIONS[e.activation], _OUTPUTS[e.out_activation_]
        self._flat = flat

    def forward(self, x: Tensor) -> Tensor:
        """Values of the last layer, through its own function."""
        for layer in self.layers[:-1]:
            x = self._hidden(layer(x))
        y: Tensor = self._last(self.layers[-1](x))
        return y.squeeze(1) if self._flat else y


def perceptron_classifier(e: Any) -> nn.Module:
    """Class probabilities; of two classes both."""
    layers = Perceptrons(e, flat=False)
    if e.out_activation_ == "logistic" and e.n_outputs_ == 1:
        return chain(
            [("layers", layers), ("both", EstimatorStep(lambda _, p: torch.cat([1 - p, p], 1)))]
        )
    return layers


def perceptron_regressor(e: Any) -> nn.Module:
    """Predicted targets."""
    return Perceptrons(e, flat=e.n_outputs_ == 1)


DECISIONS = {
    LogisticRegression.decision_function: linear_classifier,  # of every linear classifier
    LinearDiscriminantAnalysis.decision_function: linear_classifier,
    SVC.decision_function: support_vector_classifier,
    NuSVC.decision_function: support_vector_classifier,
    OneClassSVM.decision_function: support_vector_regressor,
}
PREDICTIONS = {
    **{
        kind.predict: linear_regressor
        for kind in (
            LinearRegression,
            Ridge,
            RidgeCV,
            Lasso,
            ElasticNet,
            BayesianRidge,
            ARDRegression,
            HuberRegressor,
            LinearSVR,
            SGDRegressor,
            LassoCV,
            ElasticNetCV,
            TheilSenRegressor,
        )
    },
    **{kind.predict: partial_least_squares for kind in (PLSRegression, PLSCanonical, CCA)},
    **{
        kind.predict: generalized_linear
        for kind in (PoissonRegressor, GammaRegressor, TweedieRegressor)
    },
    SVR.predict: support_vector_regressor,
    NuSVR.predict: support_vector_regressor,
    KernelRidge.predict: kernel_ridge,
    MLPRegressor.predict: perceptron_regressor,
}
PROBABILITIES = {MLPClassifier.predict_proba: perceptron_classifier}
