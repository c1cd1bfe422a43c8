"""The commands that show: view, inspect, diff, chips, export, completion."""

import json
from pathlib import Path

import pytest

from ...command_line import succeed, succeed_json


def test_trace_report_and_view_are_written(folder: Path) -> None:
    succeed(
        "run", "net.hermes", "--trace", "t.json", "--report", "r.html", "--inputs", "x.npz",
        cwd=folder,
    )  # fmt: skip
    assert json.loads((folder / "t.json").read_text())["traceEvents"]
    succeed("program", "net.hermes", "-o", "v.state", cwd=folder)
    succeed("view", "net.hermes", "--state", "v.state", "-o", "v.html", cwd=folder)
    succeed("view", "net.hermes", "-o", "v.svg", cwd=folder)
    assert "</html>" in (folder / "r.html").read_text()
    assert "</html>" in (folder / "v.html").read_text()
    assert (folder / "v.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("figure", ["plan", "core", "graph", "timeline", "energy", "programming"])
def test_each_figure_stands_alone_as_svg_and_png(folder: Path, figure: str) -> None:
    succeed("view", "net.hermes", "--figure", figure, "-o", "f.svg", cwd=folder)
    assert (folder / "f.svg").read_text().startswith("<svg")
    if figure in ("plan", "core"):
        succeed("view", "net.hermes", "--figure", figure, "--format", "png", cwd=folder)
        assert (folder / f"net-{figure}.png").read_bytes().startswith(b"\x89PNG")


def test_diff_tells_what_changed_between_programs_and_between_reports(folder: Path) -> None:
    assert "are the same" in succeed("diff", "net.hermes", "net.hermes", cwd=folder)
    for name, words in (("a", ()), ("b", ("--mode", "1-phase"))):
        text = succeed("cost", "net.hermes", "--json", *words, cwd=folder)
        (folder / f"{name}.json").write_text(text)
    found = succeed_json("diff", "a.json", "b.json", cwd=folder)
    assert {"options", "latency", "energy"} <= {c["section"] for c in found["changes"]}


def test_inspect_shows_stages(folder: Path) -> None:
    assert "omega" in succeed("inspect", "net.hermes", cwd=folder)
    found = succeed_json("inspect", "net.hermes", cwd=folder)
    assert found["cores_used"] == 1
    assert {m["label"] for m in found["matrices"]} == {"omega", "head"}
    assert "cos" in succeed("inspect", "net.hermes", "--stage", "graph", cwd=folder)
    everything = succeed("inspect", "net.hermes", "--stage", "all", cwd=folder)
    assert everything.index("graph:") < everything.index("places:") < everything.index("cost:")
    assert succeed_json("inspect", "net.hermes", "--stage", "cost", cwd=folder)["cost"][
        "latency_ns"
    ]


def test_chips_lists_and_shows_sources(folder: Path) -> None:
    listed = succeed("chips", cwd=folder)
    assert all(name in listed for name in ("hermes ", "hermes-dpu", "mesh2d"))
    text = succeed("chips", "hermes", cwd=folder)
    assert "[mvm_time]  quoted: [LG23] Table I" in text
    assert "assumed" in text
    assert succeed_json("chips", "hermes", cwd=folder)["crossbar"]["rows"] == 256


def test_a_program_is_exported_to_onnx_and_compiles_again(folder: Path) -> None:
    said = succeed_json("export", "net.hermes", "-o", "out.onnx", cwd=folder)
    assert said == {
        "output": "out.onnx", "functions": 2, "analog_nodes": 2, "digital_nodes": 3, "opset": 20,
    }  # fmt: skip
    again = succeed_json("compile", "out.onnx", "--calibration", "x.npz", cwd=folder)
    assert again["analog_ops"] == 2


def test_completion_is_a_script(folder: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_HERMESC_COMPLETE" in succeed("completion", shell, cwd=folder)
