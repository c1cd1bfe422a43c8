"""Constants are folded however they are written, and nothing else changes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.ir.graph import Captured, Graph
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Constant, Digital, Input
from hermesc.ir.text import graph_text, stage_text
from hermesc.ir.types import TensorType
from hermesc.ir.verify import verify_graph
from hermesc.passes.canonicalize import canonicalize
from hermesrt.errors import Location
from hermesrt.ops.call import Call, Ref

STEPS = {
    "transpose": ("aten.t.default", ()),
    "scale": ("aten.mul.Tensor", (0.5,)),
    "negate": ("aten.neg.default", ()),
    "clone": ("aten.clone.default", ()),
    "detach": ("aten.detach.default", ()),
    "relu": ("aten.relu.default", ()),
}


def _op(name, op, args, dims):
    return Digital(name, Call(op, args), TensorType(dims, "float32"), name, Location())


def _graph(steps, applied_to_x):
    """x @ f(w), or f(x) @ w, where f is the chain of `steps`."""
    ops = [
        Input("x", TensorType(("s0", 4), "float32")),
        Constant("w", "w", TensorType((4, 4), "float32")),
    ]
    at = "x" if applied_to_x else "w"
    for i, step in enumerate(steps):
        op, rest = STEPS[step]
        ops.append(_op(f"n{i}", op, (Ref(at), *rest), ("s0", 4) if applied_to_x else (4, 4)))
        at = f"n{i}"
    pair = (Ref(at), Ref("w")) if applied_to_x else (Ref("x"), Ref(at))
    ops.append(_op("y", "aten.matmul.default", pair, ("s0", 4)))
    captured = tuple(Captured(op.name, op.call.op, op.location) for op in ops[2:])
    return Graph(tuple(ops), ("y",), captured), {"w": torch.arange(16.0).reshape(4, 4) - 7}


def test_golden(stages, golden):
    golden("canonicalize.txt", stage_text(stages["canonicalize"][0]))


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=5))
def test_any_chain_on_a_constant_is_folded_into_it(steps):
    graph, weights = _graph(steps, applied_to_x=False)
    found, kept = canonicalize(graph, weights)
    verify_graph(found, kept, "canonicalize")
    assert [op.name for op in found.digital] == ["y"]
    x = torch.arange(12.0).reshape(3, 4)
    assert torch.equal(*interpret(found, kept, {"x": x}), *interpret(graph, weights, {"x": x}))


@given(st.lists(st.sampled_from(sorted(set(STEPS) - {"transpose"})), max_size=5))
def test_arithmetic_on_activations_is_kept(steps):
    graph, weights = _graph(steps, applied_to_x=True)
    found, kept = canonicalize(graph, weights)
    verify_graph(found, kept, "canonicalize")
    assert len(found.digital) == 1 + sum(s not in ("clone", "detach") for s in steps)
    x = torch.arange(12.0).reshape(3, 4)
    assert torch.equal(*interpret(found, kept, {"x": x}), *interpret(graph, weights, {"x": x}))


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=4))
def test_is_idempotent(steps):
    once, weights = canonicalize(*_graph(steps, applied_to_x=False))
    twice, _ = canonicalize(once, weights)
    assert graph_text(twice) == graph_text(once)


def test_equal_constants_are_stored_once(front, module):
    made = front(module(lambda m, x: x * m.a + m.b, a=(16,), b=(16,)), (torch.randn(8, 16),))
    assert len(made.weights) == 2
    same = module(lambda m, x: x * m.a + m.b, a=(16,), b=(16,))
    same.b.data.copy_(same.a.data)
    assert len(front(same, (torch.randn(8, 16),)).weights) == 1


def test_constants_that_begin_alike_and_differ_later_are_both_stored(front, module):
    same = module(lambda m, x: x * m.a + m.b, a=(300,), b=(300,))
    same.b.data.copy_(same.a.data)
    same.b.data[-1] += 1
    assert len(front(same, (torch.randn(8, 300),)).weights) == 2


def test_constants_of_equal_bytes_and_other_dtype_are_not_merged(front):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("a", torch.ones(4))
            self.register_buffer("b", torch.ones(4).view(torch.int32))

        def forward(self, x):
            return x * self.a, x * self.b

    made = front(Net(), (torch.ones(3, 4),))
    assert {str(w.dtype) for w in made.weights.values()} == {"torch.float32", "torch.int32"}


def test_an_output_that_is_a_constant_stays_one(front, module):
    model = module(lambda m, x: (x + 1, m.w * 2), w=(3,))
    made = front(model, (torch.randn(8, 4),))
    from_graph = interpret(made.graph, made.weights, {"x": torch.zeros(2, 4)})
    assert torch.equal(from_graph[1], model.w.detach() * 2)


def test_every_removed_node_has_a_reason(any_model, front_of):
    for removed in front_of(any_model).graph.removed:
        assert removed.reason


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (lambda m, x: x @ m.w.T, "folded: depends on constants only"),
        (lambda m, x: x.detach() @ m.w, "no effect in evaluation"),
        (lambda m, x: (x.sin(), x @ m.w)[1], "unused: no output depends on it"),
    ],
)
def test_removed_reason_says_what_happened(forward, why, front, module):
    made = front(module(forward, w=(4, 4)), (torch.randn(8, 4),))
    assert why in [removed.reason for removed in made.graph.removed]


def test_a_partial_slice_is_not_taken_for_the_whole(front, module):
    made = front(module(lambda m, x: x[:, ::2], w=(1,)), (torch.randn(8, 4),))
    assert len(made.graph.digital) == 1


def test_constants_come_in_the_order_in_which_they_are_taken():
    names = [f"k{i}" for i in range(12)]
    constants = [Constant(name, name, TensorType((1,), "float32")) for name in names]
    call = Call("aten.cat.default", ((Ref("x"), *map(Ref, names)),))
    y = Digital("y", call, TensorType(("s0 + 12",), "float32"), "y", Location())
    ops = (Input("x", TensorType(("s0",), "float32")), *constants, y)
    graph = Graph(ops, ("y",), (Captured("y", "aten.cat.default", Location()),))
    weights = {name: torch.tensor([float(i)]) for i, name in enumerate(names)}
    found, _ = canonicalize(graph, weights)
    assert [op.name for op in found.ops] == ["x", *names, "y"]
