"""The inputs of an ONNX graph: names, types, and examples that fit them."""

import itertools
import keyword
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import torch
from onnx import ModelProto
from torch import Tensor
from torch.export import Dim

from hermesc.frontend.onnx.node import DTYPES, LARGEST
from hermesc.frontend.onnx.read import inputs
from hermesrt.errors import ModelError

EXAMPLE_ROWS = 64
# Sizes for symbolic dimensions, each another, so that torch.export does not take two for one.
_SIZES = (5, 7, 11, 13, 17, 19, 23)
OnnxShape = list[int | str]


def input_types(
    model: ModelProto, where: str
) -> Iterator[tuple[str, OnnxShape | None, torch.dtype]]:
    """Name, sizes (a name where symbolic; None where it has no shape) and dtype of each input.

    Raises: ModelError for inputs that are no tensors of numbers.
    """
    for value in inputs(model):
        kind = value.type.tensor_type
        if value.type.WhichOneof("value") != "tensor_type" or kind.elem_type not in DTYPES:
            text = onnx.helper.printable_type(value.type)
            raise ModelError(f"{where}the input {value.name} is {text}; inputs are numbers only")
        if not kind.HasField("shape"):
            yield value.name, None, DTYPES[kind.elem_type]
            continue
        sizes: OnnxShape = []
        for i, dim in enumerate(kind.shape.dim):
            unknown = dim.dim_param or f"{value.name}.{i}"
            fixed = dim.HasField("dim_value") and dim.dim_value > 0  # some write -1 for unknown
            sizes.append(dim.dim_value if fixed else unknown)
        yield value.name, sizes, DTYPES[kind.elem_type]


def argument_names(names: Sequence[str]) -> list[str]:
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


def with_shapes(
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


def random_inputs(
    shapes: Sequence[OnnxShape], dtypes: Sequence[torch.dtype], where: str
) -> Iterator[Tensor]:
    """Normal numbers for floats, 0 and 1 for whole numbers, which may be indices."""
    sizes: dict[str, int] = {}
    draw = torch.Generator().manual_seed(0)
    for shape in shapes:
        if shape and isinstance(shape[0], str):
            sizes.setdefault(shape[0], EXAMPLE_ROWS)
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


def fitting(
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


def dynamic_sizes(shapes: Sequence[OnnxShape]) -> Iterator[Any]:
    """Marks of the symbolic sizes, as in torch.export."""
    for shape in shapes:
        yield {i: Dim.AUTO for i, size in enumerate(shape) if isinstance(size, str)} or None
