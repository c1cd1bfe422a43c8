"""The digital operations a program may hold, one row an operation: all that is known about it.

The table is closed over pure functions of tensors of torch's own ATen library: nothing that writes
in place, draws random numbers, reads files or returns uninitialised memory. Operations about which
the same is true share a line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

OpClass = Literal[
    "layout", "elementwise", "transcendental", "reduction", "norm", "product", "index", "create"
]
Price = Literal["free", "element", "function", "taken", "norm", "mac"]
StreamRule = Literal[
    "all", "each", "first", "viewed", "permuted", "swapped", "beside", "prefix", "cut", "dropped",
    "reduced", "normalised", "padded", "pooled", "convolved", "evaluated", "leading", "looked_up",
    "joined", "stacked", "multiplied", "einsum",
]  # fmt: skip
ConstantRule = Literal["unknown", "each", "cast", "moved", "reshaped", "repeated", "tiled"]
Passing = Literal["never", "always", "typed"]

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


@dataclass(frozen=True, slots=True)
class Row:
    """What is known about one operation.

    name: `cos` of `aten.cos.default`, `mul` of `size.mul`
    kind: its class, which says why it is not analog
    price: what it costs: nothing; one operation for each element that it makes, or for each that it
        takes; an exponential or the like for each that it makes; a normalisation for each that it
        takes; the multiply-adds of a product
    stream: how the tokens of its operands become those of its result; the rules are functions of
        `hermesrt.ops.streams`
    constant: what becomes of a constant that only repeats itself along some dimensions; the rules
        are in `hermesc.analysis.broadcast`
    passes: whether it hands its first argument on unchanged: never, always, or where the result has
        the argument's sizes and dtype
    by_values: whether its result's sizes may depend on values
    """

    name: str
    kind: OpClass
    price: Price
    stream: StreamRule
    constant: ConstantRule
    passes: Passing
    by_values: bool


# An asterisk: the result's sizes may depend on values.
_TABLE = """
class          | price    | stream     | constant | passes | operations

layout         | free     | viewed     | reshaped | typed  |
    view reshape _unsafe_view view_as reshape_as
layout         | free     | viewed     | reshaped | never  | flatten unflatten ravel
layout         | free     | viewed     | moved    | never  | unsqueeze squeeze
layout         | element  | viewed     | moved    | never  | squeeze_copy
layout         | free     | permuted   | moved    | never  | permute
layout         | free     | swapped    | moved    | never  |
    transpose swapaxes swapdims t mT adjoint
layout         | free     | all        | moved    | never  | movedim moveaxis numpy_T
layout         | free     | cut        | moved    | never  | slice
layout         | free     | cut        | unknown  | never  |
    narrow split split_with_sizes chunk tensor_split*
layout         | free     | dropped    | unknown  | never  | select unbind
layout         | free     | each       | repeated | typed  | expand expand_as broadcast_to
layout         | free     | each       | cast     | always | detach alias lift_fresh contiguous
layout         | element  | each       | cast     | always | clone lift_fresh_copy
layout         | element  | each       | cast     | typed  | to _to_copy type_as
layout         | element  | each       | unknown  | never  | copy
layout         | element  | joined     | unknown  | never  | cat concat concatenate
layout         | element  | stacked    | unknown  | never  | stack
layout         | element  | padded     | unknown  | never  | constant_pad_nd pad
layout         | element  | all        | tiled    | never  | repeat
layout         | element  | all        | unknown  | never  |
    hstack vstack dstack column_stack repeat_interleave* tile reflection_pad1d reflection_pad2d
    replication_pad1d replication_pad2d roll flip fliplr flipud rot90 tril triu diag_embed diag
    slice_scatter select_scatter pixel_shuffle pixel_unshuffle block_diag cartesian_prod
layout         | free     | all        | unknown  | never  |
    unfold diagonal atleast_1d atleast_2d atleast_3d meshgrid real imag conj resolve_conj
    resolve_neg sym_size sym_numel

elementwise    | element  | each       | each     | never  |
    add sub subtract rsub mul multiply div divide true_divide floor_divide remainder fmod neg
    negative abs absolute sign sgn positive relu relu6 leaky_relu threshold hardtanh hardsigmoid
    hardswish clamp clamp_min clamp_max clip maximum minimum fmax fmin where* eq ne lt le gt ge
    greater greater_equal less less_equal not_equal logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_not bitwise_xor floor ceil round trunc fix frac square reciprocal
    heaviside masked_fill addcmul addcdiv lerp isnan isinf isfinite nan_to_num fill signbit copysign
    softshrink hardshrink isclose bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__
elementwise    | element  | first      | unknown  | never  | prelu
elementwise    | element  | all        | unknown  | never  | masked_scatter

transcendental | function | each       | each     | never  |
    cos sin tan acos asin atan arccos arcsin arctan atan2 arctan2 cosh sinh tanh acosh asinh atanh
    exp exp2 expm1 log log1p log2 log10 sqrt rsqrt pow float_power sigmoid gelu silu elu selu celu
    softplus mish erf erfc erfinv log_sigmoid lgamma digamma sinc logit xlogy logaddexp logaddexp2
    hypot i0 special_erf special_erfc special_expm1 special_exp2 special_xlogy special_log1p
    special_i0e special_i1e special_erfcx special_expit special_ndtr sigmoid_backward deg2rad
    rad2deg
