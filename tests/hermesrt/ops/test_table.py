"""What the table says about an operation holds in torch, on small tensors."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from hermesrt.ops.call import Arg, Call, DType, Ref, resolve, run
from hermesrt.ops.streams import follow
from hermesrt.ops.table import LOOP_ROWS, REASONS, ROWS, SIZE_ROWS, OpClass, row_of
from hermesrt.ops.tokens import Operand, Stream

SHAPE, TOKENS = (2, 5, 6), 5
X, Y = Ref("x"), Ref("y")
VALUES: Mapping[str, Tensor] = {
    "x": torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1,
    "y": torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) * 0.8 + 0.1,
    "one": torch.ones(1),
    "matrix": torch.rand(4, 6, generator=torch.Generator().manual_seed(2)),
    "right": torch.rand(2, 6, 3, generator=torch.Generator().manual_seed(3)),
    "flat": torch.rand(5, 6, generator=torch.Generator().manual_seed(4)),
    "ids": torch.randint(0, 4, (2, 5), generator=torch.Generator().manual_seed(5)),
    "places": torch.tensor([3, 1]),
    "at": torch.zeros(SHAPE, dtype=torch.long),
}
# One call of each operation that has a rule of its own; elementwise ones are called by schema.
CALLS: Mapping[str, tuple[Arg, ...]] = {
    "view.default": (X, (2, 5, 3, 2)),
    "reshape.default": (X, (2, 5, 3, 2)),
    "_unsafe_view.default": (X, (2, 5, 3, 2)),
    "view_as.default": (X, Y),
    "reshape_as.default": (X, Y),
    "flatten.using_ints": (X, 2),
    "unflatten.int": (X, 2, (2, 3)),
    "ravel.default": (Ref("line"),),
    "unsqueeze.default": (X, 1),
    "squeeze.default": (X,),
    "squeeze_copy.default": (X,),
    "permute.default": (X, (1, 2, 0)),
    "transpose.int": (X, 1, 2),
    "swapaxes.default": (X, 0, 1),
    "swapdims.default": (X, 0, 1),
    "t.default": (Ref("flat"),),
    "mT.default": (X,),
    "adjoint.default": (X,),
    "movedim.int": (X, 0, 1),
    "moveaxis.int": (X, 0, 1),
    "numpy_T.default": (Ref("flat"),),
    "slice.Tensor": (X, 2, 1, 4),
    "narrow.default": (X, 2, 1, 3),
    "split.Tensor": (X, 3, 2),
    "split_with_sizes.default": (X, (4, 2), 2),
    "chunk.default": (X, 2, 2),
    "tensor_split.sections": (X, 2, 2),
    "select.int": (X, 2, 0),
    "unbind.int": (X, 2),
    "expand.default": (X, (3, 2, 5, 6)),
    "expand_as.default": (X, Y),
    "broadcast_to.default": (X, (3, 2, 5, 6)),
    "detach.default": (X,),
    "alias.default": (X,),
    "lift_fresh.default": (X,),
    "contiguous.default": (X,),
    "clone.default": (X,),
    "lift_fresh_copy.default": (X,),
    "to.dtype": (X, DType("float64")),
    "_to_copy.default": (X,),
    "type_as.default": (X, Ref("at")),
    "copy.default": (Y, X),
    "cat.default": ((X, Y), 2),
    "concat.default": ((X, Y), 2),
    "concatenate.default": ((X, Y), 2),
    "stack.default": ((X, Y), 1),
    "constant_pad_nd.default": (X, (1, 1)),
    "pad.default": (X, (1, 1)),
    "repeat.default": (X, (3, 1, 1)),
    "hstack.default": ((X, Y),),
    "vstack.default": ((X, Y),),
    "dstack.default": ((X, Y),),
    "column_stack.default": ((X, Y),),
    "repeat_interleave.self_int": (X, 2),
    "tile.default": (X, (2, 1, 1)),
    "reflection_pad1d.default": (X, (1, 1)),
    "reflection_pad2d.default": (X, (1, 1, 1, 1)),
    "replication_pad1d.default": (X, (1, 1)),
    "replication_pad2d.default": (X, (1, 1, 1, 1)),
    "roll.default": (X, (1,), (1,)),
    "flip.default": (X, (1,)),
    "fliplr.default": (X,),
    "flipud.default": (X,),
    "rot90.default": (X,),
    "tril.default": (X,),
    "triu.default": (X,),
    "diag_embed.default": (X,),
    "diag.default": (Ref("one"),),
    "slice_scatter.default": (X, Y),
    "select_scatter.default": (X, Ref("flat"), 0, 1),
    "pixel_shuffle.default": (Ref("image"), 2),
    "pixel_unshuffle.default": (Ref("image"), 2),
    "block_diag.default": ((Ref("flat"), Ref("flat")),),
    "cartesian_prod.default": ((Ref("one"), Ref("one")),),
    "unfold.default": (X, 1, 2, 1),
    "diagonal.default": (X,),
    "atleast_1d.default": (X,),
    "atleast_2d.default": (X,),
    "atleast_3d.default": (X,),
    "meshgrid.indexing": ((Ref("one"), Ref("one")),),
    "real.default": (X,),
    "imag.default": (Ref("complex"),),
    "conj.default": (X,),
    "resolve_conj.default": (X,),
    "resolve_neg.default": (X,),
    "broadcast_tensors.default": ((X, Y),),
    "view_as_real.default": (Ref("complex"),),
    "view_as_complex.default": (Ref("pairs"),),
    "mH.default": (X,),
    "matrix_H.default": (Ref("flat"),),
    "linalg_diagonal.default": (X,),
    "hsplit.int": (X, 5),
    "vsplit.int": (X, 2),
    "dsplit.int": (X, 2),
    "lift.default": (X,),
    "unsafe_chunk.default": (X, 2, 2),
    "unsafe_split.Tensor": (X, 3, 2),
    "unsafe_split_with_sizes.default": (X, (4, 2), 2),
    "channel_shuffle.default": (Ref("image"), 2),
    "native_channel_shuffle.default": (Ref("image"), 2),
    "diagflat.default": (Ref("line"),),
    "diagonal_scatter.default": (Ref("flat"), Ref("line")),
    "narrow_copy.default": (X, 2, 1, 3),
    "pad_sequence.default": ((Ref("flat"), Ref("matrix")),),
    "row_stack.default": ((X, Y),),
    "reflection_pad3d.default": (Ref("image"), (1, 1, 1, 1, 0, 0)),
    "replication_pad3d.default": (Ref("image"), (1, 1, 1, 1, 0, 0)),
    "fft_fftshift.default": (X,),
    "fft_ifftshift.default": (X,),
    "alias_copy.default": (X,),
    "detach_copy.default": (X,),
    "diagonal_copy.default": (X,),
    "expand_copy.default": (X, (3, 2, 5, 6)),
    "permute_copy.default": (X, (1, 2, 0)),
    "select_copy.int": (X, 2, 0),
    "slice_copy.Tensor": (X, 2, 1, 4),
    "split_copy.Tensor": (X, 3, 2),
    "split_with_sizes_copy.default": (X, (4, 2), 2),
    "t_copy.default": (Ref("flat"),),
    "transpose_copy.int": (X, 1, 2),
    "unbind_copy.int": (X, 2),
    "unfold_copy.default": (X, 1, 2, 1),
    "unsqueeze_copy.default": (X, 1),
    "view_as_real_copy.default": (Ref("complex"),),
    "view_as_complex_copy.default": (Ref("pairs"),),
    "view_copy.default": (X, (2, 5, 3, 2)),
    "flatten_dense_tensors.default": ((X, Y),),
    "unflatten_dense_tensors.default": (Ref("line"), (Ref("one"), Ref("four"))),
    "special_softmax.default": (X, 2),
    "special_log_softmax.default": (X, 2),
    "prelu.default": (X, Ref("one")),
    "glu.default": (X, 2),
    "cumsum.default": (X, 1),
    "cumprod.default": (X, 1),
    "cummax.default": (X, 1),
    "cummin.default": (X, 1),
    "logcumsumexp.default": (X, 1),
    "sum.dim_IntList": (X, (2,)),
    "mean.dim": (X, (2,)),
    "amax.default": (X, (2,)),
    "amin.default": (X, (2,)),
    "max.dim": (X, 2),
    "min.dim": (X, 2),
    "argmax.default": (X, 2),
    "argmin.default": (X, 2),
    "prod.dim_int": (X, 2),
    "std.dim": (X, (2,)),
    "var.dim": (X, (2,)),
    "std_mean.dim": (X, (2,)),
    "var_mean.dim": (X, (2,)),
    "norm.ScalarOpt_dim": (X, 2, (2,)),
    "linalg_vector_norm.default": (X, 2, (2,)),
    "logsumexp.default": (X, (2,)),
    "any.dim": (X, 2),
    "all.dim": (X, 2),
    "nansum.default": (X, (2,)),
    "nanmean.default": (X, (2,)),
    "count_nonzero.dim_IntList": (X, (2,)),
    "median.dim": (X, 2),
    "softmax.int": (X, 2),
    "log_softmax.int": (X, 2),
    "_softmax.default": (X, 2, False),
    "_log_softmax.default": (X, 2, False),
    "_safe_softmax.default": (X, 2),
    "batch_norm.default": (
        X,
        None,
        None,
        Ref("line"),
        Ref("line"),
        False,
        0.1,
        1e-5,
        False,
    ),
    "layer_norm.default": (X, (6,)),
    "native_layer_norm.default": (X, (6,), None, None, 1e-5),
    "rms_norm.default": (X, (6,)),
    "_fused_rms_norm.default": (X, (6,), None, 1e-5),
    "matmul.default": (X, Ref("right")),
    "mm.default": (Ref("flat"), Ref("wide")),
    "bmm.default": (X, Ref("right")),
    "baddbmm.default": (Ref("one"), X, Ref("right")),
    "addmm.default": (Ref("one"), Ref("flat"), Ref("wide")),
    "einsum.default": ("btd,bdf->btf", (X, Ref("right"))),
    "linear.default": (X, Ref("matrix")),
    "scaled_dot_product_attention.default": (X, Y, Y),
    "gather.default": (X, 2, Ref("at")),
    "take_along_dim.default": (X, Ref("at"), 2),
    "index_select.default": (X, 2, Ref("places")),
    "topk.default": (X, 2, 2),
    "sort.default": (X, 2),
    "argsort.default": (X, 2),
    "embedding.default": (Ref("matrix"), Ref("ids")),
}
MORE = {
    "line": torch.rand(5, generator=torch.Generator().manual_seed(10)),
    "wide": torch.rand(6, 3, generator=torch.Generator().manual_seed(6)),
    "pairs": torch.rand(3, 2, generator=torch.Generator().manual_seed(11)),
    "four": torch.rand(4, generator=torch.Generator().manual_seed(12)),
    "image": torch.rand(1, 4, 2, 2, generator=torch.Generator().manual_seed(7)),
    "complex": torch.rand(3, dtype=torch.complex64, generator=torch.Generator().manual_seed(8)),
}
VALUES = {**VALUES, **MORE}
NAMES = {call.split(".")[0]: call for call in CALLS}
STREAMS = {"x": 1, "y": 1, "flat": 0, "line": 0, "ids": 1}  # where the tokens of each lie
OF_IMAGES = ("pooled", "convolved", "resampled", "shuffled")  # see test_image_streams.py
NEVER_THERE = {"sym_size", "sym_numel"}  # they give numbers, not tensors


def called(name: str) -> Call:
    kwargs = (("indexing", "ij"),) if name == "meshgrid" else ()
    return Call(f"aten.{NAMES[name]}", CALLS[NAMES[name]], kwargs)


def by_rule(**wanted: object) -> list[str]:
    """The operations whose rows say so."""
    return [
        row.name for row in ROWS.values() if all(getattr(row, k) == v for k, v in wanted.items())
    ]


def tensors(value: Any) -> list[Tensor]:
    many = value if isinstance(value, list | tuple) else [value]
    return [v for v in many if isinstance(v, Tensor)]


def storage(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()


def test_every_name_is_an_operation_of_torch() -> None:
    known = set(dir(torch.ops.aten))
    missing = [name for name in ROWS if name not in known and not hasattr(torch.ops.aten, name)]
    assert missing == []


def test_no_name_has_two_rows() -> None:
    from hermesrt.ops import table

    for rows, text in ((ROWS, table._TABLE), (SIZE_ROWS, table._SIZES)):
        assert len(rows) == len(list(table._rows(text)))


def test_every_class_has_a_reason() -> None:
    kinds = {row.kind for row in (*ROWS.values(), *LOOP_ROWS.values())}
    assert set(REASONS) == set(get_args(OpClass)) == kinds


def test_every_operation_with_a_rule_is_called_here() -> None:
    ruled = {
        r.name for r in ROWS.values()
        if (r.stream not in ("all", "each") or r.kind == "layout" or r.passes != "never")
        and r.name not in NEVER_THERE
        and r.stream not in OF_IMAGES
    }  # fmt: skip
    assert ruled <= set(NAMES)


def elementwise() -> list[str]:
    return by_rule(constant="each")


def sample_calls(name: str) -> Iterator[tuple[Any, list[Any]]]:
    """Overloads of an elementwise operation with tensors for all that may be one."""
    packet = getattr(torch.ops.aten, name)
    for overload in packet.overloads():
        function = resolve(f"aten.{name}.{overload}")
        if function is None:
            continue
        schema = function._schema  # type: ignore[attr-defined]
        required = [a for a in schema.arguments if not a.has_default_value() and not a.kwarg_only]
        required = schema.arguments[:2] if name in ("clamp", "clip") else required
        if any("Tensor" not in str(a.type) and "number" not in str(a.type) for a in required):
            continue
        for first, rest in (("x", "y"), ("ints", "ints"), ("bools", "y"), ("x", "bools")):
            yield (
                function,
                [
                    (first if i == 0 else rest) if "Tensor" in str(a.type) else 2
                    for i, a in enumerate(required)
                ],
            )


PLANES = {
    "x": VALUES["x"],
    "y": VALUES["y"],
    "ints": torch.randint(1, 4, SHAPE, generator=torch.Generator().manual_seed(9)),
    "bools": VALUES["x"] > 0.5,
}


@pytest.mark.parametrize("name", elementwise())
def test_an_elementwise_operation_makes_each_element_of_those_at_its_place(name: str) -> None:
    """A part of the operands gives that part of the result."""
    ran = 0
    for function, kinds in sample_calls(name):
        if not any(isinstance(k, str) for k in kinds):
            continue
        scalar = [torch.tensor(0.5) if i else k for i, k in enumerate(kinds)]
        whole = [PLANES[k] if isinstance(k, str) else k for k in kinds]
        if name in ("masked_fill", "fill"):  # the value has no dimensions
            whole = [*whole[:-1], scalar[-1]]
        part = [w[:, 1:3, 4:] if isinstance(w, Tensor) and w.dim() else w for w in whole]
        try:
            full = function(*whole)
        except (RuntimeError, TypeError):
            continue
        if not isinstance(full, Tensor):
            continue
        ran += 1
        assert full.shape == SHAPE
        assert torch.allclose(function(*part), full[:, 1:3, 4:], rtol=1e-6, equal_nan=True)
    assert ran > 0


def streaming() -> list[str]:
    rules = {n: row_of(f"aten.{NAMES[n]}").stream for n in NAMES}  # type: ignore[union-attr]
    return [n for n, rule in rules.items() if rule not in ("all", *OF_IMAGES)]


@pytest.mark.parametrize("name", streaming())
def test_a_token_that_changes_changes_no_other_token(name: str) -> None:
    """For each operand that the rule follows, and there is one."""
    call = called(name)
    before = tensors(run(call, VALUES))[0]
    operands = {
        ref: Operand(ref, tuple(VALUES[ref].shape), Stream(STREAMS[ref], TOKENS))
        for ref in call.refs()
        if ref in STREAMS
    }
    found = follow(call, operands, tuple(before.shape))
    assert found.stream is not None
    assert found.each
    earlier = row_of(call.op).stream == "prefix"  # type: ignore[union-attr]
    for ref in found.each:
        for token in range(TOKENS):
            changed = VALUES[ref].clone()
            place = changed.select(STREAMS[ref], token)
            other = place.flip(-1) if place.dim() else place
            place.copy_((place + 1) % 4 if ref == "ids" else other * 0.5)
            after = tensors(run(call, {**VALUES, ref: changed}))[0]
            moved = (after != before).movedim(found.stream.dim, 0).reshape(TOKENS, -1).any(1)
            others = [i for i in range(TOKENS) if (i < token if earlier else i != token)]
            assert not moved[others].any()


@pytest.mark.parametrize("name", [n for n in by_rule(kind="layout") if n not in NEVER_THERE])
def test_a_layout_operation_is_free_if_and_only_if_it_moves_no_data(name: str) -> None:
    """Free is what gives a view of its operand."""
    call = called(name)
    held = {storage(VALUES[ref]) for ref in call.refs()}
    results = tensors(run(call, VALUES))
    views = all(storage(value) in held for value in results)
    assert views == (ROWS[name].price == "free")


@pytest.mark.parametrize("name", by_rule(constant="cast") + by_rule(constant="moved"))
def test_a_moved_constant_is_its_seed_moved(name: str) -> None:
    """What it does to a value that only repeats itself, it does to what is repeated."""
    call = called(name)
    ref = call.refs()[0]
    seed = VALUES[ref][:1].contiguous()
    value = seed.expand(VALUES[ref].shape)
    others = VALUES | {"y": VALUES["y"]}
    whole, alone = (run(call, others | {ref: v}) for v in (value, seed))
    if name.startswith("squeeze"):
        alone = seed  # nothing of the value has a size of one
    assert torch.equal(alone.expand(whole.shape), whole)


@pytest.mark.parametrize("name", by_rule(constant="reshaped"))
def test_a_reshape_keeps_the_elements_in_order(name: str) -> None:
    call = called(name)
    assert torch.equal(run(call, VALUES).flatten(), VALUES[call.refs()[0]].flatten())


@pytest.mark.parametrize("name", by_rule(constant="repeated") + by_rule(constant="tiled"))
def test_a_repeated_value_is_its_operand_again_and_again(name: str) -> None:
    result = run(called(name), VALUES).reshape(-1, *SHAPE)
    assert torch.equal(result, VALUES["x"].expand_as(result))


@pytest.mark.parametrize("name", by_rule(passes="always"))
def test_what_hands_its_argument_on_changes_nothing(name: str) -> None:
    result = run(called(name), VALUES)
    assert result.dtype == VALUES["x"].dtype
    assert torch.equal(result, VALUES["x"])


SAME: Mapping[str, tuple[Arg, ...]] = {
    "to": (X, DType("float32")),
    "type_as": (X, Y),
    "expand": (X, SHAPE),
    "broadcast_to": (X, SHAPE),
    "view": (X, SHAPE),
    "reshape": (X, SHAPE),
    "_unsafe_view": (X, SHAPE),
}


@pytest.mark.parametrize("name", by_rule(passes="typed"))
def test_what_keeps_sizes_and_dtype_keeps_the_values(name: str) -> None:
    call = called(name)
    result = run(Call(call.op, SAME.get(name, call.args)), VALUES)
    assert result.shape == SHAPE
    assert result.dtype == torch.float32
    assert torch.equal(result, VALUES["x"])


@pytest.mark.parametrize("name", [n for n in NAMES if not ROWS[n].by_values])
def test_sizes_that_depend_on_no_values_are_known_without_them(name: str) -> None:
    blank = {ref: value.to("meta") for ref, value in VALUES.items()}
    sizes = [t.shape for t in tensors(run(called(name), blank, "meta"))]
    assert sizes == [t.shape for t in tensors(run(called(name), VALUES))]


BY_VALUES: Mapping[str, tuple[str, tuple[Any, ...], tuple[Any, ...]]] = {
    "tensor_split": (
        "tensor_indices_or_sections",
        (torch.ones(6), torch.tensor([1])),
        (torch.ones(6), torch.tensor([2])),
    ),
    "repeat_interleave": ("Tensor", (torch.tensor([1]),), (torch.tensor([2]),)),
    "where": ("default", (torch.tensor([0, 1]),), (torch.tensor([1, 1]),)),
    "one_hot": ("default", (torch.tensor([0, 1]),), (torch.tensor([0, 2]),)),
    "index": (
        "Tensor",
        (torch.ones(2), (torch.tensor([True, False]),)),
        (torch.ones(2), (torch.tensor([True, True]),)),
    ),
}


@pytest.mark.parametrize("name", by_rule(by_values=True))
def test_other_values_give_other_sizes(name: str) -> None:
    overload, *many = BY_VALUES[name]
    function = resolve(f"aten.{name}.{overload}")
    assert function is not None
    sizes = [[t.shape for t in tensors(function(*args))] for args in many]
    assert sizes[0] != sizes[1]
