"""Loops on the host whose number of steps is known at the run alone: what a program holds of them.

`loop.while` runs a body while a condition of its own results holds; `loop.scan` runs one for each
row of its inputs, and stacks what the steps give. Both hold the body as a list of calls, which is
data like all of a program. Results that are carried from step to step keep their sizes and dtypes,
and a loop has a limit of steps that the file says, so that no file makes a run endless.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hermesrt.ops.call import Arg, Body, Call, Ref
from hermesrt.ops.table import is_loop, row_of
from hermesrt.shown import shown

WHILE, SCAN = "loop.while", "loop.scan"
MOST_STEPS = 10**6  # that a loop may ask for, with all that loops in it do
MOST_DEPTH = 4  # of loops within each other
_MOST_ITEMS = 4096  # of a list of arguments
_MOST_LETTERS = 100  # of a name in a message

USUAL_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class WhileLoop:
    """A loop that runs while a condition of its values holds.

    condition: whether another step follows; of what the body takes.
    body: the next values, of those carried and of the others.
    carried: what the loop begins with.
    others: what stays the same in all steps.
    numbers: places of the carried values that are whole numbers in the body, and tensors outside.
    limit: of steps.
    usual: steps that it takes on the model's examples, by which reports count it.
    """

    condition: Body
    body: Body
    carried: tuple[Ref, ...]
    others: tuple[Arg, ...]
    numbers: tuple[int, ...] = ()
    limit: int = USUAL_LIMIT
    usual: int = 1

    @property
    def call(self) -> Call:
        """As a program holds it."""
        given = self.carried, self.others, self.numbers, self.limit, self.usual
        return Call(WHILE, (self.condition, self.body, *given))


@dataclass(frozen=True, slots=True)
class Scan:
    """A loop with a step for each row of its inputs.

    body: the next values, and what the step gives, of those carried, a row of each, and the others.
    carried: what the loop begins with.
    rows: whose first dimension it goes along.
    others: what stays the same in all steps.
    limit: of steps.
    """

    body: Body
    carried: tuple[Ref, ...]
    rows: tuple[Ref, ...]
    others: tuple[Arg, ...]
    limit: int = USUAL_LIMIT

    @property
    def call(self) -> Call:
        """As a program holds it."""
        return Call(SCAN, (self.body, self.carried, self.rows, self.others, self.limit))


def loop_of(call: Call) -> WhileLoop | Scan:
    """What a call of a loop says; `fault_of_loop` says whether a call from a file is one."""
    return (WhileLoop if call.op == WHILE else Scan)(*call.args)  # type: ignore[arg-type]


def bodies_of(loop: WhileLoop | Scan) -> tuple[Body, ...]:
    """Its lists of calls."""
    return (loop.body,) if isinstance(loop, Scan) else (loop.condition, loop.body)


def inner_calls(call: Call) -> Iterator[Call]:
    """The calls that a loop makes; of other calls none."""
    if call.op in (WHILE, SCAN):
        for body in bodies_of(loop_of(call)):
            yield from (step for _, step in body.steps)


def fault_of_loop(call: Call, depth: int = 1) -> str | None:
    """What is wrong with a loop that a file holds, or None; needs no torch."""
    shape = _SHAPES.get(call.op)
    if shape is None or call.kwargs or len(call.args) != len(shape):
        return f"{call.op} has other arguments"
    if not all(_is(arg, kind) for arg, kind in zip(call.args, shape, strict=True)):
        return f"{call.op} has an argument of another kind"
    if depth > MOST_DEPTH:
        return f"more than {MOST_DEPTH} loops within each other"
    loop = loop_of(call)
    given, carried = len(loop.carried) + len(loop.others), len(loop.carried)
    if isinstance(loop, Scan):
        fits = len(loop.rows) > 0 and len(loop.body.outputs) >= carried
        given += len(loop.rows)
    else:
        fits = len(loop.condition.outputs) == 1 and len(loop.body.outputs) == carried
        fits = fits and all(0 <= n < carried for n in loop.numbers)
    if not fits or any(len(body.inputs) != given for body in bodies_of(loop)):
        return f"{call.op} has a body with other inputs or outputs"
    faults = (_fault_of_body(body, depth) for body in bodies_of(loop))
    fault = next((fault for fault in faults if fault is not None), None)
    return fault or _fault_of_limit(call, loop)


def _fault_of_limit(call: Call, loop: WhileLoop | Scan) -> str | None:
    """What is wrong with the limit of a loop whose bodies are sound."""
    if not 1 <= loop.limit <= MOST_STEPS:
        asked = loop.limit if abs(loop.limit) < 10**12 else "more than 10^12"
        return f"{call.op} has a limit of {asked} steps; it may be at most {MOST_STEPS}"
    usual = loop.usual if isinstance(loop, WhileLoop) else 0
    if most_steps(call) > MOST_STEPS or not 0 <= usual <= loop.limit:
        return f"{call.op} has a limit of {most_steps(call)} steps; it may be at most {MOST_STEPS}"
    return None


def most_steps(call: Call) -> int:
    """Steps that a loop may take, times those of loops in it."""
    loop = loop_of(call)
    inner = [most_steps(step) for step in inner_calls(call) if step.op in (WHILE, SCAN)]
    return loop.limit * max(1, sum(inner))


def loop_depth(call: Call) -> int:
    """Loops within each other, of a loop with itself."""
    return 1 + max([loop_depth(c) for c in inner_calls(call) if c.op in (WHILE, SCAN)], default=0)


def _innermost(call: Call) -> int:
    """Loops without a loop in them, of a loop with itself."""
    return max(1, sum(_innermost(c) for c in inner_calls(call) if c.op in (WHILE, SCAN)))


def shared_limit(steps: int, call: Call) -> int:
    """What a loop and each of those in it may take, where all together may take these."""
    share: float = (steps / _innermost(call)) ** (1 / loop_depth(call))
    return max(1, math.floor(share + 1e-9))


def limited(call: Call, limit: int) -> Call:
    """A call with this limit in each of its loops, if it has any."""
    if call.op not in (WHILE, SCAN):
        return call
    loop = loop_of(call)
    body = _limited_body(loop.body, limit)
    if isinstance(loop, Scan):
        return replace(loop, body=body, limit=limit).call
    condition = _limited_body(loop.condition, limit)
    return replace(loop, condition=condition, body=body, limit=limit).call


def _limited_body(body: Body, limit: int) -> Body:
    return replace(body, steps=tuple((name, limited(step, limit)) for name, step in body.steps))


_SHAPES: Mapping[str, Sequence[str]] = {
    WHILE: ("body", "body", "refs", "others", "places", "number", "number"),
    SCAN: ("body", "refs", "refs", "others", "number"),
}


def _is(arg: Arg, kind: str) -> bool:
    match kind:
        case "body":
            return isinstance(arg, Body)
        case "number":
            return type(arg) is int
        case _ if not isinstance(arg, tuple) or len(arg) > _MOST_ITEMS:
            return False
        case "places":
            return all(type(a) is int for a in arg)
        case "refs":
            return all(isinstance(a, Ref) for a in arg)
    return all(isinstance(a, Ref) or type(a) is int for a in arg)


def _fault_of_body(body: Body, depth: int) -> str | None:
    known = set(body.inputs)
    if len(known) < len(body.inputs):
        return "an input of a loop's body is defined twice"
    for name, call in body.steps:
        if row_of(call.op) is None:
            return f"{call.op!r} is not an operation a program may hold"
        if name in known:
            return f"{_named(name)} is defined twice in a loop's body"
        missing = [ref for ref in call.refs() if ref not in known]
        if missing:
            taken = _named(missing[0])
            return f"{_named(name)} takes {taken}, which its loop's body does not have before it"
        if is_loop(call.op) and (fault := fault_of_loop(call, depth + 1)):
            return fault
        known.add(name)
    lost = [name for name in body.outputs if name not in known]
    return f"a loop's body gives {_named(lost[0])}, which it does not have" if lost else None


def _named(name: str) -> str:
    """A name of a file, on one line."""
    return shown(name[:_MOST_LETTERS])
