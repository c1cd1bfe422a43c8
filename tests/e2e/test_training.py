"""Training through the command line, killed and taken up."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from ..command_line import HERMESC, hermesc

MODEL = """
import torch
model = torch.nn.Sequential(torch.nn.Linear(24, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
example_inputs = (torch.randn(8, 24),)
"""


def prepared(folder: Path) -> None:
    (folder / "model.py").write_text(MODEL)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 24)).astype(np.float32)
    np.savez(folder / "x.npz", input=x, labels=x[:, :4].argmax(1))


def command(output: str, *more: object) -> list[str]:
    words = ("train", "model.py", "--data", "x.npz", "--chips", 1, "--epochs", 40, "-o", output)
    return [str(w) for w in (*words, "--batch", 16, *more)]


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    prepared(tmp_path)
    whole = hermesc(*command("whole.pt", "--json"), cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["trained"] > 60
    running = subprocess.Popen(
        [str(HERMESC), *command("cut.pt")], cwd=tmp_path, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    kept = tmp_path / "cut.pt.checkpoint"
    until = time.monotonic() + 120
    while not kept.exists() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert kept.exists() and not (tmp_path / "cut.pt").exists()
    again = hermesc(*command("cut.pt", "--json"), cwd=tmp_path)
    assert "went on after step" in again.stderr
    own, other = (torch.load(tmp_path / n, weights_only=True) for n in ("whole.pt", "cut.pt"))
    assert all(torch.equal(own[name], other[name]) for name in own)
    assert own._metadata == other._metadata
    compiled = hermesc("compile", "model.py", "--weights", "cut.pt", cwd=tmp_path)
    assert compiled.returncode == 0 and (tmp_path / "model.hermes").exists()


def test_mistakes_end_with_one_sentence(tmp_path):
    prepared(tmp_path)
    found = hermesc("train", "model.py", "--data", "x.npz", "--recipe", "rash", cwd=tmp_path)
    assert found.returncode == 2 and "recipe 'rash': must be one of" in found.stderr
    found = hermesc("train", "model.py", "--data", "y.npz", cwd=tmp_path)
    assert found.returncode == 2 and "y.npz" in found.stderr
    arrays = dict(np.load(tmp_path / "x.npz"))
    np.savez(tmp_path / "z.npz", input=arrays["input"], labels=arrays["labels"] + 1)
    found = hermesc("train", "model.py", "--data", "z.npz", cwd=tmp_path)
    assert found.returncode == 2 and "labels are from 1 to 4" in found.stderr
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".npz", ".npz", ".py"]


def test_help_needs_no_torch(tmp_path):
    code = "import sys; from hermesc.cli import main\ntry: main(['train', '-h'])\n"
    code += "except SystemExit: print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout.endswith("False\n")
