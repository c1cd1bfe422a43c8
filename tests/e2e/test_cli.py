"""The command line as a user meets it: real files; each command once as a real process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch

from hermesc.cli import hermesc as commands

from ..command_line import HERMESC, hermesc, process

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = """
import torch
from torch import nn

torch.manual_seed(0)
print("hello from the model")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("omega", torch.randn(6, 20))
        self.head = nn.Linear(40, 3)

    def forward(self, x):
        z = x @ self.omega
        return self.head(torch.cat([z.cos(), z.sin()], -1))

model = Net()
example_inputs = (torch.randn(8, 6),)
labels = model.eval()(*example_inputs).argmax(1)
"""


def succeed(*words: object, cwd: Path) -> str:
    run = hermesc(*words, cwd=cwd)
    assert run.returncode == 0, run.stderr
    return run.stdout


def succeed_json(*words: object, cwd: Path) -> Any:
    return json.loads(succeed(*words, "--json", cwd=cwd))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.py, compiled."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "net.py").write_text(MODEL)
    succeed("compile", "net.py", cwd=folder)
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    np.savez(folder / "x.npz", x=x, labels=np.zeros(30, np.int64))
    return folder


WITHOUT_TORCH = {
    "help": ("--help",),
    "help of a command": ("run", "--help"),
    "chips": ("chips",),
    "inspect": ("inspect", "net.hermes"),
    "diff": ("diff", "net.hermes", "net.hermes"),
    "plan": ("view", "net.hermes", "-o", "t.svg"),
    "graph": ("view", "net.hermes", "--figure", "graph", "-o", "t.png"),
}
CHECK = """
import sys
from hermesc.cli import main
for words in %r:
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0, words
    heavy = %r & set(sys.modules)
    assert not heavy, (words, heavy)
