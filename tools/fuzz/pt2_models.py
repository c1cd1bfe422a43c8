"""Small models whose `.pt2` files the fuzzer mutates: weights, sizes, graphs in graphs, nesting."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Features(nn.Module):
    """A fixed matrix, a nested graph (torch.no_grad) and an operation that writes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("omega", torch.randn(8, 6))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """A dict of results."""
        with torch.no_grad():
            y = (x @ self.omega).cos()
        return {"scores": self.head(y.relu_())}


class Sizes(nn.Module):
    """Arithmetic on sizes, dtypes, a constant and tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.b = nn.Linear(8, 8)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Two results."""
        y = self.b(self.a(x)).log_softmax(1, dtype=torch.float32)
        z = x.reshape(x.shape[0] * 2, -1)[: x.shape[0]] * (x.shape[0] // 2 + 1)
        return y, z + torch.tensor([1.0, 2.0, 3.0, 4.0])


def models() -> Iterator[tuple[nn.Module, tuple[Tensor, ...], bool]]:
    """Each with inputs, and whether its batch is symbolic."""
    torch.manual_seed(0)
    yield Features().eval(), (torch.randn(4, 8),), True
    yield Sizes().eval(), (torch.randn(4, 8),), True
    yield (
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)).eval(),
        (torch.randn(2, 1, 4, 4),),
        False,
    )
