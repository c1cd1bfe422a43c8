"""Run a program's steps: host operations by torch, MVMs by whoever is given.

One loop serves four uses: a device, the exact FP32 reference, shapes on torch's meta device, and
observers of either.
"""

from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.artifact.schema import Artifact, ConstantStep, HostStep, MvmStep, Step
from hermesrt.errors import ArtifactError, HermescError, InputError, shortage
from hermesrt.ops.bounds import is_loose, run_bounded
from hermesrt.ops.call import run
from hermesrt.ops.loop import run_loop
from hermesrt.ops.schema import fault_of, gives_one_tensor
from hermesrt.ops.table import is_loop, row_of
from hermesrt.ops.time_steps import States, advance, fault_of_inputs, recur
from hermesrt.ops.unfold import convolve, result_shape

MvmFunction = Callable[[MvmStep, Tensor], Tensor]
GatesFunction = Callable[[MvmStep, Tensor, States], States]
StepObserver = Callable[[Step, Mapping[str, Any], Any], None]


def execute(
    artifact: Artifact,
    inputs: Mapping[str, Tensor],
    mvm: MvmFunction,
    device: str = "cpu",
    observe: StepObserver | None = None,
    *,
    bounded: bool = False,
    gates: GatesFunction | None = None,
) -> tuple[Tensor, ...]:
    """The program's outputs on `inputs`; `observe` sees each step, all values and its own.

    mvm: makes the product of a step, for a recurrence at each time step
    gates: makes a recurrence's next states of the product, exactly where it is not given
    bounded: whether each result's size is looked at before it is made; a run that begins with
        `hermesrt.shapes.check_run` needs it only where sizes depend on values

    Raises: InputError when a step fails on these inputs, ArtifactError when an output is no tensor.
    """
    steps = artifact.manifest.steps
    values: dict[str, Any] = dict(inputs)
    loose: set[str] = set()  # results whose sizes depend on values, which no run of shapes knows
    for step, done in zip(steps, artifact.last_uses, strict=True):
        try:
            if isinstance(step, HostStep) and _is_loose(step, values, loose):
                loose.add(step.name)
            free = step.name in loose
            values[step.name] = result = _run(
                artifact, step, values, mvm, device, gates, bounded=bounded, loose=free
            )
        except (HermescError, KeyboardInterrupt):
            raise
        except Exception as error:  # torch's operations raise every kind there is
            if device == "meta" and isinstance(error, NotImplementedError):
                raise
            raise InputError(shortage(error) or _failure(step, values, error)) from error
        if observe is not None:
            observe(step, values, result)
        for name in done:
            values.pop(name, None)
    return tuple(_output(artifact, name, values[name]) for name in artifact.manifest.outputs)


def _run(
    artifact: Artifact,
    step: Step,
    values: Mapping[str, Any],
    mvm: MvmFunction,
    device: str,
    gates: GatesFunction | None,
    *,
    bounded: bool,
    loose: bool,
) -> Any:
    match step:
        case ConstantStep():
            return tensor_of(artifact, step.tensor).to(device)
        case HostStep() if is_loop(step.op):
            place = str(step.location)
            return run_loop(step.call, values, device, once=bounded, where=place, loose=loose)
        case HostStep():
            bounded = bounded or loose or _by_values(step)
            return (run_bounded if bounded else run)(step.call, values, device)
        case MvmStep(recurrence=None):
            return mvm(step, _vectors(artifact, step, values[step.input]))
        case MvmStep():
            return _recur(artifact, step, values, mvm, gates or exact_gates(artifact), device)


def _by_values(step: HostStep) -> bool:
    row = row_of(step.op)
    return row is not None and row.by_values


def _is_loose(step: HostStep, values: Mapping[str, Any], loose: Set[str]) -> bool:
    return (bool(loose) or _by_values(step)) and is_loose(step.call, values, loose)


def _vectors(artifact: Artifact, step: MvmStep, x: Any) -> Tensor:
    rows, rank = artifact.matrices[step.matrix].rows, 0
    if step.window is not None:
        rows, rank = rows // step.window.taps, step.window.rank
    real = isinstance(x, Tensor) and x.is_floating_point() and x.dim() > rank
    if not isinstance(x, Tensor) or not real or x.shape[-1 - rank] != rows:
        found = f"{x.dtype}{list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"its input is {found} and not vectors of {rows} real numbers")
    return x


def _recur(
    artifact: Artifact,
    step: MvmStep,
    values: Mapping[str, Any],
    mvm: MvmFunction,
    gates: GatesFunction,
    device: str,
) -> Tensor:
    recurrence, outputs = step.recurrence, state_width(artifact, step)
    assert recurrence is not None
    taken = [values[name] for name in step.takes]
    if not all(isinstance(v, Tensor) and v.is_floating_point() for v in taken):
        raise TypeError("its input and first states are not tensors of real numbers")
    x: Tensor
    x, *states = taken
    rows = artifact.matrices[step.matrix].rows
    fault = fault_of_inputs(recurrence, rows, outputs, x, states)
    if fault is not None:
        raise TypeError(fault)
    if device == "meta":
        return x.new_empty((*x.shape[:2], recurrence.width(outputs)))
    y: Tensor = recur(
        recurrence,
        x.float() if x.itemsize < 4 else x,
        states,
        lambda vectors: mvm(step, vectors),
        lambda sums, now: gates(step, sums, now),
        None if step.second is None else partial(mvm, step.second),
    )
    return y.to(x.dtype)