"""


@pytest.mark.parametrize(
    ("commands", "heavy"),
    [
        ([w for name, w in WITHOUT_TORCH.items() if name != "graph"], {"torch", "networkx"}),
        ([WITHOUT_TORCH["graph"]], {"torch"}),
        ([("run", "net.hermes")], {"torch._dynamo", "sympy", "networkx", "scipy", "jinja2"}),
    ],
    ids=["what only shows", "graph", "run"],
)
def test_a_command_imports_nothing_heavy_that_it_does_not_use(
    folder: Path, commands: list[tuple[str, ...]], heavy: set[str]
) -> None:
    code = CHECK % (commands, heavy)
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


PROCESSES = {
    "compile": ("net.py -o alone.hermes", "alone.hermes"),
    "program": ("net.hermes -o alone.state", "alone.state: 1 core, published weights"),
    "run": ("net.hermes", "Accuracy"),
    "cost": ("net.hermes", "Latency"),
    "defects": ("--random 0.01 -o alone.npz", "alone.npz"),
    "export": ("net.hermes -o alone.onnx", "alone.onnx: opset"),
    "inspect": ("net.hermes", "omega"),
    "diff": ("net.hermes net.hermes", "are the same"),
    "view": ("net.hermes -o alone.svg", "alone.svg"),
    "chips": ("", "hermes-dpu"),
    "study": ("--help", "kernels"),
    "sweep": ("--help", "kind = "),
    "train": ("--help", "recipe"),
    "tune": ("--help", "objective"),
    "shell": ("--help", "commands"),
    "schema": ("chip", "counter_bits"),
    "completion": ("bash", "_HERMESC_COMPLETE"),
}


def test_every_command_has_a_process() -> None:
    assert set(PROCESSES) == set(commands.list_commands(click.Context(commands)))


@pytest.mark.parametrize("command", PROCESSES)
def test_a_command_is_a_process(folder: Path, command: str) -> None:
    words, text = PROCESSES[command]
    run = process(command, *words.split(), cwd=folder)
    assert run.returncode == 0, run.stderr
    assert text in run.stdout
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [("compile nofile.py", 2, "there is no such file"), ("frobnicate", 2, "No such command")],
)
def test_a_process_ends_with_the_commands_exit_code(
    folder: Path, words: str, code: int, message: str
) -> None:
    run = process(*words.split(), cwd=folder)
    assert run.returncode == code
    assert message in run.stderr
    assert run.stdout == ""


def test_compile_prints_one_json_object(folder: Path) -> None:
    found = succeed_json("compile", "net.py", "-o", "again.hermes", cwd=folder)
    wanted = {
        "cores_used", "tiles", "utilisation", "analog_ops", "digital_ops", "analog_mac_share",
        "refusals", "stages", "sha256",
    }  # fmt: skip
    assert wanted <= set(found)
    assert found["cores_used"] == 1
    assert found["analog_ops"] == 2
    assert {r["op"] for r in found["refusals"]} == {
        "aten.cos.default",
        "aten.sin.default",
        "aten.cat.default",
    }
    assert all(r["location"].startswith("net.py:") and r["reason"] for r in found["refusals"])


def test_the_same_file_compiles_to_the_same_bytes(folder: Path) -> None:
    for name in ("one.hermes", "two.hermes"):
        succeed("compile", "net.py", "-o", name, cwd=folder)
    assert (folder / "one.hermes").read_bytes() == (folder / "two.hermes").read_bytes()


def test_compile_says_what_is_not_analog(folder: Path) -> None:
    text = succeed("compile", "net.py", "-o", "text.hermes", cwd=folder)
    assert "net.py:16" in text
    assert "no LDPU has such a function" in text
    assert "hello from the model" not in text


def test_dump_writes_every_stage(folder: Path) -> None:
    succeed("compile", "net.py", "-o", "dumped.hermes", "--dump", "stages", cwd=folder)
    names = sorted(p.name for p in (folder / "stages").iterdir())
    assert names[0] == "01-capture.txt"
    assert "mvm(" in (folder / "stages" / names[6]).read_text()


def test_run_prints_one_json_object_with_the_fixed_names(folder: Path) -> None:
    found = succeed_json("run", "net.hermes", "--inputs", "x.npz", cwd=folder)
    wanted = {
        "chip", "method", "seed", "age_s", "mode", "samples", "outputs", "accuracy",
        "reference_accuracy", "latency_ns", "interval_ns", "energy_nj", "latency_by", "energy_by",
        "assumed_share", "cores_used", "utilisation", "mvms",
    }  # fmt: skip
    assert wanted <= set(found)
    assert found["samples"] == 30
    assert found["outputs"]["output_0"]["shape"] == [30, 3]
    assert found["method"] == "published"
    assert sum(found["latency_by"].values()) == pytest.approx(found["latency_ns"])
    assert sum(found["energy_by"].values()) == pytest.approx(found["energy_nj"])


def test_a_run_repeats_bit_for_bit(folder: Path) -> None:
    for name in ("a.npz", "b.npz"):
        succeed("run", "net.hermes", "--inputs", "x.npz", "--outputs", name, cwd=folder)
    with np.load(folder / "a.npz") as a, np.load(folder / "b.npz") as b:
        assert a.files == ["output_0", "reference_0"]
        assert all(np.array_equal(a[n], b[n]) for n in a.files)
        assert not np.array_equal(a["output_0"], a["reference_0"])


def test_ideal_equals_the_reference(folder: Path) -> None:
    found = succeed_json("run", "net.hermes", "--inputs", "x.npz", "--ideal", cwd=folder)
    assert found["outputs"]["output_0"]["relative_error"] < 1e-6
    assert found["accuracy"] == found["reference_accuracy"]


def test_age_mode_and_seed_change_the_result(folder: Path) -> None:
    def error(*words: str) -> float:
        found = succeed_json("run", "net.hermes", "--inputs", "x.npz", *words, cwd=folder)
        return float(found["outputs"]["output_0"]["relative_error"])

    fresh = error()
    assert error("--age", "360d") > fresh
    assert error("--seed", "1") != fresh
    assert error("--mode", "1-phase") != fresh
    assert error("--method", "ideal") < fresh


def test_one_phase_reads_are_faster_and_cheaper(folder: Path) -> None:
    one, four = (
        succeed_json("run", "net.hermes", "--mode", mode, cwd=folder)
        for mode in ("1-phase", "4-phase")
    )
    assert one["latency_ns"] < four["latency_ns"]
    assert one["energy_nj"] < four["energy_nj"]


def test_a_programmed_state_runs_as_the_same_seed_does(folder: Path) -> None:
    made = succeed_json("program", "net.hermes", "--seed", "4", cwd=folder)
    assert made["method"] == "published"
    assert made["seed"] == 4
    assert made["mvm_error_before"] == pytest.approx(1.0, abs=0.02)  # RESET cells give nothing
    assert 0.01 < made["mvm_error_after"] < 0.3
    assert [c["core"] for c in made["cores"]] == [0]
    by_state = succeed_json("run", "net.hermes", "--state", "net.state", cwd=folder)
    by_seed = succeed_json("run", "net.hermes", "--seed", "4", cwd=folder)
    assert by_state == by_seed


def test_pulse_by_pulse_programming_tells_its_effort_and_draws_its_curve(folder: Path) -> None:
    out = ("-o", "gdp.state", "--plot", "c.svg")
    made = succeed_json("program", "net.hermes", "--method", "gdp", *out, cwd=folder)
    wanted = {
        "output", "method", "seed", "mvm_error_before", "mvm_error_after", "seconds", "cores",
        "lifetime_years", "pulses_a_device", "pulses", "verify_reads", "mvms",
        "chip_seconds", "chip_joules", "iterations",
    }  # fmt: skip
    assert wanted <= set(made)
    assert made["method"] == "gdp"
    assert made["mvm_error_after"] < 0.15
    moves = [i["phase"] for i in made["iterations"]]
    assert moves[0] == "start"
    assert set(moves[1:]) == {"verify", "descend"}
    assert all(len(i["mvm_errors"]) == 1 for i in made["iterations"])
    assert made["mvms"] % moves.count("descend") == 0
    assert made["verify_reads"] == moves.count("verify") + 2
    assert made["chip_seconds"] > 0
    assert made["chip_joules"] > 0
    assert "<svg" in (folder / "c.svg").read_text()
    assert not (folder / "gdp.state.part").exists()

    def error(*words: str) -> float:
        found = succeed_json("run", "net.hermes", "--state", "gdp.state", *words, cwd=folder)
        assert found["method"] == "gdp"
        return float(found["outputs"]["output_0"]["relative_error"])

    assert error("--age", "360d") > error() > 0


def test_programming_says_in_words_what_it_took(folder: Path) -> None:
    exact = ("step_share", "floor_siemens", "verify_counts")
    words = [w for key in exact for w in ("--set", f"chip.write_noise.{key}=0.0")]
    words += ["--method", "oneshot", "--seed", "2", "-o", "one.state"]
    first, second, third, last = succeed("program", "net.hermes", *words, cwd=folder).splitlines()
    assert first == "one.state: 1 core, oneshot weights, seed 2"
    assert 5 < float(second.removeprefix("MVM error ").split()[0]) < 30
    assert third.startswith("On the chip: ")
    assert " years at one programming a day: at most 5 pulses a device each time" in last
    assert "pulses" in third
    assert "assumed" in third


def test_effects_can_be_switched_at_run_time(folder: Path) -> None:
    def error(*effects: str) -> float:
        words = [w for e in effects for w in ("--set", f"chip.effects.{e}=false")]
        found = succeed_json("run", "net.hermes", "--inputs", "x.npz", *words, cwd=folder)
        return float(found["outputs"]["output_0"]["relative_error"])

    assert error("read_noise", "programming_noise") < 0.7 * error()


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


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("one_phase_us = 133\nfour_phase_ns = 520", "`mvm_time.one_phase_us` is not a known key"),
        ("one_phase_ns = 133", "`mvm_time.four_phase_ns` is missing"),
        ("one_phase_ns = 133\nfour_phase_ns = -520", "`mvm_time.four_phase_ns` is -520"),
    ],
)
def test_a_wrong_chip_file_names_file_and_key(folder: Path, lines: str, message: str) -> None:
    (folder / "bad.toml").write_text(
        f'base = "hermes"\n[mvm_time]\nkind = "assumed"\nsource = "a test"\n{lines}\n'
    )
    run = hermesc("compile", "net.py", "--chip", "bad.toml", cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr
    assert "bad.toml" in run.stderr


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


def test_a_users_chip_works_by_path(folder: Path) -> None:
    (folder / "tiny.toml").write_text(
        'base = "hermes"\nname = "tiny"\n[grid]\nkind = "assumed"\nsource = "a test"\n'
        "rows = 1\ncolumns = 1\n"
    )
    found = succeed_json(
        "compile", "net.py", "--chip", "tiny.toml", "-o", "tiny.hermes", cwd=folder
    )
    assert found["chip"] == "tiny"
    assert succeed_json("run", "tiny.hermes", cwd=folder)["chip"] == "tiny"


def test_options_of_passes_and_chip_numbers_can_be_set(folder: Path) -> None:
    out = ("-o", "set.hermes")
    host = succeed_json("compile", "net.py", *out, "--set", "partition.digital=head", cwd=folder)
    assert host["analog_ops"] == 1
    odp = "chip.unit_cell.devices_per_polarity=1"
    succeed("compile", "net.py", *out, "--set", odp, cwd=folder)
    one = succeed_json("run", "set.hermes", cwd=folder)
    two = succeed_json("run", "net.hermes", cwd=folder)
    error = [r["outputs"]["output_0"]["relative_error"] for r in (one, two)]
    assert error[0] > error[1]


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = f"{HERMESC} chips hermes | head -1; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "0", run.stderr
    assert run.stderr == ""


def test_a_full_standard_output_is_the_users_error(folder: Path) -> None:
    command = f"{HERMESC} chips hermes > /dev/full"
    run = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 2
    assert "No space left" in run.stderr
    assert "Traceback" not in run.stderr


def test_debug_shows_where_and_keeps_the_exit_code(folder: Path) -> None:
    run = hermesc("--debug", "compile", "none.py", cwd=folder)
    assert run.returncode == 2
    assert "Traceback" in run.stderr


def test_it_runs_as_a_module(folder: Path) -> None:
    run = subprocess.run([sys.executable, "-m", "hermesc", "chips"], capture_output=True, text=True)
    assert run.returncode == 0
    assert "hermes" in run.stdout


def test_completion_is_a_script(folder: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_HERMESC_COMPLETE" in succeed("completion", shell, cwd=folder)


BAD = {
    "missing file": ("compile nofile.py", "there is no such file"),
    "not python": ("compile net.txt", "a model is a .py file"),
    "no such onnx": ("compile net.onnx", "there is no such file"),
    "a pickle": ("compile net.joblib", "a pickle is code that would run on loading"),
    "model raises": ("compile raises.py", "KeyError: 'nope' (line 2"),
    "syntax error": ("compile syntax.py", "SyntaxError"),
    "no model": ("compile empty.py", "defines no `model`"),
    "no examples": ("compile noexamples.py", "defines no `example_inputs`"),
    "not a module": ("compile notmodule.py", "is a int, not an nn.Module"),
    "exits": ("compile exits.py", "SystemExit"),
    "wrong examples": ("compile wrong.py", "fails on its own example_inputs"),
    "control flow": ("compile control.py", "control flow depends on the data (line 6"),
    "unknown chip": ("compile net.py --chip nochip", "there is no chip 'nochip'"),
    "unknown option": ("compile net.py --frobnicate", "No such option"),
    "unknown pass option": ("compile net.py --set place.magic=1", "there is no such option"),
    "bad option value": ("compile net.py --set partition.bias=moon", "must be one of ldpu, host"),
    "unknown layer": ("compile net.py --set partition.digital=x", "there is no such layer"),
    "unknown chip key": ("compile net.py --set chip.adc.x=1", "the chip has no such key"),
    "no folder": ("compile net.py -o no/where.hermes", "there is no folder"),
    "full disk": ("compile net.py -o /dev/full", "No space left"),
    "bad calibration": ("compile net.py --calibration bad.npz", "has the shape (3, 5)"),
    "no calibration": ("compile net.py --calibration none.npz", "cannot read"),
    "missing program": ("run none.hermes", "cannot read the program"),
    "not a program": ("run x.npz", "not a file of hermesc"),
    "missing inputs": ("run net.hermes --inputs none.npz", "cannot read the file of inputs"),
    "wrong shape": ("run net.hermes --inputs bad.npz", "the program takes float32[batch, 6]"),
    "NaN": ("run net.hermes --inputs nan.npz", "NaN or infinite"),
    "unreadable npz": ("run net.hermes --inputs junk.npz", "not an .npz file"),
    "negative age": ("run net.hermes --age -1h", "not a duration"),
    "unknown mode": ("run net.hermes --mode 3-phase", "is not one of"),
    "unknown method": ("run net.hermes --method magic", "is not one of"),
    "negative seed": ("run net.hermes --seed -1", "is not in the range"),
    "pass option at run": ("run net.hermes --set partition.bias=host", "only chip.* here"),
    "compiled-in number": ("run net.hermes --set chip.grid.rows=4", "give it to `hermesc compile`"),
    "compiled-in effect": (
        "run net.hermes --set chip.effects.current_limit=false",
        "was compiled for it; give it to `hermesc compile`",
    ),
    "compiled-in statistics": (
        "run net.hermes --set chip.statistics.model=pcm-like",
        "give it to `hermesc compile`",
    ),
    "unknown effect": ("run net.hermes --set chip.effects.magic=true", "the chip has no such key"),
    "effect of text": ("run net.hermes --set chip.effects.drift=1", "`effects.drift` must be a bo"),
    "age below zero": ("run net.hermes --state net.state --age -1d", "not a duration"),
    "foreign state": ("run net.hermes --state foreign.state", "belongs to another program"),
    "batch below zero": ("compile net.py --batch-dim -1", "is not in the range"),
    "batch of a file": ("compile net.onnx --batch-dim 1", "there is no such file"),
    "bad range": ("compile net.py --set quantize.range=mean", "must be one of max, percentile, de"),
    "percentile above all": ("compile net.py --set quantize.percentile=101", "from 0 to 100"),
    "plot of the published": ("program net.hermes --plot c.svg", "--plot: published weights are"),
    "plot of the exact": ("program net.hermes --method ideal --plot c.svg", "ideal weights are"),
    "plot to text": ("program net.hermes --method gdp --plot c.txt", "a .svg, .png or .pdf file"),
    "plot to nowhere": ("program net.hermes --method gdp --plot no/c.svg", "there is no folder"),
    "pass option at program": (
        "program net.hermes --set partition.bias=host",
        "there are gdp.batch",
    ),
    "program onto itself": ("program net.hermes -o net.hermes", "it is the program itself"),
    "a program's rest": (
        "program net.hermes --method gdp -o damaged.state",
        "damaged.state.part: damaged or not a file of hermesc",
    ),
    "onto itself": ("run net.hermes --outputs net.hermes", "it is the program itself"),
    "onto the model": ("compile net.py -o net.py", "it is the model itself"),
    "labels of text": ("run net.hermes --inputs text.npz", "labels must be numbers"),
    "state and seed": ("run net.hermes --state s.state --seed 1", "leave out --method and --seed"),
    "program as state": ("run net.hermes --state net.hermes", "'program' file where a 'state'"),
    "full disk, outputs": ("run net.hermes --outputs /dev/full", "No space left"),
    "unknown command": ("frobnicate", "No such command"),
    "unknown stage": ("inspect net.hermes --stage magic", "is not one of"),
    "diff of a program and a report": ("diff net.hermes report.json", "give two programs"),
    "diff of nothing": ("diff net.hermes none.hermes", "cannot read the file"),
    "view of nothing": ("view none.hermes", "cannot read the program"),
    "export of nothing": ("export none.hermes", "cannot read the program"),
    "export of another file": ("export x.npz -o x.onnx", "not a file of hermesc"),
    "export to text": ("export net.hermes -o net.txt", "exported to an .onnx file"),
    "export to nowhere": ("export net.hermes -o no/net.onnx", "there is no folder"),
    "view to gif": ("view net.hermes -o v.gif", "the page is an .html file"),
    "view in two formats": ("view net.hermes --format svg -o v.png", "the two differ"),
    "view of one figure as a page": ("view net.hermes --figure plan -o v.html", "the page has all"),
    "view of a core that holds nothing": (
        "view net.hermes --figure core --core 63 -o v.svg",
        "the cores in use are",
    ),
    "view of a core without the figure": ("view net.hermes --core 1", "only --figure core"),
}


@pytest.fixture(scope="module")
def bad_folder(folder: Path) -> Path:
    """net.hermes beside files that are wrong."""
    sources = {
        "raises": "x = {}\nx['nope']\n",
        "syntax": "def f(:\n",
        "empty": "import torch\n",
        "noexamples": "import torch\nmodel = torch.nn.Linear(2, 2)\n",
        "notmodule": "model = 3\nexample_inputs = ()\n",
        "exits": "import sys\nsys.exit(0)\n",
        "wrong": "import torch\nmodel = torch.nn.Linear(2, 2)\n"
        "example_inputs = (torch.ones(4, 3),)\n",
        "control": "import torch\n\n"
        "class M(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        y = x + 1\n"
        "        if y.sum() > 0:\n"
        "            return y\n"
        "        return x\n\n"
        "model = M()\nexample_inputs = (torch.ones(4, 3),)\n",
    }
    for name, text in sources.items():
        (folder / f"{name}.py").write_text(text)
    np.savez(folder / "bad.npz", x=np.zeros((3, 5), np.float32))
    np.savez(folder / "nan.npz", x=np.full((3, 6), np.nan, np.float32))
    np.savez(folder / "text.npz", x=np.zeros((3, 6), np.float32), labels=np.array(list("abc")))
    (folder / "junk.npz").write_bytes(b"junk")
    (folder / "report.json").write_text('{"latency_ns": 1}')
    (folder / "damaged.state.part").write_bytes(b"junk")
    (folder / "foreign.py").write_text(
        "import torch\nmodel = torch.nn.Linear(3, 2)\nexample_inputs = (torch.ones(4, 3),)\n"
    )
    succeed("compile", "foreign.py", cwd=folder)
    succeed("program", "foreign.hermes", cwd=folder)
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(bad_folder: Path, case: str) -> None:
    command, message = BAD[case]
    before = sorted(bad_folder.iterdir())
    run = hermesc(*command.split(), cwd=bad_folder)
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert sorted(bad_folder.iterdir()) == before, "nothing half-written"


def test_a_model_that_does_not_fit_exits_with_3(folder: Path) -> None:
    (folder / "big.py").write_text(
        "import torch\nmodel = torch.nn.Linear(4096, 2048)\n"
        "example_inputs = (torch.ones(2, 4096),)\n"
    )
    run = hermesc("compile", "big.py", cwd=folder)
    assert run.returncode == 3
    assert "needs 128 cores and the chip `hermes` has 64" in run.stderr
    assert "4096x2048, 128 tiles" in run.stderr
    assert not (folder / "big.hermes").exists()


def test_a_flipped_byte_is_refused(folder: Path) -> None:
    data = bytearray((folder / "net.hermes").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "flipped.hermes").write_bytes(data)
    run = hermesc("run", "flipped.hermes", cwd=folder)
    assert run.returncode == 2
    assert "damaged" in run.stderr


def compiled_examples() -> list[str]:
    """Those that are a model; the decoder is costed by its shapes alone, the others train."""
    others = {
        "decoder", "deep_kernel", "option_price", "training", "training_accelerate",
        "training_lightning",
    }  # fmt: skip
    return sorted({p.stem for p in EXAMPLES.glob("*.py")} - others)


@pytest.mark.parametrize("example", compiled_examples())
def test_every_example_runs_and_is_ideal_when_asked(example: str, tmp_path: Path) -> None:
    succeed("compile", EXAMPLES / f"{example}.py", cwd=tmp_path)
    found = succeed_json("run", f"{example}.hermes", "--ideal", cwd=tmp_path)
    assert all(o["relative_error"] < 1e-5 for o in found["outputs"].values())
    noisy = succeed_json("run", f"{example}.hermes", cwd=tmp_path)
    assert all(0.001 < o["relative_error"] < 0.5 for o in noisy["outputs"].values())


def test_the_main_example_classifies_as_well_as_in_fp32(tmp_path: Path) -> None:
    succeed("compile", EXAMPLES / "rbf_ridge.py", cwd=tmp_path)
    write = [sys.executable, str(EXAMPLES / "rbf_ridge.py"), "test.npz"]
    subprocess.run(write, cwd=tmp_path, check=True, capture_output=True)
    found = succeed_json("run", "rbf_ridge.hermes", "--inputs", "test.npz", cwd=tmp_path)
    assert found["samples"] == 599
    assert found["reference_accuracy"] > 0.95
    assert found["accuracy"] > found["reference_accuracy"] - 0.03


def test_a_placement_is_exported_and_read_back(folder: Path) -> None:
    told = succeed_json("compile", "net.py", "--set", "place.objective=cores", "-o", "one.hermes",
                        cwd=folder)  # fmt: skip
    placement = told["placement"]
    assert placement["objective"] == "cores"
    assert (placement["value"], placement["bound"], placement["gap"]) == (1.0, 1.0, 0.0)
    assert placement["crossing_bytes"] == 0
    succeed("inspect", "one.hermes", "--export", "hermes-json", "-o", "one.json", cwd=folder)
    succeed("compile", "net.py", "--mapping", "one.json", "-o", "two.hermes", cwd=folder)
    again = succeed("inspect", "two.hermes", "--export", "hermes-json", cwd=folder)
    assert again == (folder / "one.json").read_text()
    assert list(json.loads(again)) == ["omega", "head"]


def test_a_program_is_exported_to_onnx_and_compiles_again(folder: Path) -> None:
    said = succeed_json("export", "net.hermes", "-o", "net.onnx", cwd=folder)
    assert said == {
        "output": "net.onnx", "functions": 2, "analog_nodes": 2, "digital_nodes": 3, "opset": 20,
    }  # fmt: skip
    again = succeed_json("compile", "net.onnx", "--calibration", "x.npz", cwd=folder)
    assert again["analog_ops"] == 2


def test_a_mapping_of_another_model_is_refused_by_layer(folder: Path) -> None:
    succeed("inspect", "net.hermes", "--export", "hermes-json", "-o", "map.json", cwd=folder)
    text = (folder / "map.json").read_text().replace('"head"', '"tail"')
    (folder / "map.json").write_text(text)
    run = hermesc("compile", "net.py", "--mapping", "map.json", "-o", "x.hermes", cwd=folder)
    assert run.returncode == 2
    assert (
        "mapping: tail: the model has no such layer on crossbars; it has omega, head" in run.stderr
    )
    assert not (folder / "x.hermes").exists()


def test_several_chips_say_what_crosses(folder: Path) -> None:
    sizes = {"grid.rows": 1, "grid.columns": 1, "crossbar.rows": 40, "crossbar.columns": 20}
    small = [word for key, n in sizes.items() for word in ("--set", f"chip.{key}={n}")]
    run = hermesc("compile", "net.py", *small, cwd=folder)
    assert run.returncode == 3
    assert "Spread it over 2 chips with --set place.chips=2" in run.stderr
    spread = ("--set", "place.chips=2", "-o", "two.hermes")
    placement = succeed_json("compile", "net.py", *small, *spread, cwd=folder)["placement"]
    assert (placement["chips"], placement["chips_used"]) == (2, 2)
    assert placement["crossing_bytes"] == 40


def test_layers_are_read_in_their_own_modes_unless_a_run_says_otherwise(folder: Path) -> None:
    succeed("compile", "net.py", "--set", "place.objective=energy", "-o", "e.hermes", cwd=folder)
    own = succeed_json("cost", "e.hermes", cwd=folder)
    four = succeed_json("cost", "e.hermes", "--mode", "4-phase", cwd=folder)
    assert (own["mode"], four["mode"]) == ("1-phase", "4-phase")
    assert own["latency_ns"] < four["latency_ns"]


def test_several_chips_are_told_with_their_spread(folder: Path) -> None:
    (folder / "several.py").write_text(MODEL)
    succeed("compile", "several.py", cwd=folder)
    words = ("run", "several.hermes", "--draws", "3", "--ages", "0,1h")
    text = succeed(*words, "--csv", "t.csv", "--plot", "t.svg", cwd=folder)
    assert "3 chips, seeds 0 to 2" in text
    assert (folder / "t.csv").read_text().startswith("seed,age_s,accuracy,")
    found = succeed_json(*words, "--seed", "7", cwd=folder)
    assert found["seeds"] == [7, 8, 9]
    assert [age["age_s"] for age in found["ages"]] == [0, 3600]
    one = succeed_json("run", "several.hermes", "--draws", "1", cwd=folder)
    assert one["ages"][0]["accuracy"]["interval"] == [None, None]


def test_a_single_run_says_that_it_is_one_chip(folder: Path) -> None:
    assert "one chip, --draws 20 shows how chips differ" in succeed("run", "net.hermes", cwd=folder)
    assert "one chip" not in succeed("run", "net.hermes", "--ideal", cwd=folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--draws", "2", "--age", "1d"), "--age is of one chip at one age"),
        (("--draws", "2", "--ideal"), "--ideal is of one chip"),
        (("--ages", "0,1d", "--outputs", "y.npz"), "--outputs is of one chip"),
        (("--draws", "0"), "--draws 0: give from 1"),
        (("--ages", "0,yesterday"), "yesterday"),
    ],
)
def test_options_of_one_chip_do_not_go_with_several(
    folder: Path, words: tuple[str, ...], message: str
) -> None:
    run = hermesc("run", "net.hermes", *words, cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_named_before_anything_runs(folder: Path) -> None:
    run = hermesc("run", "net.hermes", "--device", "cuda", cwd=folder)
    assert run.returncode == 2
    assert "finds no CUDA device" in run.stderr
    assert succeed("run", "net.hermes", "--device", "cpu", cwd=folder).startswith("Program")
