"""Run the ONNX standard's own tests of operators on those that `hermesc` reads.

    python tools/onnx_nodes.py            a table: passed, refused with the reason, failed
    python tools/onnx_nodes.py --show     each case that did not pass

A case is a model of one operator, or of the operator's own definition by others, with inputs and
outputs. Those whose operators are all read take part. An input that is no tensor of a model (the
sizes of a Reshape) is made a weight, as exporters write it. Exit 1 if any failed.
"""

import argparse
import importlib
import pkgutil
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
import onnx
import torch

from hermesc.frontend.onnx.inputs import input_types
from hermesc.frontend.onnx.module import OnnxGraph
from hermesc.frontend.onnx.node import RefusedNode
from hermesc.frontend.onnx.operations import ML, STANDARD, refusals
from hermesc.frontend.onnx.read import inputs, prepared, validate
from hermesrt.errors import HermescError

PASSED, REFUSED, FAILED = "passed", "refused", "failed"
_WIDTH = 118
_MAKERS = ("Range", "ConstantOfShape")  # whose inputs are all numbers of theirs
_ROUNDED = {"float16": 2**-9, "bfloat16": 2**-6}  # two steps of these types, else the standard's


@dataclass(frozen=True, slots=True)
class Case:
    """One test of the standard.

    op: the operator under test
    model: its graph
    inputs, outputs: arrays in the graph's order
    """

    name: str
    op: str
    model: onnx.ModelProto
    inputs: Sequence[Any]
    outputs: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case: PASSED, REFUSED or FAILED, and why."""

    case: Case
    kind: str
    why: str = ""


def cases() -> Iterator[Case]:
    """Those whose operators are all read; domains that are not the standard's have none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the standard's own arithmetic overflows on purpose
        from onnx.backend.test.case import node

        for module in pkgutil.iter_modules(node.__path__):
            importlib.import_module(f"{node.__name__}.{module.name}")
    tested = {c.name: c for c in node._NodeTestCases}
    for name, found in sorted(tested.items()):
        base = tested.get(name.partition("_expanded")[0], found)
        if all(_is_read(n) for n in found.model.graph.node):
            ((taken, made),) = found.data_sets
            yield Case(name, base.model.graph.node[0].op_type, found.model, taken, made)


def _is_read(node: onnx.NodeProto) -> bool:
    table = ML if node.domain == "ai.onnx.ml" else STANDARD
    return node.op_type in table or node.op_type == "Constant"


def outcome(case: Case) -> Outcome:
    """Run the case's graph as a torch module, as `compile` does before it looks at anything."""
    try:
        results = _results(case.model, case.inputs)
    except (HermescError, RefusedNode) as refused:
        if "must be known before the run" not in str(refused):
            return Outcome(case, REFUSED, _first(refused))
        try:
            results = _results(*_fixed(case))
        except (HermescError, RefusedNode) as error:
            return Outcome(case, REFUSED, _first(error))
        except Exception as error:
            return Outcome(case, FAILED, repr(error))
    except Exception as error:
        return Outcome(case, FAILED, repr(error))
    problem = _problem(results, case.outputs)
    return Outcome(case, FAILED if problem else PASSED, problem)


def _first(error: Exception) -> str:
    """Its first line, without the node's name."""
    return re.sub(r"^the node \S+ \(\w+\): ", "", str(error).splitlines()[0])


def _results(model: onnx.ModelProto, values: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    model = prepared(model, "")
    if refused := refusals(model):
        raise RefusedNode(refused[0].reason)
    list(input_types(model, ""))
    validate(model, "")
    given = [_tensor(v) for v in values]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OnnxGraph(model)(*given)


def _tensor(value: Any) -> torch.Tensor:
    array = _array(value)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).bfloat16()
    return torch.from_numpy(np.array(array))


def _array(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return np.asarray(value)


def _fixed(case: Case) -> tuple[onnx.ModelProto, list[Any]]:
    """The case with all of its inputs but the first as weights."""
    model, kept = onnx.ModelProto(), []
    model.CopyFrom(case.model)
    names = inputs(model)
    del model.graph.input[:]
    for i, (value, array) in enumerate(zip(names, case.inputs, strict=True)):
        if _array(array).dtype.kind in "iubf" and (i or case.op in _MAKERS):
            model.graph.initializer.append(onnx.numpy_helper.from_array(_array(array), value.name))
        else:
            model.graph.input.append(value)
            kept.append(array)
    return model, kept


def _problem(results: Sequence[torch.Tensor], wanted: Sequence[Any]) -> str:
    if len(results) != len(wanted):
        return f"{len(results)} outputs, not {len(wanted)}"
    for i, (result, want) in enumerate(zip(results, map(_array, wanted), strict=True)):
        kind = str(result.dtype).removeprefix("torch.")
        if kind != want.dtype.name:
            return f"output {i} has the type {kind}, not {want.dtype}"
        if tuple(result.shape) != want.shape:
            return f"output {i} has the shape {tuple(result.shape)}, not {want.shape}"
        have, want = result.double().numpy(), want.astype(np.float64)
        if not np.allclose(have, want, rtol=_ROUNDED.get(kind, 1e-3), atol=1e-7, equal_nan=True):
            return f"output {i} differs: {have.reshape(-1)[:6]} {want.reshape(-1)[:6]}"
    return ""


def table(found: Sequence[Outcome]) -> str:
    """The counts, the operators with a refusal or failure one by one, and the others."""
    by_op: dict[str, list[Outcome]] = defaultdict(list)
    for one in found:
        by_op[one.case.op].append(one)
    total = Counter(one.kind for one in found)
    lines = [
        f"onnx {onnx.__version__}, {len(found)} cases of {len(by_op)} operators: {total[PASSED]} "
        f"passed, {total[REFUSED]} refused, {total[FAILED]} failed",
        "",
        f"{'operator':<22}{'passed':>8}{'refused':>9}{'failed':>8}  refused because",
    ]
    whole = []
    for op, ones in sorted(by_op.items()):
        count = Counter(one.kind for one in ones)
        if count[PASSED] == len(ones):
            whole.append(f"{op} {len(ones)}")
            continue
        reasons = "; ".join(sorted({_general(one.why) for one in ones if one.kind == REFUSED}))
        first, *more = wrap(reasons, _WIDTH - 49) or [""]
        counts = f"{count[PASSED]:>8}{count[REFUSED]:>9}{count[FAILED]:>8}"
        lines += [f"{op:<22}{counts}  {first}", *(" " * 49 + line for line in more)]
    return "\n".join([*lines, "", "All cases passed:", *wrap(", ".join(whole), _WIDTH)])


def _general(why: str) -> str:
    """A reason without what it names of one case."""
    why = re.sub(r"^the input \S+ is ([A-Za-z0-9_ ]+).*", r"an input of type \1", why)
    why = re.sub(r"(the ONNX type) \w+(, which)", r"\1 X\2", why)
    why = re.sub(r"(changed since): .*", r"\1", why)
    return re.sub(r"of type (U?INT|FLOAT)\w+", r"of type \1...", why)


def main() -> int:
    """Print the table, or what did not pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    found = [outcome(case) for case in cases()]
    if options.show:
        for one in found:
            if one.kind != PASSED:
                print(f"{one.kind} {one.case.name}: {one.why}")
    else:
        print(table(found))
    return int(any(one.kind == FAILED for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
