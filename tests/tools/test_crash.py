"""The crash script's cheapest scenario; the others take minutes: `make crash`."""

import random
import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).parents[2] / "tools/crash"


def test_a_killed_writer_leaves_a_whole_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(CRASH), *sys.path])
    import killed

    monkeypatch.chdir(tmp_path)
    told = killed.writing_killed(random.Random(0), 5)
    assert not told.faults
    assert told.figures
