"""Do the arguments of a call fit the operation's own schema?

Torch trusts its callers in places: a number where a dtype belongs ends the process. So before
anything runs, each argument of a program that was read from a file is held against the schema that
torch has for the operation. An argument that is another operation's result is torch's own to check,
for it is a tensor or a number, of which torch knows the kind.
"""

from typing import Any

from hermesrt.ops.call import Arg, Call, DType, Ref, resolve
from hermesrt.ops.loop_rules import fault_of_loop, inner_calls
from hermesrt.ops.table import base_name, is_loop, op_class

_SMALLEST, _BIGGEST = -(2**63), 2**63 - 1
MOST_ITEMS = 4096  # of a list of arguments
MOST_LETTERS = 1024  # of a text
_RESULTS = {"Tensor", "List[Tensor]", "int", "float", "bool", "number"}


def fault_of(call: Call) -> str | None:
    """What is wrong with a call, or None."""
    if is_loop(call.op):
        faults = (fault_of(inner) for inner in inner_calls(call))
        return fault_of_loop(call) or next((f for f in faults if f is not None), None)
    function = resolve(call.op)
    if function is None:
        return f"this torch has no operation {call.op!r}"
    if call.op.startswith("size."):
        return _size_fault(call)
    schema: Any = function._schema  # type: ignore[attr-defined]
    kinds = {argument.name: str(argument.real_type) for argument in schema.arguments}
    on_tensors = any("Tensor" in kind for kind in kinds.values()) or op_class(call.op) == "create"
    if not on_tensors or any(str(r.real_type) not in _RESULTS for r in schema.returns):
        return f"{call.op} is no operation on tensors"
    return _arguments_fault(call, schema, kinds)


def gives_one_tensor(call: Call) -> bool:
    """Whether the result may be a tensor; a part of several results may be one."""
    if call.op.startswith(("size.", "loop.")):
        return base_name(call.op) == "getitem"
    function: Any = resolve(call.op)
    return [str(r.real_type) for r in function._schema.returns] == ["Tensor"]


def _size_fault(call: Call) -> str | None:
    """Arithmetic takes numbers; a part of several results has a number."""
    numbers = all(isinstance(a, Ref | bool | int | float) for a in call.args)
    if base_name(call.op) == "getitem":
        numbers = numbers and len(call.args) == 2 and isinstance(call.args[1], int)
    return None if numbers and not call.kwargs else f"{call.op} takes numbers only"


def _arguments_fault(call: Call, schema: Any, kinds: dict[str, str]) -> str | None:
    by_place = [a.name for a in schema.arguments if not a.kwarg_only]
    if len(call.args) > len(by_place):
        return f"{call.op} takes {len(by_place)} arguments by place, not {len(call.args)}"
    given = list(zip(by_place, call.args, strict=False)) + list(call.kwargs)
    names = {name for name, _ in given}
    if len(names) < len(given) or not names <= set(kinds):
        return f"{call.op} has the arguments {', '.join(kinds)}, each once"
    needed = [a.name for a in schema.arguments if not a.has_default_value() and a.name != "device"]
    for name in needed:
        if name not in names:
            return f"{call.op} needs the argument {name}"
    for name, arg in given:
        if not _fits(arg, kinds[name]):
            return f"{call.op} takes {kinds[name]} for {name}, not {_shown(arg)}"
    return None


def _fits(arg: Arg, kind: str) -> bool:
    """Where a tensor lies in memory is the host's to say, so layouts and devices fit never."""
    if kind.startswith("Optional["):
        return arg is None or _fits(arg, kind[len("Optional[") : -1])
    if kind.startswith("List["):
        return _fits_list(arg, kind[len("List[") : -1])
    match kind:
        case "Tensor":
            return isinstance(arg, Ref) or _is_number(arg)
        case "number" | "float":
            return isinstance(arg, Ref) or _is_number(arg)
        case "int":
            return isinstance(arg, Ref) or (isinstance(arg, int) and _is_number(arg))
        case "bool":
            return isinstance(arg, Ref | bool)
        case "str":
            return isinstance(arg, str) and len(arg) <= MOST_LETTERS
        case "ScalarType":
            return isinstance(arg, DType)
    return False


def _fits_list(arg: Arg, kind: str) -> bool:
    if isinstance(arg, tuple):
        return len(arg) <= MOST_ITEMS and all(_fits(item, kind) for item in arg)
    if kind == "Tensor":
        return isinstance(arg, Ref)  # all parts of several results
    return kind in ("int", "float", "bool") and _fits(arg, kind)  # one for all dimensions


def _is_number(arg: Arg) -> bool:
    return isinstance(arg, float) or (isinstance(arg, int) and _SMALLEST <= arg <= _BIGGEST)


def _shown(arg: Arg) -> str:
    text = repr(arg)
    return text if len(text) <= 60 else f"{text[:60]}..."
