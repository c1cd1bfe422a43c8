"""Why a program may not hold an operation that torch has: one reason for each.

Torch's schema and tags tell most of it: what writes, draws, or sizes its result by values. The rest
is told by name. An operation without a reason belongs in the table (`hermesrt.ops.table`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

Absence = Literal[
    "writes", "random", "sized", "value", "fact", "backward", "quantized", "sparse", "nested",
    "memory", "uninitialised", "lists", "training", "vendor", "check", "inner", "trial",
]  # fmt: skip

REASONS: Mapping[Absence, str] = {
    "writes": "writes to its arguments",
    "random": "draws random numbers; draw them once, in __init__, and keep them in a buffer",
    "sized": "the size of its result depends on the data",
    "value": "takes a number out of a tensor, so that the program would depend on the data",
    "fact": "tells a fact of a tensor, which is known while capturing",
    "backward": "a derivative, which only training needs",
    "quantized": "works on torch's quantized tensors or packed weights; the chip quantizes itself: "
    "give the model in floating point",
    "sparse": "works on sparse tensors; give dense ones",
    "nested": "works on nested or packed tensors; give padded ones",
    "memory": "depends on where numbers lie in memory; use reshape, slices and indices",
    "uninitialised": "returns memory that nothing has written",
    "lists": "works on lists of tensors as optimizers do",
    "training": "a step of training",
    "vendor": "belongs to another device's library",
    "check": "checks and computes nothing",
    "inner": "a step inside another operation, which torch.export keeps whole",
    "trial": "is there for torch's own tests",
}

# Names as regular expressions, whole; the first line that fits counts.
_BY_NAME = """
trial         | _test_.* _foobar
vendor        | .*(cudnn|cufft|miopen|mkldnn|_mps_|nnpack|vulkan|xla|triton).* _cslt_.* _nnpack_.*
quantized     | .*(quant|qparams|fbgemm|int4pack|int8pack|fp16|_wrapped_linear).* q_.* qscheme
quantized     | int_repr _scaled_mm.* _scaled_grouped_mm.* _mixed_dtypes_linear _int_mm
quantized     | _rowwise_prune
nested        | .*(nested|jagged|padded_sequence).* to_padded_tensor
sparse        | .*(sparse|coalesce|_indices|semi_structured).* indices(_copy)? _?values(_copy)?
sparse        | .*_to_(csr|coo) hspmm smm sspaddmm _nnz _dim[IV] dense_dim _?to_dense
sparse        | _spdiags _spsolve
backward      | .*(_backward|_backward_.*|backward) _standard_gamma_grad _dirichlet_grad glu_jvp
backward      | get_gradients
lists         | _foreach_.*
training      | _fused_.* _amp_.* batch_norm_.* _batch_norm_.* native_batch_norm
training      | _native_batch_norm_legit.* embedding_renorm ctc_loss _use_.*ctc.*
uninitialised | empty.* new_empty.*
memory        | as_strided.* set resize.* _resize.* stride storage_offset sym_stride data
memory        | sym_storage_offset sym_is_contiguous is_contiguous slice_inverse _?pin_memory
memory        | _copy_from.* from_file _reshape_alias.* _lazy_clone is_set_to _reshape_copy
memory        | _conj _conj_copy _neg_view.* .*has_same.* .*has_internal.* zero
check         | _assert.* _functional_assert.* .*sym_constrain.* _print _make_dep_token
check         | _linalg_check_errors _has_compatible_shallow_copy_type
fact          | is_.* can_cast dim get_device numel output_nr promote_types result_type
fact          | retains_grad size _version _is_.* _shape_as_tensor
sized         | nonzero_numpy combinations
inner         | .*_forward.* .*slow_conv.* thnn_.* conv_depthwise3d convolution_overrideable
inner         | linalg__powsum _.*
"""


def _lines(text: str) -> Iterator[tuple[Absence, re.Pattern[str]]]:
    for line in text.strip().splitlines():
        reason, _, names = line.partition("|")
        assert reason.strip() in get_args(Absence), reason
        for name in names.split():
            yield reason.strip(), re.compile(name)  # type: ignore[misc]


BY_NAME = tuple(_lines(_BY_NAME))


def absence_of(overload: Any) -> Absence | None:
    """Why one of torch's operations (an OpOverload) is in no program, or None."""
    import torch

    schema, tags = overload._schema, overload.tags
    if schema.is_mutable or any(argument.is_out for argument in schema.arguments):
        return "writes"
    if torch.Tag.nondeterministic_seeded in tags:
        return "random"
    name = overload._opname
    found = next((reason for reason, pattern in BY_NAME if pattern.fullmatch(name)), None)
    if found in (None, "inner", "fact") and torch.Tag.dynamic_output_shape in tags:
        return "sized"
    if found in (None, "inner", "fact") and torch.Tag.data_dependent_output in tags:
        return "value"
    return found
