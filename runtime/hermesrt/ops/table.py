"""The digital operations a program may hold, one row an operation: all that is known about it.

The table is closed over pure functions of tensors of torch's own ATen library: nothing that writes
in place, draws random numbers, reads files or returns uninitialised memory. Operations about which
the same is true share a line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast, get_args

OpClass = Literal[
    "layout", "elementwise", "transcendental", "reduction", "norm", "product", "index", "resample",
    "create", "loop",
]  # fmt: skip
Price = Literal["free", "element", "function", "taken", "norm", "mac", "steps"]
StreamRule = Literal[
    "all", "each", "first", "viewed", "permuted", "swapped", "beside", "prefix", "cut", "dropped",
    "reduced", "normalised", "padded", "pooled", "convolved", "evaluated", "leading", "looked_up",
    "joined", "stacked", "multiplied", "einsum", "resampled", "shuffled",
]  # fmt: skip
ConstantRule = Literal[
    "unknown", "each", "cast", "moved", "reshaped", "repeated", "tiled", "multiplied",
]  # fmt: skip
Passing = Literal["never", "always", "typed"]

REASONS: Mapping[OpClass, str] = {
    "layout": "moves or renames data; no arithmetic",
    "elementwise": "elementwise on activations; an LDPU has only a per-channel affine and a ReLU, "
    "and only right behind a product",
    "transcendental": "no crossbar and no LDPU has such a function, only products, affine and ReLU",
    "reduction": "a reduction over activations, which is no product with a fixed matrix",
    "norm": "needs statistics of the activations, which the LDPU cannot compute",
    "product": "no operand is a fixed matrix, so there is nothing to store in PCM",
    "index": "looks up or sorts data; no product with a fixed matrix",
    "resample": "interpolates between neighbouring positions; no product with a fixed matrix",
    "create": "makes a constant or an index for the host",
    "loop": "a loop whose number of steps is known at the run alone; no fixed matrix is in it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What is known about one operation.

    name: `cos` of `aten.cos.default`, `mul` of `size.mul`
    kind: its class, which says why it is not analog
    price: what it costs: nothing; one operation for each element that it makes, or for each that it
        takes; an exponential or the like for each that it makes; a normalisation for each that it
        takes; the multiply-adds of a product; what a loop's steps cost
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

    @property
    def is_view(self) -> bool:
        """Whether its result is memory of its argument."""
        return self.kind == "layout" and self.price == "free"


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
layout         | element  | shuffled   | unknown  | never  | pixel_shuffle pixel_unshuffle
layout         | element  | all        | tiled    | never  | repeat
layout         | element  | all        | unknown  | never  |
    hstack vstack dstack column_stack repeat_interleave* tile reflection_pad1d reflection_pad2d
    replication_pad1d replication_pad2d roll flip fliplr flipud rot90 tril triu diag_embed diag
    slice_scatter select_scatter block_diag cartesian_prod
layout         | free     | all        | unknown  | never  |
    unfold diagonal atleast_1d atleast_2d atleast_3d meshgrid real imag conj resolve_conj
    resolve_neg sym_size sym_numel
layout         | free     | all        | unknown  | never  |
    broadcast_tensors view_as_real view_as_complex mH matrix_H linalg_diagonal hsplit vsplit dsplit
    unflatten_dense_tensors
layout         | free     | each       | cast     | always | lift
layout         | free     | cut        | unknown  | never  |
    unsafe_chunk unsafe_split unsafe_split_with_sizes
layout         | element  | all        | unknown  | never  |
    channel_shuffle native_channel_shuffle diagflat diagonal_scatter narrow_copy
    pad_sequence row_stack reflection_pad3d replication_pad3d fft_fftshift fft_ifftshift
    alias_copy detach_copy diagonal_copy expand_copy permute_copy select_copy slice_copy split_copy
    split_with_sizes_copy t_copy transpose_copy unbind_copy unfold_copy unsqueeze_copy
    view_as_real_copy view_as_complex_copy view_copy flatten_dense_tensors

elementwise    | element  | each       | each     | never  |
    add sub subtract rsub mul multiply div divide true_divide floor_divide remainder fmod neg
    negative abs absolute sign sgn positive relu relu6 leaky_relu threshold hardtanh hardsigmoid
    hardswish clamp clamp_min clamp_max clip maximum minimum fmax fmin where* eq ne lt le gt ge
    greater greater_equal less less_equal not_equal logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_not bitwise_xor floor ceil round trunc fix frac square reciprocal
    heaviside masked_fill addcmul addcdiv lerp isnan isinf isfinite nan_to_num fill signbit copysign
    softshrink hardshrink isclose bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__
    __lshift__ __rshift__ conj_physical nextafter ldexp gcd lcm isneginf isposinf isreal
    special_round
elementwise    | element  | each       | unknown  | never  | fake_quantize_per_tensor_affine
elementwise    | element  | first      | unknown  | never  | prelu
elementwise    | element  | all        | unknown  | never  |
    masked_scatter complex frexp chalf fake_quantize_per_channel_affine

transcendental | function | each       | each     | never  |
    cos sin tan acos asin atan arccos arcsin arctan atan2 arctan2 cosh sinh tanh acosh asinh atanh
    exp exp2 expm1 log log1p log2 log10 sqrt rsqrt pow float_power sigmoid gelu silu elu selu celu
    softplus mish erf erfc erfinv log_sigmoid lgamma digamma sinc logit xlogy logaddexp logaddexp2
    hypot i0 special_erf special_erfc special_expm1 special_exp2 special_xlogy special_log1p
    special_i0e special_i1e special_erfcx special_expit special_ndtr sigmoid_backward deg2rad
    rad2deg angle arccosh arcsinh arctanh igamma igammac special_gammainc special_gammaincc
    special_entr special_erfinv special_gammaln special_digamma special_psi special_i0 special_i1
    special_log_ndtr special_logit special_ndtri special_sinc special_xlog1py special_zeta
    special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1
    special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0
    special_modified_bessel_k1 special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1
    special_spherical_bessel_j0
transcendental | function | each       | unknown  | never  |
    polygamma special_polygamma mvlgamma special_multigammaln polar log_sigmoid_forward
    special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v
    special_chebyshev_polynomial_w special_hermite_polynomial_h special_hermite_polynomial_he
    special_laguerre_polynomial_l special_legendre_polynomial_p
    special_shifted_chebyshev_polynomial_t special_shifted_chebyshev_polynomial_u
    special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w
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
reduction      | taken    | all        | unknown  | never  |
    adaptive_max_pool1d adaptive_max_pool3d _adaptive_avg_pool3d max_pool1d_with_indices
    max_pool3d_with_indices mode nanquantile histc histogram histogramdd trapezoid trapz
    cumulative_trapezoid gradient frobenius_norm nuclear_norm native_norm norm_except_dim renorm
    sum_to_size fractional_max_pool2d fractional_max_pool3d segment_reduce special_logsumexp
    hash_tensor
    binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy_loss
    hinge_embedding_loss huber_loss kl_div l1_loss margin_ranking_loss mse_loss
    multi_margin_loss multilabel_margin_loss nll_loss nll_loss2d nll_loss_nd poisson_nll_loss
    smooth_l1_loss soft_margin_loss triplet_margin_loss
reduction      | taken    | pooled     | unknown  | never  |
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool2d_with_indices

norm           | norm     | beside     | unknown  | never  |
    softmax log_softmax _softmax _log_softmax _safe_softmax special_softmax special_log_softmax
norm           | norm     | normalised | unknown  | never  |
    layer_norm native_layer_norm rms_norm _fused_rms_norm
norm           | norm     | evaluated  | unknown  | never  | batch_norm
norm           | norm     | all        | unknown  | never  |
    group_norm native_group_norm _native_batch_norm_legit_no_training instance_norm
    _weight_norm

product        | mac      | multiplied | multiplied | never | matmul mm bmm
product        | mac      | multiplied | unknown  | never  | baddbmm addmm
product        | mac      | einsum     | unknown  | never  | einsum
product        | mac      | leading    | multiplied | never | linear
product        | mac      | leading    | unknown  | never  | scaled_dot_product_attention
product        | mac      | convolved  | unknown  | never  | conv1d conv2d conv3d convolution
product        | mac      | all        | unknown  | never  |
    addmv addr addbmm mv dot vdot inner outer ger tensordot bilinear kron linalg_multi_dot
    chain_matmul linalg_vecdot linalg_cross cross conv_transpose1d conv_transpose2d
    conv_transpose3d lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell
    rnn_relu_cell fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 matrix_exp linalg_matmul
    linalg_inv linalg_solve linalg_pinv linalg_cholesky inverse linalg_matrix_power
    linalg_solve_triangular cholesky linalg_svd linalg_qr linalg_eigh corrcoef cov im2col col2im
product        | mac      | all        | unknown  | never  |
    fft_fftn fft_ifftn fft_rfftn fft_irfftn fft_rfft2 fft_irfft2 fft_hfft fft_ihfft fft_hfft2
    fft_ihfft2 fft_hfftn fft_ihfftn stft istft cholesky_inverse cholesky_solve linalg_cholesky_ex
    det linalg_det logdet slogdet linalg_slogdet linalg_eig linalg_eigvals linalg_eigvalsh
    linalg_svdvals svd linalg_cond linalg_matrix_rank linalg_householder_product orgqr ormqr geqrf
    qr linalg_inv_ex linalg_solve_ex linalg_ldl_factor linalg_ldl_factor_ex linalg_ldl_solve
    linalg_lu linalg_lu_factor linalg_lu_factor_ex linalg_lu_solve lu_solve lu_unpack
    triangular_solve linalg_matrix_exp matrix_power pinverse linalg_tensorinv linalg_tensorsolve
    conv_tbc _grouped_mm

index          | element  | beside     | unknown  | never  |
    gather take_along_dim index_select topk sort argsort
index          | element  | looked_up  | unknown  | never  | embedding
index          | element  | all        | unknown  | never  |
    index* take embedding_bag one_hot* msort kthvalue scatter scatter_add index_add index_fill
    index_copy index_put searchsorted bucketize isin scatter_reduce _unsafe_index put index_reduce
    nonzero_static tril_indices triu_indices

resample       | element  | resampled  | unknown  | never  |
    upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d
    upsample_trilinear3d upsample_bicubic2d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d
resample       | element  | all        | unknown  | never  |
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_lanczos2d_aa
    grid_sampler grid_sampler_2d grid_sampler_3d affine_grid_generator max_unpool2d max_unpool3d

create         | free     | all        | unknown  | never  |
    zeros ones full arange zeros_like ones_like full_like new_zeros new_ones new_full scalar_tensor
    eye linspace logspace hann_window hamming_window blackman_window bartlett_window kaiser_window
    fft_fftfreq fft_rfftfreq range vander linalg_vander
"""

