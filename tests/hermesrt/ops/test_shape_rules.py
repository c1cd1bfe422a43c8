"""Results without data have torch's sizes, dtypes and strides, whoever says them."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from hermesrt.ops.call import Arg, Call, DType, Ref, resolve, run
from hermesrt.ops.shape_rules import known_result

X, Y, Z = Ref("x"), Ref("y"), Ref("z")
MATRIX, WHOLE, IMAGE = torch.ones(3, 4), torch.ones(3, 4, dtype=torch.int64), torch.ones(2, 3, 5, 6)
CALLS: dict[str, tuple[Call, dict[str, Any]]] = {
    "sum": (Call("aten.add.Tensor", (X, Y)), {"x": MATRIX, "y": torch.ones(2, 1, 4)}),
    "whole numbers": (Call("aten.add.Tensor", (X, Y)), {"x": WHOLE, "y": MATRIX.half()}),
    "number": (Call("aten.mul.Tensor", (X, 2.5)), {"x": WHOLE}),
    "no dimensions": (Call("aten.mul.Tensor", (X, Y)), {"x": WHOLE, "y": torch.ones(())}),
    "nothing": (Call("aten.add.Tensor", (X, Y)), {"x": torch.ones(0, 4), "y": torch.ones(1, 4)}),
    "comparison": (Call("aten.gt.Scalar", (X, 0)), {"x": MATRIX}),
    "choice": (Call("aten.where.self", (X, Y, Z)), {"x": MATRIX > 0, "y": MATRIX, "z": WHOLE}),
    "division": (Call("aten.floor_divide.default", (X, Y)), {"x": WHOLE, "y": WHOLE}),
    "cos": (Call("aten.cos.default", (X,)), {"x": WHOLE}),
    "gelu": (Call("aten.gelu.default", (X,), (("approximate", "tanh"),)), {"x": MATRIX}),
    "turned": (Call("aten.relu.default", (X,)), {"x": IMAGE.permute(0, 2, 3, 1)}),
    "both turned": (
        Call("aten.add.Tensor", (X, Y)),
        {"x": IMAGE.permute(0, 2, 3, 1), "y": IMAGE.permute(0, 2, 3, 1)},
    ),
    "turned and a line": (
        Call("aten.add.Tensor", (Y, X)),
        {"x": IMAGE.permute(0, 2, 3, 1), "y": torch.ones(3)},
    ),
    "turned apart": (
        Call("aten.add.Tensor", (X, Y)),
        {"x": IMAGE.permute(0, 2, 3, 1), "y": torch.ones(2, 5, 6, 3)},
    ),
    "cut": (Call("aten.relu.default", (X,)), {"x": IMAGE[:, :, ::2]}),
    "one turned": (Call("aten.exp.default", (X,)), {"x": IMAGE[:1].permute(0, 2, 3, 1)}),
    "a part turned": (
        Call("aten.sub.Tensor", (X, Y)),
        {"x": torch.ones(2, 4, 3, 5, 6).permute(2, 0, 3, 1, 4)[0], "y": torch.ones(())},
    ),
    "joined": (Call("aten.cat.default", ((X, Y), -1)), {"x": MATRIX, "y": WHOLE.view(6, 2)[:3]}),
    "joined first": (Call("aten.cat.default", ((X, X),)), {"x": MATRIX}),
    "stacked": (Call("aten.stack.default", ((X, X), -1)), {"x": MATRIX}),
    "log softmax": (Call("aten.log_softmax.int", (X, -1)), {"x": IMAGE}),
    "running sum": (Call("aten.cumsum.default", (X, 0)), {"x": WHOLE}),
    "product": (Call("aten.mm.default", (X, Y)), {"x": MATRIX, "y": MATRIX.T}),
    "linear": (
        Call("aten.linear.default", (X, Y, Z)),
        {"x": IMAGE, "y": torch.ones(7, 6), "z": torch.ones(7)},
    ),
    "one for all": (Call("aten.matmul.default", (X, Y)), {"x": IMAGE, "y": torch.ones(6, 2)}),
    "products": (
        Call("aten.matmul.default", (X, Y)),
        {"x": IMAGE.transpose(1, 2), "y": IMAGE[:1].permute(0, 2, 3, 1)},
    ),
    "turned product": (
        Call("aten.matmul.default", (X, Y)),
        {"x": MATRIX, "y": IMAGE.mT[..., :4, :]},
    ),
    "mean": (Call("aten.mean.dim", (X, (-1, 0), True)), {"x": IMAGE}),
    "sum of turned": (
        Call("aten.sum.dim_IntList", (X, (1,))),
        {"x": WHOLE.T.expand(2, 4, 3)},
    ),
    "largest": (Call("aten.amax.default", (X, (-1,), True)), {"x": IMAGE.permute(0, 2, 3, 1)}),
    "mean of all": (
        Call("aten.mean.default", (X,), (("dtype", DType("float64")),)),
        {"x": MATRIX},
    ),
    "layer norm": (Call("aten.layer_norm.default", (X, (4,), Y, Y)), {"x": MATRIX, "y": MATRIX[0]}),
    "batch norm": (
        Call("aten.batch_norm.default", (X, Y, Y, Y, Y, False, 0.1, 1e-5, True)),
        {"x": IMAGE, "y": torch.ones(3)},
    ),
}
UNKNOWN = ("turned apart", "turned product")  # torch is asked


@pytest.mark.parametrize("name", CALLS)
def test_a_result_without_data_has_torchs_layout(name: str) -> None:
    call, values = CALLS[name]
    found, wanted = run(call, _blank(values), "meta"), run(call, values)
    assert found.is_meta
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    assert strides(found) == strides(wanted)


def strides(tensor: Tensor) -> list[int]:
    """Of dimensions of size 1 they say nothing."""
    return [s for s, size in zip(tensor.stride(), tensor.shape, strict=True) if size != 1]


@pytest.mark.parametrize("name", CALLS)
def test_the_rules_know_what_they_are_for(name: str) -> None:
    call, values = CALLS[name]
    assert (_known(call, _blank(values)) is None) == (name in UNKNOWN)


@pytest.mark.parametrize(
    ("call", "values"),
    [
        (Call("aten.add.Tensor", (X, Y)), {"x": MATRIX, "y": torch.ones(3)}),
        (Call("aten.mm.default", (X, X)), {"x": MATRIX}),
        (Call("aten.cat.default", ((X, Y), 1)), {"x": MATRIX, "y": torch.ones(2, 4)}),
        (Call("aten.layer_norm.default", (X, (3,))), {"x": MATRIX}),
    ],
)
def test_what_does_not_fit_is_for_torch_to_refuse(call: Call, values: dict[str, Tensor]) -> None:
    blank = _blank(values)
    assert _known(call, blank) is None
    with pytest.raises((RuntimeError, NotImplementedError)):
        run(call, blank, "meta")


def test_common_shapes_need_no_compiler_of_torch() -> None:
    lines = (
        "import sys, torch",
        "from hermesrt.ops.call import Call, Ref, run",
        "x = torch.empty(3, 4, device='meta')",
        "for name in ('cos.default', 'relu.default', 'sum.default', 'linear.default'):",
        "    args = (Ref('x'),) * (2 if 'linear' in name else 1)",
        "    run(Call(f'aten.{name}', args), {'x': x}, 'meta')",
        "print(*({'torch._dynamo', 'sympy'} & set(sys.modules)))",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True
    )
    assert not done.stdout.strip()


def _blank(values: dict[str, Any]) -> dict[str, Any]:
    """The same layouts, which a copy would not keep."""
    return {
        name: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta")
        for name, t in values.items()
    }


def _known(call: Call, values: dict[str, Any]) -> Any:
    function = resolve(call.op)
    assert function is not None

    def value(arg: Arg) -> Any:
        if isinstance(arg, tuple):
            return [value(a) for a in arg]
        if isinstance(arg, DType):
            return getattr(torch, arg.name)
        return values[arg.name] if isinstance(arg, Ref) else arg

    kwargs = {name: value(arg) for name, arg in call.kwargs}
    return known_result(call.op, function, [value(a) for a in call.args], kwargs)
