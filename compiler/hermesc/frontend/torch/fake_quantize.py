"""Shapes of torch's fake quantisation, which a model has that was trained for INT8.

Torch captures the operation itself, but asks the kernels behind it for shapes, and these have none.
"""

from typing import Any

import torch
from torch import Tensor

_NAMES = (
    "fake_quantize_per_tensor_affine_cachemask",
    "fake_quantize_per_channel_affine_cachemask",
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
)


def _blank(x: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    """The rounded values, and which of them lie within the range."""
    return torch.empty_like(x), torch.empty_like(x, dtype=torch.bool)


_LIBRARY: Any = torch.library.Library("aten", "IMPL", "Meta")  # type: ignore[no-untyped-call]
for _name in _NAMES:
    _known = torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{_name}", "Meta")
    if not _known:
        _LIBRARY.impl(_name, _blank)
