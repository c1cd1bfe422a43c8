"""How much memory a run of an ONNX graph takes, found on shapes alone before it runs."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from hermesc.frontend.onnx.node import RefusedNode
from hermesc.frontend.quiet import quiet
from hermesrt.errors import ModelError


def check_memory(run: Callable[..., Any], inputs: Sequence[Tensor]) -> None:
    """A run on these inputs fits into the machine's memory.

    What fails for another reason passes: the run itself says what.
    Raises: ModelError.
    """
    with quiet(), torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as fakes, _Bounded():
        try:
            run(*(fakes.from_tensor(t.detach()) for t in inputs))
        except ModelError:
            raise
        except Exception:
            return


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the results of all operations: the graph keeps them until its end."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self._take(result)
        return result

    def _take(self, result: Any) -> None:
        made = [t for t in torch.utils._pytree.tree_leaves(result) if isinstance(t, Tensor)]
        size = sum(t.numel() * t.element_size() for t in made)
        self._left -= size
        if self._left < 0:
            raise RefusedNode(
                f"it makes a tensor of the sizes {[tuple(t.shape) for t in made][:3]}, {size} "
                "bytes, and with those before it they take more than the machine's memory"
            )
