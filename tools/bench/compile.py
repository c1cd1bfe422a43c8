"""Time of compilation against tiles: each step's CPU time, memory, and growth.

Layers of 256 x 2048, eight full tiles each, on as many chips as it takes, calibrated on few rows;
the heuristic placer. `per tile`, of one line over that of the first, says how far from linear it
is; `all` leaves capture out, which is torch's own. Peak memory is that of compilation, weights and
torch in it, before the program is written (2,000 full tiles are 500 MiB of weights).
"""

import resource
import time

import clock  # noqa: F401  first: it sets the number of threads
import torch
from torch import Tensor, nn

from hermesc.pipeline import ModelSource, Options, compile_model
from hermesc.placement.options import PlaceOptions
from hermesrt.artifact.io import from_bytes, to_bytes
from hermesrt.chip.load import load_chip

SHOWN = ("tile", "quantize", "place", "route", "emit")
EACH = 8  # tiles of a layer


class Wide(nn.Module):
    """Layers side by side on one input."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(256, 256 * EACH, bias=False) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([layer(x) for layer in self.layers]).amax(0)


def main() -> None:
    """One line for each size."""
    print(" ".join(f"{n:>8}" for n in ("tiles", "chips", *SHOWN, "file", "all", "per tile", "MiB")))
    base = 0.0
    for tiles in (32, 128, 512, 2000):
        base = row(tiles, base)


def row(tiles: int, base: float) -> float:
    """One line; the time of a tile of the first line."""
    chips = -(-tiles // 64)
    times: dict[str, float] = {}
    marks = [time.process_time()]

    def observe(name: str, _: object, __: float) -> None:
        times[name] = time.process_time() - marks[-1]
        marks.append(time.process_time())

    torch.manual_seed(0)
    source = ModelSource(Wide(tiles // EACH).eval(), (torch.randn(4, 256),))
    options = Options(place=PlaceOptions(chips=chips, solver="heuristic"))
    artifact = compile_model(source, load_chip("hermes"), options, observe)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    from_bytes(to_bytes(artifact), "bench")
    times["file"] = time.process_time() - start
    total = sum(seconds for name, seconds in times.items() if name != "capture")
    base = base or total / tiles
    shown = " ".join(f"{times[name]:>8.3f}" for name in (*SHOWN, "file"))
    print(
        f"{tiles:>8} {chips:>8} {shown} {total:>8.3f} {total / tiles / base:>7.2f}x {memory:>8.0f}"
    )
    return base


if __name__ == "__main__":
    with torch.no_grad():
        main()
