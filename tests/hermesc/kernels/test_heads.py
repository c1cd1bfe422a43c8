"""Heads against scikit-learn and against the formulas in the space of the kernel."""

from typing import Any

import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from hermesc.kernels import (
    Rbf,
    feature_map,
    fit_gaussian_process,
    fit_ridge,
    fit_ridge_classifier,
    fit_svm,
)
from hermesrt.errors import InputError, OptionError


@pytest.fixture(scope="module")
def z() -> Tensor:
    return torch.randn(120, 7, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def labels(z: Tensor) -> Tensor:
    """Three classes, not quite linear."""
    return torch.stack([z[:, 0], z[:, 1] + 0.3, z[:, 2] * z[:, 3]]).argmax(0)


def test_ridge_is_that_of_scikit_learn(z: Tensor) -> None:
    targets = z @ torch.ones(7, 2) + z.square()[:, :2]
    head = fit_ridge(z, targets, ridge=2.0)
    wanted = Ridge(alpha=2.0).fit(z.double().numpy(), targets.double().numpy())
    assert torch.allclose(head.weight, torch.from_numpy(wanted.coef_).float(), atol=1e-5)
    assert torch.allclose(head.bias, torch.from_numpy(wanted.intercept_).float(), atol=1e-5)
    assert fit_ridge(z, targets[:, 0], ridge=2.0)(z).shape == (120, 1)


def test_the_ridge_classifier_decides_as_that_of_scikit_learn(z: Tensor, labels: Tensor) -> None:
    head = fit_ridge_classifier(z, labels, ridge=0.5)
    wanted = RidgeClassifier(alpha=0.5).fit(z.numpy(), labels.numpy()).predict(z.numpy())
    assert head(z).argmax(1).tolist() == wanted.tolist()


@pytest.mark.parametrize("classes", [2, 3])
def test_the_svm_decides_as_that_of_scikit_learn(z: Tensor, labels: Tensor, classes: int) -> None:
    labels = labels.clamp(max=classes - 1)
    head = fit_svm(z, labels, penalty=0.3)
    assert head.out_features == classes
    machine = LinearSVC(C=0.3, dual=False, tol=1e-6).fit(z.numpy(), labels.numpy())
    assert head(z).argmax(1).tolist() == machine.predict(z.numpy()).tolist()


def test_the_gaussian_process_is_that_of_its_kernel(z: Tensor) -> None:
    phi = feature_map(Rbf(0.1), 7, 600, "sobol", seed=0)
    x, new, targets = z[:80], z[80:], z[:80].sin().sum(1)
    process = fit_gaussian_process(phi(x), targets, noise=0.2)
    mean, variance = process(phi(new))

    def posterior(kernel: Any) -> tuple[Tensor, Tensor]:
        inner = kernel(x, x).double() + 0.04 * torch.eye(80)
        side = kernel(new, x).double()
        gain = torch.linalg.solve(inner, side.T).T
        return gain @ targets.double(), kernel(new, new).double().diagonal() - (gain * side).sum(1)

    wanted_mean, wanted_variance = posterior(phi.estimate)
    assert torch.allclose(mean[:, 0].double(), wanted_mean, atol=1e-3)
    assert torch.allclose(variance[:, 0].double(), wanted_variance, atol=1e-3)
    exact_mean, exact_variance = posterior(phi.exact)
    assert (mean[:, 0] - exact_mean).abs().mean() < 0.1
    assert (variance[:, 0] - exact_variance).abs().mean() < 0.05


def test_a_head_is_an_ordinary_module_after_a_map(z: Tensor, labels: Tensor) -> None:
    phi = feature_map(Rbf(0.1), 7, 300, "orf", seed=0)
    model = nn.Sequential(phi, fit_ridge_classifier(phi(z), labels, ridge=0.1))
    assert (model(z).argmax(1) == labels).float().mean() > 0.95
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("fit", [fit_ridge_classifier, fit_svm])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels are missing"),
        (torch.zeros(5).long(), "120 rows of features and 5 labels"),
        (torch.zeros(120).long(), "the whole numbers 0 to k-1"),
        (torch.ones(120).long() * 2, "with the values 2"),
        (torch.arange(120) / 2, "labels are torch.float32"),
        (torch.zeros(120, 2).long(), r"of the shape \(120, 2\)"),
    ],
)
def test_labels_that_do_not_serve_are_told(
    fit: Any, labels: Tensor | None, message: str, z: Tensor
) -> None:
    with pytest.raises(InputError, match=message):
        fit(z, labels)


@pytest.mark.usefixtures("unchecked_types")
def test_targets_and_strengths_that_do_not_serve_are_told(z: Tensor) -> None:
    with pytest.raises(InputError, match="targets are missing"):
        fit_ridge(z, None)
    with pytest.raises(InputError, match="targets are missing"):
        fit_gaussian_process(z, None)
    with pytest.raises(InputError, match="rows by columns"):
        fit_ridge(z[0], z[0])
    with pytest.raises(OptionError, match=r"ridge is 0\.0; it must be above 0"):
        fit_ridge(z, z[:, 0], ridge=0.0)
    with pytest.raises(OptionError, match=r"noise is -1\.0"):
        fit_gaussian_process(z, z[:, 0], noise=-1.0)
    with pytest.raises(OptionError, match="penalty is 0"):
        fit_svm(z, z[:, 0].long(), penalty=0)
