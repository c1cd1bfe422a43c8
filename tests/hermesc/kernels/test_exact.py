"""Kernels against their definitions."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from hermesc.kernels import ArcCosine, Kernel, Laplacian, Ntk, Polynomial, Rbf, Softmax
from hermesrt.errors import OptionError


def rows(count: int, inputs: int, seed: int) -> Tensor:
    return torch.randn(count, inputs, generator=torch.Generator().manual_seed(seed))


def test_rbf_is_one_on_the_diagonal_and_falls_with_the_distance() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    found = Rbf(gamma=0.02).exact(x, x)
    wanted = [1, math.exp(-0.5), math.exp(-0.5), 1]
    assert found.flatten().tolist() == pytest.approx(wanted, rel=1e-6)


def test_laplacian_takes_the_sum_of_absolute_differences() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, -4.0]])
    assert Laplacian(gamma=0.1).exact(x, x)[0, 1].item() == pytest.approx(math.exp(-0.7), rel=1e-6)


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        (0, [1, 0.5, 0, 0.75]),
        (1, [1, 2 / math.pi, 0, (1 + 0.75 * math.pi) / math.pi]),
        (2, [3, 4 * 0.5, 0, 2 * (1.5 + 0.75 * math.pi * 2) / math.pi]),
    ],
)
def test_arc_cosine_follows_the_angle_and_the_lengths(order: int, wanted: list[float]) -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0]])
    found = ArcCosine(order).exact(x[:1], x)[0]
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)


def test_arc_cosine_takes_a_row_of_zeros_as_orthogonal() -> None:
    assert ArcCosine(0).exact(torch.zeros(1, 3), torch.ones(1, 3)).item() == pytest.approx(0.5)
    assert ArcCosine(1).exact(torch.zeros(1, 3), torch.ones(1, 3)).item() == 0


def test_the_polynomial_and_the_softmax_kernel_are_functions_of_the_product() -> None:
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]])
    assert Polynomial(3, gamma=2.0, bias=0.5).exact(x, y).item() == pytest.approx(2.5**3)
    assert Softmax(scale=0.25).exact(x, y).item() == pytest.approx(math.exp(0.25))


@pytest.mark.parametrize("depth", [1, 2])
def test_the_ntk_is_that_of_a_wide_network(depth: int) -> None:
    width, x = 4096, rows(6, 5, seed=0)
    torch.manual_seed(depth)
    sizes = [5, *[width] * depth, 1]
    weights = [torch.randn(a, b).requires_grad_() for a, b in pairwise(sizes)]
    gradients = []
    for row in x:
        signal = row
        for number, weight in enumerate(weights):
            last = number == depth
            signal = signal @ weight / math.sqrt(1 if number == 0 else weight.shape[0])
            signal = signal if last else math.sqrt(2) * signal.relu()
        gradients.append([g.flatten() for g in torch.autograd.grad(signal.sum(), weights)])
    found = sum(torch.stack(part) @ torch.stack(part).T for part in zip(*gradients, strict=True))
    wanted = Ntk(depth).exact(x, x)
    assert (found - wanted).norm() / wanted.norm() < 0.08


@pytest.mark.parametrize(
    "kernel",
    [Rbf(0.3), ArcCosine(0), ArcCosine(1), ArcCosine(2), Polynomial(2), Softmax(0.5), Ntk(2)],
    ids=str,
)
def test_the_form_by_products_is_the_same_kernel(kernel: Kernel) -> None:
    assert not isinstance(kernel, Laplacian)
    x, y = rows(7, 4, seed=1).double(), rows(5, 4, seed=2).double()
    squares = x.square().sum(-1, keepdim=True), y.square().sum(-1)
    assert torch.allclose(kernel.of_products(x @ y.T, *squares), kernel.exact(x, y), rtol=1e-9)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rbf(0.0), "RBF kernel's gamma is 0.0; it must be above 0"),
        (lambda: Rbf(math.nan), "must be above 0"),
        (lambda: Rbf(math.inf), "must be above 0"),
        (lambda: Laplacian(-1.0), "Laplacian kernel's gamma is -1.0"),
        (lambda: ArcCosine(3), "order is 3; it is 0, 1 or 2"),
        (lambda: Polynomial(0), "degree is 0; it must be 1 or more"),
        (lambda: Polynomial(2, bias=-1.0), "bias is -1.0; it must be 0 or more"),
        (lambda: Softmax(form="cubic"), "form is 'cubic'; it is one of positive, hyperbolic"),  # type: ignore[arg-type]
        (lambda: Ntk(0), "depth is 0; it must be 1 hidden layer or more"),
    ],
)
def test_a_kernel_that_does_not_exist_is_refused(make: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()  # type: ignore[operator]


def test_relu_features_are_what_a_relu_layer_computes() -> None:
    layer, x = nn.Linear(4, 10, bias=False), rows(3, 4, seed=0)
    found = ArcCosine(1).features(x @ layer.weight.T)
    assert torch.allclose(found, layer(x).relu() * math.sqrt(0.2))


def test_a_projection_of_zero_is_no_feature_of_arc_cosine_0() -> None:
    z = ArcCosine(0).features(torch.tensor([0.0, 1.0, -1.0, 2.0]))
    assert z.tolist() == pytest.approx([0, math.sqrt(0.5), 0, math.sqrt(0.5)])
