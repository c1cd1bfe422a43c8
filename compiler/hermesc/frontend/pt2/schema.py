"""The closed schema of an exported program's JSON: every field known, every value checked.

What we have no use for is replaced: guards, marks of tracing, the calling order of submodules.
Sizes, the nesting of arguments and devices are written anew.
Source: torch/_export/serde/schema.py of torch 2.11 to 2.13, schema versions 8.17 to 8.20.
"""

from collections.abc import Mapping
from typing import Any

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.checks import (
    Check,
    argument_name,
    boolean,
    empty_or_name,
    many,
    modules,
    name,
    number,
    one_of,
    or_none,
    record,
    replaced,
    shown,
    string,
    symbol,
    table,
    target,
    trace,
    union,
    weight_name,
    whole,
)
from hermesc.frontend.pt2.sizes import read_size
from hermesc.frontend.pt2.trees import read_tree

_MOST_CALLS = 100_000
_DEEPEST_GRAPH = 4


def _metadata(value: Any) -> dict[str, str]:
    """Of what tracing noted at a node, where it comes from in the user's source."""
    found = table(str, lambda text: text)(value)
    kept = {"stack_trace": trace, "nn_module_stack": modules}
    written = {name: check(found[name]) for name, check in kept.items() if name in found}
    return {name: text for name, text in written.items() if text}


def _device(value: Any) -> dict[str, Any]:
    """Any device with memory; weights and results lie in the host's here."""
    kinds = ("cpu", "cuda", "mps", "xpu", "hpu")
    record({"type": one_of(*kinds)}, {"index": or_none(whole)})(value)
    return {"type": "cpu", "index": None}


_DTYPE = one_of(*range(1, 14), *range(28, 36))
_HINT = union(as_int=whole, as_bool=boolean, as_float=number)
_EXPRESSION = record({"expr_str": read_size}, {"hint": or_none(_HINT)})
_SYM_INT = union(as_expr=_EXPRESSION, as_int=whole)
TENSOR_META = record(
    {
        "dtype": _DTYPE,
        "sizes": many(_SYM_INT),
        "requires_grad": boolean,
        "device": _device,
        "strides": many(_SYM_INT),
        "storage_offset": _SYM_INT,
        "layout": one_of(7),  # strided
    }
)
_TENSOR = record({"name": name})
_SYM_INT_ARGUMENT = union(as_name=name, as_int=whole)
_SYM_FLOAT_ARGUMENT = union(as_name=name, as_float=number)
_SYM_BOOL_ARGUMENT = union(as_name=name, as_bool=boolean)
_OPTIONAL_TENSOR = union(as_tensor=_TENSOR, as_none=boolean)
_KINDS: Mapping[str, Check] = {
    "as_none": boolean,
    "as_tensor": _TENSOR,
    "as_tensors": many(_TENSOR),
    "as_int": whole,
    "as_ints": many(whole),
    "as_float": number,
    "as_floats": many(number),
    "as_string": string,
    "as_sym_int": _SYM_INT_ARGUMENT,
    "as_sym_ints": many(_SYM_INT_ARGUMENT),
    "as_scalar_type": _DTYPE,
    "as_memory_format": one_of(1, 2, 3, 4),
    "as_layout": one_of(7),
    "as_device": _device,
    "as_bool": boolean,
    "as_bools": many(boolean),
    "as_sym_bool": _SYM_BOOL_ARGUMENT,
    "as_sym_bools": many(_SYM_BOOL_ARGUMENT),
    "as_optional_tensors": many(_OPTIONAL_TENSOR),
    "as_sym_float": _SYM_FLOAT_ARGUMENT,
    "as_sym_floats": many(_SYM_FLOAT_ARGUMENT),
    "as_optional_tensor": _OPTIONAL_TENSOR,
    "as_complex": record({"real": number, "imag": number}),
}
_VALUE = union(**_KINDS)