# Arithmetic on sizes, as torch.export writes it into the graph.
_SIZES = """
layout         | free     | all        | unknown  | never  |
    add sub mul floordiv truediv mod neg pow eq ne lt le gt ge and_ or_ sqrt ceil floor trunc
    sym_max sym_min sym_float sym_int sym_not
layout         | free     | each       | unknown  | never  | getitem
"""
# What holds a list of calls; see `hermesrt.ops.loop`.
_LOOPS = """
loop           | steps    | all        | unknown  | never  | while scan
"""

_OVERLOAD = re.compile(r"(?!(?:.*_)?out(?:_.*)?$)[A-Za-z][A-Za-z0-9_]*")  # `out`: it writes there


def _rows(table: str) -> Iterator[Row]:
    """The rows of a table as text; a line without columns goes on with the line before it."""
    columns: list[str] = []
    for line in table.strip().splitlines():
        *found, names = line.split("|")
        columns = _checked([c.strip() for c in found]) or columns
        if columns[0] != "class":
            kind, price, stream, constant, passes = cast(Any, columns)
            for name in names.split():
                by_values = name.endswith("*")
                yield Row(name.rstrip("*"), kind, price, stream, constant, passes, by_values)


def _checked(columns: list[str]) -> list[str]:
    kinds: tuple[Any, ...] = (OpClass, Price, StreamRule, ConstantRule, Passing)
    known = columns[:1] == ["class"] or all(
        c in get_args(kind) for c, kind in zip(columns, kinds, strict=bool(columns))
    )
    assert known, columns
    return columns


