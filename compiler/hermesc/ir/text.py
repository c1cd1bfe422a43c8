"""A graph as text, one operation a line: for dumps, for tests and for people."""

from typing import assert_never

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op
from hermesrt.ops.table import Arg, DType, Ref
from hermesrt.ops.window import Window


def graph_text(graph: Graph) -> str:
    """The graph's text; the same graph gives the same text."""
    lines = [_line(op) for op in graph.ops]
    return "\n".join([*lines, f"return {', '.join('%' + name for name in graph.outputs)}"]) + "\n"


def _line(op: Op) -> str:
    match op:
        case Input():
            return f"%{op.name} = input : {op.type}"
        case Constant():
            return f"%{op.name} = constant {op.weight} : {op.type}"
        case Digital():
            kwargs = [f"{key}={_arg(value)}" for key, value in op.call.kwargs]
            args = ", ".join([*map(_arg, op.call.args), *kwargs])
            return f"%{op.name} = {op.call.op}({args}) : {op.type}  # {op.location}"
        case Mvm():
            parts = [f"%{op.input}", op.matrix]
            parts += [f"scale={op.scale}"] if op.scale else []
            parts += [f"bias={op.bias}"] if op.bias else []
            parts += ["relu"] if op.relu else []
            parts += [f"window={_window(op.window)}"] if op.window else []
            return f"%{op.name} = mvm({', '.join(parts)}) : {op.type}  # {op.location}"
    assert_never(op)


def _window(window: Window) -> str:
    """The window's kernel, and what of it is not as usual."""
    once, none = (1,) * window.rank, (0,) * window.rank
    usual = (("stride", once), ("dilation", once), ("spread", once), ("before", none),
             ("after", none), ("mode", "zeros"))  # fmt: skip
    parts = ["x".join(map(str, window.kernel))]
    for name, value in usual:
        found = getattr(window, name)
        if found != value:
            parts.append(f"{name} {'x'.join(map(str, found)) if isinstance(found, tuple) else found}")
    return f"<{', '.join(parts)}>"


def _arg(arg: Arg) -> str:
    match arg:
        case Ref(name):
            return f"%{name}"
        case DType(name):
            return name
        case tuple():
            return f"[{', '.join(map(_arg, arg))}]"
        case _:
            return repr(arg)
