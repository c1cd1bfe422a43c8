"""The Performers of the Long Range Arena, as the kernel publication has them on the chip.

Tokens become vectors by a table, and positions by another. A layer is FAVOR+ attention and a
feed-forward net, each behind a layer norm and around a residual. Attention has both signs of its
projections (256 features of 128); exp(-|q|^2 / 2) cancels, and exp(-|k|^2 / 2) weighs the values.
The mean over tokens, without padding, goes to a classifier of two matrices. Departures: queries and
keys share their projection in all tasks, layers share no weights, features are drawn once, and a
batch norm stands before the classifier, for means of many tokens hardly differ. Small sizes may
take a square of pixels for a token.
Source: Büchel et al., Nature Machine Intelligence 6, 1605 (2024), and its mapping files.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hermesc.kernels import draw

PADDING = 0
_CUT = 3.0  # normal draws end there, as published
_LOCAL, _UNLIKE = 1.6, 0.1  # gain of queries, and of what keys differ by, where attention is local
_SMALL, _WORDS = 0.02, 0.5  # deviations of the tables at the start
_PLACES = 2.0  # waves of an image's places, beside grey levels of 1


@dataclass(frozen=True, slots=True)
class PerformerShape:
    """The sizes of a Performer.

    layers: of attention and feed-forward net.
    width: of a token's vector.
    heads: of attention.
    feed: inner width of the feed-forward net.
    hidden: inner width of the classifier.
    projections: of the features of a head.
    """

    layers: int = 2
    width: int = 64
    heads: int = 2
    feed: int = 128
    hidden: int = 128
    projections: int = 128


class Attention(nn.Module):
    """FAVOR+ self-attention, linear in the number of tokens."""

    omega: Tensor

    def __init__(self, shape: PerformerShape, seed: int) -> None:
        super().__init__()
        self._heads, size = shape.heads, shape.width // shape.heads
        self._scale = size**-0.25
        self.query, self.key, self.value, self.output = (
            nn.Linear(shape.width, shape.width) for _ in range(4)
        )
        omega = draw("orf", size, shape.projections, seed=seed, cut=_CUT)
        self.register_buffer("omega", omega)

    def forward(
        self, x: Float[Tensor, "batch tokens width"], mask: Float[Tensor, "batch tokens 1"] | None
    ) -> Float[Tensor, "batch tokens width"]:
        """Mixed tokens; a mask of 0 takes a token out of all sums."""
        q, k, v = (self._split(part(x)) for part in (self.query, self.key, self.value))
        q, k = q * self._scale, k * self._scale
        weight = (-0.5 * k.square().sum(-1, keepdim=True)).exp()
        if mask is not None:
            weight = weight * mask.unsqueeze(1)
        values = torch.cat([v * weight, weight], -1)  # the last column sums up
        queries, keys = q @ self.omega, k @ self.omega
        mixed = queries.exp() @ (keys.exp().transpose(-1, -2) @ values)
        mixed = mixed + (-queries).exp() @ ((-keys).exp().transpose(-1, -2) @ values)
        mixed = mixed[..., :-1] / mixed[..., -1:]
        found: Tensor = self.output(mixed.transpose(1, 2).flatten(-2))
        return found

    def start_local(self) -> None:
        """Begin with attention to tokens that are like a token itself, as its neighbours are."""
        with torch.no_grad():
            self.query.weight.mul_(_LOCAL)
            self.key.weight.mul_(_UNLIKE).add_(self.query.weight)

    def _split(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self._heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Attention and a feed-forward net."""

    def __init__(self, shape: PerformerShape, seed: int) -> None:
        super().__init__()
        self.attention = Attention(shape, seed)
        self.wide, self.narrow = (
            nn.Linear(shape.width, shape.feed),
            nn.Linear(shape.feed, shape.width),
        )
        self.first, self.second = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The same shape."""
        x = x + self.attention(self.first(x), mask)
        found: Tensor = x + self.narrow(self.wide(self.second(x)).relu())
        return found


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a model reads.

    numbers: of tokens.
    length: of a sequence.
    padded: whether the token 0 is padding; else tokens are grey levels of square images.
    patch: pixels of a side of the square that makes a token of an image.
    learned: whether the vectors of grey levels are learned, or stay as they were drawn.
    """

    numbers: int
    length: int
    padded: bool
    patch: int = 1
    learned: bool = True


