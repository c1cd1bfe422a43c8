"""Cost of a layer on other simulators of analog chips beside ours, in one process and the same run.

    python tools/bench/peers.py [--kernel avx2] [--record FILE.json]

Prints CPU time as a ratio to F.linear (FP32) on the same inputs, one thread, median of rounds.
Peers: aihwkit (its C++ and its torch tile), aihwkit-lightning, CrossSim; 8-bit inputs and outputs,
output noise 0.04, no read noise of devices, which ours draws for each MVM (`hermesc`) or not
(`quiet`). What is not installed, or does not take these settings, is left out with the reason.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import clock  # before torch: it sets the number of threads
import torch
from torch import Tensor, nn
from torch.nn import functional

import hermesc
from hermesrt.chip.load import load_chip

Job = Callable[[Tensor], object]
SIZES, BATCHES = (256, 1024), (1, 64, 1024)
RESOLUTION, BOUND, NOISE = 254, 10.0, 0.04
QUIET = (("effects.read_noise", "off"),)


def main(record: Path | None) -> None:
    """One line for each size and batch, behind the reasons of what is left out."""
    print(clock.machine_line())
    rows: list[dict[str, str | float]] = []
    for size in SIZES:
        torch.manual_seed(0)
        layer = nn.Linear(size, size, bias=False)
        jobs, reasons = simulators(layer)
        if size == SIZES[0]:
            for name, reason in reasons.items():
                print(f"without {name}: {reason}")
                rows.append({"peer": name, "left_out": reason})
            print("CPU time relative to F.linear, one thread")
        for batch in BATCHES:
            x = torch.randn(batch, size)
            found = clock.medians({name: partial(job, x) for name, job in jobs.items()}, 3)
            base = found.pop("linear")
            shown = "  ".join(f"{name} {seconds / base:.2f}" for name, seconds in found.items())
            print(f"{size:>5} x {size:<4} {batch:>6} {base * 1e6:>7.0f} us  {shown}", flush=True)
            ratios = {name: seconds / base for name, seconds in found.items()}
            rows.append({"size": size, "batch": batch, "linear_s": base} | ratios)
    if record is not None:
        clock.write_record(record, "peers", rows)


def simulators(layer: nn.Linear) -> tuple[dict[str, Job], dict[str, str]]:
    """What runs here, by name, and why the others do not."""
    program = hermesc.compile(layer, torch.randn(256, layer.in_features))
    jobs: dict[str, Job] = {"linear": partial(functional.linear, weight=layer.weight)}
    jobs["hermesc"] = program.deploy(hermesc.simulate())
    jobs["quiet"] = program.deploy(hermesc.simulate(load_chip("hermes", QUIET)))
    reasons = {}
    for name, (package, make) in PEERS.items():
        try:
            known = version(package)
        except PackageNotFoundError:
            reasons[name] = f"{package} is not installed"
            continue
        try:
            job = make(layer)
            job(torch.zeros(2, layer.in_features))
        except Exception as error:  # of code that is not ours
            reasons[name] = f"{package} {known}: {type(error).__name__}: {error}"[:200]
        else:
            jobs[f"{name} {known}"] = job
    return jobs, reasons


def aihwkit(layer: nn.Linear, config: str) -> Job:
    """A layer of aihwkit's, programmed and drifted for a day."""
    from aihwkit.inference.noise.hermes import HermesNoiseModel
    from aihwkit.nn import AnalogLinear
    from aihwkit.simulator import configs
    from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType

    chosen: Any = getattr(configs, config)()
    chosen.forward.inp_res = chosen.forward.out_res = 1 / RESOLUTION
    chosen.forward.out_bound, chosen.forward.out_noise = BOUND, NOISE
    chosen.forward.noise_management = NoiseManagementType.NONE
    chosen.forward.bound_management = BoundManagementType.NONE
    chosen.mapping.max_input_size = chosen.mapping.max_output_size = 256
    chosen.noise_model = HermesNoiseModel(num_devices=2)
    analog = AnalogLinear(layer.in_features, layer.out_features, bias=False, rpu_config=chosen)
    analog.set_weights(layer.weight.detach())
    analog.eval()
    analog.program_analog_weights()
    analog.drift_analog_weights(86400.0)
    return analog  # type: ignore[no-any-return]


def lightning(layer: nn.Linear) -> Job:
    """A layer of aihwkit-lightning's, with the noise of training."""
    from aihwkit_lightning.nn import AnalogLinear
    from aihwkit_lightning.simulator.configs import TorchInferenceRPUConfig

    chosen: Any = TorchInferenceRPUConfig()
    chosen.forward.inp_res = chosen.forward.out_res = RESOLUTION
    chosen.forward.out_bound, chosen.forward.out_noise = BOUND, NOISE
    chosen.mapping.max_input_size = 256
    analog = AnalogLinear(layer.in_features, layer.out_features, bias=False, rpu_config=chosen)
    analog.weight.data.copy_(layer.weight)
    return analog.train()  # type: ignore[no-any-return]


def crosssim(layer: nn.Linear) -> Job:
    """A matrix of CrossSim's, in numpy."""
    from simulator import AnalogCore, CrossSimParameters

    chosen: Any = CrossSimParameters()
    chosen.core.style = "BALANCED"
    chosen.core.rows_max = chosen.core.cols_max = 256
    core = AnalogCore(layer.weight.detach().numpy(), params=chosen)
    return lambda x: core @ x.T.numpy()


PEERS: Mapping[str, tuple[str, Callable[[nn.Linear], Job]]] = {
    "aihwkit C++": ("aihwkit", partial(aihwkit, config="InferenceRPUConfig")),
    "aihwkit torch": ("aihwkit", partial(aihwkit, config="TorchInferenceRPUConfig")),
    "lightning": ("aihwkit-lightning", lightning),
    "CrossSim": ("cross-sim", crosssim),
}

if __name__ == "__main__":
    chosen_options = clock.options(__doc__)
    with torch.no_grad():
        main(chosen_options.record)
