"""The closed schema of an exported program's JSON: every field known, every value checked.

A check takes a value of parsed JSON and returns what torch gets instead: the value itself, one
written anew (sizes, trees, devices), or a fixed one for what we have no use for (guards, marks of
tracing, the calling order of submodules). Names that torch writes into Python source are
identifiers, and no keywords.
Source: torch/_export/serde/schema.py of torch 2.11 to 2.13, schema versions 8.17 to 8.20.
"""

import keyword
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.sizes import SYMBOL, read_size
from hermesc.frontend.pt2.trees import read_tree

Check = Callable[[Any], Any]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DOTTED = re.compile(r"(?!__)[A-Za-z0-9_]+(\.(?!__)[A-Za-z0-9_]+)*", re.ASCII)
_TARGET = re.compile(r"[A-Za-z_]\w*(\.\w+)+", re.ASCII)
_LONGEST_NAME = 1000
_LONGEST_STRING = 2000
_LONGEST_TRACE = 100_000
_MOST_ITEMS = 1_000_000
_DEEPEST_GRAPH = 4


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with those fields and no other."""
    fields = {**required, **(optional or {})}

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise RefusedPart(f"{_shown(value)} is no object")
        unknown = [name for name in value if name not in fields]
        missing = [name for name in required if name not in value]
        if unknown or missing:
            what = f"an unknown field {_shown(unknown[0])}" if unknown else f"no {missing[0]}"
            raise RefusedPart(f"an object with {what}; its fields are {', '.join(fields)}")
        return {name: _inside(name, fields[name], item) for name, item in value.items()}

    return check


def union(**kinds: Check) -> Check:
    """An object with one field, whose name says of which kind the value is."""

    def check(value: Any) -> dict[str, Any]:
        match value:
            case dict() if len(value) == 1 and next(iter(value)) in kinds:
                ((kind, item),) = value.items()
                return {kind: _inside(kind, kinds[kind], item)}
        raise RefusedPart(f"{_shown(value)} is none of {', '.join(kinds)}")

    return check


def many(item: Check) -> Check:
    """A list of such values."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > _MOST_ITEMS:
            raise RefusedPart(f"{_shown(value)} is no list of at most {_MOST_ITEMS} values")
        return [_inside(str(i), item, one) for i, one in enumerate(value)]

    return check


def table(key: Check, item: Check) -> Check:
    """An object of any number of such keys and values."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > _MOST_ITEMS:
            raise RefusedPart(f"{_shown(value)} is no object of at most {_MOST_ITEMS} values")
        return {key(name): _inside(name, item, one) for name, one in value.items()}

    return check


def or_none(item: Check) -> Check:
    """Null or such a value."""
    return lambda value: None if value is None else item(value)


def replaced(other: Any) -> Check:
    """Anything; torch gets the other value."""
    return lambda _: other


def _inside(name: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except RefusedPart as error:
        raise error.within(name) from None


def _shown(value: Any) -> str:
    return ascii(value if isinstance(value, str | int | float | bool) else type(value).__name__)[
        :80
    ]


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise RefusedPart(f"{_shown(value)} is neither true nor false")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise RefusedPart(f"{_shown(value)} is no whole number of 64 bits")
    return value


def _one_of(*values: Any) -> Check:
    def check(value: Any) -> Any:
        if not any(type(value) is type(v) and value == v for v in values):
            raise RefusedPart(f"{_shown(value)} is none of {', '.join(map(str, values))}")
        return value

    return check


def _number(value: Any) -> float | str:
    """A float; JSON has no infinity, so torch writes it as a word."""
    if value in ("Infinity", "-Infinity", "NaN") and isinstance(value, str):
        return value
    if type(value) not in (int, float) or not math.isfinite(value):
        raise RefusedPart(f"{_shown(value)} is no number")
    return float(value)


def _string(value: Any) -> str:
    """Text for an operation, such as "gelu"'s "tanh" or an equation of einsum."""
    if not isinstance(value, str) or len(value) > _LONGEST_STRING or not value.isprintable():
        raise RefusedPart(f"{_shown(value)} is no text of at most {_LONGEST_STRING} characters")
    return value


