"""Functions of an ONNX model: how many nodes they come to when each call is written out.

Thirty functions that each call the next one twice take 2 kB, and a thousand million nodes.
"""

from collections.abc import Iterable, Mapping

from onnx import FunctionProto, ModelProto, NodeProto

from hermesrt.errors import ModelError

MOST_NODES = 2**16
_Name = tuple[str, str, str]


def check_functions(model: ModelProto, where: str) -> None:
    """The model has at most MOST_NODES nodes with its functions written out.

    Raises: ModelError; also for functions that call each other in a circle.
    """
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[_Name, int] = {}
    for name in functions:
        _measure(name, functions, sizes, where)
    count = _size(model.graph.node, sizes)
    if count > MOST_NODES:
        raise ModelError(
            f"{where}the model has {count if count < 10**12 else 'more than 10^12'} nodes when its "
            f"functions are written out; at most {MOST_NODES} are read"
        )


def _measure(
    start: _Name, functions: Mapping[_Name, FunctionProto], sizes: dict[_Name, int], where: str
) -> None:
    """Add the sizes of a function and of all that it calls; without recursion, for chains may be
    long."""
    path, waiting = [start], {start}
    while path:
        name = path[-1]
        calls = {_called(node) for node in functions[name].node} & functions.keys()
        missing = calls - sizes.keys()
        if missing & waiting:
            raise ModelError(f"{where}the function {name[1]} of the model calls itself")
        if missing:
            path.append(missing.pop())
            waiting.add(path[-1])
            continue
        sizes[name] = _size(functions[name].node, sizes)
        waiting.discard(path.pop())


def _called(node: NodeProto) -> _Name:
    return node.domain, node.op_type, node.overload


def _size(nodes: Iterable[NodeProto], sizes: Mapping[_Name, int]) -> int:
    return sum(sizes.get(_called(node), 1) for node in nodes)
