"""Models that torch.export does not read as they are meant: one clear sentence."""

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.errors import ModelError


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.layer(x).float()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "make", [lambda m, x: torch.jit.trace(m, x), lambda m, _: torch.jit.script(m)]
)
def test_a_jit_model_is_refused(make) -> None:  # type: ignore[no-untyped-def]
    x = torch.randn(4, 8)
    with pytest.raises(ModelError, match=r"torch\.jit one .* the nn\.Module that it was made from"):
        hermesc.compile(make(nn.Linear(8, 4), x), x)


def test_autocast_in_the_model_keeps_its_dtype_on_the_host() -> None:
    model, x = Mixed().eval(), torch.randn(4, 8)
    chip = hermesc.compile(model, x).deploy(hermesc.simulate()).configure(ideal=True)
    with torch.no_grad():
        torch.testing.assert_close(chip(x), model(x), rtol=2e-2, atol=2e-2)


def test_autocast_around_the_compiler_is_refused() -> None:
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(ModelError, match=r"torch\.autocast is on"),
    ):
        hermesc.compile(nn.Linear(8, 4), torch.randn(4, 8))


class Ensemble(nn.Module):
    """Four layers as torch.vmap calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 8, 6))

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda w: torch.tanh(x @ w))(self.w).mean(0)


def test_what_vmap_calls_is_captured() -> None:
    torch.manual_seed(0)
    model = Ensemble().eval()
    program = hermesc.compile(model, torch.randn(4, 8))
    assert program.artifact.mvms
    chip, x = program.deploy(hermesc.simulate()).configure(ideal=True), torch.randn(5, 8)
    with torch.no_grad():
        torch.testing.assert_close(chip(x), model(x))


class TrainedForInt8(nn.Module):
    """Fake quantisation of an input, of activations with learned scales, and of a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 6), nn.Linear(6, 4)
        self.register_buffer("scale", torch.tensor([0.02]))
        self.register_buffer("zero", torch.tensor([3], dtype=torch.int32))
        self.register_buffer("scales", torch.tensor([0.01, 0.02, 0.015, 0.012]))
        self.register_buffer("zeros", torch.zeros(4, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, 0.05, 0, -128, 127)
        y = torch.fake_quantize_per_tensor_affine(self.a(x), self.scale, self.zero, 0, 255)
        given = self.b.weight, self.scales, self.zeros, 0, -128, 127
        weight = torch.fake_quantize_per_channel_affine(*given)
        return nn.functional.linear(y.relu(), weight, self.b.bias)


def test_a_model_that_was_trained_for_int8_compiles() -> None:
    torch.manual_seed(0)
    model, x = TrainedForInt8().eval(), torch.randn(4, 8)
    program = hermesc.compile(model, x)
    assert len(program.artifact.mvms) == 2
    chip = program.deploy(hermesc.simulate()).configure(ideal=True)
    with torch.no_grad():
        torch.testing.assert_close(chip(x), model(x))
