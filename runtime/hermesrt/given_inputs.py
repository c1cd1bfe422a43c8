"""Tensors and arrays that a program is called with, as samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.data import Samples, all_finite, array_of, check_samples
from hermesrt.errors import InputError

Given = Tensor | NDArray[Any]


class GivenInputs:
    """The inputs of a program's calls; what was looked at once is not looked at again."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self._taken: set[tuple[object, ...]] = set()

    def samples(self, inputs: Sequence[Given]) -> Samples:
        """Raises: InputError when they do not fit the program."""
        specs = self._artifact.manifest.inputs
        if len(inputs) != len(specs):
            names = ", ".join(s.name for s in specs)
            raise InputError(f"{len(inputs)} inputs given; the program takes {len(specs)}: {names}")
        tensors = [value for value in inputs if isinstance(value, Tensor)]
        kinds = tuple([(t.shape, t.dtype, t.device) for t in tensors])
        if kinds in self._taken and all(map(all_finite, tensors)):
            parts = zip(specs, tensors, strict=True)
            return Samples({s.name: t.detach().contiguous() for s, t in parts}, None)
        arrays = {}
        for spec, value in zip(specs, inputs, strict=True):
            if not isinstance(value, Tensor | np.ndarray):
                raise InputError(f"input {spec.name!r} is a {type(value).__name__}, not a tensor")
            arrays[spec.name] = array_of(value) if isinstance(value, Tensor) else value
        samples = check_samples(self._artifact, arrays, None, "inputs")
        if [v.dtype for v in inputs] == [t.dtype for t in samples.inputs.values()]:
            self._taken.add(kinds)  # inputs of these kinds are taken as they are
        return samples


def with_gradients(samples: Samples, inputs: Sequence[Given]) -> Samples:
    """The samples, checked, with the tensors that they were made from."""
    pairs = zip(samples.inputs.items(), inputs, strict=True)
    held = {n: x.to(t.dtype) if isinstance(x, Tensor) else t for (n, t), x in pairs}
    return Samples(held, samples.labels)
