"""A small compiled model that several tests run."""

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.program import Program


class Features(nn.Module):
    """A random-feature classifier: two products with cos and sin between."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.register_buffer("omega", torch.randn(16, 40, generator=draw))
        self.head = nn.Linear(80, 3)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(3, 80, generator=draw))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        z = x @ self.omega
        return self.head(torch.cat([z.cos(), z.sin()], -1))


@pytest.fixture(scope="session")
def model() -> nn.Module:
    return Features().eval()


@pytest.fixture(scope="session")
def inputs() -> Tensor:
    return torch.randn(50, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def program(model: nn.Module, inputs: Tensor) -> Program:
    with torch.no_grad():
        labels = model(inputs[:8]).argmax(1)
    return hermesc.compile(model, inputs[:8], calibration=inputs, labels=labels)
