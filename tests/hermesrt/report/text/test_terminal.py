"""What a person reads."""

import hermesc
from hermesrt.program import Program
from hermesrt.report.text.inspect import inspect_text
from hermesrt.report.text.terminal import account_table, compile_summary, layer_table, table


def test_the_account_names_line_operation_and_reason(program: Program) -> None:
    text = account_table(program.artifact)
    assert "conftest.py:" in text
    assert "cos" in text
    assert "no LDPU has such a function" in text
    assert "only move or rename data: cat" in text


def test_equal_lines_of_the_account_are_counted(program: Program) -> None:
    assert text_lines(account_table(program.artifact)) == len(
        set(account_table(program.artifact).splitlines())
    )


def text_lines(text: str) -> int:
    return len(text.splitlines())


def test_the_summary_counts_every_node(program: Program) -> None:
    text = compile_summary(program.artifact, program.workload(), "x.hermes")
    assert "5 nodes: 2 analog, 0 in LDPUs, 3 digital, 0 folded or free" in text
    assert "100.0 % of multiply-adds on crossbars" in text


def test_the_run_summary_says_what_is_assumed(program: Program) -> None:
    report = program.deploy(hermesc.simulate(seed=7)).report()
    text = str(report)
    assert "seed 7" in text
    assert "rest on assumed numbers" in text
    assert "omega" in layer_table(report.cost)


def test_every_stage_can_be_inspected(program: Program) -> None:
    for stage in ("graph", "tiles", "ranges", "steps"):
        assert "omega" in inspect_text(program.artifact, "x.hermes", stage)
    assert "No partial sums travel" in inspect_text(program.artifact, "x.hermes", "routes")


def test_columns_align() -> None:
    lines = table(("a", "b"), [("long", "1"), ("x", "2")]).splitlines()
    assert [line.index(c) for line, c in zip(lines, "b12", strict=True)] == [8, 8, 8]