ROWS: Mapping[str, Row] = {row.name: row for row in _rows(_TABLE)}
SIZE_ROWS: Mapping[str, Row] = {row.name: row for row in _rows(_SIZES)}
LOOP_ROWS: Mapping[str, Row] = {row.name: row for row in _rows(_LOOPS)}


def base_name(op: str) -> str:
    """`cos` of `aten.cos.default`."""
    return op.split(".")[1] if op.count(".") else op


def is_loop(op: str) -> bool:
    """Whether it is a loop on the host, which holds calls; see `hermesrt.ops.loop_rules`."""
    return op.startswith("loop.")


@lru_cache(maxsize=2**12)
def row_of(op: str) -> Row | None:
    """The row of `aten.cos.default`, `size.mul` or `loop.while`; None if no program may hold it."""
    if op.startswith("size."):
        return SIZE_ROWS.get(base_name(op))
    if is_loop(op):
        return LOOP_ROWS.get(op.removeprefix("loop."))
    _, _, overload = op.rpartition(".")
    if op.startswith("aten.") and op.count(".") == 2 and _OVERLOAD.fullmatch(overload):
        return ROWS.get(base_name(op))
    return None


def op_class(op: str) -> OpClass | None:
    """The class of an operation, or None if a program may not hold it."""
    row = row_of(op)
    return None if row is None else row.kind
