"""Calls: what may be run, how arguments are written, when a value dies."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.ir.ops import takes
from hermesrt.ops import call as ops
from hermesrt.ops.call import Call, DType, Ref
from hermesrt.ops.table import ROWS, SIZE_ROWS, base_name, row_of

from ...zoo.front import ALL, front_of

FORBIDDEN = [
    "from_file",
    "rand",
    "randn",
    "bernoulli",
    "multinomial",
    "empty",
    "empty_like",
    "dropout",
    "set_",
    "resize_",
    "as_strided",
    "_to_cpu",
    "item",
    "nonzero",
    "record_stream",
    "normal",
    "exponential",
]


def _overloads():
    for name in ROWS:
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            yield f"aten.{name}.{overload}", getattr(packet, overload)


def test_what_resolves_neither_writes_nor_draws_nor_hides_memory():
    wrong = []
    for name, overload in _overloads():
        if ops.resolve(name) is None:
            continue
        schema = overload._schema
        written = schema.is_mutable or any(a.is_out for a in schema.arguments)
        random = torch.Tag.nondeterministic_seeded in overload.tags
        attention = {"scaled_dot_product_attention", "lstm", "gru", "rnn_tanh", "rnn_relu"}
        if written or (random and base_name(name) not in attention):
            wrong.append(name)
    assert wrong == []


def test_every_function_of_sizes_has_a_row():
    assert set(SIZE_ROWS) == set(ops._SIZE_FUNCTIONS)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_operation_is_not_in_the_list(name):
    assert row_of(f"aten.{name}.default") is None
    assert ops.resolve(f"aten.{name}.default") is None


@pytest.mark.parametrize(
    "op",
    ["os.system", "builtins.eval", "aten.add_.Tensor", "aten.cos.out", "aten.cos.nonsense",
     "aten.cos", "aten", "", ".", "..", "aten..", "size.", "size.__import__", "prims.cos.default",
     "aten.cos.__call__", "aten.cos._schema", "aten.cos.default.x"],
)  # fmt: skip
def test_other_names_resolve_to_nothing(op):
    assert ops.resolve(op) is None


def test_running_an_operation_outside_the_list_is_refused():
    with pytest.raises(KeyError):
        ops.run(Call("os.system", ("true",)), {})


def test_run_takes_values_dtypes_and_lists():
    values = {"x": torch.ones(2, 3), "n": 2}
    assert ops.run(Call("aten.reshape.default", (Ref("x"), (3, Ref("n")))), values).shape == (3, 2)
    assert ops.run(Call("aten.to.dtype", (Ref("x"), DType("int64"))), values).dtype == torch.int64
    assert ops.run(Call("size.mul", (Ref("n"), 3)), values) == 6
    assert ops.run(Call("aten.zeros.default", ((2,),)), values).device.type == "cpu"


@pytest.mark.parametrize("args", [(10, 65), (2.0, 1e300), (2**64, 2)])
def test_a_huge_power_of_sizes_is_refused(args):
    with pytest.raises(OverflowError):
        ops.run(Call("size.pow", args), {})


ARGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.builds(Ref, st.text())
    | st.sampled_from(ops.dtype_names()).map(DType),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)  # fmt: skip


@given(ARGS)
def test_any_argument_survives_json(arg):
    assert repr(ops.from_json(ops.to_json(arg))) == repr(arg)


@pytest.mark.parametrize(
    "data",
    [{}, {"ref": 3}, {"ref": "x", "y": 1}, {"dtype": "object"}, {"dtype": "Tensor"}, {"float": "1"},
     {"eval": "1"}, [{"ref": None}], object()],
)  # fmt: skip
def test_other_json_is_refused(data):
    with pytest.raises(ValueError, match="not an argument"):
        ops.from_json(data)


def test_infinity_survives_json():
    assert ops.from_json(ops.to_json(-math.inf)) == -math.inf


def test_references_are_found_once_in_order_also_inside_lists():
    call = Call(
        "aten.cat.default", ((Ref("b"), Ref("a")), 0), (("k", Ref("b")), ("l", (Ref("c"),)))
    )
    assert call.refs() == ("b", "a", "c")
    assert call.rename({"b": "z"}).refs() == ("z", "a", "c")


def test_a_value_dies_at_its_last_use_unless_it_is_kept():
    steps = [("x", ()), ("a", ("x",)), ("b", ("x", "a")), ("c", ("b",)), ("unused", ("x",))]
    assert ops.last_uses(steps, ["c"]) == [[], [], ["a"], ["b"], ["x", "unused"]]


@pytest.mark.parametrize("any_model", ALL, ids=[case.name for case in ALL])
def test_every_value_dies_once_but_the_outputs(any_model):
    graph = front_of(any_model).graph
    dead = ops.last_uses([(op.name, takes(op)) for op in graph.ops], graph.outputs)
    freed = [name for names in dead for name in names]
    assert len(freed) == len(set(freed))
    assert set(freed) | set(graph.outputs) == {op.name for op in graph.ops}