def _name(value: Any) -> str:
    """A name that becomes one of Python source."""
    good = isinstance(value, str) and len(value) <= _LONGEST_NAME and _IDENTIFIER.fullmatch(value)
    if not good or keyword.iskeyword(value) or value.startswith("__"):
        raise RefusedPart(f"{_shown(value)} is no name of an input, a node or an argument")
    return str(value)


def _argument_name(value: Any) -> str:
    """A name of the model's own forward; letters beyond ASCII are replaced, as torch.fx does."""
    if not isinstance(value, str) or not value.isidentifier():
        raise RefusedPart(f"{_shown(value)} is no name of an input")
    return _name(re.sub(r"[^0-9A-Za-z_]", "_", value, flags=re.ASCII))


def _empty_or_name(value: Any) -> str:
    return "" if value == "" else _name(value)


def _weight_name(value: Any) -> str:
    """The dotted name of a parameter, a buffer or a constant."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not _DOTTED.fullmatch(value):
        raise RefusedPart(f"{_shown(value)} is no name of a parameter, a buffer or a constant")
    return value


def _target(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200 or not _TARGET.fullmatch(value):
        raise RefusedPart(f"{_shown(value)} is no name of an operation")
    return value


def _symbol(value: Any) -> str:
    if not isinstance(value, str) or not SYMBOL.fullmatch(value):
        raise RefusedPart(f"{_shown(value)} is no name of a size")
    return value


def _trace(value: Any) -> str:
    """Lines of the user's source; torch may write them into Python source as comments."""
    if not isinstance(value, str) or len(value) > _LONGEST_TRACE:
        raise RefusedPart("no stack trace")
    return "".join(c if c.isprintable() or c == "\n" else " " for c in value)


def _modules(value: Any) -> str | None:
    """Which modules led to a node, or nothing where torch could not read it."""
    text = _trace(value).replace("\n", " ")
    return text if all(_has_three_parts(item) for item in text.split(";")) else None


def _has_three_parts(item: str) -> bool:
    depth = commas = 0
    for letter in item:
        depth += (letter in "[(") - (letter in ")]")
        commas += letter == "," and depth == 0
    return commas == 2


def _metadata(value: Any) -> dict[str, str]:
    """Of what tracing noted at a node, where it comes from in the user's source."""
    found = table(str, lambda text: text)(value)
    kept = {"stack_trace": _trace, "nn_module_stack": _modules}
    written = {name: check(found[name]) for name, check in kept.items() if name in found}
    return {name: text for name, text in written.items() if text}


def _device(value: Any) -> dict[str, Any]:
    """Any device with memory; weights and results lie in the host's here."""
    kinds = ("cpu", "cuda", "mps", "xpu", "hpu")
    record({"type": _one_of(*kinds)}, {"index": or_none(_whole)})(value)
    return {"type": "cpu", "index": None}


_DTYPE = _one_of(*range(1, 14), *range(28, 36))
_HINT = union(as_int=_whole, as_bool=_boolean, as_float=_number)
_EXPRESSION = record({"expr_str": read_size}, {"hint": or_none(_HINT)})
_SYM_INT = union(as_expr=_EXPRESSION, as_int=_whole)
TENSOR_META = record(
    {
        "dtype": _DTYPE,
        "sizes": many(_SYM_INT),
        "requires_grad": _boolean,
        "device": _device,
        "strides": many(_SYM_INT),
        "storage_offset": _SYM_INT,
        "layout": _one_of(7),  # strided
    }
)
_TENSOR = record({"name": _name})
_SYM_INT_ARGUMENT = union(as_name=_name, as_int=_whole)
_SYM_FLOAT_ARGUMENT = union(as_name=_name, as_float=_number)
_SYM_BOOL_ARGUMENT = union(as_name=_name, as_bool=_boolean)
_OPTIONAL_TENSOR = union(as_tensor=_TENSOR, as_none=_boolean)
_KINDS: Mapping[str, Check] = {
    "as_none": _boolean,
    "as_tensor": _TENSOR,
    "as_tensors": many(_TENSOR),
    "as_int": _whole,
    "as_ints": many(_whole),
    "as_float": _number,
    "as_floats": many(_number),
    "as_string": _string,
    "as_sym_int": _SYM_INT_ARGUMENT,
    "as_sym_ints": many(_SYM_INT_ARGUMENT),
    "as_scalar_type": _DTYPE,
    "as_memory_format": _one_of(1, 2, 3, 4),
    "as_layout": _one_of(7),
    "as_device": _device,
    "as_bool": _boolean,
    "as_bools": many(_boolean),
    "as_sym_bool": _SYM_BOOL_ARGUMENT,
    "as_sym_bools": many(_SYM_BOOL_ARGUMENT),
    "as_optional_tensors": many(_OPTIONAL_TENSOR),
    "as_sym_float": _SYM_FLOAT_ARGUMENT,
    "as_sym_floats": many(_SYM_FLOAT_ARGUMENT),
    "as_optional_tensor": _OPTIONAL_TENSOR,
    "as_complex": record({"real": _number, "imag": _number}),
}
_VALUE = union(**_KINDS)


