"""The graph's text."""

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Constant, Digital, Input, Mvm
from hermesc.ir.text import graph_text
from hermesc.ir.types import SizeType, TensorType, TupleType
from hermesrt.errors import Location
from hermesrt.ops.call import Call, DType, Ref

HERE = Location("net.a", "model.py", 7, "x")


def test_each_kind_of_operation_is_one_line():
    tensor = TensorType(("s0", 4), "float32")
    graph = Graph(
        (
            Input("x", tensor),
            Constant("w", "net.w", TensorType((4, 4), "float32")),
            Digital("n", Call("aten.sym_size.int", (Ref("x"), 0)), SizeType(), "n", HERE),
            Digital(
                "c",
                Call("aten.chunk.default", (Ref("x"), 2), (("dtype", DType("float32")),)),
                TupleType((tensor, tensor)),
                "c",
                HERE,
            ),
            Digital(
                "v",
                Call("aten.reshape.default", (Ref("x"), (Ref("n"), None, 1.5, "k"))),
                tensor,
                "v",
                HERE,
            ),
            Mvm("y", "x", "m", tensor, "y", HERE, scale="s", bias="b", relu=True),
            Mvm("z", "y", "m", tensor, "z", Location()),
        ),
        ("y", "z"),
    )
    assert graph_text(graph) == (
        "%x = input : float32[s0, 4]\n"
        "%w = constant net.w : float32[4, 4]\n"
        "%n = aten.sym_size.int(%x, 0) : size  # model.py:7\n"
        "%c = aten.chunk.default(%x, 2, dtype=float32) : "
        "(float32[s0, 4], float32[s0, 4])  # model.py:7\n"
        "%v = aten.reshape.default(%x, [%n, None, 1.5, 'k']) : float32[s0, 4]  # model.py:7\n"
        "%y = mvm(%x, m, scale=s, bias=b, relu) : float32[s0, 4]  # model.py:7\n"
        "%z = mvm(%y, m) : float32[s0, 4]  # ?\n"
        "return %y, %z\n"
    )


def test_text_names_every_operation_once(any_model, front_of):
    graph = front_of(any_model).graph
    lines = graph_text(graph).splitlines()
    assert [line.split(" ")[0] for line in lines[:-1]] == [f"%{op.name}" for op in graph.ops]
