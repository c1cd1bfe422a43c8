"""The runtime runs a program where no compiler is installed: with a Device, and nothing else."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hermesrt.program import Program

# A process whose path has no compiler: it refuses to import one, wherever it may be installed.
_ALONE = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

refused, folders, program, inputs, outputs = eval(sys.argv[1])
sys.meta_path.insert(0, Refused())
sys.path[:0] = folders

import numpy as np
import torch
from hermesrt.program import Program

torch.set_num_threads(1)
%s
program = Program.load(program)
chip = program.deploy(device(program), method="ideal").configure(ideal=True)
x = torch.from_numpy(np.load(inputs))
np.save(outputs, chip(x).numpy())
print(chip.report(x))
assert not refused & {name.partition(".")[0] for name in sys.modules}
"""

_SIMULATED = """
from hermes_sim.device import SimulatedDevice

def device(program):
    return SimulatedDevice(program.artifact.chip, seed=0)
"""

_OWN = """
from hermesrt.cost import Cost, LayerCost, MvmsAlone
from hermesrt.executor import reference_mvm

class Exact:
    seed, identity, loaded = 0, "a device of the user's own", None

    def __init__(self, chip):
        self.chip = chip

    def load(self, artifact):
        self.loaded, self.product = artifact, reference_mvm(artifact)

    def draw(self, end_state):
        pass

    def configure(self, settings):
        pass

    def mvm(self, step, x, block, copy=0):
        return self.product(step, x)

    def cost(self, workload, mode):
        energy = {"array": 7.0, "idle": 0.0}
        alone = MvmsAlone(48.0, 5000, 7.0)
        return Cost(1, 5000, 5000, {"array": 5000}, energy, (), (), (), (), alone)

def device(program):
    return Exact(program.artifact.chip)
"""


def _folder(package: str) -> str:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent.parent)


def _alone(
    device: str, program: Program, x: Tensor, folder: Path, *packages: str
) -> tuple[Tensor, str]:
    """Outputs and report of a program in a process that has only those packages of ours."""
    program.save(folder / "p.hermes")
    np.save(folder / "x.npy", x.numpy())
    refused = {"hermesc", "hermes_sim", "hermes_chip"} - set(packages)
    files = [str(folder / name) for name in ("p.hermes", "x.npy", "y.npy")]
    given = repr((refused, [_folder(package) for package in packages], *files))
    done = subprocess.run(
        [sys.executable, "-c", _ALONE % device, given],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return torch.from_numpy(np.load(folder / "y.npy")), done.stdout


@torch.no_grad()
@pytest.mark.parametrize(
    ("device", "packages"),
    [(_OWN, ("hermesrt",)), (_SIMULATED, ("hermesrt", "hermes_sim"))],
    ids=["the user's own device", "the simulator"],
)
def test_a_program_runs_with_the_runtime_and_a_device_alone(
    device: str,
    packages: tuple[str, ...],
    program: Program,
    model: nn.Module,
    inputs: Tensor,
    tmp_path: Path,
) -> None:
    found, report = _alone(device, program, inputs, tmp_path, *packages)
    torch.testing.assert_close(found, model(inputs), rtol=1e-4, atol=1e-4)
    assert "relative error" in report
    assert "Latency" in report
