"""Operations by name, and arguments of the kinds that they take."""

import json

import pytest
import torch

from hermesc.frontend.pt2.rewrite import rewrite
from hermesrt.errors import ModelError, UnsupportedOpError

COS = '"torch.ops.aten.cos.default"'
PLAIN = "not an operation of torch.ops.aten or arithmetic on sizes"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("torch.hub.load", PLAIN),
        ("torch.load", PLAIN),
        ("torch.ops.load_library", PLAIN),
        ("torch.ops.aten.__init__.__globals__", PLAIN),
        ("torch.ops.aten.cos.__class__", PLAIN),
        ("torch.ops.aten.no_such.default", PLAIN),
        ("torch.ops.mine.cos.default", PLAIN),
        ("_operator.attrgetter", PLAIN),
        ("_operator.methodcaller", PLAIN),
        ("_operator.getitem", PLAIN),
        ("math.factorial", PLAIN),
        ("torch.ops.aten.from_file.default", "not among the operations that the host runs"),
        ("torch.ops.aten.set_.source_Storage", "not among the operations that the host runs"),
        ("torch.ops.aten.resize_.default", "not among the operations that the host runs"),
        ("torch.ops.aten.cos.out", "not among the operations that the host runs"),
        ("torch.ops.aten.mul.left_t", "not among the operations that the host runs"),
        ("torch.ops.aten.add.str", "not among the operations that the host runs"),
        ("torch.ops.aten.rand.default", "draws random numbers; draw them once"),
        ("torch.ops.aten.item.default", "the size of its result depends on the data"),
        ("torch.ops.higher_order.cond", "control flow inside the model is not supported"),
    ],
)
def test_names_from_outside_the_table_are_refused_with_their_line(target, reason, path, edit_text):
    edit_text(COS, json.dumps(target))
    with pytest.raises(UnsupportedOpError, match=reason) as caught:
        rewrite(path)
    (refusal,) = caught.value.refusals
    assert refusal.op == target.removeprefix("torch.ops.")
    assert refusal.location.file == "conftest.py"


def test_what_is_no_dotted_name_is_no_operation(path, edit_text):
    edit_text(COS, '"import os"')
    with pytest.raises(ModelError, match="'import os' is no name of an operation"):
        rewrite(path)


def log_softmax(dtype):
    """cos(x) as log_softmax(x, 0, dtype)."""
    inputs = [
        {"name": "self", "arg": {"as_tensor": {"name": "matmul"}}, "kind": 1},
        {"name": "dim", "arg": {"as_int": 0}, "kind": 1},
        {"name": "dtype", "arg": dtype, "kind": 1},
    ]

    def change(program):
        (grad,) = [
            n for n in program["graph_module"]["graph"]["nodes"] if "higher_order" in n["target"]
        ]
        node = grad["inputs"][1]["arg"]["as_graph"]["graph"]["nodes"][1]
        node["target"], node["inputs"] = "torch.ops.aten.log_softmax.int", inputs

    return change


@pytest.mark.parametrize("dtype", [{"as_none": True}, {"as_scalar_type": 8}])
def test_dtypes_fit_where_dtypes_belong(dtype, path, edit_json):
    edit_json(log_softmax(dtype))
    program = torch.export.load(rewrite(path).archive)
    assert "aten.log_softmax.int" in program.graph_module.print_readable(print_output=False)


@pytest.mark.parametrize("dtype", [{"as_int": -1}, {"as_layout": 7}, {"as_bool": True}])
def test_numbers_do_not(dtype, path, edit_json):
    """An integer where an operation takes a dtype ends the process inside torch."""
    edit_json(log_softmax(dtype))
    with pytest.raises(ModelError, match=r"takes Optional\[ScalarType\] for dtype, not"):
        rewrite(path)


def test_an_argument_that_the_operation_does_not_have_is_refused(path, edit_json):
    def change(program):
        program["graph_module"]["graph"]["nodes"][-1]["inputs"][0]["name"] = "out"

    edit_json(change)
    with pytest.raises(ModelError, match=r"linear\.default has the arguments out, weight, bias"):
        rewrite(path)


def arithmetic(target, *arguments):
    """The node that doubles the batch, as another one."""

    def change(program):
        (node,) = [
            n for n in program["graph_module"]["graph"]["nodes"] if n["target"] == "_operator.mul"
        ]
        node["target"] = target
        node["inputs"] = [{"name": "", "arg": a, "kind": 1} for a in arguments]

    return change


BATCH = {"as_sym_int": {"as_name": "sym_size_int_1"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (arithmetic("_operator.pow", BATCH, {"as_int": 10**9}), "other than a number up to 16"),
        (arithmetic("_operator.pow", {"as_int": 9}, BATCH), "other than a number up to 16"),
        (arithmetic("_operator.lshift", BATCH, {"as_int": 10**9}), "other than a number up to 63"),
        (arithmetic("_operator.mul", {"as_ints": [1]}, {"as_int": 10**9}), "else than numbers"),
        (arithmetic("_operator.mod", {"as_string": "%99d"}, BATCH), "something else than numbers"),
        (arithmetic("_operator.add", {"as_tensor": {"name": "x"}}, BATCH), "else than numbers"),
    ],
)
def test_arithmetic_on_sizes_is_bounded(change, message, path, edit_json):
    edit_json(change)
    with pytest.raises(ModelError, match=message):
        rewrite(path)


def test_squares_of_squares_are_bounded(path, edit_json):
    def change(program):
        graph = program["graph_module"]["graph"]
        for i in range(30):
            graph["nodes"].append(
                {
                    "target": "_operator.mul",
                    "inputs": [{"name": "", "arg": BATCH if not i else square(i), "kind": 1}] * 2,
                    "outputs": [square(i + 1)],
                    "metadata": {},
                    "name": None,
                }
            )

    def square(i):
        return {"as_sym_int": {"as_name": f"square_{i}"}}

    edit_json(change)
    with pytest.raises(ModelError, match="may reach a number of more than 512 bits"):
        rewrite(path)
