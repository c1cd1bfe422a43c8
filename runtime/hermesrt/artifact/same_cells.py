"""Whether two programs put the same weights into the same unit cells of the same chip.

A chip that holds one of them runs the other without programming: only what its host and its
converters do is another.
"""

from collections.abc import Iterator

import numpy as np

from hermesrt.artifact.line_map import COLUMNS, ROWS, SIEMENS, STUCK
from hermesrt.artifact.published_mapping import Layers, MappedLayer, layer_names
from hermesrt.artifact.schema import Artifact


def cells_differ(one: Artifact, other: Artifact) -> str | None:
    """The first thing that differs, in words; None where a chip needs no programming."""
    return next(_differences(one, other), None)


def layers_of(artifact: Artifact) -> Layers:
    """Where a program's layers lie, as a mapping file says it."""
    matrices = artifact.manifest.matrices
    names = layer_names([m.label for m in matrices])
    return {n: MappedLayer(m.tiles, m.mode) for n, m in zip(names, matrices, strict=True)}


def _differences(one: Artifact, other: Artifact) -> Iterator[str]:
    if one.chip.name != other.chip.name:
        yield f"the chip: {one.chip.name} and {other.chip.name}"
    for name in sorted(one.matrices.keys() ^ other.matrices.keys()):
        matrix = one.matrices.get(name) or other.matrices[name]
        yield f"layer {matrix.label}, which one of them alone has"
    for name, matrix in one.matrices.items():
        found = other.matrices[name]
        if not np.array_equal(one.tensors[name], other.tensors[name]):
            yield f"the weights of {matrix.label}"
        if set(matrix.tiles) != set(found.tiles):
            yield f"the place of {matrix.label}"
        if matrix.g_max_siemens != found.g_max_siemens:
            yield f"the conductances of {matrix.label}"
    for name in (ROWS, COLUMNS, STUCK, SIEMENS):
        if not _same_wiring(one, other, name):
            yield "what they know of the chip's defects"


def _same_wiring(one: Artifact, other: Artifact, name: str) -> bool:
    pair = one.tensors.get(name), other.tensors.get(name)
    if pair[0] is None or pair[1] is None:
        return pair[0] is pair[1]
    return np.array_equal(pair[0], pair[1])
