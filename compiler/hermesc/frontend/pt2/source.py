"""An exported program, from torch.export.save or in hand, as a ModelSource."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from hermesc.frontend.describe import describe
from hermesc.frontend.inputs import tensors
from hermesc.frontend.pt2.memory import check_memory
from hermesc.frontend.pt2.rewrite import rewrite
from hermesc.frontend.quiet import quiet
from hermesc.frontend.request import (
    ModelRequest,
    ModelSource,
    calibration_labels,
    calibration_tensors,
    plain_labels,
)
from hermesrt.errors import ModelError

_ROWS = 64


def exported_source(request: ModelRequest) -> ModelSource:
    """The ModelSource of a torch.export.ExportedProgram or of the path of a `.pt2` file.

    The program is compiled as it was exported: sizes that were fixed there stay fixed. Example
    inputs that it holds are used where none are given.
    Raises: ModelError.
    """
    if isinstance(request.model, Path):
        program, stored = load_program(request.model)
    else:
        program, stored = request.model, request.model.example_inputs
    calibration = calibration_tensors(request)
    if request.example_inputs is not None:
        examples = tensors(request.example_inputs, request.place("example_inputs"))
    else:
        examples = _plain(stored) or _first_rows(program, calibration)
    if not examples:
        raise ModelError(
            f"{request.where}the program holds no example inputs; give example_inputs, or real "
            "inputs by name with --calibration"
        )
    if isinstance(request.model, Path):
        check_memory(program, examples)
    return ModelSource(
        model=program,
        example_inputs=examples,
        calibration=calibration,
        labels=plain_labels(request.labels, request.place("labels")),
        calibration_labels=calibration_labels(request),
        name=request.name,
        folder=request.folder,
        batch_dim=request.batch_dim,
    )


def load_program(path: Path) -> tuple[ExportedProgram, Any]:
    """The program in a `.pt2` file, and the example inputs that it holds or None.

    Torch reads an archive that we wrote, of parts that were checked.
    Raises: ModelError, UnsupportedOpError.
    """
    written = rewrite(path)
    try:
        with quiet():
            return torch.export.load(written.archive), written.samples
    except Exception as error:
        raise ModelError(
            f"{path}: torch cannot load it: {describe(error)}; export and save it again"
        ) from None


def _plain(stored: Any) -> tuple[Tensor, ...]:
    """The example inputs that came with the program, if they are plain tensors."""
    if not stored:
        return ()
    leaves = torch.utils._pytree.tree_leaves(stored)
    return tuple(leaves) if all(isinstance(leaf, Tensor) for leaf in leaves) else ()


def _first_rows(
    program: ExportedProgram, calibration: Sequence[Tensor] | Mapping[str, Tensor] | None
) -> tuple[Tensor, ...]:
    if calibration is None:
        return ()
    if not isinstance(calibration, Mapping):
        return tuple(t[:_ROWS] for t in calibration)
    specs = program.graph_signature.input_specs
    names = [s.arg.name for s in specs if s.kind is InputKind.USER_INPUT]
    missing = [name for name in names if name not in calibration]
    if missing:
        raise ModelError(
            f"calibration data lacks the input {missing[0]}; it has {', '.join(calibration)}"
        )
    return tuple(calibration[name][:_ROWS] for name in names)
