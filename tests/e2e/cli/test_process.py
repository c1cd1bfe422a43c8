"""Each command as a real process: start-up, exit codes, pipes."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from hermesc.cli import hermesc as commands

from ...command_line import HERMESC, process

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
    [("inspect none.hermes", 2, "cannot read the program"), ("frobnicate", 2, "No such command")],
)
def test_a_process_ends_with_the_commands_exit_code(
    folder: Path, words: str, code: int, message: str
) -> None:
    run = process(*words.split(), cwd=folder)
    assert run.returncode == code
    assert message in run.stderr
    assert run.stdout == ""


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


def test_it_runs_as_a_module(folder: Path) -> None:
    run = subprocess.run([sys.executable, "-m", "hermesc", "chips"], capture_output=True, text=True)
    assert run.returncode == 0
    assert "hermes" in run.stdout
