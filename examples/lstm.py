"""A small LSTM that reads handwritten digits row by row, in plain PyTorch.

    hermesc compile examples/lstm.py
    python examples/lstm.py test.npz       # writes the test set
    hermesc run lstm.hermes --inputs test.npz

Each image is a sequence of its eight rows of eight pixels. It is trained here, in seconds. The
LSTM's sums are one product with the row and the hidden state at each time step, on crossbars; the
chip's own unit makes the gates, the linear layer goes to crossbars, and the host picks the last
time step. Data: scikit-learn's digits, 1,797 images of 8x8 pixels, two thirds for training.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

HIDDEN, EPOCHS, BATCH, RATE, SEED = 48, 20, 64, 0.01, 0


class RowReader(nn.Module):
    """An LSTM over the rows of an image, and a linear layer on its last output."""

    def __init__(self, hidden: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, hidden, batch_first=True)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.lstm(x)
        return self.head(outputs[:, -1])


def fit(network: nn.Module, x: Tensor, y: Tensor) -> nn.Module:
    """Train with Adam and a rate that falls to zero."""
    order = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=order).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test images from 0 to 1 with their labels."""
    digits = load_digits()
    split = train_test_split(digits.images / 16, digits.target, test_size=1 / 3, random_state=SEED)
    x_train, x_test, y_train, y_test = (torch.from_numpy(part) for part in split)
    return x_train.float(), x_test.float(), y_train, y_test


torch.manual_seed(SEED)
x_train, x_test, y_train, y_test = data()
model = fit(RowReader(HIDDEN, 10), x_train, y_train)
example_inputs = (x_test[:64],)
labels = y_test[:64]
calibration_inputs = (x_train[:256],)

if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "test.npz"
    np.savez(path, x=x_test.numpy(), labels=y_test.numpy())
    print(f"wrote {path}: {len(x_test)} samples")