class Encoder(nn.Module):
    """Tokens to one vector. A patch is the sum of its pixels' vectors, from a table for each."""

    def __init__(self, shape: PerformerShape, tokens: Tokens, seed: int) -> None:
        super().__init__()
        self._padded, self._pixels, length = tokens.padded, tokens.patch**2, tokens.length
        self.embedding = nn.Embedding(tokens.numbers * self._pixels, shape.width)
        self.position = nn.Parameter(_SMALL * torch.randn(length, shape.width))
        layers = [Layer(shape, seed + i) for i in range(shape.layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(shape.width)
        with torch.no_grad():
            if tokens.padded:
                self.embedding.weight.mul_(_WORDS)
                return
            tables = [_levels(tokens.numbers, shape.width) for _ in range(self._pixels)]
            self.embedding.weight.copy_(torch.cat(tables) / tokens.patch)
            self.embedding.weight.requires_grad_(tokens.learned)
            self.position.copy_(_places(math.isqrt(length), shape.width))
            for layer in layers:
                layer.attention.start_local()

    def forward(self, tokens: Int[Tensor, "batch length *pixels"]) -> Float[Tensor, "batch width"]:
        """The mean of the last layer's tokens."""
        x: Tensor = self.embedding(tokens)
        x = (x if self._pixels == 1 else x.sum(-2)) + self.position
        mask = (tokens != PADDING).to(x.dtype).unsqueeze(-1) if self._padded else None
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x)
        if mask is None:
            return x.mean(1)
        return (x * mask).sum(1) / mask.sum(1).clamp(min=1.0)


class Performer(nn.Module):
    """Class scores of one sequence."""

    def __init__(self, shape: PerformerShape, tokens: Tokens, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.encoder = Encoder(shape, tokens, seed)
        self.standard = nn.BatchNorm1d(shape.width)
        self.hidden, self.head = (
            nn.Linear(shape.width, shape.hidden),
            nn.Linear(shape.hidden, classes),
        )

    def forward(
        self, tokens: Int[Tensor, "batch length *pixels"]
    ) -> Float[Tensor, "batch classes"]:
        """Scores."""
        pooled = self.standard(self.encoder(tokens))
        scores: Tensor = self.head(self.hidden(pooled).relu())
        return scores


class PairPerformer(nn.Module):
    """Class scores of two sequences that one encoder reads; what differs tells."""

    def __init__(self, shape: PerformerShape, tokens: Tokens, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.encoder = Encoder(shape, tokens, seed)
        self.standard = nn.BatchNorm1d(shape.width)
        self.hidden = nn.Linear(2 * shape.width, shape.hidden)
        self.head = nn.Linear(shape.hidden, classes)

    def forward(
        self, first: Int[Tensor, "batch length"], second: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch classes"]:
        """Scores of pairs."""
        one, other = (self.standard(self.encoder(tokens)) for tokens in (first, second))
        pair = torch.cat([one * other, (one - other).abs()], -1)
        scores: Tensor = self.head(self.hidden(pair).relu())
        return scores


def _levels(levels: int, width: int) -> Tensor:
    """Vectors of grey levels that start as smooth functions of the level; that of black is 0."""
    level = torch.linspace(0, 1, levels)[:, None]
    straight, bent = torch.randn(2, 1, width)
    table: Tensor = straight * level + bent * (math.pi * level).sin()
    return table


def _places(side: int, width: int) -> Tensor:
    """Vectors of an image's pixels that start as waves along its rows and columns."""
    count = width // 4
    periods = 2 * side * (2 / side) ** (torch.arange(count) / (count - 1))
    phase = 2 * math.pi * torch.arange(side)[:, None] / periods
    waves = torch.cat([phase.sin(), phase.cos()], -1)
    down = waves[:, None].expand(side, side, -1)
    across = waves[None].expand(side, side, -1)
    return _PLACES * torch.cat([down, across], -1).flatten(0, 1)
