"""The ONNX standard's own tests of operators."""

import runpy
from pathlib import Path

NODES = runpy.run_path(str(Path(__file__).parents[2] / "tools/onnx_nodes.py"))


def test_each_case_of_the_standard_passes_or_is_refused_with_a_reason() -> None:
    found = [NODES["outcome"](case) for case in NODES["cases"]()]
    assert not [f"{o.case.name}: {o.why}" for o in found if o.kind == "failed"]
    assert all(o.why for o in found if o.kind == "refused")
    assert sum(o.kind == "passed" for o in found) > 1000


def test_a_wrong_result_is_a_failure() -> None:
    case = next(c for c in NODES["cases"]() if c.name == "test_abs")
    wrong = NODES["Case"](case.name, case.op, case.model, case.inputs, [case.outputs[0] + 1])
    assert NODES["outcome"](case).kind == "passed"
    assert NODES["outcome"](wrong).kind == "failed"
    assert NODES["outcome"](wrong).why.startswith("output 0 differs")
