"""Symbolic sizes are parsed, bounded and written anew."""

import pytest
import sympy
import torch
from torch.utils._sympy import functions

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.sizes import check_amount, read_size

S = "Symbol('s77', positive=True, integer=True)"


@pytest.mark.parametrize(
    "text",
    [
        S,
        f"Mul(Integer(3), {S})",
        f"Pow({S}, Integer(2))",
        f"Add(Max(Integer(5), {S}), Integer(-1))",
        f"FloorDiv(Mul(Integer(12), {S}), Integer(24))",
        f"Mul(Rational(1, 2), {S}, Float('0.5', precision=53))",
        "Symbol('u0', integer=True)",
        f"And(Equality({S}, Integer(4)), true)",
    ],
)
def test_what_torch_writes_means_the_same(text):
    names = vars(functions)
    assert sympy.sympify(read_size(text), locals=names) == sympy.sympify(text, locals=names)


def test_a_real_export_s_sizes_read():
    class Model(torch.nn.Module):
        def forward(self, x):
            return x.reshape(x.shape[0] * 2, -1)[: x.shape[0] ** 2] * (x.shape[0] // 2)

    shapes = ({0: torch.export.Dim("n", min=4, max=64)},)
    program = torch.export.export(Model(), (torch.randn(4, 6),), dynamic_shapes=shapes)
    seen = [
        sympy.srepr(size.node.expr)
        for node in program.graph.nodes
        for size in getattr(node.meta.get("val"), "shape", ())
        if isinstance(size, torch.SymInt)
    ]
    assert seen
    for text in seen:
        read_size(text)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "Pow(Integer(9), Pow(Integer(9), Pow(Integer(9), Integer(9))))",
        f"Pow({S}, Integer(99999))",
        f"PowByNatural(Integer(7), {S})",
        "Mul(" + ", ".join([S] * 9) + ")",
        "__import__('os').getcwd()",
        "open('pwned', 'w')",
        "Integer(open('pwned', 'w'))",
        "Symbol('s77', positive=open('pwned', 'w'))",
        "Symbol('pwned')",
        "Symbol('u99999999999')",
        "Integer(1).__class__",
        "Integer(99999999999999999999)",
        "Integer(True)",
        "Float('1e999999999', precision=53)",
        "Float('1', precision=10**9)",
        "Rational(1, 0)",
        "lambda: 1",
        "[Integer(1)]",
        "s77",
        "Max()",
        "Add(*Integer(1))",
        "Add(Integer(1), evaluate=False)",
        "Max(" + ", ".join(f"Symbol('s{i}')" for i in range(70)) + ")",
        "(" * 2000 + ")" * 2000,
        "Add(" + ", ".join(["Integer(1)"] * 2000) + ")",
        "Integer(1)\nInteger(2)",
        "",
        7,
    ],
)
def test_what_is_no_bounded_expression_is_refused(text):
    with pytest.raises(RefusedPart, match="is no expression of sizes"):
        read_size(text)


def test_many_different_sizes_are_refused_and_the_same_one_is_counted_once():
    check_amount([{"expr_str": S}] * 5000)
    with pytest.raises(RefusedPart, match="its sizes take more than 60000 characters"):
        check_amount([{"a": [{"expr_str": f"Add({S}, Integer({i}))"}]} for i in range(5000)])
