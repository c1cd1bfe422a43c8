"""Commands are thin, and each is a function of the Python interface."""

import inspect
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

import hermesc
from hermes_sim.kernel.load import kernel
from hermesc import cli

MOST_LINES = 30
ONLY_A_SHELLS = ("completion", "shell")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield "_".join((*path, name)), command


RUN = """
import sys
from hermesc.cli import main
def run(words):
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0, words
"""
COMMANDS = dict(commands(cli.hermesc))


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in ONLY_A_SHELLS])
def test_every_command_is_a_function_of_python(name: str) -> None:
    assert name in hermesc.__all__
    assert callable(getattr(hermesc, name))


@pytest.mark.parametrize("name", hermesc.__all__)
def test_every_public_name_exists_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(hermesc, name))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_short(name: str) -> None:
    """The function's lines, without its options and its help."""
    function = inspect.unwrap(COMMANDS[name].callback)  # type: ignore[arg-type]
    source = inspect.getsource(function)
    lines = source[source.index("\ndef ") + 1 :].splitlines()
    assert len(lines) - len((function.__doc__ or "").splitlines()) <= MOST_LINES


def test_help_imports_neither_torch_nor_rich() -> None:
    code = (
        f"{RUN}run(['--help']); run(['study', 'kernels', '--help'])\n"
        "heavy = {'torch', 'numpy', 'rich', 'jinja2', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_command_imports_no_other_command() -> None:
    code = (
        f"{RUN}run(['chips'])\n"
        "assert 'hermesc.cli.show' in sys.modules and 'hermesc.cli.run' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("words", [("--version", "-v"), ("-v", "--version")])
def test_the_version_says_which_kernel_runs(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    said = capsys.readouterr().out
    assert stop.value.code == 0
    assert said.startswith("hermesc, version ")
    found = kernel()
    assert "kernel: " + ("torch" if found is None else f"compiled for {found.instructions}") in said
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out.count("\n") == 1
