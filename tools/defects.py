"""What stuck cells cost the example classifier, with their map and without it.

    python tools/defects.py

Each seed is a chip with a random map of its own: in so many of its unit cells one polarity is
stuck, half of them at SET. Accuracies are means over the seeds, with the least and the most.
"""

import runpy
from pathlib import Path

import torch

import hermesc
from hermesrt.chip.defects import DefectMap, random_defects
from hermesrt.chip.load import load_chip
from hermesrt.program import Program

EXAMPLE = Path(__file__).parents[1] / "examples/rbf_ridge.py"
SHARES, SEEDS = (0.01, 0.05, 0.1), range(5)


def main() -> None:
    """One line a share."""
    torch.set_num_threads(1)
    chip, made = load_chip("hermes"), runpy.run_path(str(EXAMPLE))
    x, labels = made["x_test"], made["y_test"]

    def compiled(defects: DefectMap | None) -> Program:
        given = made["example_inputs"]
        data = made["x_train"]
        return hermesc.compile(made["model"], given, calibration=data, defects=defects)

    def accuracy(program: Program, seed: int, defects: DefectMap | None) -> float:
        device = hermesc.simulate(chip, seed, defects)
        found = program.deploy(device).report(x, labels=labels).accuracy
        assert found is not None
        return 100 * found

    plain = compiled(None)
    print(f"Accuracy in per cent, {len(SEEDS)} chips; no defect: ", end="")
    print(_told([accuracy(plain, seed, None) for seed in SEEDS]))
    print("stuck cells  map not known        map known")
    for share in SHARES:
        maps = [random_defects(chip, share, seed) for seed in SEEDS]
        unknown = [accuracy(plain, seed, d) for seed, d in zip(SEEDS, maps, strict=True)]
        known = [accuracy(compiled(d), seed, d) for seed, d in zip(SEEDS, maps, strict=True)]
        print(f"{100 * share:9.0f} %  {_told(unknown):<19}  {_told(known)}")


def _told(values: list[float]) -> str:
    return f"{sum(values) / len(values):.1f} ({min(values):.1f}-{max(values):.1f})"


if __name__ == "__main__":
    main()
