"""Capture a plain nn.Module with torch.export, its batch left symbolic."""

import contextlib
import inspect
import io
import logging
import traceback
import warnings
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
from hermesrt.errors import ModelError


@dataclass(frozen=True, slots=True)
class Capture:
    """An exported model, with the example inputs it was captured on, its eager outputs there, and
    the names of its arguments where they are known (torch.export writes them in small letters)."""

    exported: ExportedProgram
    example_inputs: tuple[Tensor, ...]
    eager_outputs: tuple[Tensor, ...]
    input_names: tuple[str, ...] = ()


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
    if isinstance(model, ExportedProgram):
        return _captured_before(model, inputs)
    with _evaluation(model), quiet(), _whole_stacks(), torch.no_grad():
        inputs, outputs = _run_on_two(model, inputs)
        exported = _export(model, inputs, dynamic_shapes)
    names = tuple(inspect.signature(model.forward).parameters)[: len(inputs)]
    return Capture(exported, inputs, outputs, names)


def _captured_before(program: ExportedProgram, inputs: tuple[Tensor, ...]) -> Capture:
    with quiet(), torch.no_grad():
        try:
            module = program.module(check_guards=False)
            functional = program.run_decompositions({}) if _writes_in_place(program) else program
        except Exception as error:
            raise ModelError(
                f"torch cannot use the exported program: {describe(error)}; export the model again"
            ) from error
        return Capture(functional, inputs, _run(module, inputs))


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
        if _writes_in_place(exported):
            exported = exported.run_decompositions({})
    except GuardOnDataDependentSymNode as error:
        place = describe(error).rpartition(" (line ")[2].removesuffix(")")
        raise ModelError(
            f"the model's control flow depends on the data (line {place}); write it with "
            "torch.where, or move it out of the model"
        ) from error
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What torch.export warns, logs and prints is not for our users."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        said = io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
