"""Loops on the host whose number of steps is known at the run alone: how they run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hermesrt.errors import InputError
from hermesrt.ops.bounds import bytes_of, check_bytes, is_loose, run_bounded
from hermesrt.ops.call import Arg, Body, Call, Ref, run
from hermesrt.ops.loop_rules import Scan, WhileLoop, loop_of
from hermesrt.ops.table import is_loop, row_of

CallObserver = Callable[[str, Call, Mapping[str, Any], Any], None]


def run_loop(
    call: Call,
    values: Mapping[str, Any],
    device: torch.device | str = "cpu",
    *,
    once: bool = False,
    where: str = "",
    observe: CallObserver | None = None,
    count: Callable[[int], None] | None = None,
    loose: bool = False,
) -> list[Any]:
    """The values that are carried at the end, of a scan with the stacked results of its steps.

    once: one step, for shapes alone; always so on the meta device, where no condition has a value
    where: the loop's place in the model, for messages
    observe: sees each call that a step makes: its name, itself, all values and its own
    count: is told the number of steps
    loose: whether sizes that it takes depend on values

    Raises: InputError at the limit of steps; TypeError where what is carried changes its sizes or
    dtype.
    """
    loop = loop_of(call)
    others = [_value(a, values) for a in loop.others]
    carried = [_value(a, values) for a in loop.carried]
    runner = _Runner(device, once or str(device) == "meta", where, observe, loose)
    if isinstance(loop, Scan):
        rows = [_value(a, values) for a in loop.rows]
        result, steps = runner.scan(loop, carried, rows, others)
    else:
        result, steps = runner.loop(loop, carried, others)
    if count is not None:
        count(steps)
    return result


@dataclass(frozen=True, slots=True)
class _Runner:
    """How the calls of a loop are made; see `run_loop`."""

    device: torch.device | str
    once: bool
    where: str
    observe: CallObserver | None
    loose: bool

    def loop(self, loop: WhileLoop, carried: list[Any], others: list[Any]) -> tuple[list[Any], int]:
        """Results and steps of a WhileLoop."""
        steps = 0
        while True:
            inside = [_number(v) if i in loop.numbers else v for i, v in enumerate(carried)]
            (going,) = self._made(loop.condition, [*inside, *others], len(inside))
            if not (self.once or going):
                return carried, steps
            if steps == loop.limit:
                raise InputError(
                    f"{self.where or 'a loop'}: the loop goes on after {loop.limit} steps, its "
                    "limit; look at the inputs, or compile with --set loops.most_steps=NUMBER"
                )
            found = self._made(loop.body, [*inside, *others], len(inside))
            carried = [self._kept(*pair) for pair in zip(carried, found, strict=True)]
            steps += 1
            if self.once:
                return carried, steps

    def scan(
        self, scan: Scan, carried: list[Any], rows: Sequence[Any], others: list[Any]
    ) -> tuple[list[Any], int]:
        """Results and steps of a Scan."""
        count = rows[0].shape[0]
        if not 0 < count <= scan.limit or any(x.shape[0] != count for x in rows):
            raise TypeError(f"a scan over {count} rows, of at most {scan.limit}")
        given: list[list[Any]] = []
        for step in range(1 if self.once else count):
            now = [*carried, *(x[step] for x in rows)]
            found = self._made(scan.body, [*now, *others], len(now))
            carried = [self._kept(*pair) for pair in zip(carried, found, strict=False)]
            given.append(found[len(carried) :])
        if self.once:
            check_bytes(count * bytes_of(given[0]))
            return [*carried, *(y.new_zeros((count, *y.shape)) for y in given[0])], count
        columns = zip(*given, strict=True)
        return [*carried, *(torch.stack(list(column)) for column in columns)], count

    def _made(self, body: Body, given: Sequence[Any], moving: int) -> list[Any]:
        """What a body gives; moving: how many of its inputs change from step to step."""
        values: dict[str, Any] = dict(zip(body.inputs, given, strict=True))
        counters = (name for name in body.inputs[:moving] if _is_size(values[name]))
        loose = set(values) if self.loose else set(counters)
        held = 0
        for name, call in body.steps:
            row = row_of(call.op)
            if is_loose(call, values, loose):
                loose.add(name)
            values[name] = self._result(call, values, loose=name in loose)
            if self.once:
                held += 0 if row is not None and row.is_view else bytes_of(values[name])
                check_bytes(held)
            if self.observe is not None:
                self.observe(name, call, values, values[name])
        return [values[name] for name in body.outputs]

    def _result(self, call: Call, values: Mapping[str, Any], *, loose: bool) -> Any:
        """What a call gives; loose: whether its size depends on values, which no run of shapes
        knows."""
        if is_loop(call.op):
            once, where = self.once, self.where
            return run_loop(call, values, self.device, once=once, where=where, loose=loose)
        row = row_of(call.op)
        bounded = self.once or loose or (row is not None and row.by_values)
        return (run_bounded if bounded else run)(call, values, self.device)

    def _kept(self, before: Any, after: Any) -> Any:
        """The next value of one that is carried."""
        if not isinstance(after, torch.Tensor):
            after = torch.tensor(after, dtype=before.dtype, device=before.device)
        if (after.shape, after.dtype) != (before.shape, before.dtype):
            raise TypeError(
                f"a loop carries {before.dtype}{list(before.shape)}, of which a step makes "
                f"{after.dtype}{list(after.shape)}"
            )
        return after


def _number(value: Any) -> int:
    """A whole number; of shapes alone, any."""
    return 0 if value.is_meta else int(value)


def _is_size(value: Any) -> bool:
    return not isinstance(value, torch.Tensor)


def _value(arg: Arg, values: Mapping[str, Any]) -> Any:
    return values[arg.name] if isinstance(arg, Ref) else arg
