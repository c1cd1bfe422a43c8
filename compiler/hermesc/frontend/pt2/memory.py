"""How much memory a run of an exported program takes, found on shapes alone before it runs."""

import contextlib
import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.export import ExportedProgram

from hermesc.frontend.quiet import quiet
from hermesc.frontend.torch.location import location_of
from hermesrt.errors import HermescError, ModelError, Refusal, UnsupportedOpError


def check_memory(program: ExportedProgram, inputs: Iterable[Tensor]) -> None:
    """A run on these inputs fits into the machine's memory.

    Inputs that the program does not take pass: the run itself says what is wrong with them.
    Raises: ModelError; UnsupportedOpError where a size depends on the data.
    """
    with quiet(), torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as mode:
        try:
            fakes = [mode.from_tensor(t.detach()) for t in inputs]
            _Shapes(program.module(check_guards=False)).run(*fakes)
        except HermescError:
            raise
        except Exception:
            return


class _Shapes(fx.Interpreter):
    """Runs a graph on tensors without data, and adds up those that are alive at each node."""

    def __init__(self, module: fx.GraphModule, outside: int = 0) -> None:
        super().__init__(module)
        self.extra_traceback = False  # it would be added to our messages
        self._outside = outside  # bytes that the graph around this one holds

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A graph inside the graph, such as that of torch.no_grad(), is added up node by node."""
        if isinstance(target, torch._ops.HigherOrderOperator) and len(args) > 1:
            _, inner, *taken = args
            if isinstance(inner, fx.GraphModule):
                return _Shapes(inner, self._alive()).run(*taken)
        return super().call_function(target, args, kwargs)

    def _alive(self, result: Any = None) -> int:
        return self._outside + _bytes([*self.env.values(), result])

    def run_node(self, n: fx.Node) -> Any:
        try:
            result = super().run_node(n)
        except (DataDependentOutputException, DynamicOutputShapeException):
            reason = "the size of its result depends on the data"
            raise UnsupportedOpError(
                [Refusal(str(n.target), location_of(n, None), reason)]
            ) from None
        alive = self._alive(result)
        if alive > _machine():
            raise ModelError(
                f"at {n.name} ({n.target}) a run on the example inputs takes {alive} bytes; the "
                f"machine has {_machine()}: give smaller example_inputs"
            )
        return result


def _bytes(values: list[Any]) -> int:
    """Of all tensors in there; views of one storage count once."""
    sizes: dict[int, int] = {}
    for leaf in torch.utils._pytree.tree_leaves(values):
        if isinstance(leaf, Tensor):
            with contextlib.suppress(NotImplementedError):  # of layouts without a storage
                storage = leaf.untyped_storage()
                sizes[storage._cdata] = storage.nbytes()
    return sum(sizes.values())


def _machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
