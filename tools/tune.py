"""Searches on five models: what the front covers beyond the defaults and all presets.

python tools/tune.py [TRIALS]

Each search is of so many points, presets among them; the hypervolume is in units of the box around
all points of its model.
"""

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

import hermesc
from hermesc.studies.tune.report import TuneReport

FIGURE = Path(__file__).resolve().parent.parent / "docs/figures/tune.svg"
TRIALS = 40


def labelled(model: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor, Tensor]:
    """A model whose last layer tells its classes apart, and what it says of its inputs."""
    *_, last = (m for m in model.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        y = model.eval()(x)
        last.bias -= y.mean(0)
        return model, x, model(x).argmax(1)


class Attention(nn.Module):
    """A small Transformer's encoder with a head on the mean of its tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mixed(x).mean(1))


class Recurrent(nn.Module):
    """An LSTM with a head on its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0][:, -1])


def models() -> dict[str, tuple[nn.Module, Tensor, Tensor]]:
    """A few layers of five kinds, with inputs and labels."""
    torch.manual_seed(0)
    return {
        "mlp": labelled(
            nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(),
                          nn.Linear(48, 6)), torch.randn(200, 32)),
        "cnn": labelled(
            nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(72, 5)), torch.randn(100, 1, 8, 8)),
        "mixer": labelled(
            nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16), nn.LayerNorm(16),
                          nn.Linear(16, 4)), torch.randn(200, 16)),
        "encoder": labelled(Attention(), torch.randn(60, 6, 16)),
        "lstm": labelled(Recurrent(), torch.randn(60, 5, 8)),
    }  # fmt: skip


def search(name: str, model: nn.Module, x: Tensor, labels: Tensor, trials: int) -> TuneReport:
    """One search, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return hermesc.tune(
            model, x, labels=labels, name=name, budget="2h", trials=trials, draws=2,
            methods=["published"], storage=Path(folder, "study.log"), cells=Path(folder, "cells"),
            plot=FIGURE if name == "mlp" else None,
        )  # fmt: skip


def main() -> None:
    """A line for each model."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    print(f"{'model':<9}{'points':>7}{'presets':>9}{'front':>7}  hypervolume: presets   found")
    for name, (model, x, labels) in models().items():
        found = search(name, model, x, labels, trials)
        presets, every = found.hypervolumes
        print(
            f"{name:<9}{len(found.tried):7}{len(found.presets):9}{len(found.front):7}"
            f"{presets:22.3f}{every:8.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
