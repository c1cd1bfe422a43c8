"""A small convolutional network that reads handwritten digits, in plain PyTorch.

    hermesc compile examples/cnn.py
    python examples/cnn.py test.npz        # writes the test set
    hermesc run cnn.hermes --inputs test.npz

Three convolutions with batch norm and ReLU, a residual sum, pooling, and a linear layer. It is
trained here, in seconds. Convolutions and the linear layer go to crossbars, batch norm and ReLU
into the LDPUs, pooling and the sum stay on the host. Data: scikit-learn's digits, 1,797 images of
8x8 pixels, two thirds for training.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

CHANNELS, EPOCHS, BATCH, RATE, SEED = 24, 8, 64, 0.01, 0


def unit(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution that keeps the image's size, with batch norm and ReLU."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class DigitsNet(nn.Module):
    """Three convolutions, the last one around a residual sum, and a linear head."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.first = unit(1, channels)
        self.second = unit(channels, 2 * channels)
        self.third = unit(2 * channels, 2 * channels)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(8 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.second(self.first(x)))
        x = self.pool(x + self.third(x))
        return self.head(x.flatten(1))


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
    return x_train[:, None].float(), x_test[:, None].float(), y_train, y_test


torch.manual_seed(SEED)
x_train, x_test, y_train, y_test = data()
model = fit(DigitsNet(CHANNELS, 10), x_train, y_train)
example_inputs = (x_test[:64],)
labels = y_test[:64]
calibration_inputs = (x_train[:256],)

if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "test.npz"
    np.savez(path, x=x_test.numpy(), labels=y_test.numpy())
    print(f"wrote {path}: {len(x_test)} samples")
