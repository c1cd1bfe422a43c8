"""What an LDPU can do is fused; every node of the model is accounted for."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hermesc.ir.graph import Captured, Graph
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Constant, Digital
from hermesc.ir.text import graph_text, stage_text
from hermesc.ir.types import TensorType
from hermesc.ir.verify import verify_graph, verify_partitioned
from hermesc.passes.partition import PartitionOptions, partition
from hermesrt.errors import Location, OptionError
from hermesrt.ops.call import Call, Ref


def test_golden(stages, golden):
    golden("partition.txt", stage_text(stages["partition"][0]))


def test_every_captured_node_is_accounted_for_exactly_once(any_model, front_of):
    front = front_of(any_model)
    nodes = [a.node for a in front.partitioned.assignments]
    assert sorted(nodes) == sorted(node.name for node in front.graph.captured)
    assert len(set(nodes)) == len(nodes)
    assert all(a.reason for a in front.partitioned.assignments)


def test_every_digital_node_says_why_it_is_not_analog(any_model, front_of):
    partitioned = front_of(any_model).partitioned
    assert all(refusal.reason for refusal in partitioned.refusals)
    assert len(partitioned.refusals) == sum(a.unit == "digital" for a in partitioned.assignments)


FUSED = {
    "bias": lambda m, x: x @ m.w + m.c,
    "bias from the left": lambda m, x: m.c + x @ m.w,
    "bias of one row": lambda m, x: x @ m.w + m.c[None, :],
    "bias with alpha": lambda m, x: torch.add(x @ m.w, m.c, alpha=2),
    "a number": lambda m, x: x @ m.w + 1.5,
    "difference": lambda m, x: x @ m.w - m.c,
    "constant less y": lambda m, x: m.c - x @ m.w,
    "constant less y with alpha": lambda m, x: torch.sub(m.c, x @ m.w, alpha=3),
    "number less y": lambda m, x: 1.5 - x @ m.w,
    "number less y with alpha": lambda m, x: torch.rsub(x @ m.w, 1.0, alpha=2),
    "scale": lambda m, x: (x @ m.w) * m.c,
    "scale by a number": lambda m, x: 3 * (x @ m.w),
    "quotient": lambda m, x: (x @ m.w) / m.c,
    "quotient by a number": lambda m, x: (x @ m.w) / 2,
    "negation": lambda m, x: -(x @ m.w),
    "relu": lambda m, x: torch.relu(x @ m.w),
    "all in a row": lambda m, x: torch.relu(-((x @ m.w) * m.c + 1) / 2 - m.c),
    "batch norm": lambda m, x: torch.nn.functional.batch_norm(
        x @ m.w, m.c.detach(), m.c.detach() ** 2, m.c, m.c
    ),
    "batch norm, not affine": lambda m, x: torch.nn.functional.batch_norm(
        x @ m.w, m.c.detach(), m.c.detach() ** 2
    ),
}


@pytest.mark.parametrize("name", FUSED)
def test_ldpu_takes(name, front, module):
    torch.manual_seed(0)
    model = module(FUSED[name], w=(6, 5), c=(5,))
    made = front(model, (torch.randn(8, 6),))
    assert len(made.graph.mvms) == 1
    assert [op.call.op for op in made.graph.digital] == []
    x = torch.randn(3, 6)
    (found,) = interpret(made.graph, made.weights, made.named((x,)))
    torch.testing.assert_close(found, model(x).detach(), rtol=1e-4, atol=1e-4)


LEFT = {
    "another user": (lambda m, x: (lambda y: torch.relu(y) + y.sum())(x @ m.w), 3),
    "an output too": (lambda m, x: (lambda y: (y, torch.relu(y)))(x @ m.w), 1),
    "after a relu": (lambda m, x: torch.relu(x @ m.w) * 2, 1),
    "relu after relu": (lambda m, x: torch.relu(torch.relu(x @ m.w)), 1),
    "one value for each row": (lambda m, x: x @ m.w + m.r[:, None] * 1, 1),
    "the activations themselves": (lambda m, x: x @ m.w + x[:, :5], 2),
    "its own square": (lambda m, x: (lambda y: y * y)(x @ m.w), 1),
    "wider than the product": (lambda m, x: (x @ m.w[:, :1]) * m.c, 1),
    "more dimensions": (lambda m, x: (x @ m.w) + m.t, 1),
    "constant over y": (lambda m, x: m.c / (x @ m.w), 1),
    "floor of a quotient": (lambda m, x: torch.div(x @ m.w, m.c, rounding_mode="floor"), 1),
    "quotient by zero": (lambda m, x: (x @ m.w) / 0.0, 1),
    "a cosine": (lambda m, x: torch.cos(x @ m.w), 1),
    "relu6": (lambda m, x: torch.nn.functional.relu6(x @ m.w), 1),
}


@pytest.mark.parametrize("name", LEFT)
def test_ldpu_does_not_take(name, front, module):
    torch.manual_seed(0)
    forward, digital = LEFT[name]
    model = module(forward, w=(6, 5), c=(5,), r=(8,), t=(2, 1, 5))
    dynamic = None
    x = torch.randn(8, 6)
    made = front(model, (x,), dynamic=dynamic)
    assert len(made.graph.mvms) == 1
    assert len(made.graph.digital) == digital, graph_text(made.graph)
    found = interpret(made.graph, made.weights, made.named((x,)))
    wanted = model(x)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-4, equal_nan=True)


def test_batch_norm_over_images_is_not_fused(front):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.l, self.b = nn.Linear(6, 5), nn.BatchNorm1d(3)

        def forward(self, x):
            return self.b(self.l(x))

    made = front(Net(), (torch.randn(8, 3, 6),))
    assert [op.call.op for op in made.graph.digital] == ["aten.batch_norm.default"]


def test_fused_nodes_are_assigned_to_the_ldpu_of_their_layer(front):
    made = front(nn.Sequential(nn.Linear(6, 5), nn.ReLU()), (torch.randn(8, 6),))
    units = {a.op: (a.unit, a.reason) for a in made.partitioned.assignments}
    assert units["aten.linear.default"][0] == "analog"
    assert units["aten.relu.default"] == ("ldpu", "fused into the LDPU of 0")


def test_bias_on_the_host_keeps_the_addition_digital(front):
    options = PartitionOptions(bias="host")
    made = front(nn.Linear(6, 5), (torch.randn(8, 6),), options)
    assert [op.call.op for op in made.graph.digital] == ["aten.add.Tensor"]
    assert made.graph.mvms[0].bias is None


def test_bias_on_the_host_still_fuses_a_scale(front, module):
    options = PartitionOptions(bias="host")
    model = module(lambda m, x: (x @ m.w) * 2 + 1, w=(6, 5))
    made = front(model, (torch.randn(8, 6),), options)
    assert made.graph.mvms[0].scale is not None
    assert made.graph.mvms[0].bias is None


def test_a_layer_is_kept_digital_by_its_label(front):
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    x = torch.randn(8, 6)
    made = front(model, (x,), PartitionOptions(digital=("2",)))
    assert [op.label for op in made.graph.mvms] == ["0"]
    kept = [
        a for a in made.partitioned.assignments if a.reason == "kept digital by partition.digital"
    ]
    assert [a.unit for a in kept] == ["digital"]
    (found,) = interpret(made.graph, made.weights, made.named((x,)))
    torch.testing.assert_close(found, model(x).detach())


def test_every_layer_can_be_kept_digital(front):
    made = front(nn.Linear(6, 5), (torch.randn(8, 6),), PartitionOptions(digital=("weight",)))
    assert made.graph.mvms == ()


def test_unknown_layer_is_refused_with_the_known_ones(front):
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    with pytest.raises(
        OptionError, match=r"partition.digital=one: there is no such layer; the model has 0, 2"
    ):
        front(model, (torch.randn(8, 6),), PartitionOptions(digital=("one",)))


SCOPES = {
    "all": {"first.0", "first.2", "second"},
    "first": {"first.0", "first.2"},
    "first.2": {"first.2"},
    "*2": {"first.2"},
    "sec*": {"second"},
    "linear": {"first.0", "first.2", "second"},
    "aten.linear.*": {"first.0", "first.2", "second"},
    "second,first.0": {"first.0", "second"},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_names_modules_with_what_is_in_them_layers_or_operations(front, scope):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
            self.second = nn.Linear(4, 3)

        def forward(self, x):
            return self.second(torch.tanh(self.first(x)))

    model, x = Net(), torch.randn(8, 6)
    made = front(model, (x,), PartitionOptions(scope=tuple(scope.split(","))))
    assert {op.label for op in made.graph.mvms} == SCOPES[scope]
    left = [a for a in made.partitioned.assignments if a.reason.startswith("outside")]
    assert len(left) == 3 - len(SCOPES[scope])
    assert all(a.reason == f"outside partition.scope={scope}" for a in left)
    (found,) = interpret(made.graph, made.weights, made.named((x,)))
    torch.testing.assert_close(found, model(x).detach())


def test_a_scope_that_names_nothing_is_refused_with_the_layers(front):
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    with pytest.raises(OptionError, match=r"scope=3\*: the model has no such module .* are 0, 2;"):
        front(model, (torch.randn(8, 6),), PartitionOptions(scope=("0", "3*")))
    with pytest.raises(OptionError, match="no random projection of attention"):
        front(model, (torch.randn(8, 6),), PartitionOptions(scope=("projections",)))


def test_a_convolution_out_of_scope_stays_a_convolution(front):
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Flatten(), nn.LazyLinear(2))
    x = torch.randn(4, 2, 5, 5)
    model(x)
    made = front(model, (x,), PartitionOptions(scope=("linear",)))
    assert [op.label for op in made.graph.mvms] == ["2"]
    assert any(op.call.op == "aten.convolution.default" for op in made.graph.digital)
    (found,) = interpret(made.graph, made.weights, made.named((x,)))
    torch.testing.assert_close(found, model(x).detach(), rtol=1e-4, atol=1e-5)


EPILOGUES = {
    "mul": ("aten.mul.Tensor", ("c",)),
    "double": ("aten.mul.Tensor", (2.0,)),
    "div": ("aten.div.Tensor", ("c",)),
    "add": ("aten.add.Tensor", ("c",)),
    "sub": ("aten.sub.Tensor", ("c",)),
    "neg": ("aten.neg.default", ()),
    "relu": ("aten.relu.default", ()),
    "cos": ("aten.cos.default", ()),
}


@given(st.lists(st.sampled_from(sorted(EPILOGUES)), max_size=6), st.sampled_from(["ldpu", "host"]))
def test_any_chain_keeps_its_meaning_and_fuses_its_longest_start(mvm_graph, steps, bias):
    partitioned, weights = mvm_graph(torch.arange(12.0).reshape(4, 3) - 5)
    ops, captured, at = list(partitioned.graph.ops), list(partitioned.graph.captured), "y0"
    ops.append(Constant("c", "c", TensorType((3,), "float32")))
    for i, step in enumerate(steps):
        op, rest = EPILOGUES[step]
        args = (Ref(at), *(Ref(a) if a == "c" else a for a in rest))
        at = f"e{i}"
        ops.append(Digital(at, Call(op, args), ops[1].type, at, Location()))
        captured.append(Captured(at, op, Location()))
    graph = Graph(tuple(ops), (at,), tuple(captured))
    weights = weights | {"c": torch.tensor([2.0, -1.0, 0.5])}
    found, kept = partition(graph, weights, PartitionOptions(bias=bias))
    verify_graph(found.graph, kept, "partition")
    verify_partitioned(found)
    x = {"x0": torch.arange(8.0).reshape(2, 4)}
    torch.testing.assert_close(
        *interpret(found.graph, kept, x), *interpret(graph, weights, x), rtol=1e-4, atol=1e-4
    )
    stop = {"cos"} | ({"add", "sub"} if bias == "host" else set())
    taken = next((i for i, s in enumerate(steps) if s in stop), len(steps))
    taken = min(taken, steps.index("relu") + 1 if "relu" in steps else taken)
    assert len(found.graph.mvms[0].absorbed) == taken


def test_partition_leaves_its_arguments_alone(mvm_graph):
    partitioned, weights = mvm_graph(torch.ones(4, 3))
    before = dict(weights)
    partition(replace(partitioned.graph), weights, PartitionOptions())
    assert weights == before
