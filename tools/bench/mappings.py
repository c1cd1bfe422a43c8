"""The published HERMES mappings against ours: cores, and what the difference does to time.

Takes the folder of mapping files by path. Each file becomes a model of its layers, one after
another on a stream of tokens, whose weights are random: sizes are all that matters here. Theirs is
compiled with `--mapping`, ours with each objective.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from hermesc.pipeline import ModelSource, Options, compile_model
from hermesc.placement.options import Objective, PlaceOptions
from hermesrt.artifact.published_mapping import Layers, from_text
from hermesrt.chip.load import load_chip
from hermesrt.program import Program

TOKENS = 64
AIMS: tuple[Objective, ...] = ("cores", "balanced", "latency")


class Stack(nn.Module):
    """The layers of a file, each on the first columns of what the one before made."""

    def __init__(self, sizes: dict[str, tuple[int, int]]) -> None:
        super().__init__()
        self.order = list(sizes)
        for name, (rows, columns) in sizes.items():
            self._add(name.split("."), nn.Linear(rows, columns, bias=False))

    def _add(self, path: list[str], layer: nn.Linear) -> None:
        owner: nn.Module = self
        for part in path[:-1]:
            if part not in dict(owner.named_children()):
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        owner.add_module(path[-1], layer)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.order:
            layer = self.get_submodule(name)
            assert isinstance(layer, nn.Linear)
            while x.shape[-1] < layer.in_features:
                x = torch.cat([x, x], -1)
            x = layer(x[..., : layer.in_features])
        return x


def main() -> None:
    """One line for each file and placement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of *_mapping*.json")
    folder = parser.parse_args().data
    files = sorted(folder.glob("*mapping*.json"))
    if not files:
        raise SystemExit(f"{folder}: there is no *mapping*.json file")
    print(
        f"{'file':<28} {'placement':<10} {'cores':>5} {'copies':>6} {'latency':>11} "
        f"{'to theirs':>9}"
    )
    for file in files:
        layers = from_text(file.read_text(), file.name, load_chip("hermes"), 1)
        if layers:
            rows(file.stem, layers)


def rows(name: str, layers: Layers) -> None:
    """Theirs, then ours."""
    sizes = {n: (layer.cut.rows[-1][1], layer.cut.columns[-1][1]) for n, layer in layers.items()}
    theirs = line(name, "theirs", sizes, PlaceOptions(), layers, 0.0)
    for aim in AIMS:
        line("", aim, sizes, PlaceOptions(objective=aim), {}, theirs)


def line(
    name: str,
    what: str,
    sizes: dict[str, tuple[int, int]],
    options: PlaceOptions,
    mapping: Layers,
    theirs: float,
) -> float:
    """One placement; its latency."""
    import hermesc

    torch.manual_seed(0)
    first = next(iter(sizes.values()))[0]
    source = ModelSource(Stack(sizes).eval(), (torch.randn(2, TOKENS, first),))
    chip = load_chip("hermes")
    artifact = compile_model(source, chip, Options(place=options), mapping=mapping)
    cost = hermesc.simulate(chip).cost(Program.of(artifact).workload(), None)
    copies = max(m.copies for m in artifact.manifest.matrices)
    compared = f"{cost.latency_ps / theirs:>8.2f}x" if theirs else ""
    print(
        f"{name:<28} {what:<10} {len(artifact.cores):>5} {copies:>6} "
        f"{cost.latency_ps / 1e6:>8.2f} µs {compared:>9}"
    )
    return float(cost.latency_ps)


if __name__ == "__main__":
    with torch.no_grad():
        main()
