"""Sizes that a user left open and that the model's code turned into constants while it was traced.

torch.export says nothing where such a size is `Dim.AUTO`: code that calls `int(x.shape[1])` gives a
program of one length. In: the exported program, and the marks of each input. Out: a note for each
size, with the line that fixed it where torch knows. The first size is not looked at: its note comes
with the inputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from traceback import FrameSummary
from typing import Any

from torch import SymInt
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from hermesc.frontend.describe import is_users


def fixed_size_notes(exported: ExportedProgram, marks: Any, names: Sequence[str]) -> Iterator[str]:
    """A note for each size that `marks`, as torch.export takes them, leave open and the graph does
    not; `names` are those of the inputs."""
    specs = exported.graph_signature.input_specs
    places = [s.arg.name for s in specs if s.kind is InputKind.USER_INPUT]
    nodes = {n.name: n for n in exported.graph.nodes if n.op == "placeholder"}
    named = tuple(names) if len(names) == len(places) else tuple(places)
    for place, name, mark in zip(places, named, _by_input(marks, named), strict=False):
        for dim in _open(mark):
            size = nodes[place].meta["val"].shape[dim]
            if dim and is_fixed(size):
                yield (
                    f"the model's code fixes size {dim} of {name} to {size}, for runs too, though "
                    f"dynamic_shapes leaves it open{_where(nodes[place], name, dim)}"
                )


def is_fixed(size: int | SymInt) -> bool:
    """Also a symbol that the model's own code tied to one value."""
    return isinstance(size, int) or size.node.maybe_as_int() is not None


def _by_input(marks: Any, names: Sequence[str]) -> list[Any]:
    """The marks of each input in turn; those of *inputs lie in a tuple of their own."""
    if isinstance(marks, Mapping):
        return [marks.get(name) for name in names]
    found: list[Any] = []
    for mark in marks:
        inner = isinstance(mark, tuple) and any(isinstance(m, Mapping) for m in mark)
        found += mark if inner else [mark]
    return found


def _open(mark: Any) -> list[int]:
    """The dimensions that one input's marks leave open."""
    pairs = mark.items() if isinstance(mark, Mapping) else enumerate(mark or ())
    return [dim for dim, m in pairs if not (m is None or m is Dim.STATIC or isinstance(m, int))]


def _where(node: Node, name: str, dim: int) -> str:
    """The line of the user's that fixed it; nothing where torch tells one of its own."""
    sizes = getattr(node.meta["val"], "fake_mode", None)
    sizes = getattr(sizes, "shape_env", None)
    symbol = getattr(sizes, "source_to_var", {}).get(f"L['{name}'].size()[{dim}]")
    told = getattr(sizes, "replacements_slocs", {}).get(symbol)
    frame = getattr(told, "framework_loc", None)
    if not isinstance(frame, FrameSummary) or not is_users(frame.filename):
        return ""
    return f" ({Path(frame.filename).name}:{frame.lineno})"
