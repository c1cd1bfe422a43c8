"""A first look at an installed hermesc: each kind of model is compiled and run, files come back.

python tools/smoke.py    in an environment with the wheel, outside of this repository
"""

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

import hermesc


def main() -> None:
    """Stop at the first thing that does not hold."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 300), nn.ReLU(), nn.Linear(300, 4)).eval()
    x = torch.randn(32, 12)
    with torch.no_grad():
        wanted = model(x)
    with tempfile.TemporaryDirectory() as folder:
        exported, saved = Path(folder, "model.pt2"), Path(folder, "p.hermes")
        free = ({0: torch.export.Dim.DYNAMIC},)
        torch.export.save(torch.export.export(model, (x,), dynamic_shapes=free), exported)
        for given in (hermesc.compile(model, x), hermesc.compile(exported)):
            chip = given.deploy(hermesc.simulate("hermes", seed=0))
            error = (chip(x) - wanted).norm() / wanted.norm()
            assert error < 0.3, error
            torch.testing.assert_close(chip.configure(ideal=True)(x), wanted, rtol=1e-4, atol=1e-5)
        given.save(saved)
        for words in (["inspect", saved], ["run", saved, "--json"], ["chips"]):
            command = [sys.executable, "-m", "hermesc", *map(str, words)]
            subprocess.run(command, check=True, capture_output=True, cwd=folder)
    python = ".".join(map(str, sys.version_info[:2]))
    print(f"Python {python}, torch {torch.__version__}, hermesc {version('hermesc')}: works")


if __name__ == "__main__":
    main()
