"""Run a program's steps: host operations by torch, MVMs by whoever is given.

One loop serves four uses: a device, the exact FP32 reference, shapes on torch's meta device, and
observers of either.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from hermesrt.artifact.schema import Artifact, ConstantStep, HostStep, MvmStep, Step
from hermesrt.errors import ArtifactError, InputError
from hermesrt.ops.call import last_uses, resolve, run

MvmFunction = Callable[[MvmStep, Tensor], Tensor]
StepObserver = Callable[[Step, Mapping[str, Any], Any], None]


def execute(
    artifact: Artifact,
    inputs: Mapping[str, Tensor],
    mvm: MvmFunction,
    device: str = "cpu",
    observe: StepObserver | None = None,
) -> tuple[Tensor, ...]:
    """The program's outputs on `inputs`; `observe` sees each step, all values and its own.

    Raises: InputError when a host operation fails on these inputs.
    """
    steps = artifact.manifest.steps
    values: dict[str, Any] = dict(inputs)
    dead = last_uses([(s.name, s.takes) for s in steps], artifact.manifest.outputs)
    for step, done in zip(steps, dead, strict=True):
        try:
            values[step.name] = result = _run(artifact, step, values, mvm, device)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            if device == "meta" and isinstance(error, NotImplementedError):
                raise
            raise InputError(_failure(step, values, error)) from error
        if observe is not None:
            observe(step, values, result)
        for name in done:
            values.pop(name, None)
    return tuple(values[name] for name in artifact.manifest.outputs)


def _run(
    artifact: Artifact, step: Step, values: Mapping[str, Any], mvm: MvmFunction, device: str
) -> Any:
    match step:
        case ConstantStep():
            return tensor_of(artifact, step.tensor).to(device)
        case HostStep():
            return run(step.call, values, device)
        case MvmStep():
            return mvm(step, values[step.input])


def check_operations(artifact: Artifact) -> None:
    """Every host operation exists in this torch, with that overload, and is pure.

    Raises: ArtifactError. (Reading a file checks names only, for that needs no torch.)
    """
    for step in artifact.manifest.steps:
        if isinstance(step, HostStep) and resolve(step.op) is None:
            raise ArtifactError(
                f"{artifact.manifest.name}: {step.name}: this torch has no operation {step.op!r}; "
                "compile the model again"
            )


def _failure(step: Step, values: Mapping[str, Any], error: Exception) -> str:
    what = step.op if isinstance(step, HostStep) else step.tag
    place = getattr(step, "location", None)
    shapes = [tuple(values[n].shape) for n in step.takes if isinstance(values.get(n), Tensor)]
    text = " ".join(str(error).split())[:300]
    return (
        f"{place or step.name}: {what} fails on these inputs (shapes {shapes}): {text}; check the "
        "inputs' shapes against `hermesc inspect`"
    )


def reference_mvm(artifact: Artifact) -> MvmFunction:
    """The exact product of a step, in the precision of its input; half precision is rounded at its
    end."""

    def mvm(step: MvmStep, x: Tensor) -> Tensor:
        wide = x.float() if x.itemsize < 4 else x
        y = wide @ tensor_of(artifact, step.matrix).to(wide.dtype)
        return epilogue(artifact, step, y).to(x.dtype)

    return mvm


def epilogue(artifact: Artifact, step: MvmStep, y: Tensor) -> Tensor:
    """A step's exact scale, bias and ReLU."""
    if step.scale is not None:
        y = y * tensor_of(artifact, step.scale)
    if step.bias is not None:
        y = y + tensor_of(artifact, step.bias)
    return y.relu() if step.relu else y


def shape_mvm(artifact: Artifact) -> MvmFunction:
    """The shape of a step's result, whatever the device."""

    def mvm(step: MvmStep, x: Tensor) -> Tensor:
        return x.new_zeros((*x.shape[:-1], artifact.matrices[step.matrix].columns))

    return mvm


def tensor_of(artifact: Artifact, name: str) -> Tensor:
    """A stored tensor as torch sees it, without a copy."""
    return torch.from_numpy(artifact.tensors[name])
