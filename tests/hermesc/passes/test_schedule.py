"""Everything comes after what it takes."""

from hypothesis import given
from hypothesis import strategies as st

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Digital, Input, Mvm, takes
from hermesc.ir.stages import Partitioned, Placed, Quantized, Remapped, Routed, Tiled
from hermesc.ir.text import stage_text
from hermesc.ir.types import TensorType
from hermesc.ir.verify import verify_scheduled
from hermesc.passes.schedule import schedule
from hermesrt.artifact.schema import Score
from hermesrt.errors import Location
from hermesrt.ops.call import Call, Ref

SCORE = Score("cores", "test", "cores", 1.0, 1.0)
T = TensorType(("s0", 4), "float32")


def _routed(graph):
    tiled = Tiled(Partitioned(graph, ()), (), ())
    placed = Placed(Quantized(tiled, (), (), (), 1, ()), {}, 1, SCORE)
    return Routed(Remapped(placed, (), ()), ())


def test_golden(stages, golden):
    golden("schedule.txt", stage_text(stages["schedule"]))


@st.composite
def _graphs(draw):
    """A random acyclic graph of sums and Mvms."""
    ops = [Input("n0", T)]
    for i in range(1, draw(st.integers(1, 12))):
        name = f"n{i}"
        if draw(st.booleans()):
            ops.append(Mvm(name, f"n{draw(st.integers(0, i - 1))}", "w", T, name, Location()))
        else:
            pair = [Ref(f"n{draw(st.integers(0, i - 1))}") for _ in range(2)]
            ops.append(Digital(name, Call("aten.add.Tensor", tuple(pair)), T, name, Location()))
    return Graph(tuple(ops), (ops[-1].name,))


@given(_graphs())
def test_order_holds_each_operation_once_after_what_it_takes(graph):
    scheduled = schedule(_routed(graph))
    verify_scheduled(scheduled)
    assert sorted(scheduled.order) == sorted(op.name for op in graph.ops)
    place = {name: i for i, name in enumerate(scheduled.order)}
    for op in graph.ops:
        assert all(place[name] < place[op.name] for name in takes(op))


@given(_graphs())
def test_order_is_deterministic(graph):
    assert schedule(_routed(graph)) == schedule(_routed(graph))


def test_the_operation_with_most_mvms_after_it_goes_first():
    ops = (
        Input("x", T),
        Digital("last", Call("aten.cos.default", (Ref("x"),)), T, "last", Location()),
        Digital("first", Call("aten.sin.default", (Ref("x"),)), T, "first", Location()),
        Mvm("y", "first", "w", T, "y", Location()),
    )
    scheduled = schedule(_routed(Graph(ops, ("y", "last"))))
    assert scheduled.order == ("x", "first", "y", "last")


def test_ties_keep_the_order_of_the_model():
    names = [f"n{i}" for i in range(12)]
    ops = (
        Input("x", T),
        *(Digital(n, Call("aten.cos.default", (Ref("x"),)), T, n, Location()) for n in names),
    )
    assert schedule(_routed(Graph(ops, tuple(names)))).order == ("x", *names)
