"""Many commands in one process: lines of a file, errors that stop it, and what Tab offers."""

from pathlib import Path

import pytest

from hermesc.cli import exit_code
from hermesc.cli.shell import completions, run_lines


def test_the_lines_of_a_file_run_one_after_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.txt"
    file.write_text(
        "# a comment\n\nhermesc chips hermes\n--version\nschema \\\n  sweep\nexit\nnone\n"
    )
    assert exit_code(["shell", str(file)]) == 0
    said = capsys.readouterr()
    assert "hermes" in said.out and "hermesc, version" in said.out
    assert "The points of hermesc sweep" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("run none.hermes", 2, "none.hermes"),
        ("chips --nothing", 2, "--nothing"),
        ("shell other.txt", 2, "no other shell"),
        ("--debug shell mine.txt", 2, "no other shell"),
    ],
)
def test_the_first_error_stops_it_with_its_code_and_its_line(
    line: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_lines(["--version", line, "chips"], "mine.txt") == code
    said = capsys.readouterr()
    assert words in said.err
    assert f"mine.txt, line 2: stopped here, exit code {code}" in said.err
    assert said.out.count("\n") == 1


def test_a_line_that_is_no_command_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.txt"
    for line, message in (("chips 'her", "No closing quotation"), ("inspect a\0b", "a NUL byte")):
        file.write_text(f"--version\n{line}\n")
        assert exit_code(["shell", str(file)]) == 2
        assert f"{file}, line 2: {message}" in capsys.readouterr().err


def test_tab_offers_commands_options_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.hermes").touch()
    (tmp_path / "models").mkdir()
    assert completions("", "com") == ["compile ", "completion "]
    assert "--figure " in completions("view x.hermes ", "--f")
    assert completions("study ", "acc") == ["accelerators "]
    assert completions("view ", "mod") == ["model.hermes ", "models/"]
    assert completions("view x.hermes --figure ", "gr") == ["graph "]
    assert completions("view 'x", "mod") == []
