"""Speed of the timing simulation: (operation, token) events a second, and how it grows.

An encoder with linear attention (d 128, 4 heads, 128 features, feed-forward 512), networks for
images and a recurrent one; one thread, CPU time. Positions of an image and time steps are tokens.
Events are those of all samples of a batch, which have the same times, so that one is simulated.
`a step` is the time of one step of the program, views too. `torch` is one forward pass of the same
model in plain torch; a million tokens are timed, not computed. Tiles grow with the width of one
layer on a chip that is large enough.
"""

import resource
import time

import clock  # first: it sets the number of threads
import torch
from models import resnet9
from torch import Tensor, nn
from torch.nn import functional

import hermesc
from hermes_sim.engine import cost
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.program import Program
from hermesrt.workload import workload

WIDTH, HEADS, FEATURES = 128, 4, 128


class Layer(nn.Module):
    """Attention with positive random features, and a feed-forward part."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.wide, self.back = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.register_buffer("omega", torch.randn(WIDTH // HEADS, FEATURES))

    def features(self, x: Tensor) -> Tensor:
        return torch.exp(x @ self.omega - 0.5 * x.square().sum(-1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        parts = self.qkv(self.first(x)).view(batch, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        q, k, v = self.features(parts[0]), self.features(parts[1]), parts[2]
        y = q @ (k.transpose(-1, -2) @ v) / (q @ k.sum(-2).unsqueeze(-1))
        x = x + self.out(y.transpose(1, 2).reshape(batch, tokens, -1))
        return x + self.back(functional.gelu(self.wide(self.second(x))))


class Recurrent(nn.Module):
    """An LSTM over a sequence, and a linear layer on each of its results."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.LSTM(WIDTH, 256, batch_first=True), nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


def vgg() -> nn.Module:
    """A network with the layers of VGG-16, a quarter as wide, so that it fits one chip."""
    layers: list[nn.Module] = []
    inputs = 3
    for widths in ((16, 16), (32, 32), (64, 64, 64), (128, 128, 128), (128, 128, 128)):
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    head = (nn.Flatten(), nn.Linear(49 * inputs, 64), nn.ReLU(), nn.Linear(64, 10))
    return nn.Sequential(*layers, *head)


def main() -> None:
    """Both tables."""
    torch.manual_seed(0)
    print("CPU time of time and energy, one thread")
    print(
        f"{'model':>20} {'input':>16} {'steps':>5} {'events':>13} {'seconds':>8} {'a step':>7} "
        f"{'events/s':>9} {'torch':>8} {'of torch':>8}"
    )
    grown = 0.0
    for layers in (2, 8):
        model = nn.Sequential(*(Layer() for _ in range(layers)))
        program = streamed(model)
        for count in (256, 4096, 65536, 1_000_000):
            before = _peak_mib()
            row(f"encoder, {layers} layers", program, model, (1, count, WIDTH))
            grown += _peak_mib() - before if count > 4096 else 0.0
    print(f"peak memory {_peak_mib():.0f} MiB, {grown:.0f} of it for 65,536 tokens and more")
    for name, model, size in (
        ("ResNet-9", resnet9(), (64, 3, 32, 32)), ("VGG-like", vgg(), (1, 3, 224, 224)),
    ):  # fmt: skip
        row(name, hermesc.compile(model.eval(), torch.randn(2, *size[1:])), model, size)
    model = Recurrent()
    row("LSTM", streamed(model), model, (64, 1000, WIDTH))
    print()
    print(f"{'tiles':>6} {'tokens':>9} {'seconds':>8} {'of one tile':>12}")
    base = 0.0
    for side in (1, 4, 8, 16, 32):
        base = tiles(side, base)


def streamed(model: nn.Module) -> Program:
    """A program for sequences of any length."""
    shapes = ({0: torch.export.Dim.AUTO, 1: torch.export.Dim("tokens", min=2, max=2**21)},)
    return hermesc.compile(model.eval(), torch.randn(2, 16, WIDTH), dynamic_shapes=shapes)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(name: str, program: Program, model: nn.Module, size: tuple[int, ...]) -> None:
    """One line of the first table."""
    chip = load_chip("hermes")
    work = workload(program.artifact, {program.artifact.manifest.inputs[0].name: size})
    events = sum(w.needs.tokens for w in work.work) * size[0] // work.samples
    jobs = {"cost": lambda: cost(chip, work, "4-phase")}
    if size[1] <= 4096:
        x = torch.randn(size)
        jobs["torch"] = lambda: model(x)
    times = clock.medians(jobs)
    seconds, plain = times["cost"], times.get("torch")
    compared = f"{plain:>7.3f}s {seconds / plain:>8.4f}" if plain else f"{'-':>8} {'-':>8}"
    print(
        f"{name:>20} {' x '.join(map(str, size)):>16} {len(work.work):>5} {events:>13,} "
        f"{seconds:>8.4f} {seconds / len(work.work) * 1e6:>4.0f} us "
        f"{events / seconds / 1e6:>8.1f}M {compared}",
        flush=True,
    )


def tiles(side: int, base: float) -> float:
    """One line of the second table; the time of the first line."""
    chip = large(side * side)
    layer = nn.Linear(256 * side, 256 * side, bias=False)
    shapes = ({0: torch.export.Dim.AUTO, 1: torch.export.Dim("tokens", min=2, max=2**21)},)
    program = hermesc.compile(
        layer, torch.randn(2, 4, 256 * side), chip=chip, dynamic_shapes=shapes
    )
    work = workload(program.artifact, {"input": (1, 4096, 256 * side)})
    start = time.process_time()
    cost(chip, work, "4-phase")
    seconds = time.process_time() - start
    base = base or seconds
    print(f"{side * side:>6} {4096:>9,} {seconds:>8.4f} {seconds / base:>11.1f}x")
    return base


def large(cores: int) -> ChipSpec:
    """A chip with that many cores."""
    return load_chip("hermes", [("grid.rows", str(max(8, cores // 32))), ("grid.columns", "32")])


if __name__ == "__main__":
    with torch.no_grad():
        main()
