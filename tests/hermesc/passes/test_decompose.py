"""Every way to write a product with a fixed matrix, and what is none."""

import string

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.ir.graph import Captured, Graph
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Constant, Digital, Input
from hermesc.ir.text import stage_text
from hermesc.ir.types import TensorType
from hermesc.ir.verify import verify_graph
from hermesc.passes.decompose import decompose
from hermesrt.errors import Location
from hermesrt.ops.call import Call, Ref


def test_golden(stages, golden):
    golden("decompose.txt", stage_text(stages["decompose"][0]))


def test_every_way_to_write_a_fixed_product_becomes_mvms(product, front_of):
    front = front_of(product)
    assert len(front.graph.mvms) == product.mvms
    matrices = {op.matrix for op in front.graph.mvms}
    if product.matrices is not None:
        assert len(matrices) == product.matrices


def test_what_is_no_product_with_a_fixed_matrix_stays_digital(not_product, front_of):
    assert front_of(not_product).graph.mvms == ()


def test_graph_equals_the_model_on_another_batch_size(any_model, front_of):
    front = front_of(any_model)
    inputs = any_model.inputs(batch=11, seed=2)
    found = interpret(front.graph, front.weights, front.named(inputs))
    with torch.no_grad():
        wanted = torch.utils._pytree.tree_leaves(front.model(*(x.clone() for x in inputs)))
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_mvm_points_to_the_line_that_wrote_the_product(stages):
    graph, _ = stages["decompose"]
    lines = {op.label: op.location.code for op in graph.mvms}
    assert lines["first"] == "h = torch.relu(self.norm(self.first(x)))"
    assert "self.features.t() * 0.5" in lines["features~mul"]


def test_fixed_matrix_on_the_right_keeps_its_orientation(front, module):
    model = module(lambda m, x: x @ m.w, w=(16, 5))
    made = front(model, (torch.randn(8, 16),))
    (op,) = made.graph.mvms
    assert torch.equal(made.weights[op.matrix], model.w.detach())


def test_linear_stores_the_transposed_weight(front):
    model = torch.nn.Linear(16, 5)
    made = front(model, (torch.randn(8, 16),))
    (op,) = made.graph.mvms
    assert torch.equal(made.weights[op.matrix], model.weight.detach().T)


@st.composite
def _equations(draw):
    """x and matrix labels with sizes, and an output of some of them."""
    letters = string.ascii_lowercase[1:6]
    x = draw(st.lists(st.sampled_from(letters), min_size=1, max_size=3, unique=True))
    w = draw(st.lists(st.sampled_from(letters), min_size=1, max_size=3, unique=True))
    both = sorted({*x, *w})
    out = draw(st.lists(st.sampled_from(both), max_size=4, unique=True))
    place = draw(st.integers(0, len(out)))
    out.insert(place, "a")  # the batch
    sizes = {c: draw(st.integers(1, 4)) for c in both}
    flipped = draw(st.booleans())
    return ["a", *x], w, out, sizes, flipped


@given(_equations(), st.integers(1, 4))
def test_any_einsum_keeps_its_meaning(equation, batch):
    x_labels, w_labels, out, sizes, flipped = equation
    names = [("w", w_labels), ("x", x_labels)] if flipped else [("x", x_labels), ("w", w_labels)]
    text = ",".join("".join(labels) for _, labels in names) + "->" + "".join(out)
    dims = {"a": "s0"} | sizes
    weight = torch.arange(torch.Size([sizes[c] for c in w_labels]).numel(), dtype=torch.float32)
    weight = weight.reshape([sizes[c] for c in w_labels]) - 3
    graph = Graph(
        (
            Input("x", TensorType(tuple(dims[c] for c in x_labels), "float32")),
            Constant("w", "w", TensorType(tuple(weight.shape), "float32")),
            Digital(
                "y",
                Call("aten.einsum.default", (text, tuple(Ref(name) for name, _ in names))),
                TensorType(tuple(dims[c] for c in out), "float32"),
                "y",
                Location(),
            ),
        ),
        ("y",),
        (Captured("y", "aten.einsum.default", Location()),),
    )
    found, weights = decompose(graph, {"w": weight})
    verify_graph(found, weights, "decompose")
    shape = [batch if c == "a" else sizes[c] for c in x_labels]
    x = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape) % 5 - 2
    (ours,) = interpret(found, weights, {"x": x})
    (theirs,) = interpret(graph, {"w": weight}, {"x": x})
    torch.testing.assert_close(ours, theirs)
    summed = set(x_labels) & set(w_labels) - set(out)
    assert bool(found.mvms) == bool(summed), text


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: torch.linalg.multi_dot([x, m.w]),
        lambda m, x: torch.addbmm(m.b, x.unsqueeze(0), m.w.unsqueeze(0)),
        lambda m, x: torch.bilinear(x, x, m.v, None),
        lambda m, x: torch.cdist(x, m.w.T),
    ],
)
def test_reason_of_a_product_left_digital_does_not_deny_its_fixed_matrix(forward, front, module):
    made = front(module(forward, w=(16, 5), b=(5,), v=(3, 16, 16)), (torch.randn(8, 16),))
    for refusal in made.partitioned.refusals:
        assert "no operand is a fixed matrix" not in refusal.reason, refusal
        assert "there are no weights to store" not in refusal.reason, refusal


@pytest.mark.parametrize(
    ("forward", "products"),
    [
        # learned queries: of the batch first, then of the sequence first
        (lambda m, x: m.w.expand(x.shape[0], -1, -1) @ m.v @ x.mT, 1),
        (lambda m, x: (m.w[:, None].expand(-1, x.shape[0], -1) @ m.v).mean(0)[:, None] + x, 0),
    ],
)
def test_a_product_that_is_the_same_for_every_row_is_computed_once(
    forward, products, front, module
):
    made = front(module(forward, w=(3, 16), v=(16, 8)), (torch.randn(4, 5, 8),))
    assert len(made.graph.mvms) == products
    (told,) = {r.reason for r in made.partitioned.refusals if r.op.startswith("aten.matmul")}
    assert told.startswith("depends on constants only and is the same for every row")
    x = torch.randn(7, 5, 8)
    (found,) = interpret(made.graph, made.weights, {"x": x})
    with torch.no_grad():
        torch.testing.assert_close(found, made.model(x))


def test_a_constant_that_is_summed_over_its_repetitions_stays(front, module):
    made = front(
        module(
            lambda m, x: m.w.expand(-1, x.shape[0]) @ x + 0 * (m.w.expand(-1, 3) @ m.v),
            w=(2, 1),
            v=(3, 8),
        ),
        (torch.randn(4, 8),),
    )
    x = torch.randn(6, 8)
    (found,) = interpret(made.graph, made.weights, {"x": x})
    with torch.no_grad():
        torch.testing.assert_close(found, made.model(x))
