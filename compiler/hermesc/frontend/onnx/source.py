"""An ONNX model as a ModelSource: read, checked, and made a module of torch calls."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from onnx import ModelProto
from torch import Tensor

from hermesc.frontend.describe import describe
from hermesc.frontend.inputs import tensors
from hermesc.frontend.onnx.inputs import (
    EXAMPLE_ROWS,
    argument_names,
    dynamic_sizes,
    fitting,
    input_types,
    random_inputs,
    with_shapes,
)
from hermesc.frontend.onnx.memory import check_memory
from hermesc.frontend.onnx.module import OnnxGraph
from hermesc.frontend.onnx.operations import refusals
from hermesc.frontend.onnx.read import damaged, prepared, read_model, validate
from hermesc.frontend.request import (
    ModelRequest,
    ModelSource,
    calibration_labels,
    calibration_tensors,
    plain_labels,
)
from hermesrt.errors import ModelError, UnsupportedOpError

_ADVICE = (
    "Export the model without these operations; a scikit-learn pipeline need not go through ONNX: "
    "hermesc.compile(pipeline, X) takes it as it is."
)
_RANDOM = (
    "the model holds no example inputs: the ranges come from random numbers of its input shapes; "
    "give real inputs with --calibration (or calibration=)"
)


def onnx_source(request: ModelRequest) -> ModelSource:
    """The ModelSource of an onnx.ModelProto or of the path of a file.

    Raises: ModelError for a file that is broken or too old; UnsupportedOpError that lists all nodes
    without a torch form.
    """
    model = read_model(request.model) if isinstance(request.model, Path) else request.model
    model = prepared(model, request.where)
    with damaged(request.where):
        refused = refusals(model)
    if refused:
        raise UnsupportedOpError(refused, noun="node", advice=_ADVICE)
    validate(model, request.where)
    with damaged(request.where):
        declared = list(input_types(model, request.where))
        names = argument_names([name for name, _, _ in declared])
        graph = _graph(model, names)
    calibration = calibration_tensors(request)
    given: tuple[Tensor, ...] | None = None
    if request.example_inputs is not None:
        given = tensors(request.example_inputs, request.place("example_inputs"))
    elif calibration is not None:
        given = tuple(t[:EXAMPLE_ROWS] for t in _in_order(calibration, names))
    types = list(with_shapes(declared, given, request.where))
    shapes = [sizes for _, sizes, _ in types]
    notes: tuple[str, ...] = () if given is not None else (_RANDOM,)
    if given is None:
        given = tuple(random_inputs(shapes, [dtype for _, _, dtype in types], request.where))
    examples = fitting(given, types, request.where)
    _try(graph, examples, request.where)
    if graph.strings:
        words = ", ".join(graph.strings)
        notes += (f"outputs of strings are left out, the others keep their order: {words}",)
    return ModelSource(
        model=graph,
        example_inputs=examples,
        calibration=calibration,
        labels=plain_labels(request.labels, request.place("labels")),
        calibration_labels=calibration_labels(request),
        dynamic_shapes=tuple(dynamic_sizes(shapes)),
        name=request.name,
        folder=request.folder,
        notes=notes,
        batch_dim=request.batch_dim,
    )


def _graph(model: ModelProto, names: Sequence[str]) -> OnnxGraph:
    """The graph as a module whose arguments are called as the inputs, for torch.export."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in ("self", *names)])

    def forward(self: OnnxGraph, *values: Tensor, **more: Tensor) -> tuple[Tensor, ...]:
        return OnnxGraph.forward(self, *signature.bind(self, *values, **more).args[1:])

    forward.__signature__ = signature  # type: ignore[attr-defined]
    named: type[OnnxGraph] = type("OnnxGraph", (OnnxGraph,), {"forward": forward})
    return named(model)


def _in_order(
    calibration: Sequence[Tensor] | Mapping[str, Tensor], names: Sequence[str]
) -> Iterator[Tensor]:
    if not isinstance(calibration, Mapping):
        yield from calibration
        return
    for name in names:
        if name not in calibration:
            raise ModelError(
                f"calibration data lacks the input {name}; it has "
                f"{', '.join(calibration) or 'none'}"
            )
        yield calibration[name]


def _try(graph: OnnxGraph, examples: Sequence[Tensor], where: str) -> None:
    """Run the model once; a node that depends on the data says so here.

    Raises: ModelError.
    """
    try:
        check_memory(graph, examples)
        with torch.no_grad():
            outputs = graph(*examples)
    except ModelError as refused:
        raise ModelError(f"{where}{refused}") from None
    except Exception as error:
        shapes = ", ".join(str(tuple(t.shape)) for t in examples)
        raise ModelError(
            f"{where}{graph.running} fails on inputs of the shape {shapes}: {describe(error)}; "
            "give example inputs that the model takes"
        ) from None
    if not outputs:
        raise ModelError(f"{where}all outputs are strings, which no program holds")
