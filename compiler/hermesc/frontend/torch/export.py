"""torch.export of a model whose batch is symbolic, without what no program holds."""

import contextlib
import inspect
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.fx.proxy import TracerBase

from hermesc.frontend.arguments import Arguments
from hermesc.frontend.describe import describe
from hermesc.frontend.torch import fake_quantize  # noqa: F401  shapes of what torch has no shapes for
from hermesc.frontend.torch.branches import select_branches
from hermesc.frontend.torch.decisions import Told, decisions_of
from hermesc.frontend.torch.expand import expand, writes_in_place
from hermesc.frontend.torch.fixed_sizes import fixed_size_notes
from hermesc.frontend.torch.held_loops import hold_loops
from hermesc.frontend.torch.location import places_in, restore_places
from hermesc.frontend.torch.loops import loop_name, unroll_loops
from hermesc.frontend.torch.packed import padded_sequences
from hermesc.frontend.torch.recurrence import whole_recurrences
from hermesc.frontend.torch.writes import without_gradient_modes, write_anew
from hermesrt.errors import ModelError

_DataDependent = (GuardOnDataDependentSymNode, DataDependentOutputException)


@dataclass(frozen=True, slots=True)
class Exported:
    """What torch.export gave.

    program: the model's graph.
    weights: its parameters, buffers and constants, by torch's names.
    notes: sentences for the program's report.
    by_values: whether numbers that the model holds decided what is in the graph.
    """

    program: ExportedProgram
    weights: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()
    by_values: bool = False


def export(
    model: nn.Module, inputs: tuple[Tensor, ...], shapes: Any, arguments: Arguments
) -> Exported:
    """The model's program with these sizes symbolic and the batch besides.

    Raises: ModelError where torch cannot export it.
    """
    if shapes is not None and arguments.args is not arguments.tensors:
        shapes = tuple(arguments.marks(shapes))
    wanted = symbolic_sizes(model, inputs, shapes)
    decided: tuple[str, ...] = ()
    by_values = False
    try:
        try:
            exported = _exported(model, inputs, wanted)
        except _DataDependent:
            decisions = decisions_of(lambda changed: model(*changed), inputs)
            if decisions is None:
                raise
            with Told(decisions):
                exported = _exported(model, inputs, wanted)
            decided, by_values = decisions.notes, True
        fixed = tuple(fixed_size_notes(exported, wanted, arguments.names))
        by_values = by_values or _loops(exported)
        exported, notes = functional(exported)
    except _DataDependent as error:
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
    return Exported(exported, held_by(exported), (*decided, *fixed, *notes), by_values)


def _loops(exported: ExportedProgram) -> bool:
    """Whether it holds a loop, whose steps are counted by numbers that the model holds."""
    graphs = (m.graph for m in exported.graph_module.modules() if isinstance(m, GraphModule))
    return any(loop_name(node) for graph in graphs for node in graph.nodes)


def held_by(exported: ExportedProgram) -> dict[str, Any]:
    """Parameters, buffers and constants of an exported program."""
    return {**exported.state_dict, **exported.constants}


def _exported(model: nn.Module, inputs: tuple[Tensor, ...], sizes: Any) -> ExportedProgram:
    with whole_recurrences(), padded_sequences(), _without_shape_cache():
        return torch.export.export(model, inputs, dynamic_shapes=sizes, strict=False)


def functional(exported: ExportedProgram) -> tuple[ExportedProgram, tuple[str, ...]]:
    """The program without control flow, writing in place and operations that no program holds, as
    far as torch knows how, and notes."""
    exported, notes = _without_control(exported)
    exported = write_anew(without_gradient_modes(exported))
    writes = _needs_functional_form(exported)
    places = places_in(exported.graph_module) if writes else {}
    exported, more = expand(exported, writes=writes)
    restore_places(exported.graph, places)
    return exported, notes + more


def _without_control(exported: ExportedProgram) -> tuple[ExportedProgram, tuple[str, ...]]:
    """Loops written out or held, and branches chosen, those within each other too."""
    notes: dict[str, None] = {}
    while True:
        exported, loops = unroll_loops(exported)
        exported, branches = select_branches(exported)
        notes |= dict.fromkeys((*loops, *branches))
        if not loops:
            return hold_loops(exported), tuple(notes)


def symbolic_sizes(model: nn.Module, inputs: tuple[Tensor, ...], shapes: Any) -> Any:
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


def _needs_functional_form(exported: ExportedProgram) -> bool:
    """Whether the graph needs to be made functional: in-place operations, nested graphs such as
    those of torch.no_grad(), or what torch.vmap notes down."""
    return any(
        isinstance(node.target, torch._ops.HigherOrderOperator)
        or getattr(node.target, "__module__", "").startswith("torch._functorch")
        or writes_in_place(node)
        for node in exported.graph.nodes
        if node.op == "call_function"
    )


def _without_shape_cache() -> contextlib.AbstractContextManager[object]:
    """Without torch's memory of the shapes that operations make: where sizes are symbols, it costs
    more than to make them again."""
    name = "fake_tensor_cache_enabled"
    if not hasattr(torch._dynamo.config, name):
        return contextlib.nullcontext()
    return torch._dynamo.config.patch(name, False)  # type: ignore[no-any-return]


@contextlib.contextmanager
def whole_stacks() -> Iterator[None]:
    """Let torch note every line of the user's code that led to a node.

    It keeps only those of functions named `forward`, and so loses the line inside another function.
    Where another torch has no such filter, locations are as it gives them.
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
