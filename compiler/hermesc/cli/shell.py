"""hermesc shell: many commands in one process, so that torch is imported once."""

import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import click

from hermesc.cli.options import FILE
from hermesrt.errors import InputError

_PROMPT, _MORE = "hermesc> ", "... "
_LEAVE = ("exit", "quit")
_HISTORY = ".hermesc_history"
_KEPT = 1000  # lines of the history


@click.command("shell")
@click.argument("file", metavar="[FILE]", type=FILE, required=False)
@click.pass_context
def shell_command(context: click.Context, file: Path | None) -> None:
    """Run the commands of FILE, line by line, or those that you type.

    \b
      hermesc shell                 Tab completes commands, options and files; exit leaves
      hermesc shell FILE            stops at the first error, with its exit code
      echo "chips hermes" | hermesc shell

    A line is a command without `hermesc`; # begins a comment, and \\ at its end goes on with the
    next. Python and torch start once for all of them.
    """
    if file is None and sys.stdin.isatty():
        _talk()
        return
    lines = sys.stdin if file is None else _read(file).splitlines()
    context.exit(run_lines(lines, str(file or "standard input")))


def run_lines(lines: Iterable[str], name: str) -> int:
    """Run commands until one fails; its exit code, or 0."""
    for number, words in _commands(lines, name):
        if words[0] in _LEAVE:
            return 0
        code = _run(words)
        if code:
            click.echo(f"{name}, line {number}: stopped here, exit code {code}", err=True)
            return code
    return 0


def _commands(lines: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """The words of each command, with the number of its first line."""
    first, held = 0, ""
    for number, line in enumerate(lines, start=1):
        first = first if held else number
        held += line.rstrip("\n")
        if held.endswith("\\"):
            held = held[:-1]
            continue
        words, held = _words(held, f"{name}, line {first}"), ""
        if words:
            yield first, words
    if words := _words(held, f"{name}, line {first}"):
        yield first, words


def _words(line: str, where: str) -> list[str]:
    """The words of a line, without a leading `hermesc`.

    Raises: InputError for a quotation that does not end.
    """
    if "\0" in line:
        raise InputError(f"{where}: a NUL byte, which no command has; write plain text")
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise InputError(f"{where}: {error}; quote a text as a shell does") from None
    return words[1:] if words[:1] == ["hermesc"] else words


def _run(words: list[str]) -> int:
    from hermesc.cli import exit_code

    if next((word for word in words if not word.startswith("-")), "") == "shell":
        click.echo("error: a shell runs no other shell; write its lines here", err=True)
        return 2
    return exit_code(words)


def _read(file: Path) -> str:
    from hermesrt.files.atomic import read_file

    try:
        return read_file(file, "file of commands").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not a text in UTF-8: {error}") from None


def _talk() -> None:
    """Read commands from a terminal until it ends; an error does not end it."""
    with _editing():
        while True:
            try:
                words = _typed()
            except EOFError:
                click.echo()
                return
            except (KeyboardInterrupt, InputError) as error:
                click.echo(str(error) or "", err=True)
                continue
            if words and words[0] in _LEAVE:
                return
            if words:
                _run(words)


def _typed() -> list[str]:
    line = input(_PROMPT)
    while line.endswith("\\"):
        line = line[:-1] + input(_MORE)
    return _words(line, "this line")


class _editing:
    """Keys, completion and a history that lasts, where Python has readline."""

    def __enter__(self) -> None:
        with suppress(ImportError):
            import readline

            with suppress(OSError):
                readline.read_history_file(Path.home() / _HISTORY)
            readline.set_history_length(_KEPT)
            readline.set_completer(_complete)
            readline.set_completer_delims(" \t\n=")
            readline.parse_and_bind("tab: complete")

    def __exit__(self, *_: object) -> None:
        with suppress(ImportError, OSError):
            import readline

            readline.write_history_file(Path.home() / _HISTORY)


def _complete(text: str, state: int) -> str | None:
    import readline

    before = readline.get_line_buffer()[: readline.get_begidx()]
    found = completions(before, text)
    return found[state] if state < len(found) else None


def completions(before: str, text: str) -> list[str]:
    """What `text` may become behind a line's beginning: commands, options, choices and files."""
    from click.shell_completion import ShellComplete

    from hermesc.cli import hermesc

    try:
        words = _words(before, "")
    except InputError:
        return []
    if not words and not text.startswith("-"):
        names = [*hermesc.list_commands(click.Context(hermesc)), *_LEAVE]
        return [f"{name} " for name in names if name.startswith(text) and name != "shell"]
    found = ShellComplete(hermesc, {}, "hermesc", "").get_completions(words, text)
    plain = [f"{item.value} " for item in found if item.type == "plain"]
    files = _files(text) if any(item.type in ("file", "dir") for item in found) else []
    return [*plain, *files]


def _files(text: str) -> list[str]:
    """Files that begin so; a folder ends in a slash."""
    folder, _, start = text.rpartition("/")
    place = Path(folder or ("/" if text.startswith("/") else "."))
    try:
        entries = sorted(p for p in place.iterdir() if p.name.startswith(start))
    except OSError:
        return []
    shown = (
        f"{text[: len(text) - len(start)]}{p.name}{'/' if p.is_dir() else ' '}" for p in entries
    )
    return [name for name in shown if start or not name.rpartition("/")[2].startswith(".")]
