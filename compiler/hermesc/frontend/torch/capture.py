"""Capture a plain nn.Module with torch.export, its batch left symbolic."""

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from hermesc.frontend.arguments import Arguments, Results, read_results
from hermesc.frontend.describe import describe
from hermesc.frontend.quiet import quiet
from hermesc.frontend.torch.export import Exported, export, functional, held_by, whole_stacks
from hermesc.frontend.torch.fixed_sizes import is_fixed
from hermesc.frontend.torch.packed import longest_sequences
from hermesrt.errors import ModelError

_USER_INPUT = InputKind.USER_INPUT
Exporter = Callable[[nn.Module, tuple[Tensor, ...], Any, Arguments], Exported]
ORIGINAL = "_hermesc_original"  # of the forward that stands in for a model's while it is captured
_STACKED = "the example is one sample without a batch; the program takes the batch first"


@dataclass(frozen=True, slots=True)
class Capture:
    """An exported model, and what it did on its example inputs.

    exported: the model's graph.
    weights: its parameters, buffers and constants, by torch's names.
    example_inputs: those that it was captured on.
    eager_outputs: what the model itself returned there.
    model: what is called.
    input_names: names of its arguments, where they are known (torch.export writes small letters).
    notes: sentences for the program's report.
    arguments: what it is called with; None for an exported program, which takes tensors.
    """

    exported: ExportedProgram
    weights: Mapping[str, Tensor]
    example_inputs: tuple[Tensor, ...]
    eager_outputs: tuple[Tensor, ...]
    model: nn.Module
    input_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    arguments: Arguments | None = None

    def in_fp64(self) -> tuple[Tensor, ...] | None:
        """The model's outputs in FP64; None where it does not run so, or does not return the same
        when it is called again."""
        wide = (x.double() if x.is_floating_point() else x for x in self.example_inputs)
        try:
            model = copy.deepcopy(self.model)
            with _evaluation(model), quiet(), torch.no_grad():
                return self._in_fp64(model, tuple(wide))
        except Exception:  # user code that asks for FP32, or cannot be copied
            return None

    def _in_fp64(self, model: nn.Module, wide: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self.arguments is None:
            return self._again(model, wide)
        with _on_tensors(model, self.arguments):
            return self._again(model, wide)

    def _again(self, model: nn.Module, wide: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        pairs = zip(_run(model, self.example_inputs), self.eager_outputs, strict=True)
        if not all(torch.allclose(a, b, equal_nan=True) for a, b in pairs):
            return None
        return _run(model.double(), wide)


def capture(
    model: nn.Module | ExportedProgram,
    example_inputs: Sequence[Tensor],
    dynamic_shapes: Any = None,
    arguments: Arguments | None = None,
    exporter: Exporter = export,
) -> Capture:
    """Run the model once as it is, then export it in evaluation mode; an exported program is taken
    as it is.

    `dynamic_shapes` marks further symbolic sizes, as in torch.export; `arguments` say what the
    inputs are, where the model is not called with them by position; `exporter` is what exports. The
    graph is the one before decompositions, unless the model writes in place: then it is made
    functional.
    Raises: ModelError when the model fails on its example inputs or cannot be exported.
    """
    inputs = tuple(t.detach() for t in example_inputs)
    _check_kind(model)
    if isinstance(model, ExportedProgram):
        return _captured_before(model, inputs)
    with _evaluation(model), quiet(), whole_stacks(), torch.no_grad(), _device_of(model):
        arguments = arguments or _by_position(model, inputs)
        with _on_tensors(model, arguments) as results:
            with longest_sequences():
                inputs, outputs = _run_on_two(model, inputs)
            found = exporter(model, inputs, dynamic_shapes, arguments)
            if stacked := _without_batch(model, found.program, inputs, outputs):
                inputs, outputs = stacked
                found = exporter(model, inputs, dynamic_shapes, arguments)
    notes = [*found.notes, *results[-1].notes(), *_argument_notes(arguments)]
    if stacked:
        notes.append(_STACKED)
    names = arguments.names
    return Capture(
        found.program, found.weights, inputs, outputs, model, names, tuple(notes), arguments
    )


def _by_position(model: nn.Module, inputs: tuple[Tensor, ...]) -> Arguments:
    names = tuple(inspect.signature(model.forward).parameters)[: len(inputs)]
    paths = tuple((name,) for name in names)
    return Arguments(inputs, {}, names, paths, inputs)


def _argument_notes(arguments: Arguments) -> Iterator[str]:
    if arguments.batch_dim:
        yield (
            f"the program takes and gives the batch first; in the model it is dimension "
            f"{arguments.batch_dim}"
        )
    if arguments.kwargs.get("use_cache") is False:
        yield "the model is called with use_cache=False; give its cache as an input to keep it"


@contextlib.contextmanager
def _on_tensors(model: nn.Module, arguments: Arguments) -> Iterator[list[Results]]:
    """The model takes and returns tensors alone for the while; what it really returned is kept."""
    seen: list[Results] = []
    own = model.__dict__.get("forward")
    original = model.forward

    def forward(*tensors: Tensor) -> tuple[Tensor, ...]:
        seen.append(arguments.call(original, tensors))
        return seen[-1].tensors

    forward.__signature__ = _signature(original, arguments)  # type: ignore[attr-defined]
    setattr(forward, ORIGINAL, original)
    model.forward = forward
    try:
        yield seen
    finally:
        del model.forward
        if own is not None:
            model.forward = own


def _signature(original: Any, arguments: Arguments) -> inspect.Signature:
    """The model's own where it is called by position, so that its names stay."""
    if not arguments.kwargs and arguments.args is arguments.tensors:
        return inspect.signature(original)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in arguments.names])


