"""What the commands are given: a folder with a model and its program."""

from pathlib import Path

import numpy as np
import pytest

from ...command_line import succeed

MODEL = """
import torch
from torch import nn

torch.manual_seed(0)
print("hello from the model")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("omega", torch.randn(6, 20))
        self.head = nn.Linear(40, 3)

    def forward(self, x):
        z = x @ self.omega
        return self.head(torch.cat([z.cos(), z.sin()], -1))

model = Net()
example_inputs = (torch.randn(8, 6),)
labels = model.eval()(*example_inputs).argmax(1)
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.py, compiled."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "net.py").write_text(MODEL)
    succeed("compile", "net.py", cwd=folder)
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    np.savez(folder / "x.npz", x=x, labels=np.zeros(30, np.int64))
    return folder
