"""Train a classifier of handwritten digits for the chip: the loop is plain PyTorch.

The same network is trained twice, as usual and with the noise of the chip in its forward pass, and
both are tested on simulated chips. Needs scikit-learn for the data.
"""

import copy

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import hermesc
from hermesc.training import harden, program_of

EPOCHS, CHIPS = 25, 5


def main() -> None:
    """Print the accuracy of both in FP32 and on chips a month old."""
    (x, y), (test_x, test_y) = digits()
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
    for recipe in ("none", "rasch"):
        model = harden(copy.deepcopy(first), x[:64], recipe=recipe, calibration=x[:512])
        train(model, x, y)
        plain = copy.deepcopy(first)
        plain.load_state_dict(model.state_dict())  # the names are the user's own
        exact = accuracy(plain.eval()(test_x), test_y)
        program = program_of(model)
        chips = [
            program.deploy(hermesc.simulate(seed=s)).configure(age_s="30d") for s in range(CHIPS)
        ]
        found = torch.tensor([accuracy(chip(test_x), test_y) for chip in chips])
        print(
            f"{recipe:>6}: FP32 {exact:.2f} %, on the chip after 30 days {found.mean():.2f} "
            f"± {found.std():.2f} %"
        )


def train(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """The loop as it always was."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
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
