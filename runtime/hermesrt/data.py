"""The user's `.npz` files: inputs by name, labels, outputs."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact, InputSpec
from hermesrt.errors import InputError
from hermesrt.files.atomic import write_atomically
from hermesrt.files.npz import read_arrays

Sizes = tuple[tuple[str, tuple[int, ...]], ...]

_LABELS = "labels"
_ARRAY_FLOATS = (
    torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128,
)  # fmt: skip


@dataclass(frozen=True)
class Samples:
    """Inputs that fit the program.

    inputs: by name, the samples first.
    labels: one a sample, [samples]; None without.
    """

    inputs: Mapping[str, Tensor]
    labels: NDArray[Any] | None

    @property
    def count(self) -> int:
        """Number of rows, the size of the batch."""
        return row_count(self.inputs)

    @property
    def sizes(self) -> Sizes:
        """The inputs' names and shapes."""
        return tuple([(name, tuple(t.shape)) for name, t in self.inputs.items()])


def row_count(inputs: Mapping[str, Tensor]) -> int:
    """Number of rows of inputs; those without dimensions are the same for all."""
    return max([t.shape[0] for t in inputs.values() if t.dim()], default=1)


def example_samples(artifact: Artifact) -> Samples:
    """The sample inputs that the program carries."""
    labels, classes = artifact.labels, artifact.manifest.classes
    if labels is not None and classes:
        labels = np.array(classes)[labels]
    return check_samples(artifact, dict(artifact.examples), labels, "the program's examples")


def read_samples(artifact: Artifact, path: Path) -> Samples:
    """Inputs (and labels) of an `.npz` file, one array for each input of the program.

    Raises: InputError for an unreadable file, and for arrays of the wrong name, shape or dtype.
    """
    return samples_of(artifact, read_arrays(path), str(path))


def samples_of(artifact: Artifact, arrays: dict[str, NDArray[Any]], where: str) -> Samples:
    """The same of a file's arrays.

    Raises: InputError for arrays of the wrong name, shape or dtype.
    """
    labels = arrays.get(_LABELS)
    return check_samples(artifact, {n: a for n, a in arrays.items() if n != _LABELS}, labels, where)


def check_samples(
    artifact: Artifact,
    arrays: Mapping[str, NDArray[Any]],
    labels: NDArray[Any] | None,
    where: str,
) -> Samples:
    """Tensors of the program's inputs.

    Raises: InputError that names the array, what was found and what is allowed.
    """
    specs = artifact.manifest.inputs
    names = [s.name for s in specs]
    for name in arrays:
        if name not in names:
            raise InputError(
                f"{where}: array {name!r} is not an input; the inputs are {', '.join(names)}, "
                f"and {_LABELS} for accuracy"
            )
    sizes: dict[str, int] = {}
    inputs = {}
    for spec in specs:
        if spec.name not in arrays:
            raise InputError(
                f"{where}: there is no array for the input {spec.name!r} {_shape(spec)}; it has "
                f"{', '.join(arrays) or 'none'}"
            )
        example = artifact.examples.get(spec.name)
        inputs[spec.name] = _tensor(spec, arrays[spec.name], sizes, where, example)
    named = any(isinstance(c, str) for c in artifact.manifest.classes)
    if labels is not None and labels.dtype.kind not in ("U" if named else "fiub"):
        kind = f"names, such as {artifact.manifest.classes[0]}" if named else "numbers"
        raise InputError(f"{where}: {_LABELS} must be {kind}, not {labels.dtype}")
    if labels is not None and labels.shape[1:] == (1,):
        labels = labels.reshape(-1)
    samples = Samples(inputs, labels)
    if labels is not None and labels.shape != (samples.count,):
        raise InputError(
            f"{where}: {_LABELS} has the shape {labels.shape} for {samples.count} samples; give "
            "one label a sample"
        )
    return samples


