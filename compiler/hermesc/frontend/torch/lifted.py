"""A model as it trains, captured: one graph whose parameters and buffers are its inputs.

The graph is torch.export's own, before any decomposition: a batch norm writes its statistics, and
dropout drops. Which modules train is as they are set.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from hermesc.frontend.describe import describe
from hermesc.frontend.own_layers import NAMESPACE
from hermesc.frontend.quiet import quiet
from hermesc.frontend.torch.expand import op_name
from hermesc.frontend.torch.export import symbolic_sizes
from hermesc.frontend.torch.recurrence import whole_recurrences
from hermesc.ir.ops import UNKNOWN_TO_TORCH
from hermesrt.errors import ModelError


def lifted(
    model: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], shapes: Any
) -> ExportedProgram:
    """The exported model, its batch symbolic; the model itself does not run.

    Raises: ModelError when it cannot be exported as it is set.
    """
    marks = symbolic_sizes(model, args, shapes) if not kwargs else _named_sizes(kwargs, shapes)
    try:
        with quiet(), whole_recurrences():
            exported = torch.export.export(
                model, args, dict(kwargs), dynamic_shapes=marks, strict=False
            )
    except Exception as error:
        raise ModelError(
            f"torch.export cannot capture the model in training mode: {describe(error)}; it did in "
            "evaluation mode, so look at what depends on `self.training`"
        ) from error
    for node in exported.graph.nodes:
        target = node.target
        if isinstance(target, torch._ops.OpOverload) and target.namespace == NAMESPACE:
            if op_name(node) in UNKNOWN_TO_TORCH:
                raise ModelError(
                    f"the model holds a recurrent layer ({target._opname}) that torch has no "
                    "operation for, and so cannot train; train it in torch's form"
                )
            node.target = getattr(torch.ops.aten, target._opname).input
        elif getattr(target, "_opname", "") == "_assert_tensor_metadata":
            exported.graph.erase_node(node)
    return exported


def _named_sizes(kwargs: Mapping[str, Tensor], shapes: Any) -> Any:
    given = shapes if isinstance(shapes, Mapping) else {}
    first = {0: torch.export.Dim.AUTO}
    return {n: {**first, **(given.get(n) or {})} if t.dim() else None for n, t in kwargs.items()}
