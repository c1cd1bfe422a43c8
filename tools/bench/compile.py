"""Time of compilation against tiles: each step's CPU time, memory, and growth.

Layers of 256 x 2048, eight full tiles each, on as many chips as it takes, calibrated on few rows;
the heuristic placer. `file` writes the program and reads it back, with the checksums of all parts.
`per tile`, of one line over that of the first, says how far from linear it is; `all` leaves capture
out, which is torch's own. `MiB` is peak memory to the end, reading included, with torch and the
model in it; `above` is how much of that came after the model was made, over the size of its weights
(2,000 full tiles are 500 MiB).
"""

import resource
import tempfile
import time
from pathlib import Path

import clock  # noqa: F401  first: it sets the number of threads
import torch
from torch import Tensor, nn

from hermesc.pipeline import ModelSource, Options, compile_model
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.load import load_chip
from hermesrt.program import Program

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
    print(
        " ".join(
            f"{n:>8}" for n in ("tiles", "chips", *SHOWN, "file", "all", "per tile", "MiB", "above")
        )
    )
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
    model = Wide(tiles // EACH).eval()
    weights = sum(p.nbytes for p in model.parameters()) / 2**20
    held = _held()
    source = ModelSource(model, (torch.randn(4, 256),))
    options = Options(place=PlaceOptions(chips=chips, solver="heuristic"))
    artifact = compile_model(source, load_chip("hermes"), options, observe)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        written = Program.of(artifact)
        written.save(Path(folder) / "p.hermes")
        read = Program.load(Path(folder) / "p.hermes")
        times["file"] = time.process_time() - start
        assert read.sha256 == written.sha256
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total = sum(seconds for name, seconds in times.items() if name != "capture")
    base = base or total / tiles
    shown = " ".join(f"{times[name]:>8.3f}" for name in (*SHOWN, "file"))
    growth = f"{total / tiles / base:>7.2f}x {peak:>8.0f} {(peak - held) / weights:>7.2f}x"
    print(f"{tiles:>8} {chips:>8} {shown} {total:>8.3f} {growth}")
    return base


def _held() -> float:
    """Memory in use now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    with torch.no_grad():
        main()