def check_sizes(artifact: Artifact, shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Inputs of these shapes fit the program and each other.

    Raises: InputError that names the input, what was found and what is allowed.
    """
    sizes: dict[str, int] = {}
    for spec in artifact.manifest.inputs:
        try:
            _check_size(spec, shapes[spec.name], sizes, f"{where}: input {spec.name!r}")
        except InputError as error:
            raise InputError(
                f"{error}; `dynamic_shapes` in the model's file leaves further sizes free"
            ) from None


def _check_size(spec: InputSpec, shape: tuple[int, ...], sizes: dict[str, int], place: str) -> None:
    fits = len(shape) == len(spec.dims)
    for dim, size in zip(spec.dims, shape, strict=False):
        known = dim if isinstance(dim, int) else sizes.setdefault(dim, size)
        fits = fits and known == size
    if not fits:
        raise InputError(f"{place} has the shape {shape}; the program takes {_shape(spec)}")


def _tensor(
    spec: InputSpec,
    array: NDArray[Any],
    sizes: dict[str, int],
    where: str,
    example: NDArray[Any] | None,
) -> Tensor:
    place = f"{where}: input {spec.name!r}"
    _check_size(spec, array.shape, sizes, place)
    if array.size == 0:
        raise InputError(f"{place} is empty; give at least one sample")
    if not _castable(array.dtype, spec.dtype):
        raise InputError(f"{place} has the dtype {array.dtype}; the program takes {spec.dtype}")
    tensor = torch.from_numpy(np.ascontiguousarray(array)).to(getattr(torch, spec.dtype))
    if not all_finite(tensor) and not (_is_mask(example) and _is_mask(array)):
        bad = int((~torch.isfinite(tensor)).sum())
        raise InputError(
            f"{place} holds {bad} values that are NaN or infinite (as {spec.dtype}); clean the "
            "data first"
        )
    return tensor


def all_finite(tensor: Tensor) -> bool:
    """Whether it holds neither NaN nor infinity. A finite sum has no other parts, and is ten times
    faster; but it may overflow by itself."""
    if not tensor.is_floating_point():
        return True
    return math.isfinite(tensor.sum()) or bool(torch.isfinite(tensor).all())


def _is_mask(values: NDArray[Any] | None) -> bool:
    """Whether it is what is added to attention's scores: nothing above 0, and minus infinity for
    what is not to be seen. Only an input that is one in the program's examples may be one in runs,
    for there it reached no crossbar."""
    if values is None or values.dtype.kind != "f":
        return False
    return bool((values <= 0).all() and np.isneginf(values).any())


def array_of(value: Tensor) -> NDArray[Any]:
    """A tensor as an array; formats that no array holds are exact in FP32, complex ones in two."""
    value = value.detach().cpu().resolve_conj().resolve_neg()
    wide = _wider(value.dtype)
    return (value if wide == value.dtype else value.to(wide)).numpy()


def _wider(dtype: torch.dtype) -> torch.dtype:
    """What an array can hold: not bfloat16, 8-bit floats or half complex numbers."""
    if dtype in _ARRAY_FLOATS or not (dtype.is_floating_point or dtype.is_complex):
        return dtype
    return torch.complex64 if dtype.is_complex else torch.float32


def _castable(found: np.dtype[Any], wanted: str) -> bool:
    """Floats and integers may become floats; integers only integers; booleans anything."""
    kind = "f" if wanted.startswith(("float", "bfloat")) else "b" if wanted == "bool" else "i"
    allowed = {"f": "fiub", "i": "iub", "b": "b"}[kind]
    return found.kind in allowed


def _shape(spec: InputSpec) -> str:
    free = {d: i for i, d in enumerate(d for d in spec.dims if isinstance(d, str))}
    words = [("batch" if i == 0 and d in free else str(d)) for i, d in enumerate(spec.dims)]
    return f"{spec.dtype}[{', '.join(words)}]"


def write_outputs(
    path: Path, outputs: Mapping[str, Tensor], references: Mapping[str, Tensor]
) -> None:
    """Write `output_0`... and `reference_0`... as an `.npz` file, whole or not at all.

    Raises: InputError when the place cannot be written.
    """
    stream = io.BytesIO()
    arrays: Any = {n: array_of(t) for n, t in (*outputs.items(), *references.items())}
    np.savez(stream, **arrays)
    write_atomically(path, stream.getvalue())
