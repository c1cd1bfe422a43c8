"""A random-Fourier-feature ridge classifier of handwritten digits, in plain PyTorch.

    hermesc compile examples/rbf_ridge.py
    python examples/rbf_ridge.py test.npz        # writes the test set
    hermesc run rbf_ridge.hermes --inputs test.npz

The RBF kernel k(x, y) = exp(-gamma |x - y|^2) is approximated by z(x) = [cos(x W), sin(x W)] /
sqrt(s) with W drawn from a normal distribution cut at 3 sigma (the cut bounds the largest weight
and so the precision on the chip), and the labels by a ridge regression on z, in closed form. Data:
scikit-learn's digits, 1,797 images of 8x8 pixels, two thirds for training.
"""

import math
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

GAMMA, FEATURES, RIDGE, SEED = 0.005, 512, 0.5, 0


class RandomFourierRidge(nn.Module):
    """Linear map, cos and sin, linear map."""

    def __init__(self, inputs: int, features: int, classes: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(SEED)
        omega = torch.empty(inputs, features)
        nn.init.trunc_normal_(omega, a=-3.0, b=3.0, generator=draw)
        self.register_buffer("omega", omega * math.sqrt(2 * GAMMA))
        self.head = nn.Linear(2 * features, classes)

    def features(self, x: Tensor) -> Tensor:
        z = x @ self.omega
        return torch.cat([z.cos(), z.sin()], dim=-1) / math.sqrt(self.omega.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor) -> None:
        """Ridge regression on one-hot labels, with intercept."""
        z = self.features(x).double()
        targets = nn.functional.one_hot(y).double()
        mean_z, mean_t = z.mean(0), targets.mean(0)
        z, targets = z - mean_z, targets - mean_t
        gram = z.T @ z + RIDGE * torch.eye(z.shape[1], dtype=z.dtype)
        weight = torch.linalg.solve(gram, z.T @ targets).T
        self.head.weight.copy_(weight)
        self.head.bias.copy_(mean_t - weight @ mean_z)


def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Standardised training and test images with their labels."""
    digits = load_digits()
    split = train_test_split(digits.data, digits.target, test_size=1 / 3, random_state=SEED)
    x_train, x_test, y_train, y_test = (torch.from_numpy(part) for part in split)
    mean, deviation = x_train.mean(0), x_train.std(0).clamp(min=1.0)
    x_train, x_test = ((x - mean) / deviation for x in (x_train, x_test))
    return x_train.float(), x_test.float(), y_train, y_test


x_train, x_test, y_train, y_test = data()
model = RandomFourierRidge(x_train.shape[1], FEATURES, 10)
model.fit(x_train, y_train)
example_inputs = (x_test[:64],)
labels = y_test[:64]
calibration_inputs = (x_train,)
calibration_labels = y_train

if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "test.npz"
    np.savez(path, x=x_test.numpy(), labels=y_test.numpy())
    print(f"wrote {path}: {len(x_test)} samples")
