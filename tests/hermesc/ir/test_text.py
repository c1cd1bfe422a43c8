"""Each stage's text."""

from dataclasses import replace

import numpy as np
import pytest

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Constant, Digital, Input, Mvm
from hermesc.ir.stages import LineMap
from hermesc.ir.text import graph_text, stage_text
from hermesc.ir.types import SizeType, TensorType, TupleType
from hermesrt.artifact.schema import LayerDefects
from hermesrt.errors import Location
from hermesrt.ops.call import Call, DType, Ref
from hermesrt.ops.window import Window

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


def test_of_a_window_only_what_is_unusual_is_written():
    image = TensorType(("s0", 3, 8, 8), "float32")
    one, none = (1, 1), (0, 0)
    plain = Window((3, 3), one, one, none, none, one)
    other = Window((1, 4), (2, 2), (1, 3), (1, 0), (0, -1), one, "reflect")
    ops = [Mvm(n, "x", "m", image, n, HERE, window=w) for n, w in (("a", plain), ("b", other))]
    lines = graph_text(Graph((Input("x", image), *ops), ("b",))).splitlines()
    assert lines[1].startswith("%a = mvm(%x, m, window=<3x3>) : ")
    assert "<1x4, stride 2x2, dilation 1x3, before 1x0, after 0x-1, mode reflect>" in lines[2]


def test_text_names_every_operation_once(any_model, front_of):
    graph = front_of(any_model).graph
    lines = graph_text(graph).splitlines()
    assert [line.split(" ")[0] for line in lines[:-1]] == [f"%{op.name}" for op in graph.ops]


@pytest.mark.parametrize("name", ["tile", "quantize", "place", "remap", "route", "schedule"])
def test_each_stage_has_the_graph_that_slicing_made(name, stages):
    assert stages[name].graph is stages["slice"][0].graph


def test_without_defects_remapping_says_so(stages):
    text = stage_text(stages["remap"])
    assert text == "No defects are known: logical lines are the physical ones.\n"


def test_remapping_prints_what_moved_and_what_defects_cost(stages):
    stuck = np.zeros((3, 3), np.int32)
    lines = LineMap(4, np.array([1, 0, 2]), np.arange(3), stuck, np.zeros(3, np.float32))
    layer = LayerDefects("first", 3, 1, 0.0125, 0.5)
    text = stage_text(replace(stages["remap"], line_maps=(lines,), layers=(layer,)))
    assert text == (
        "  core  rows moved  columns moved  stuck\n"
        "  4     2           0              3\n"
        "  layer  stuck  left  error   error without the map\n"
        "  first  3      1     0.0125  0.5\n"
    )


def test_a_stage_without_cascades_says_that_nothing_travels(stages):
    text = stage_text(replace(stages["route"], routes=()))
    assert text == "No partial sums travel: every matrix fits its core's rows.\n"
