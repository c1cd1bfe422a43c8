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