transcendental | function | beside     | unknown  | never  | glu

reduction      | taken    | reduced    | unknown  | never  |
    sum mean amax amin max min argmax argmin prod std var std_mean var_mean norm linalg_vector_norm
    logsumexp any all nansum nanmean count_nonzero median
reduction      | taken    | prefix     | unknown  | never  |
    cumsum cumprod cummax cummin logcumsumexp
reduction      | taken    | all        | unknown  | never  |
    aminmax linalg_norm linalg_matrix_norm nanmedian trace dist pairwise_distance cosine_similarity
    cdist pdist adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d
    adaptive_max_pool2d diff quantile
reduction      | taken    | pooled     | unknown  | never  |
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool2d_with_indices

norm           | norm     | beside     | unknown  | never  |
    softmax log_softmax _softmax _log_softmax _safe_softmax
norm           | norm     | normalised | unknown  | never  |
    layer_norm native_layer_norm rms_norm _fused_rms_norm
norm           | norm     | evaluated  | unknown  | never  | batch_norm
norm           | norm     | all        | unknown  | never  |
    group_norm native_group_norm _native_batch_norm_legit_no_training instance_norm
    _weight_norm

product        | mac      | multiplied | unknown  | never  | matmul mm bmm baddbmm addmm
product        | mac      | einsum     | unknown  | never  | einsum
product        | mac      | leading    | unknown  | never  | linear scaled_dot_product_attention
product        | mac      | convolved  | unknown  | never  | conv1d conv2d conv3d convolution
product        | mac      | all        | unknown  | never  |
    addmv addr addbmm mv dot vdot inner outer ger tensordot bilinear kron linalg_multi_dot
    chain_matmul linalg_vecdot linalg_cross cross conv_transpose1d conv_transpose2d
    conv_transpose3d lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell
    rnn_relu_cell fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 matrix_exp linalg_matmul
    linalg_inv linalg_solve linalg_pinv linalg_cholesky inverse linalg_matrix_power
    linalg_solve_triangular cholesky linalg_svd linalg_qr linalg_eigh corrcoef cov im2col col2im

index          | element  | beside     | unknown  | never  |
    gather take_along_dim index_select topk sort argsort
index          | element  | looked_up  | unknown  | never  | embedding
index          | element  | all        | unknown  | never  |
    index* take embedding_bag one_hot* msort kthvalue scatter scatter_add index_add index_fill
    index_copy index_put searchsorted bucketize isin scatter_reduce _unsafe_index
    upsample_nearest1d upsample_nearest2d upsample_bilinear2d upsample_linear1d grid_sampler
    tril_indices triu_indices

create         | free     | all        | unknown  | never  |
    zeros ones full arange zeros_like ones_like full_like new_zeros new_ones new_full scalar_tensor
    eye linspace logspace hann_window
"""

# Arithmetic on sizes, as torch.export writes it into the graph.
_SIZES = """
layout         | free     | all        | unknown  | never  |
    add sub mul floordiv truediv mod neg pow eq ne lt le gt ge and_ or_ sqrt ceil floor trunc
    sym_max sym_min sym_float sym_int sym_not
layout         | free     | each       | unknown  | never  | getitem
"""

_OVERLOAD = re.compile(r"(?!.*out)[A-Za-z][A-Za-z0-9_]*")  # none that writes to an argument


def _rows(table: str) -> Iterator[Row]:
    """The rows of a table as text; a line without columns goes on with the line before it."""
    columns: list[str] = []
    for line in table.strip().splitlines():
        *found, names = line.split("|")
        columns = [c.strip() for c in found] or columns
        if columns[0] != "class":
            yield from (_row(columns, name) for name in names.split())


def _row(columns: list[str], name: str) -> Row:
    kinds: tuple[Any, ...] = (OpClass, Price, StreamRule, ConstantRule, Passing)
    assert all(c in get_args(kind) for c, kind in zip(columns, kinds, strict=True)), columns
    kind, price, stream, constant, passes = cast(Any, columns)
    return Row(name.rstrip("*"), kind, price, stream, constant, passes, name.endswith("*"))


ROWS: Mapping[str, Row] = {row.name: row for row in _rows(_TABLE)}
SIZE_ROWS: Mapping[str, Row] = {row.name: row for row in _rows(_SIZES)}


def base_name(op: str) -> str:
    """`cos` of `aten.cos.default`."""
    return op.split(".")[1] if op.count(".") else op


def row_of(op: str) -> Row | None:
    """The row of `aten.cos.default` or `size.mul`, or None if a program may not hold it."""
    if op.startswith("size."):
        return SIZE_ROWS.get(base_name(op))
    _, _, overload = op.rpartition(".")
    if op.startswith("aten.") and op.count(".") == 2 and _OVERLOAD.fullmatch(overload):
        return ROWS.get(base_name(op))
    return None


def op_class(op: str) -> OpClass | None:
    """The class of an operation, or None if a program may not hold it."""
    row = row_of(op)
    return None if row is None else row.kind
