"""Capture a plain nn.Module with torch.export, its batch left symbolic."""

import contextlib
import copy
import inspect
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.fx.proxy import TracerBase

from hermesc.frontend.describe import describe
from hermesc.frontend.quiet import quiet
from hermesrt.errors import ModelError


@dataclass(frozen=True, slots=True)
class Capture:
    """An exported model, and what it did on its example inputs.

    exported: the model's graph and weights.
    example_inputs: those that it was captured on.
    eager_outputs: what the model itself returned there.
    model: what is called.
    input_names: names of its arguments, where they are known (torch.export writes small letters).
    """

    exported: ExportedProgram
    example_inputs: tuple[Tensor, ...]
    eager_outputs: tuple[Tensor, ...]
    model: nn.Module
    input_names: tuple[str, ...] = ()

    def in_fp64(self) -> tuple[Tensor, ...] | None:
        """The model's outputs in FP64; None where it does not run so, or does not return the same
        when it is called again."""
        wide = (x.double() if x.is_floating_point() else x for x in self.example_inputs)
        try:
            model = copy.deepcopy(self.model)
            with _evaluation(model), quiet(), torch.no_grad():
                again = _run(model, self.example_inputs)
                pairs = zip(again, self.eager_outputs, strict=True)
                if not all(torch.allclose(a, b, equal_nan=True) for a, b in pairs):
                    return None
                return _run(model.double(), tuple(wide))
        except Exception:  # user code that asks for FP32, or cannot be copied
            return None


def capture(
    model: nn.Module | ExportedProgram, example_inputs: Sequence[Tensor], dynamic_shapes: Any = None
) -> Capture:
    """Run the model once as it is, then export it in evaluation mode; an exported program is taken
    as it is.

    `dynamic_shapes` marks further symbolic sizes, as in torch.export. The graph is the one before
    decompositions, unless the model writes in place: then it is made functional.
    Raises: ModelError when the model fails on its example inputs or cannot be exported.
    """
    inputs = tuple(t.detach() for t in example_inputs)
    _check_kind(model)
    if isinstance(model, ExportedProgram):
        return _captured_before(model, inputs)
    with _evaluation(model), quiet(), _whole_stacks(), torch.no_grad():
        inputs, outputs = _run_on_two(model, inputs)
        exported = _export(model, inputs, dynamic_shapes)
    names = tuple(inspect.signature(model.forward).parameters)[: len(inputs)]
    return Capture(exported, inputs, outputs, model, names)


def _check_kind(model: nn.Module | ExportedProgram) -> None:
    """Raises: ModelError for what torch.export does not read."""
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            "the model is a torch.jit one (traced or scripted), which torch.export cannot read; "
            "give the nn.Module that it was made from"
        )
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        raise ModelError("torch.autocast is on; compile outside of it, for the chip takes FP32")


def _captured_before(program: ExportedProgram, inputs: tuple[Tensor, ...]) -> Capture:
    with quiet(), torch.no_grad():
        _refuse_autocast(program)
        try:
            module = program.module(check_guards=False)
            functional = program.run_decompositions({}) if _writes_in_place(program) else program
        except Exception as error:
            raise ModelError(
                f"torch cannot use the exported program: {describe(error)}; export the model again"
            ) from error
        return Capture(functional, inputs, _run(module, inputs), module)