def _without_batch(
    model: nn.Module, exported: ExportedProgram, inputs: tuple[Tensor, ...], outputs: Sequence[Any]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]] | None:
    """Two of the examples as a batch, where they are one sample each and the model takes both."""
    places = {s.arg.name for s in exported.graph_signature.input_specs if s.kind is _USER_INPUT}
    nodes = [n for n in exported.graph.nodes if n.op == "placeholder" and n.name in places]
    fixed = all(is_fixed(size) for n in nodes for size in n.meta["val"].shape)
    if not fixed or any(t.dim() != 1 or not t.is_floating_point() for t in inputs):
        return None
    twice = tuple(torch.stack([t, t]) for t in inputs)
    with contextlib.suppress(ModelError):
        found = _run(model, twice)
        pairs = zip(found, outputs, strict=True)
        if all(a.shape == (2, *b.shape) and torch.allclose(a[0], b, 1e-4, 1e-5) for a, b in pairs):
            return twice, found
    return None


def called_on_tensors(model: nn.Module, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The model's outputs in evaluation mode.

    Raises: ModelError where it fails.
    """
    with _evaluation(model), quiet(), torch.no_grad():
        return _run(model, tuple(inputs))


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
        try:
            module = program.module(check_guards=False)
            plain, notes = functional(program)
        except Exception as error:
            raise ModelError(
                f"torch cannot use the exported program: {describe(error)}; export the model again"
            ) from error
        outputs = _run(module, inputs)
        return Capture(plain, held_by(plain), inputs, outputs, module, notes=notes)


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
    except ModelError:
        raise
    except Exception as error:
        if "cannot be called on meta tensors" in str(error):
            raise ModelError(
                "the model decides by values, such as how long a loop goes on, and weights on the "
                "meta device have none; give it weights (leave --meta out)"
            ) from error
        shapes = ", ".join(str(tuple(t.shape)) for t in inputs)
        raise ModelError(
            f"the model fails on its own example_inputs, of shape {shapes}: {describe(error)}"
        ) from error
    return tuple(leaf.detach().clone() for leaf in read_results(result).tensors)


def _device_of(model: nn.Module) -> "contextlib.AbstractContextManager[Any]":
    """Where tensors are made that the model's code does not place: beside its weights, if these
    are shapes alone."""
    meta = any(t.is_meta for t in (*model.parameters(), *model.buffers()))
    return torch.device("meta") if meta else contextlib.nullcontext()


@contextlib.contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for the while; the user's model is given back as it was."""
    modes = [(module, module.training) for module in model.modules()]
    with contextlib.suppress(NotImplementedError):  # an exported program's has one mode alone
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
