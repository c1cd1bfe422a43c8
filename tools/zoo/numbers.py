"""Models of tables of numbers: gpytorch's predictive means, and skl2onnx's exports."""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from zoo.case import Case, Row


class Mean(nn.Module):
    """The predictive mean of a Gaussian process."""

    def __init__(self, process: Any) -> None:
        super().__init__()
        self.process = process

    def forward(self, x: Tensor) -> Tensor:
        """[rows]."""
        result: Tensor = self.process(x).mean
        return result


def _exact(kernel: str) -> Row:
    def make() -> Case:
        g = importlib.import_module("gpytorch")
        x = torch.rand(40, 4)
        y = torch.sin(3 * x.sum(1))

        class Process(g.models.ExactGP):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__(x, y, g.likelihoods.GaussianLikelihood())
                self.mean_module = g.means.ConstantMean()
                self.covar_module = g.kernels.ScaleKernel(getattr(g.kernels, kernel)())

            def forward(self, x: Tensor) -> Any:
                return g.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

        return Case(Mean(Process().eval()), (torch.rand(5, 4),), (torch.rand(9, 4),))

    return Row("gpytorch", f"ExactGP {kernel}", make)


def _variational() -> Case:
    g = importlib.import_module("gpytorch")

    class Process(g.models.ApproximateGP):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            points = torch.rand(16, 4)
            spread = g.variational.CholeskyVariationalDistribution(16)
            super().__init__(g.variational.VariationalStrategy(self, points, spread))
            self.mean_module = g.means.ConstantMean()
            self.covar_module = g.kernels.ScaleKernel(g.kernels.RBFKernel())

        def forward(self, x: Tensor) -> Any:
            return g.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    made = Process()
    made.variational_strategy._variational_distribution.variational_mean.data.normal_()
    made.variational_strategy.variational_params_initialized.fill_(1)
    return Case(Mean(made.eval()), (torch.rand(5, 4),), (torch.rand(9, 4),))


def _kernel() -> Case:
    g = importlib.import_module("gpytorch")

    class Kernel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = g.kernels.ScaleKernel(g.kernels.RFFKernel(num_samples=32, num_dims=4))
            self.register_buffer("points", torch.rand(20, 4))

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.kernel(x, self.points).to_dense()
            return found

    return Case(Kernel().eval(), (torch.rand(5, 4),), (torch.rand(9, 4),))


def _exported(name: str, make: Any, *, labels: bool = True, options: Any = None) -> Row:
    def case() -> Case:
        convert = importlib.import_module("skl2onnx")
        types = importlib.import_module("skl2onnx.common.data_types")
        draw = np.random.default_rng(0)
        x = draw.normal(size=(80, 5)).astype(np.float32)
        y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5) if labels else x.sum(1)
        fitted = make().fit(x, y)
        start = [("x", types.FloatTensorType([None, 5]))]
        found = (
            {type(fitted): {"zipmap": False}} if labels and hasattr(fitted, "classes_") else None
        )
        proto = convert.convert_sklearn(fitted, initial_types=start, options=options or found)
        rows = [torch.from_numpy(draw.normal(size=(n, 5)).astype(np.float32)) for n in (6, 11)]
        return Case(proto, (rows[0],), (rows[1],))

    return Row("skl2onnx", name, case)


def _sklearn(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"sklearn.{module}"), name)


def _exports() -> Iterator[Row]:
    def one(path: str, *, labels: bool = True, **options: Any) -> Row:
        return _exported(path.rpartition(".")[2], lambda: _sklearn(path)(**options), labels=labels)

    def scaled(path: str, *, labels: bool = True, **options: Any) -> Row:
        def make() -> Any:
            scaler = _sklearn("preprocessing.StandardScaler")()
            return _sklearn("pipeline.Pipeline")([("s", scaler), ("m", _sklearn(path)(**options))])

        return _exported(f"StandardScaler, {path.rpartition('.')[2]}", make, labels=labels)

    yield one("linear_model.LogisticRegression")
    yield scaled("svm.SVC")
    yield scaled("svm.SVR", labels=False)
    yield one("gaussian_process.GaussianProcessRegressor", labels=False)
    yield one("gaussian_process.GaussianProcessClassifier")
    yield one("decomposition.KernelPCA", n_components=3, kernel="rbf")
    yield one("decomposition.PCA", n_components=3)
    yield one("neural_network.MLPClassifier", hidden_layer_sizes=(16,), max_iter=20)
    yield one("ensemble.RandomForestClassifier", n_estimators=5)
    yield one("ensemble.RandomForestRegressor", n_estimators=5, labels=False)
    yield one("ensemble.GradientBoostingClassifier", n_estimators=5)
    yield one("ensemble.GradientBoostingRegressor", n_estimators=5, labels=False)
    yield one("ensemble.HistGradientBoostingRegressor", max_iter=5, labels=False)
    yield one("tree.DecisionTreeClassifier")
    yield one("ensemble.AdaBoostClassifier", n_estimators=3)
    yield one("ensemble.IsolationForest", n_estimators=5, labels=False)
    yield one("neighbors.KNeighborsClassifier")
    yield one("neighbors.KNeighborsRegressor", labels=False)
    yield one("neighbors.RadiusNeighborsRegressor", radius=5.0, labels=False)
    yield one("naive_bayes.GaussianNB")
    yield one("discriminant_analysis.LinearDiscriminantAnalysis")
    yield one("discriminant_analysis.QuadraticDiscriminantAnalysis")
    yield one("cross_decomposition.PLSRegression", n_components=2, labels=False)
    yield (
        one("linear_model.PoissonRegressor", labels=False)
        if False
        else one("linear_model.Ridge", labels=False)
    )
    yield one("cluster.KMeans", n_clusters=4, labels=False)
    yield one("mixture.GaussianMixture", n_components=3, labels=False)
    yield one("preprocessing.KBinsDiscretizer", labels=False)
    yield one("preprocessing.QuantileTransformer", n_quantiles=20, labels=False)
    yield one("preprocessing.PolynomialFeatures", labels=False)
    yield one("preprocessing.PowerTransformer", labels=False)
    yield one("kernel_approximation.Nystroem", n_components=10, labels=False)


def rows() -> Iterator[Row]:
    """All of them."""
    yield from (_exact(k) for k in ("RBFKernel", "MaternKernel", "RQKernel", "LinearKernel"))
    yield Row("gpytorch", "ApproximateGP", _variational)
    yield Row("gpytorch", "RFFKernel", _kernel)
    yield from _exports()
