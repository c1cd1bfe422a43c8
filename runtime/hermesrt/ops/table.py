"""The digital operations a program may hold: a fixed allow-list of torch's own ATen functions.

A program stores an operation by its ATen name and arguments, so no operator is written twice, and a
name outside the list is refused before anything runs. The list is closed over pure functions of
tensors: nothing that writes in place, draws random numbers, reads files or returns uninitialised
memory. The class of an operation says what it costs and why it is not analog.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

OpClass = Literal[
    "layout", "elementwise", "transcendental", "reduction", "norm", "product", "index", "create"
]

REASONS: Mapping[OpClass, str] = {
    "layout": "moves or renames data; no arithmetic",
    "elementwise": "elementwise on activations; the LDPU has only a per-channel affine and ReLU",
    "transcendental": "no crossbar and no LDPU has such a function, only products, affine and ReLU",
    "reduction": "a reduction over activations, which is no product with a fixed matrix",
    "norm": "needs statistics of the activations, which the LDPU cannot compute",
    "product": "no operand is a fixed matrix, so there is nothing to store in PCM",
    "index": "looks up or sorts data; no product with a fixed matrix",
    "create": "makes a constant or an index for the host",
}

_NAMES: Mapping[OpClass, str] = {
    "layout": """
        view reshape _unsafe_view view_as reshape_as permute transpose t numpy_T mT adjoint
        unsqueeze squeeze expand expand_as broadcast_to slice select narrow chunk split
        split_with_sizes tensor_split unbind flatten unflatten movedim moveaxis swapaxes swapdims
        contiguous clone copy detach alias
        lift_fresh_copy lift_fresh cat concat concatenate stack hstack
        vstack dstack column_stack repeat repeat_interleave tile pad constant_pad_nd
        reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d roll flip fliplr
        flipud rot90 to _to_copy type_as unfold tril triu diagonal diag_embed diag
        slice_scatter select_scatter pixel_shuffle pixel_unshuffle atleast_1d atleast_2d
        atleast_3d ravel squeeze_copy block_diag cartesian_prod meshgrid real imag sym_size
        sym_numel conj resolve_conj resolve_neg""",
    "elementwise": """
        add sub subtract rsub mul multiply div divide true_divide floor_divide remainder fmod neg
        negative abs absolute sign sgn positive relu relu6 leaky_relu prelu threshold hardtanh
        hardsigmoid hardswish clamp clamp_min clamp_max clip maximum minimum fmax fmin where eq ne
        lt le gt ge greater greater_equal less less_equal not_equal logical_and logical_or
        logical_not logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor floor ceil round
        trunc fix frac square reciprocal heaviside masked_fill addcmul addcdiv lerp isnan isinf
        isfinite nan_to_num fill signbit copysign softshrink hardshrink isclose
        bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__ masked_scatter""",
    "transcendental": """
        cos sin tan acos asin atan arccos arcsin arctan atan2 arctan2 cosh sinh tanh acosh asinh
        atanh exp exp2 expm1 log log1p log2 log10 sqrt rsqrt pow float_power sigmoid gelu silu elu
        selu celu softplus mish erf erfc erfinv log_sigmoid lgamma digamma
        sinc logit xlogy logaddexp logaddexp2 hypot i0 special_erf special_erfc special_expm1
        special_exp2 special_xlogy special_log1p special_i0e special_i1e special_erfcx glu
        special_expit special_ndtr sigmoid_backward deg2rad rad2deg""",
    "reduction": """
        sum mean amax amin aminmax max min argmax argmin prod std var std_mean var_mean norm
        linalg_vector_norm linalg_norm linalg_matrix_norm logsumexp any all cumsum cumprod cummax
        cummin logcumsumexp nansum nanmean count_nonzero median nanmedian trace dist
        pairwise_distance cosine_similarity cdist pdist avg_pool1d avg_pool2d avg_pool3d max_pool1d
        max_pool2d max_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
        _adaptive_avg_pool2d adaptive_max_pool2d max_pool2d_with_indices diff quantile""",
    "norm": """
        softmax log_softmax _softmax _log_softmax _safe_softmax layer_norm native_layer_norm
        group_norm native_group_norm batch_norm _native_batch_norm_legit_no_training
        instance_norm rms_norm _fused_rms_norm _weight_norm""",
    "product": """
        matmul mm bmm linear einsum addmm addmv addr baddbmm addbmm mv dot vdot inner outer ger
        tensordot bilinear kron scaled_dot_product_attention linalg_multi_dot chain_matmul
        linalg_vecdot linalg_cross cross conv1d conv2d conv3d convolution conv_transpose1d
        conv_transpose2d conv_transpose3d lstm gru rnn_tanh rnn_relu lstm_cell gru_cell
        rnn_tanh_cell rnn_relu_cell fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2
        matrix_exp linalg_matmul linalg_inv linalg_solve linalg_pinv linalg_cholesky inverse
        linalg_matrix_power linalg_solve_triangular cholesky linalg_svd linalg_qr linalg_eigh
        corrcoef cov im2col col2im""",
    "index": """
        gather index index_select take take_along_dim embedding embedding_bag one_hot topk sort
        argsort msort kthvalue scatter scatter_add index_add index_fill index_copy index_put
        searchsorted bucketize isin scatter_reduce _unsafe_index upsample_nearest1d
        upsample_nearest2d upsample_bilinear2d upsample_linear1d grid_sampler tril_indices
        triu_indices""",
    "create": """
        zeros ones full arange zeros_like ones_like full_like new_zeros new_ones new_full
        scalar_tensor eye linspace logspace hann_window""",
}

OP_CLASSES: Mapping[str, OpClass] = {
    name: op_class for op_class, names in _NAMES.items() for name in names.split()
}

_OVERLOAD = re.compile(r"(?!.*out)[A-Za-z][A-Za-z0-9_]*")  # none that writes to an argument
_BIGGEST_INT = 2**63  # of a size or an index; larger numbers only burn memory


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for numbers alone, and for results that a size can be."""

    def bounded(*operands: Any) -> Any:
        if not all(isinstance(o, bool | int | float) for o in operands):
            raise TypeError("arithmetic on sizes takes numbers only")
        if function is operator.pow and abs(operands[1]) > 64:
            raise OverflowError("too large a power in the sizes of a program")
        result = function(*operands)
        if abs(result) > _BIGGEST_INT:
            raise OverflowError("too large a number in the sizes of a program")
        return result

    return bounded


