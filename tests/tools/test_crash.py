"""The crash script's cheapest scenario; the others take minutes: `make crash`."""

import random
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def test_a_killed_writer_leaves_a_whole_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(TOOLS), *sys.path])
    import crash

    monkeypatch.chdir(tmp_path)
    told = crash.writing_killed(random.Random(0), 5)
    assert not told.faults
    assert told.figures
