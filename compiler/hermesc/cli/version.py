"""What `hermesc --version -v` says of the machine."""

import platform

import torch

from hermes_sim.kernel.load import kernel


def environment() -> str:
    """Versions, processor, and what runs the crossbars."""
    found = kernel()
    name = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    runs = "torch, for there is no C compiler or no kernel for this processor"
    if found is not None:
        runs = f"compiled for {found.instructions}"
    return (
        f"Python {platform.python_version()}, torch {torch.__version__}\n"
        f"processor: {name}\n"
        f"kernel: {runs}"
    )
