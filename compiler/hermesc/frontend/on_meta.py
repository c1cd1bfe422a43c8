"""A model as shapes alone: its weights on torch's meta device, which takes no memory for them.

In: a `model.py`, which is run so that the tensors it makes have no values, or an nn.Module. Out: a
ModelSource. Weights that the file loads are not looked at.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hermesc.frontend.load import make_source
from hermesc.frontend.python_file import PYTHON_SUFFIX, has_symbol, read_python_file
from hermesc.frontend.request import ModelRequest, ModelSource
from hermesrt.errors import ModelError


def shapes_source(request: ModelRequest) -> ModelSource:
    """The source of a module, or of a file that defines one.

    Raises: ModelError.
    """
    if isinstance(request.model, str | Path):
        spec = str(request.model)
        if not has_symbol(spec) and Path(spec).suffix != PYTHON_SUFFIX:
            raise ModelError(
                f"{spec}: shapes alone are taken from a {PYTHON_SUFFIX} file that makes the model; "
                "compile other files, and give the program"
            )
        with torch.device("meta"):
            request = read_python_file(spec, request)
    if not isinstance(request.model, nn.Module):
        raise ModelError(
            f"{request.place('model')} is a {type(request.model).__name__}; shapes alone are taken "
            "of an nn.Module"
        )
    if _has_values(request.model) and not request.where:
        raise ModelError(
            'the model has values; make it under `with torch.device("meta"):`, or compile it'
        )
    request.model.to("meta")
    given = pytree.tree_map_only(Tensor, lambda t: t.to("meta"), request.example_inputs)
    return make_source(
        replace(
            request, example_inputs=given, calibration=None, labels=None, calibration_labels=None
        )
    )


def is_on_meta(model: Any) -> bool:
    """Whether weights of a model have no values."""
    return isinstance(model, nn.Module) and any(t.is_meta for t in model.state_dict().values())


def _has_values(model: nn.Module) -> bool:
    return any(not t.is_meta for t in model.state_dict().values())