def _run_on_two(
    model: nn.Module, inputs: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs: export takes a size of 1 for a constant, so a batch of one is repeated,
    unless the model takes no other."""
    if all(t.dim() > 0 and t.shape[0] == 1 for t in inputs):
        twice = tuple(torch.cat([t, t]) for t in inputs)
        with contextlib.suppress(ModelError):
            return twice, _run(model, twice)
    return inputs, _run(model, inputs)


def _run(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    try:
        result = model(*(t.clone() for t in inputs))
    except Exception as error:
        shapes = ", ".join(str(tuple(t.shape)) for t in inputs)
        raise ModelError(
            f"the model fails on its own example_inputs, of shape {shapes}: {describe(error)}"
        ) from error
    leaves = torch.utils._pytree.tree_leaves(result)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ModelError(
                f"the model returns a {type(leaf).__name__}; return tensors only, alone or in a "
                "tuple, list or dict"
            )
    if not leaves:
        raise ModelError("the model returns nothing; return at least one tensor")
    return tuple(leaf.detach().clone() for leaf in leaves)


def _export(model: nn.Module, inputs: tuple[Tensor, ...], shapes: Any) -> ExportedProgram:
    wanted = _dynamic_shapes(model, inputs, shapes)
    try:
        exported = torch.export.export(model, inputs, dynamic_shapes=wanted, strict=False)
        _refuse_autocast(exported)
        if _writes_in_place(exported):
            exported = exported.run_decompositions({})
    except GuardOnDataDependentSymNode as error:
        place = describe(error).rpartition(" (line ")[2].removesuffix(")")
        raise ModelError(
            f"the model's control flow depends on the data (line {place}); write it with "
            "torch.where, or move it out of the model"
        ) from error
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"torch.export cannot capture the model: {describe(error)}; try "
            "`torch.export.export(model, example_inputs)` by itself and simplify the line it names"
        ) from error
    return exported


def _dynamic_shapes(model: nn.Module, inputs: tuple[Tensor, ...], shapes: Any) -> Any:
    """The user's marks, with the first size of each input symbolic besides."""
    if shapes is None:
        marks = tuple({0: Dim.AUTO} if t.dim() else None for t in inputs)
        kinds = [p.kind for p in inspect.signature(model.forward).parameters.values()]
        if inspect.Parameter.VAR_POSITIONAL in kinds:  # forward(self, *inputs)
            named = kinds.index(inspect.Parameter.VAR_POSITIONAL)
            return (*marks[:named], marks[named:])
        return marks
    if not isinstance(shapes, dict | tuple | list):
        raise ModelError(
            "dynamic_shapes must be a tuple or dict with an entry for each input, as in "
            f"torch.export, not {type(shapes).__name__}"
        )
    if isinstance(shapes, dict):
        return {name: _with_batch(marks) for name, marks in shapes.items()}
    return tuple(_with_batch(marks) for marks in shapes)


def _with_batch(marks: Any) -> Any:
    if marks is None:
        return {0: Dim.AUTO}
    return {0: Dim.AUTO} | marks if isinstance(marks, dict) else marks


def _refuse_autocast(exported: ExportedProgram) -> None:
    """Raises: ModelError where a part of the model runs in torch.autocast."""
    for node in exported.graph.nodes:
        if node.op == "call_function" and "autocast" in getattr(node.target, "__name__", ""):
            raise ModelError(
                "the model runs a part in torch.autocast, and the chip takes FP32; take the "
                "`with torch.autocast(...)` out of its forward"
            )


def _writes_in_place(exported: ExportedProgram) -> bool:
    """Whether the graph needs to be made functional: in-place operations, or nested graphs such as
    those of torch.no_grad()."""
    targets = (n.target for n in exported.graph.nodes if n.op == "call_function")
    return any(
        isinstance(t, torch._ops.HigherOrderOperator)
        or (isinstance(t, torch._ops.OpOverload) and t._schema.is_mutable)
        for t in targets
    )


@contextlib.contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for the while; the user's model is given back as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def _whole_stacks() -> Iterator[None]:
    """Let torch note every line of the user's code that led to a node.

    It keeps only those of functions named `forward`, and so loses the line inside a helper. Where
    another torch has no such filter, locations are as it gives them.
    """
    kept = getattr(TracerBase, "_filter_traceback_frames", None)
    if kept is None:
        yield
        return
    torchs_own = str(Path(torch.__file__).parent)

    def whole(_: TracerBase, stack: traceback.StackSummary) -> traceback.StackSummary:
        own = [frame for frame in stack if not frame.filename.startswith(torchs_own)]
        first = next((i for i, frame in enumerate(own) if frame.name == "forward"), len(own))
        return traceback.StackSummary.from_list(own[first:])

    setattr(TracerBase, kept.__name__, whole)
    try:
        yield
    finally:
        setattr(TracerBase, kept.__name__, kept)
