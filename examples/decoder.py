"""A decoder of 1.24 billion weights, in plain torch: RMS norm, rotary positions, grouped queries,
SwiGLU, causal attention over the whole sequence, no cache.

hermesc cost decoder.py --meta --tokens            # takes no memory for the weights
hermesc cost decoder.py:small --meta --tokens
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Sizes:
    """The sizes of a decoder."""

    vocabulary: int = 32_000
    width: int = 2048
    layers: int = 16
    heads: int = 32
    groups: int = 8
    hidden: int = 8192


SMALL = Sizes(vocabulary=300, width=64, layers=2, heads=4, groups=2, hidden=160)
LARGE = Sizes(vocabulary=128_256)  # 1.24 billion weights, embedding and head tied


class RMSNorm(nn.Module):
    """Divide by the root mean square."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


class Layer(nn.Module):
    """Attention and a gated network."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        width, each = sizes.width, sizes.width // sizes.heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, sizes.groups * each, bias=False)
        self.v = nn.Linear(width, sizes.groups * each, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, sizes.hidden, bias=False)
        self.up = nn.Linear(width, sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, width, bias=False)
        self.before, self.between = RMSNorm(width), RMSNorm(width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        y = self.before(x)
        q = rotated(self._heads(self.q(y), self.sizes.heads), cos, sin)
        k = rotated(self._heads(self.k(y), self.sizes.groups), cos, sin)
        v = self._heads(self.v(y), self.sizes.groups)
        repeats = self.sizes.heads // self.sizes.groups
        k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        y = self.between(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class Decoder(nn.Module):
    """From token numbers to the scores of the next ones."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.each = sizes.width // sizes.heads
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.norm = RMSNorm(sizes.width)
        self.head = nn.Linear(sizes.width, sizes.vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        places = torch.arange(ids.shape[1], device=ids.device)
        frequencies = torch.arange(0, self.each, 2, device=ids.device) / self.each
        angles = places[:, None] * torch.pow(10_000.0, -frequencies)
        cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.head(self.norm(x))


def model() -> Decoder:
    """The large one."""
    return Decoder(LARGE)


def small() -> Decoder:
    """One that is quick to compile."""
    return Decoder(SMALL)


example_inputs = (torch.zeros(2, 512, dtype=torch.long),)
dynamic_shapes = ({1: torch.export.Dim("tokens", max=2**20)},)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Queries or keys, turned by their positions."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin
