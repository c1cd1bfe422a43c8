"""Train a hardened model with Accelerate, which may spread it over processes.

Needs accelerate.
"""

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from hermesc.training import harden, program_of


def main() -> None:
    """Print the loss before and after, and the program that came of it."""
    torch.manual_seed(0)
    x = torch.randn(600, 16)
    y = x[:, :3].argmax(1)
    plain = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3))
    model = harden(plain, x[:32], recipe="joshi", calibration=x)
    accelerator = Accelerator(cpu=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    data = DataLoader(TensorDataset(x, y), 50, shuffle=True)
    prepared, optimizer, data = accelerator.prepare(model, optimizer, data)
    losses = []
    for _ in range(4):
        for inputs, labels in data:
            optimizer.zero_grad()
            loss = functional.cross_entropy(prepared(inputs), labels)
            accelerator.backward(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
    print(program_of(accelerator.unwrap_model(prepared)))


if __name__ == "__main__":
    main()