def _graph(depth: int) -> Check:
    """A graph, with graphs inside it (torch.no_grad() in a model makes one) down to a depth."""
    inner = _graph(depth + 1) if depth < _DEEPEST_GRAPH else _too_deep
    inputs = union(**_KINDS, as_graph=record({"name": _name, "graph": inner}))
    node = record(
        {
            "target": _target,
            "inputs": many(
                record({"name": _empty_or_name, "arg": inputs}, {"kind": or_none(_one_of(0, 1, 2))})
            ),
            "outputs": many(_VALUE),
            "metadata": _metadata,
        },
        {"is_hop_single_tensor_return": or_none(_boolean), "name": or_none(_name)},
    )
    return record(
        {
            "inputs": many(_VALUE),
            "outputs": many(_VALUE),
            "nodes": many(node),
            "tensor_values": table(_name, TENSOR_META),
            "sym_int_values": table(_name, _SYM_INT),
            "sym_bool_values": table(_name, union(as_expr=_EXPRESSION, as_bool=_boolean)),
        },
        {
            "is_single_tensor_return": _boolean,
            "custom_obj_values": table(_name, _no_object),
            "sym_float_values": table(_name, union(as_expr=_EXPRESSION, as_float=_number)),
        },
    )


def _too_deep(_: Any) -> Any:
    raise RefusedPart(f"graphs nest deeper than {_DEEPEST_GRAPH}")


def _no_object(_: Any) -> Any:
    raise RefusedPart("an object of a class that torch would load as code; tensors only")


_NAMED = {"arg": _TENSOR}
_INPUT = union(
    user_input=record({"arg": _VALUE}),
    parameter=record({**_NAMED, "parameter_name": _weight_name}),
    buffer=record({**_NAMED, "buffer_name": _weight_name, "persistent": _boolean}),
    tensor_constant=record({**_NAMED, "tensor_constant_name": _weight_name}),
    constant_input=record(
        {
            "name": _name,
            "value": union(
                as_none=_boolean, as_int=_whole, as_float=_number, as_string=_string,
                as_bool=_boolean,
            ),
        }
    ),
)  # fmt: skip
_OUTPUT = union(
    user_output=record({"arg": _VALUE}),
    buffer_mutation=record({**_NAMED, "buffer_name": _weight_name}),
    parameter_mutation=record({**_NAMED, "parameter_name": _weight_name}),
    user_input_mutation=record({**_NAMED, "user_input_name": _name}),
)
_CALL = record(
    {"inputs": many(_VALUE), "outputs": many(_VALUE), "in_spec": read_tree, "out_spec": read_tree},
    {"forward_arg_names": or_none(many(_argument_name))},
)


def _calls(value: Any) -> list[Any]:
    """How the whole model is called; its submodules are not called by themselves here."""
    if not isinstance(value, list) or len(value) > _MOST_ITEMS or not value:
        raise RefusedPart(f"{_shown(value)} is no list of how modules are called")
    return [record({"fqn": _one_of("")}, {"signature": _CALL})(value[0])]


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
            _symbol, record({"min_val": or_none(_whole), "max_val": or_none(_whole)})
        ),
        "schema_version": record({"major": _whole, "minor": _whole}),
    },
    {
        "verifiers": many(_one_of("", "ATEN", "TRAINING")),
        "torch_version": _string,
        "guards_code": replaced([]),
    },
)
PAYLOADS = record(
    {
        "config": table(
            _weight_name,
            record(
                {
                    "path_name": _name,
                    "is_param": _boolean,
                    "use_pickle": _boolean,
                    "tensor_meta": or_none(TENSOR_META),
                }
            ),
        )
    }
)
