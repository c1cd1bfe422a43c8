"""The graph's own check: round-off is told, a wrong graph is refused."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.errors import InternalError, ModelError


class Cancelling(nn.Module):
    """Large products of opposite sign, whose order of sums torch.export does not keep."""

    def __init__(self) -> None:
        super().__init__()
        weight = 1e6 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        self.weight, self.same = nn.Parameter(weight), nn.Parameter(weight.clone())

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight - (x.flip(1) @ self.same.flip(0))) + x[:, :4] * 1e-3


@pytest.mark.parametrize("nu", [0.01, 0.02, 0.05])
def test_a_linear_svm_of_one_class_compiles(nu: float) -> None:
    svm = pytest.importorskip("sklearn.svm")
    x = np.random.default_rng(0).standard_normal((120, 6))
    model = svm.OneClassSVM(kernel="linear", nu=nu).fit(x)
    program = hermesc.compile(model, x)
    assert any("large coefficients cancel" in n for n in program.artifact.manifest.notes)


def test_a_nystroem_of_100_components_in_fp32_compiles() -> None:
    pytest.importorskip("sklearn")
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    draw = np.random.default_rng(0)
    x = draw.standard_normal((200, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    model = make_pipeline(Nystroem(gamma=0.01, n_components=100, random_state=0), RidgeClassifier())
    hermesc.compile(model.fit(x, y), x)


def test_outputs_that_cancel_are_told_and_are_no_bug() -> None:
    program = hermesc.compile(Cancelling(), torch.randn(16, 8))
    assert program.artifact.manifest.matrices


def test_a_model_that_is_no_function_of_its_inputs_is_refused() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.calls = nn.Linear(4, 4), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return self.layer(x) * self.calls

    with pytest.raises(InternalError, match="not a function of its inputs"):
        hermesc.compile(Counts(), torch.randn(4, 4))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_far_from_zero_are_no_bug_and_the_advice_is_to_centre_them(kind: type) -> None:
    pytest.importorskip("sklearn")
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    x = (np.random.default_rng(0).standard_normal((200, 4)) + 1e9).astype(kind)
    y = (x[:, 0] > x[:, 0].mean()).astype(int)
    model = make_pipeline(Nystroem(gamma=0.01, n_components=20, random_state=0), RidgeClassifier())
    try:
        notes = " ".join(hermesc.compile(model.fit(x, y), x).artifact.manifest.notes)
    except ModelError as error:
        notes = str(error)
    assert "bug" not in notes
    assert "regularise" not in notes
