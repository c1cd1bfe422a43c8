"""Speed of the timing simulation: (operation, token) events a second, and how it grows.

An encoder with linear attention (d 128, 4 heads, 128 features, feed-forward 512), one thread, CPU
time. `torch` is one forward pass of the same model in plain torch; a million tokens are timed, not
computed. Tiles grow with the width of one layer on a chip that is large enough.
"""

import resource
import time

import clock  # first: it sets the number of threads
import torch
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


def main() -> None:
    """Both tables."""
    torch.manual_seed(0)
    print("CPU time of time and energy, one thread")
    print(
        f"{'layers':>6} {'tokens':>9} {'events':>12} {'seconds':>8} {'events/s':>9} {'torch':>9} "
        f"{'of torch':>9}"
    )
    grown = 0.0
    tokens = torch.export.Dim("tokens", min=2, max=2**21)
    shapes = ({0: torch.export.Dim.AUTO, 1: tokens},)
    for layers in (2, 8):
        model = nn.Sequential(*(Layer() for _ in range(layers))).eval()
        program = hermesc.compile(model, torch.randn(2, 16, WIDTH), dynamic_shapes=shapes)
        for count in (256, 4096, 65536, 1_000_000):
            before = _peak_mib()
            row(program, model, layers, count)
            grown += _peak_mib() - before if count > 4096 else 0.0
    print(f"peak memory {_peak_mib():.0f} MiB, {grown:.0f} of it for 65,536 tokens and more")
    print()
    print(f"{'tiles':>6} {'tokens':>9} {'seconds':>8} {'of one tile':>12}")
    base = 0.0
    for side in (1, 4, 8, 16, 32):
        base = tiles(side, base)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(program: Program, model: nn.Module, layers: int, tokens: int) -> None:
    """One line of the first table."""
    chip = load_chip("hermes")
    work = workload(program.artifact, {"input": (1, tokens, WIDTH)})
    events = sum(w.needs.tokens for w in work.work)
    jobs = {"cost": lambda: cost(chip, work, "4-phase")}
    if tokens <= 4096:
        x = torch.randn(1, tokens, WIDTH)
        jobs["torch"] = lambda: model(x)
    times = clock.medians(jobs)
    seconds, plain = times["cost"], times.get("torch")
    compared = f"{plain:>8.3f}s {seconds / plain:>9.3f}" if plain else f"{'-':>9} {'-':>9}"
    print(
        f"{layers:>6} {tokens:>9,} {events:>12,} {seconds:>8.3f} {events / seconds / 1e6:>8.1f}M "
        f"{compared}"
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
