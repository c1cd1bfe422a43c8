"""Deep kernel learning on the chip: a network, random Fourier features with learned frequencies,
and a linear classifier, trained end to end.

The same model is trained as usual and for the chip; both are tested on simulated chips. Source: Xie
et al., Deep kernel learning via random Fourier features, arXiv 1910.02660 (2019). Needs
scikit-learn for the data.
"""

import copy
import math

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import hermesc
from hermesc.training import harden, program_of

EPOCHS, CHIPS = 40, 3


class DeepKernel(nn.Module):
    """k(x, y) = z(g(x)) z(g(y))' with z(u) = sqrt(2 / D) cos(u omega + b)."""

    def __init__(self, inputs: int, inner: int, features: int, classes: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, inner), nn.Tanh()
        )
        self.omega = nn.Parameter(torch.randn(inner, features))  # the spectral distribution
        self.register_buffer("phase", 2 * math.pi * torch.rand(features))
        self.head = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes]."""
        projected = self.network(x) @ self.omega + self.phase
        return self.head(projected.cos() * math.sqrt(2 / len(self.phase)))


def main() -> None:
    """Print the accuracy of both in FP32 and on chips a month old."""
    (x, y), (test_x, test_y) = digits()
    torch.manual_seed(0)
    first = DeepKernel(64, 8, 64, 10)
    for recipe in ("none", "rasch"):
        model = harden(copy.deepcopy(first), x[:64], recipe=recipe, calibration=x[:512])
        train(model, x, y)
        plain = copy.deepcopy(first)
        plain.load_state_dict(model.state_dict())
        program = program_of(model)
        chips = [
            program.deploy(hermesc.simulate(seed=s)).configure(age_s="30d") for s in range(CHIPS)
        ]
        found = torch.tensor([accuracy(chip(test_x), test_y) for chip in chips])
        print(
            f"deep kernel, recipe {recipe}: FP32 {accuracy(plain(test_x), test_y):.1f} %, "
            f"on the chip after 30 days {found.mean():.1f} ± {found.std(correction=0):.1f} %"
        )


def train(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """The loop as it always was."""
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(128):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """In per cent."""
    return 100 * float((logits.argmax(1) == labels).float().mean())


def digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """1,797 images of 8 x 8 pixels, a third of them to test."""
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    learn, test = order[:1200], order[1200:]
    return (x[learn], y[learn]), (x[test], y[test])


if __name__ == "__main__":
    main()
