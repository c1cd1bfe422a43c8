"""A small transformer with one shared layer, as ALBERT has, on data that ships with scikit-learn.

The handwritten digits are 8 x 8 pixels: 8 tokens of 8. One layer is run several times, so that all
its passes meet the same conductances and the same errors.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

_WIDTH, _HIDDEN, _HEADS, _PASSES = 64, 128, 4, 3
_CLASSES = 10
_TRAIN_ROWS, _EPOCHS, _BATCH, _RATE = 1197, 25, 64, 3e-3
_SHADES = 16.0


@dataclass(frozen=True, slots=True)
class Digits:
    """The handwritten digits in two parts.

    train: tokens, [rows, 8, 8].
    train_labels: their digits, [rows].
    test: tokens, [rows, 8, 8].
    test_labels: their digits, [rows].
    """

    train: Float[Tensor, "rows tokens size"]
    train_labels: Int64[Tensor, " rows"]
    test: Float[Tensor, "more tokens size"]
    test_labels: Int64[Tensor, " more"]


def digits() -> Digits:
    """The data, shades from -1 to 1."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x = torch.from_numpy(found.images).float() / (_SHADES / 2) - 1
    y = torch.from_numpy(found.target).long()
    return Digits(x[:_TRAIN_ROWS], y[:_TRAIN_ROWS], x[_TRAIN_ROWS:], y[_TRAIN_ROWS:])


class SharedTransformer(nn.Module):
    """Embedding, one encoder layer run several times, and a classifier of the mean token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, _WIDTH)
        self.place = nn.Parameter(torch.zeros(8, _WIDTH))
        self.qkv = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.out = nn.Linear(_WIDTH, _WIDTH)
        self.wide = nn.Linear(_WIDTH, _HIDDEN)
        self.back = nn.Linear(_HIDDEN, _WIDTH)
        self.first, self.second = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the ten digits."""
        z = self.embed(x) + self.place
        for _ in range(_PASSES):
            z = self.first(z + self.out(self._attended(z)))
            z = self.second(z + self.back(torch.relu(self.wide(z))))
        scores: Tensor = self.head(z.mean(1))
        return scores

    def _attended(self, z: Tensor) -> Tensor:
        size = _WIDTH // _HEADS
        q, k, v = (
            part.unflatten(-1, (_HEADS, size)).transpose(1, 2)
            for part in self.qkv(z).chunk(3, dim=-1)
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) / size**0.5, dim=-1)
        joined: Tensor = (weights @ v).transpose(1, 2).flatten(2)
        return joined


def trained(data: Digits, noise: float, seed: int = 0, epochs: int = _EPOCHS) -> SharedTransformer:
    """The transformer, trained with normal noise on its matrices.

    noise: its deviation as a share of each matrix's largest weight; 0 trains without.
    seed: of its weights, the order of the rows and the noise.
    epochs: passes over the rows.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SharedTransformer()
    optimiser = torch.optim.Adam(model.parameters(), _RATE)
    steps = epochs * -(-len(data.train) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    loss = nn.CrossEntropyLoss()
    for _ in range(epochs):
        order = torch.randperm(len(data.train), generator=generator)
        for rows in torch.split(order, _BATCH):
            shifts = _shifted(model, noise, generator)
            optimiser.zero_grad()
            loss(model(data.train[rows]), data.train_labels[rows]).backward()
            _moved(model, shifts, -1.0)
            optimiser.step()
            schedule.step()
    return model.eval()


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Share of right digits."""
    return float((scores.argmax(1) == labels).float().mean())


def _shifted(model: nn.Module, noise: float, generator: torch.Generator) -> list[Tensor]:
    """Move all matrices by noise; what they were moved by."""
    shifts = [
        noise * m.weight.detach().abs().max() * torch.randn(m.weight.shape, generator=generator)
        for m in model.modules()
        if isinstance(m, nn.Linear)
    ]
    _moved(model, shifts, 1.0)
    return shifts


def _moved(model: nn.Module, shifts: list[Tensor], sign: float) -> None:
    linear = (m for m in model.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        for layer, shift in zip(linear, shifts, strict=True):
            layer.weight.add_(shift, alpha=sign)
