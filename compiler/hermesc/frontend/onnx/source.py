"""An ONNX model as a ModelSource: read, checked, and made a module of torch calls."""

import inspect
import itertools
import keyword
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from onnx import ModelProto
from torch import Tensor
from torch.export import Dim

from hermesc.frontend.describe import describe
from hermesc.frontend.inputs import tensors
from hermesc.frontend.onnx.memory import check_memory
from hermesc.frontend.onnx.module import OnnxGraph, input_types, refusals
from hermesc.frontend.onnx.node import LARGEST
from hermesc.frontend.onnx.read import damaged, prepared, read_model, validate
from hermesc.frontend.request import (
    ModelRequest,
    ModelSource,
    calibration_labels,
    calibration_tensors,
    plain_labels,
)
from hermesrt.errors import ModelError, UnsupportedOpError

_ROWS = 64
# Sizes for symbolic dimensions, each another, so that torch.export does not take two for one.
_SIZES = (5, 7, 11, 13, 17, 19, 23)
_ADVICE = (
    "Export the model without these operations; a scikit-learn pipeline need not go through ONNX: "
    "hermesc.compile(pipeline, X) takes it as it is."
)
_RANDOM = (
    "the model holds no example inputs: the ranges come from random numbers of its input shapes; "
    "give real inputs with --calibration (or calibration=)"
)
OnnxShape = list[int | str]


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
        names = _argument_names([name for name, _, _ in declared])
        graph = _graph(model, names)
    calibration = calibration_tensors(request)
    given: tuple[Tensor, ...] | None = None
    if request.example_inputs is not None:
        given = tensors(request.example_inputs, request.place("example_inputs"))
    elif calibration is not None:
        given = tuple(t[:_ROWS] for t in _in_order(calibration, names))
    types = list(_with_shapes(declared, given, request.where))
    shapes = [sizes for _, sizes, _ in types]
    notes: tuple[str, ...] = () if given is not None else (_RANDOM,)
    if given is None:
        given = tuple(_random(shapes, [dtype for _, _, dtype in types], request.where))
    examples = _fitting(given, types, request.where)
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
        dynamic_shapes=tuple(_dynamic(shapes)),
        name=request.name,
        folder=request.folder,
        notes=notes,
        batch_dim=request.batch_dim,
    )


def _argument_names(names: Sequence[str]) -> list[str]:
    """The inputs' names as those of arguments; `labels` is taken by .npz files."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name))
        taken = keyword.iskeyword(plain) or plain in ("labels", "self")
        plain = f"input_{plain}" if taken or not plain.isidentifier() else plain
        while plain in found:
            plain = f"{plain}_"
        found.append(plain)
    return found


def _graph(model: ModelProto, names: Sequence[str]) -> OnnxGraph:
    """The graph as a module whose arguments are called as the inputs, for torch.export."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in ("self", *names)])

    def forward(self: OnnxGraph, *values: Tensor, **more: Tensor) -> tuple[Tensor, ...]:
        return OnnxGraph.forward(self, *signature.bind(self, *values, **more).args[1:])

    forward.__signature__ = signature  # type: ignore[attr-defined]
    named: type[OnnxGraph] = type("OnnxGraph", (OnnxGraph,), {"forward": forward})
    return named(model)


def _with_shapes(
    declared: Sequence[tuple[str, OnnxShape | None, torch.dtype]],
    given: Sequence[Tensor] | None,
    where: str,
) -> Iterator[tuple[str, OnnxShape, torch.dtype]]:
    """The inputs' types; one without a shape takes as many sizes as its example has.

    Raises: ModelError if there is no example.
    """
    for i, (name, sizes, dtype) in enumerate(declared):
        if sizes is None:
            if given is None or i >= len(given):
                raise ModelError(f"{where}the input {name} has no shape; give example inputs")
            sizes = [f"{name}.{axis}" for axis in range(given[i].dim())]
        yield name, sizes, dtype


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


def _random(
    shapes: Sequence[OnnxShape], dtypes: Sequence[torch.dtype], where: str
) -> Iterator[Tensor]:
    """Normal numbers for floats, 0 and 1 for whole numbers, which may be indices."""
    sizes: dict[str, int] = {}
    draw = torch.Generator().manual_seed(0)
    for shape in shapes:
        if shape and isinstance(shape[0], str):
            sizes.setdefault(shape[0], _ROWS)
    rest = itertools.cycle(_SIZES)
    for shape, dtype in zip(shapes, dtypes, strict=True):
        found = [
            d if isinstance(d, int) else sizes[d] if d in sizes else sizes.setdefault(d, next(rest))
            for d in shape
        ]
        if math.prod(found) > LARGEST:
            raise ModelError(f"{where}an input of the shape {found}: give example inputs")
        if dtype.is_floating_point:
            yield torch.randn(found, generator=draw).to(dtype)
        else:
            yield torch.randint(0, 2, found, generator=draw).to(dtype)


def _fitting(
    examples: Sequence[Tensor],
    types: Sequence[tuple[str, OnnxShape, torch.dtype]],
    where: str,
) -> tuple[Tensor, ...]:
    """The examples in the model's dtypes.

    Raises: ModelError for another number of them, or another shape.
    """
    if len(examples) != len(types):
        raise ModelError(
            f"{where}{len(examples)} inputs given; the model takes {len(types)}: "
            f"{', '.join(name for name, _, _ in types)}"
        )
    sizes: dict[str, int] = {}
    found = []
    for value, (name, shape, dtype) in zip(examples, types, strict=True):
        fits = value.dim() == len(shape)
        for i, (want, have) in enumerate(zip(shape, value.shape, strict=False)):
            known = want if isinstance(want, int) else sizes.setdefault(want, have)
            fits = fits and (known == have or (i == 0 and known == 1))
        if not fits:
            text = ", ".join(map(str, shape))
            raise ModelError(
                f"{where}the input {name} has the shape {tuple(value.shape)}; the model takes "
                f"[{text}]"
            )
        found.append(value.to(dtype))
    return tuple(found)


def _dynamic(shapes: Sequence[OnnxShape]) -> Iterator[Any]:
    """Marks of the symbolic sizes, as in torch.export."""
    for shape in shapes:
        yield {i: Dim.AUTO for i, size in enumerate(shape) if isinstance(size, str)} or None


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
