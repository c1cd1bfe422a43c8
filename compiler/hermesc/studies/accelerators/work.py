"""The work that every machine is asked to do: a layer of attention, and a kernel map."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import hermesc
from hermesc.kernels.attention import FavorAttention
from hermesc.kernels.factory import feature_map
from hermesc.kernels.fourier import Rbf
from hermesrt.chip.spec import ChipSpec
from hermesrt.program import Program

TOKENS, WIDTH, HEADS, FEATURES = 256, 512, 8, 256


class AttentionLayer(nn.Module):
    """FAVOR+ attention of `HEADS` heads between its four products with fixed matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v, self.to_out = (
            nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4)
        )
        self.attention = FavorAttention(WIDTH // HEADS, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (
            part(x).reshape(batch, tokens, HEADS, -1).transpose(1, 2)
            for part in (self.to_q, self.to_k, self.to_v)
        )
        mixed = self.attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        out: Tensor = self.to_out(mixed)
        return out


class KernelMap(nn.Module):
    """Random Fourier features of one vector."""

    def __init__(self) -> None:
        super().__init__()
        self.map = feature_map(Rbf(1 / WIDTH), WIDTH, 2 * WIDTH, "orf", seed=0)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.map(x)
        return features


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work.

    name: of it.
    model: that does it.
    inputs: examples, the first dimension the batch.
    """

    name: str
    model: nn.Module
    inputs: Tensor

    def compiled(self, chip: str | ChipSpec) -> Program:
        """Its program for a chip."""
        return hermesc.compile(self.model, self.inputs, chip=chip, name=self.name)


def tasks() -> tuple[Task, ...]:
    """The layer of attention and the kernel map, with fixed weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        attention, kernel = AttentionLayer().eval(), KernelMap().eval()
        tokens, rows = torch.randn(2, TOKENS, WIDTH), torch.randn(16, WIDTH)
    return Task("attention", attention, tokens), Task("kernel map", kernel, rows)
