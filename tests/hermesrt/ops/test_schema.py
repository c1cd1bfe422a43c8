"""Arguments that do not fit an operation's schema are refused before torch sees them."""

import pytest
import torch

from hermesrt.ops.call import Arg, Call, DType, Ref, resolve
from hermesrt.ops.schema import MOST_ITEMS, MOST_LETTERS, fault_of, gives_one_tensor
from hermesrt.ops.table import ROWS, SIZE_ROWS

X = Ref("x")
SOUND = [
    Call("aten.cos.default", (X,)),
    Call("aten.add.Tensor", (X, 2)),
    Call("aten.softmax.int", (X, -1, DType("float64"))),
    Call("aten.softmax.int", (X, -1, None)),
    Call("aten._to_copy.default", (X,), (("dtype", DType("int64")),)),
    Call("aten.reshape.default", (X, (Ref("n"), -1))),
    Call("aten.sum.dim_IntList", (X, (1,), True)),
    Call("aten.cat.default", ((X, X), 1)),
    Call("aten.index.Tensor", (X, (None, X))),
    Call("aten.full.default", ((2, 3), float("inf"))),
    Call("aten.gelu.default", (X,), (("approximate", "tanh"),)),
    Call("aten.sym_size.int", (X, 0)),
    Call("size.mul", (Ref("n"), 3)),
    Call("size.getitem", (X, 0)),
]
HOSTILE: dict[str, tuple[str, tuple[Arg, ...], dict[str, Arg]]] = {
    "a number for a dtype": ("aten._to_copy.default", (X,), {"dtype": 99}),
    "a number for a dtype by place": ("aten.log_softmax.int", (X, 0, -1), {}),
    "a number for a layout": ("aten._to_copy.default", (X,), {"layout": 7}),
    "a number for a memory format": ("aten._to_copy.default", (X,), {"memory_format": 1}),
    "a text for a device": ("aten._to_copy.default", (X,), {"device": "cuda"}),
    "a dtype for a number": ("aten.add.Tensor", (X, DType("int8")), {}),
    "a text for a tensor": ("aten.cos.default", ("x",), {}),
    "nothing for a tensor": ("aten.cos.default", (None,), {}),
    "a fraction for a whole number": ("aten.softmax.int", (X, 0.5), {}),
    "a number of more than 64 bits": ("aten.softmax.int", (X, 2**63), {}),
    "a number for a truth": ("aten.sum.dim_IntList", (X, (0,), 2), {}),
    "a text for a list": ("aten.reshape.default", (X, "ab"), {}),
    "a list in a list": ("aten.reshape.default", (X, ((1,),)), {}),
    "a list of very many": ("aten.reshape.default", (X, (1,) * (MOST_ITEMS + 1)), {}),
    "a text of very many letters": ("aten.einsum.default", ("i" * (MOST_LETTERS + 1), (X,)), {}),
    "too many arguments": ("aten.cos.default", (X, X), {}),
    "too few arguments": ("aten.add.Tensor", (X,), {}),
    "an argument twice": ("aten.softmax.int", (X, 0), {"dim": 0}),
    "an argument that it does not have": ("aten.cos.default", (X,), {"out": X}),
    "an operation on texts": ("aten.add.str", ("a", "b"), {}),
    "an operation on lists": ("aten.add.t", ((1,), (2,)), {}),
    "sizes of texts": ("size.mul", ("a", 2**40), {}),
    "sizes with keywords": ("size.add", (1, 2), {"x": 3}),
    "a part that is no number": ("size.getitem", (X, "a"), {}),
    "another operation": ("os.system", ("true",), {}),
}


@pytest.mark.parametrize("call", SOUND, ids=lambda call: call.op)
def test_what_fits_has_no_fault(call: Call) -> None:
    assert fault_of(call) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_not_fit_is_named(name: str) -> None:
    op, args, kwargs = HOSTILE[name]
    fault = fault_of(Call(op, args, tuple(kwargs.items())))
    assert fault is not None
    assert op in fault


def test_no_operation_takes_a_number_where_torch_trusts_the_kind() -> None:
    """Dtypes, layouts and memory formats of every overload in the table."""
    wrong = []
    for name in ROWS:
        for overload in getattr(torch.ops.aten, name).overloads():
            function = resolve(f"aten.{name}.{overload}")
            if function is None:
                continue
            for argument in function._schema.arguments:  # type: ignore[attr-defined]
                kind = str(argument.real_type)
                if any(word in kind for word in ("ScalarType", "Layout", "MemoryFormat", "Device")):
                    call = Call(f"aten.{name}.{overload}", (), ((argument.name, 99),))
                    wrong += [call.op] if fault_of(call) is None else []
    assert wrong == []


def test_results_that_are_no_tensors_are_known() -> None:
    assert gives_one_tensor(Call("aten.cos.default", (X,)))
    assert gives_one_tensor(Call("size.getitem", (X, 0)))
    assert not gives_one_tensor(Call("aten.chunk.default", (X, 2)))
    assert not gives_one_tensor(Call("aten.sym_size.int", (X, 0)))
    assert not any(gives_one_tensor(Call(f"size.{n}", ())) for n in SIZE_ROWS if n != "getitem")
