"""Cost of whole models on the simulated chip against the same models in plain torch.

    python tools/bench/models.py [--kernel avx2] [--record FILE.json]

CPU time of `chip(x)` as a ratio to `model(x)`, one thread, median of rounds; random weights. Where
torch has a CUDA device, also the ratio there, of times until it has no work left.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import clock  # before torch: it sets the number of threads
import torch
from torch import Tensor, nn

import hermesc
from hermesc.api.notebook import Chip
from hermesc.kernels import FavorAttention, MultiheadAttention


class KernelRidge(nn.Module):
    """256 random Fourier features, cosine and sine, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.head = nn.Linear(16, 256, bias=False), nn.Linear(512, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The prediction."""
        angle = self.project(x)
        return self.head(torch.cat([angle.cos(), angle.sin()], -1))


class PerformerLayer(nn.Module):
    """FAVOR+ attention and a feed-forward network, each with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = MultiheadAttention(64, 2, lambda size: FavorAttention(size, 128))
        self.feed = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64))
        self.first, self.second = nn.LayerNorm(64), nn.LayerNorm(64)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of the next layer."""
        x = x + self.attention(self.first(x))
        return x + self.feed(self.second(x))


class Residual(nn.Module):
    """What is in it, added to its input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        return x + self.layers(x)


def unit(inputs: int, outputs: int, *more: nn.Module) -> nn.Sequential:
    """A convolution as ResNet-9 has them."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(), *more)


def resnet9() -> nn.Module:
    """ResNet-9 of half the usual width: it fits one chip."""
    return nn.Sequential(
        unit(3, 32), unit(32, 64, nn.MaxPool2d(2)), Residual(unit(64, 64), unit(64, 64)),
        unit(64, 128, nn.MaxPool2d(2)), unit(128, 256, nn.MaxPool2d(2)),
        Residual(unit(256, 256), unit(256, 256)), nn.MaxPool2d(4), nn.Flatten(),
        nn.Linear(256, 10),
    )  # fmt: skip


def mlp() -> nn.Module:
    """784-512-512-10."""
    layers = (nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return nn.Sequential(*layers)


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "kernel ridge, 10,000 rows": (KernelRidge, (10_000, 16)),
    "Performer, 8 x 1,024 tokens": (
        lambda: nn.Sequential(PerformerLayer(), PerformerLayer()), (8, 1024, 64)
    ),
    "ResNet-9, 64 images": (resnet9, (64, 3, 32, 32)),
    "MLP, 256 rows": (mlp, (256, 784)),
}  # fmt: skip


def main(record: Path | None) -> None:
    """One line a model."""
    print(clock.machine_line())
    print("CPU time of chip(x) relative to model(x), one thread")
    rows = list(measured())
    if record is not None:
        clock.write_record(record, "models", rows)


def measured() -> Iterator[dict[str, str | float]]:
    """The rows, each printed as it is known."""
    for name, (make, shape) in MODELS.items():
        torch.manual_seed(0)
        model, x = make().eval(), torch.randn(shape)
        chip = hermesc.compile(model, x[:64]).deploy(hermesc.simulate())
        found = clock.medians({"model": partial(model, x), "chip": partial(chip, x)}, 3)
        ratio = found["chip"] / found["model"]
        row: dict[str, str | float] = {"model": name, "model_s": found["model"], "chip": ratio}
        line = f"{name:>28} {found['model'] * 1e3:>8.1f} ms {ratio:>6.2f}"
        if torch.cuda.is_available():
            row["cuda"] = on_cuda(model, chip, x)
            line += f" {row['cuda']:>6.2f} on {torch.cuda.get_device_name()}"
        print(line, flush=True)
        yield row


def on_cuda(model: nn.Module, chip: Chip, x: Tensor) -> float:
    """The same ratio on a CUDA device."""
    there, model, chip = x.to("cuda"), model.to("cuda"), chip.to("cuda")
    return _seconds(partial(chip, there)) / _seconds(partial(model, there))


def _seconds(job: Callable[[], object], times: int = 20) -> float:
    for _ in range(3):
        job()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        job()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / times


if __name__ == "__main__":
    chosen = clock.options(__doc__)
    with torch.no_grad():
        main(chosen.record)
