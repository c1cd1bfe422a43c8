"""hermesc cost, and what run tells of costs."""

import json
from pathlib import Path

import pytest

from ...command_line import hermesc, succeed, succeed_json


def test_cost_needs_no_values_and_takes_sizes(folder: Path) -> None:
    run, found = (succeed_json(name, "net.hermes", cwd=folder) for name in ("run", "cost"))
    for key in ("latency_ns", "interval_ns", "energy_nj", "latency_by", "energy_by", "layers"):
        assert found[key] == run[key]
    assert "accuracy" not in found
    text = succeed("cost", "net.hermes", "--shape", "x=1x6", "--trace", "c.json", cwd=folder)
    assert "Latency" in text
    assert json.loads((folder / "c.json").read_text())["traceEvents"]


def test_compare_says_where_the_chip_loses(folder: Path) -> None:
    text = succeed("cost", "net.hermes", "--compare", "a100,cpu", cwd=folder)
    assert "a100 INT8" in text
    assert "The chip is slower than" in text
    found = succeed_json("run", "net.hermes", "--compare", "a100", cwd=folder)["compare"]
    assert {c["precision"] for c in found} == {"INT8", "FP16"}
    assert all(c["latency_ratio"] > 0 for c in found)


def test_sensitivity_lists_assumed_constants(folder: Path) -> None:
    text = succeed("run", "net.hermes", "--sensitivity", cwd=folder)
    assert "host_time.op_ns" in text
    found = succeed_json("cost", "net.hermes", "--sensitivity", cwd=folder)["sensitivity"]
    half, twice = next(m for m in found if m["constant"] == "host_energy.op_pj")["energy_nj"]
    assert half < twice


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--compare", "tpu"), "no machine 'tpu'"),
        (("--shape", "x"), "write NAME=1x4096x64"),
        (("--shape", "y=1x16"), "the program's inputs are x"),
        (("--shape", "x=1x17"), "--shape: input 'x' has the shape (1, 17)"),
        (("--trace", "nowhere/t.json"), "nowhere"),
    ],
)
def test_a_wrong_option_of_cost_is_one_clear_error(
    folder: Path, arguments: tuple[str, str], message: str
) -> None:
    run = hermesc("cost", "net.hermes", *arguments, cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_layers_are_read_in_their_own_modes_unless_a_run_says_otherwise(folder: Path) -> None:
    succeed("compile", "net.py", "--set", "place.objective=energy", "-o", "e.hermes", cwd=folder)
    own = succeed_json("cost", "e.hermes", cwd=folder)
    four = succeed_json("cost", "e.hermes", "--mode", "4-phase", cwd=folder)
    assert (own["mode"], four["mode"]) == ("1-phase", "4-phase")
    assert own["latency_ns"] < four["latency_ns"]
