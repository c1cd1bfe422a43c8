"""Kernelised (FAVOR+) attention over the rows of handwritten digits, in plain PyTorch.

    hermesc compile examples/favor_attention.py

Softmax attention is replaced by positive random features (Choromanski et al., "Rethinking attention
with Performers", ICLR 2021): phi(x) = exp(x W - |x|^2 / 2) / sqrt(m), attention = phi(Q) phi(K)'V,
linear in the number of tokens. Queries and keys share W, so the chip stores it once.
An image is a sequence of 8 tokens of 8 pixels; their number stays symbolic. Only the read-out
is trained, in closed form. Data: scikit-learn's digits.
"""

import math

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.export import Dim

PIXELS, WIDTH, HEADS, FEATURES, CLASSES, RIDGE, SEED = 8, 64, 2, 64, 10, 1.0, 0


class FavorAttention(nn.Module):
    """Multi-head attention by positive orthogonal random features."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        size = WIDTH // HEADS
        blocks = [torch.linalg.qr(torch.randn(size, size))[0] for _ in range(FEATURES // size)]
        lengths = torch.randn(FEATURES, size).norm(dim=1)
        self.register_buffer("omega", torch.cat(blocks, 1) * lengths)

    def features(self, x: Tensor) -> Tensor:
        x = x / x.shape[-1] ** 0.25
        exponent = x @ self.omega - x.square().sum(-1, keepdim=True) / 2
        return exponent.exp() / math.sqrt(FEATURES)

    def heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        q = self.features(self.heads(self.query(x)))
        k = self.features(self.heads(self.key(x)))
        v = self.heads(self.value(x))
        mixed = q @ (k.transpose(-1, -2) @ v)
        norm = (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
        return (mixed / norm).transpose(1, 2).flatten(-2)


class Classifier(nn.Module):
    """Embed rows with their position, attend, read out all tokens' mean and the positions' mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(PIXELS, WIDTH)
        self.position = nn.Parameter(torch.randn(PIXELS, WIDTH))
        self.attention = FavorAttention()
        self.mix = nn.Linear(WIDTH, 512)
        self.head = nn.Linear(512, CLASSES)

    def pooled(self, x: Tensor) -> Tensor:
        tokens = self.embed(x) * self.position[: x.shape[1]]
        return torch.relu(self.mix(tokens + self.attention(tokens))).mean(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pooled(x))

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor) -> None:
        """Ridge regression of the labels on what the random part of the model computes."""
        z = self.pooled(x).double()
        targets = nn.functional.one_hot(y, CLASSES).double()
        mean_z, mean_t = z.mean(0), targets.mean(0)
        gram = (z - mean_z).T @ (z - mean_z) + RIDGE * torch.eye(z.shape[1], dtype=z.dtype)
        weight = torch.linalg.solve(gram, (z - mean_z).T @ (targets - mean_t)).T
        self.head.weight.copy_(weight)
        self.head.bias.copy_(mean_t - weight @ mean_z)


torch.manual_seed(SEED)
digits = load_digits()
x_train, x_test, y_train, y_test = (
    torch.from_numpy(part)
    for part in train_test_split(
        digits.images / 16, digits.target, test_size=1 / 3, random_state=SEED
    )
)
x_train, x_test = x_train.float(), x_test.float()
model = Classifier().eval()
model.fit(x_train, y_train)
example_inputs = (x_test[:100],)
labels = y_test[:100]
calibration_inputs = (x_train[:200],)
dynamic_shapes = ({1: Dim("tokens", min=2, max=PIXELS)},)
