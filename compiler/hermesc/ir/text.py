"""A graph as text, one operation a line: for dumps, for tests and for people."""

from typing import assert_never

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op
from hermesrt.ops.call import Arg, DType, Ref


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
            return f"%{op.name} = mvm({', '.join(parts)}) : {op.type}  # {op.location}"
    assert_never(op)


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