# Arithmetic on sizes, as torch.export writes it into the graph.
_SIZE_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "truediv": operator.truediv,
    "mod": operator.mod,
    "neg": operator.neg,
    "pow": operator.pow,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "and_": operator.and_,
    "or_": operator.or_,
    "sqrt": math.sqrt,
    "ceil": math.ceil,
    "floor": math.floor,
    "trunc": math.trunc,
    "sym_max": max,
    "sym_min": min,
    "sym_float": float,
    "sym_int": int,
    "sym_not": operator.not_,
}
_SIZE_FUNCTIONS = {name: _bounded(f) for name, f in _SIZE_ARITHMETIC.items()} | {
    "getitem": operator.getitem
}


@dataclass(frozen=True, slots=True)
class Ref:
    """An argument that is the result of another operation."""

    name: str


@dataclass(frozen=True, slots=True)
class DType:
    """An argument that is a torch dtype, by name: `float32`."""

    name: str


Arg = Ref | DType | None | bool | int | float | str | tuple["Arg", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation: `aten.cos.default` or `size.mul`, and its arguments."""

    op: str
    args: tuple[Arg, ...]
    kwargs: tuple[tuple[str, Arg], ...] = ()

    def refs(self) -> tuple[str, ...]:
        """Names of the operations whose results it takes, each once, in order."""
        found = dict.fromkeys(_refs((self.args, tuple(v for _, v in self.kwargs))))
        return tuple(found)

    def rename(self, names: Mapping[str, str]) -> "Call":
        """The same call with other names for the results it takes."""
        args = tuple(_rename(a, names) for a in self.args)
        return Call(self.op, args, tuple((k, _rename(v, names)) for k, v in self.kwargs))


def base_name(op: str) -> str:
    """`cos` of `aten.cos.default`."""
    return op.split(".")[1] if op.count(".") else op


def op_class(op: str) -> OpClass | None:
    """The class of an operation, or None if the list does not hold it."""
    if op.startswith("size."):
        return "layout" if base_name(op) in _SIZE_FUNCTIONS else None
    _, _, overload = op.rpartition(".")
    if op.startswith("aten.") and op.count(".") == 2 and _OVERLOAD.fullmatch(overload):
        return OP_CLASSES.get(base_name(op))
    return None


def resolve(op: str) -> Callable[..., Any] | None:
    """The function of that name, or None when it is not in the list or not pure."""
    import torch

    if op_class(op) is None:
        return None
    if op.startswith("size."):
        return _SIZE_FUNCTIONS[base_name(op)]
    _, name, overload_name = op.split(".")
    packet = getattr(torch.ops.aten, name, None)
    if packet is None or overload_name not in packet.overloads():
        return None
    overload = getattr(packet, overload_name)
    schema = overload._schema
    if schema.is_mutable or any(argument.is_out for argument in schema.arguments):
        return None
    return overload  # type: ignore[no-any-return]


def run(call: Call, values: Mapping[str, Any], device: "torch.device | str" = "cpu") -> Any:
    """Run one call on the values of the operations before it."""
    function = resolve(call.op)
    if function is None:
        raise KeyError(call.op)
    args = [_value(a, values) for a in call.args]
    kwargs = {k: _value(v, values) for k, v in call.kwargs}
    schema = getattr(function, "_schema", None)
    if schema is not None and any(a.name == "device" for a in schema.arguments):
        kwargs["device"] = device
    return function(*args, **kwargs)


def to_json(arg: Arg) -> Any:
    """An argument as JSON: references and dtypes as one-key objects, tuples as lists."""
    match arg:
        case Ref(name):
            return {"ref": name}
        case DType(name):
            return {"dtype": name}
        case tuple():
            return [to_json(a) for a in arg]
        case float() if not math.isfinite(arg):
            return {"float": str(arg)}
        case _:
            return arg


def from_json(data: Any) -> Arg:
    """The inverse of `to_json`.

    Raises: ValueError for anything that `to_json` does not write.
    """
    match data:
        case {"ref": str(name)} if len(data) == 1:
            return Ref(name)
        case {"dtype": str(name)} if len(data) == 1 and name in dtype_names():
            return DType(name)
        case {"float": "inf" | "-inf" | "nan" as text} if len(data) == 1:
            return float(text)
        case list():
            return tuple(from_json(d) for d in data)
        case None | bool() | int() | float() | str():
            return data
    raise ValueError(f"not an argument: {data!r}")


def dtype_names() -> tuple[str, ...]:
    """The dtypes that a program's arguments may name."""
    return (
        "float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64",
        "uint8", "bool", "complex64", "complex128",
    )  # fmt: skip


def _value(arg: Arg, values: Mapping[str, Any]) -> Any:
    match arg:
        case Ref(name):
            return values[name]
        case DType(name):
            import torch

            return getattr(torch, name)
        case tuple():
            return [_value(a, values) for a in arg]
        case _:
            return arg


def _refs(arg: Arg) -> Iterator[str]:
    if isinstance(arg, Ref):
        yield arg.name
    elif isinstance(arg, tuple):
        for item in arg:
            yield from _refs(item)


def _rename(arg: Arg, names: Mapping[str, str]) -> Arg:
    if isinstance(arg, Ref):
        return Ref(names.get(arg.name, arg.name))
    if isinstance(arg, tuple):
        return tuple(_rename(a, names) for a in arg)
    return arg


def last_uses(steps: Sequence[tuple[str, Sequence[str]]], keep: Sequence[str]) -> list[list[str]]:
    """For each (name, names it takes) the values that nothing after it needs.

    Lets an executor free memory as it goes; `keep` holds the values wanted at the end.
    """
    last: dict[str, int] = {}
    for index, (name, taken) in enumerate(steps):
        last.update(dict.fromkeys((name, *taken), index))
    dead: list[list[str]] = [[] for _ in steps]
    for name, index in last.items():
        if name not in keep:
            dead[index].append(name)
    return dead