def _graph(depth: int) -> Check:
    """A graph, with graphs inside it (torch.no_grad() in a model makes one) down to a depth."""
    inner = _graph(depth + 1) if depth < _DEEPEST_GRAPH else _too_deep
    inputs = union(**_KINDS, as_graph=record({"name": name, "graph": inner}))
    node = record(
        {
            "target": target,
            "inputs": many(
                record({"name": empty_or_name, "arg": inputs}, {"kind": or_none(one_of(0, 1, 2))})
            ),
            "outputs": many(_VALUE),
            "metadata": _metadata,
        },
        {"is_hop_single_tensor_return": or_none(boolean), "name": or_none(name)},
    )
    return record(
        {
            "inputs": many(_VALUE),
            "outputs": many(_VALUE),
            "nodes": many(node),
            "tensor_values": table(name, TENSOR_META),
            "sym_int_values": table(name, _SYM_INT),
            "sym_bool_values": table(name, union(as_expr=_EXPRESSION, as_bool=boolean)),
        },
        {
            "is_single_tensor_return": boolean,
            "custom_obj_values": table(name, _no_object),
            "sym_float_values": table(name, union(as_expr=_EXPRESSION, as_float=number)),
        },
    )


def _too_deep(_: Any) -> Any:
    raise RefusedPart(f"graphs nest deeper than {_DEEPEST_GRAPH}")


def _no_object(_: Any) -> Any:
    raise RefusedPart("an object of a class that torch would load as code; tensors only")


_NAMED = {"arg": _TENSOR}
_INPUT = union(
    user_input=record({"arg": _VALUE}),
    parameter=record({**_NAMED, "parameter_name": weight_name}),
    buffer=record({**_NAMED, "buffer_name": weight_name, "persistent": boolean}),
    tensor_constant=record({**_NAMED, "tensor_constant_name": weight_name}),
    constant_input=record(
        {
            "name": name,
            "value": union(
                as_none=boolean, as_int=whole, as_float=number, as_string=string,
                as_bool=boolean,
            ),
        }
    ),
)  # fmt: skip
_OUTPUT = union(
    user_output=record({"arg": _VALUE}),
    buffer_mutation=record({**_NAMED, "buffer_name": weight_name}),
    parameter_mutation=record({**_NAMED, "parameter_name": weight_name}),
    user_input_mutation=record({**_NAMED, "user_input_name": name}),
)
_CALL = record(
    {"inputs": many(_VALUE), "outputs": many(_VALUE), "in_spec": read_tree, "out_spec": read_tree},
    {"forward_arg_names": or_none(many(argument_name))},
)


def _calls(value: Any) -> list[Any]:
    """How the whole model is called; its submodules are not called by themselves here."""
    if not isinstance(value, list) or len(value) > _MOST_CALLS or not value:
        raise RefusedPart(f"{shown(value)} is no list of how modules are called")
    return [record({"fqn": one_of(""), "signature": _CALL})(value[0])]


PROGRAM = record(
    {
        "graph_module": record(
            {
                "graph": _graph(0),
                "signature": record({"input_specs": many(_INPUT), "output_specs": many(_OUTPUT)}),
                "module_call_graph": _calls,
            },
            {"metadata": replaced({}), "treespec_namedtuple_fields": replaced({})},
        ),
        "opset_version": replaced({}),
        "range_constraints": table(
            symbol, record({"min_val": or_none(whole), "max_val": or_none(whole)})
        ),
        "schema_version": record({"major": whole, "minor": whole}),
    },
    {
        "verifiers": many(one_of("", "ATEN", "TRAINING")),
        "torch_version": string,
        "guards_code": replaced([]),
    },
)
PAYLOADS = record(
    {
        "config": table(
            weight_name,
            record(
                {
                    "path_name": name,
                    "is_param": boolean,
                    "use_pickle": boolean,
                    "tensor_meta": or_none(TENSOR_META),
                }
            ),
        )
    }
)