def state_width(artifact: Artifact, step: MvmStep) -> int:
    """Width of a recurrence's h."""
    recurrence = step.recurrence
    assert recurrence is not None
    if recurrence.kind == "lstm" and step.second is not None:
        return artifact.matrices[step.second.matrix].columns
    if recurrence.projection is None:
        return recurrence.hidden
    return int(artifact.tensors[recurrence.projection].shape[1])


def exact_gates(artifact: Artifact) -> GatesFunction:
    """The next states of a recurrence, in the precision of its input."""

    def gates(step: MvmStep, sums: Tensor, states: States) -> States:
        recurrence, projection = step.recurrence, None
        assert recurrence is not None
        if recurrence.projection is not None:
            projection = tensor_of(artifact, recurrence.projection).to(sums.device, sums.dtype)
        return advance(recurrence, sums, states, projection)

    return gates


def _output(artifact: Artifact, name: str, value: Any) -> Tensor:
    """Outputs are plain tensors: a conjugate that was only noted down is computed."""
    if not isinstance(value, Tensor):
        raise ArtifactError(
            f"{artifact.manifest.name}: refused: output {name} is a {type(value).__name__} and no "
            "tensor; compile the model again"
        )
    if value.is_conj() or value.is_neg():
        return value.resolve_conj().resolve_neg()
    return value


def check_operations(artifact: Artifact) -> None:
    """Every host operation exists in this torch, is pure, and has arguments that fit its schema;
    every output is a tensor.

    Raises: ArtifactError. (Reading a file checks names only, for that needs no torch.)
    """
    manifest = artifact.manifest
    calls = {step.name: step.call for step in manifest.steps if isinstance(step, HostStep)}
    for name, call in calls.items():
        _need(artifact, name, fault_of(call))
    for name in manifest.outputs:
        if name in calls and not gives_one_tensor(calls[name]):
            _need(artifact, name, f"the output of {calls[name].op} is not one tensor")


def _need(artifact: Artifact, name: str, fault: str | None) -> None:
    if fault is not None:
        raise ArtifactError(
            f"{artifact.manifest.name}: refused: {name}: {fault}; compile the model again"
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
        matrix = tensor_of(artifact, step.matrix).to(wide.device, wide.dtype)
        if step.window is None:
            return epilogue(artifact, step, wide @ matrix).to(x.dtype)

        def at(vectors: Tensor, _: Tensor) -> Tensor:
            return epilogue(artifact, step, vectors @ matrix)

        idle = idle_result(artifact, step, wide)
        return convolve(step.window, wide, matrix.shape[1], at, idle).to(x.dtype)

    return mvm


def straight_through(artifact: Artifact, mvm: MvmFunction) -> MvmFunction:
    """MVMs with the gradient of the exact product; an input beyond its range gets none."""
    exact = reference_mvm(artifact)

    def run(step: MvmStep, x: Tensor) -> Tensor:
        found: Tensor = _StraightThrough.apply(x, step, mvm, exact)  # type: ignore[no-untyped-call]
        return found

    return run


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, step: MvmStep, mvm: MvmFunction, exact: MvmFunction) -> Tensor:
        ctx.save_for_backward(x)
        ctx.step, ctx.exact = step, exact
        return mvm(step, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        limit = ctx.step.input_max
        with torch.enable_grad():
            held = x.detach().requires_grad_()
            y = ctx.exact(ctx.step, held.clamp(-limit, limit))
            (found,) = torch.autograd.grad(y, held, gradients[0])
        return found, None, None, None


def idle_result(artifact: Artifact, step: MvmStep, x: Tensor) -> Float[Tensor, " columns"]:
    """What a step makes of a vector of zeros, for which no MVM is needed, in the dtype for x."""
    return epilogue(artifact, step, x.new_zeros(artifact.matrices[step.matrix].columns))


def epilogue(artifact: Artifact, step: MvmStep, y: Tensor) -> Tensor:
    """A step's exact scale, bias and ReLU."""
    if step.scale is not None:
        y = y * tensor_of(artifact, step.scale).to(y.device)
    if step.bias is not None:
        y = y + tensor_of(artifact, step.bias).to(y.device)
    return y.relu() if step.relu else y


def shape_mvm(artifact: Artifact) -> MvmFunction:
    """The shape of a step's result, whatever the device."""

    def mvm(step: MvmStep, x: Tensor) -> Tensor:
        columns = artifact.matrices[step.matrix].columns
        if step.window is None:
            return x.new_zeros((*x.shape[:-1], columns))
        return x.new_zeros(result_shape(step.window, x.shape, columns))

    return mvm


def tensor_of(artifact: Artifact, name: str) -> Tensor:
    """A stored tensor as torch sees it, without a copy."""
    return torch.from_numpy(artifact.tensors[name])
