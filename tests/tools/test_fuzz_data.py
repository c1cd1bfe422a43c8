"""The fuzzer of data files finds nothing in its first mutants, and would say if it did."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FUZZ = Path(__file__).parents[2] / "tools/fuzz"
KINDS = ("artifact", "npz", "toml", "set", "defects", "state", "cells", "mapping")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The kinds, in a folder that holds what they start from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FUZZ), *sys.path])
        patch.chdir(tmp_path_factory.mktemp("fuzz"))
        import commands
        import kinds

        commands.small_program()
        yield kinds


def test_every_kind_is_tried_here_but_one_that_waits(kinds: ModuleType) -> None:
    assert {*KINDS, "checkpoint"} == set(kinds.KINDS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_the_first_mutants_are_taken_or_refused(kinds: ModuleType, kind: str) -> None:
    attempt = kinds.KINDS[kind]()
    outcomes = {attempt(random.Random(f"{kind} 0 {number}")) for number in range(12)}
    assert outcomes <= {"taken", "refused"}
    assert "refused" in outcomes


def test_a_mutant_is_made_again_from_its_number(kinds: ModuleType) -> None:
    from mutations import spoiled_bytes, spoiled_text, spoiled_tree

    data: Any
    for spoil, data in (
        (spoiled_bytes, bytes(range(200))),
        (spoiled_text, "a = 1\nb = 2.5\n"),
        (spoiled_tree, {"a": [1, {"b": "c"}]}),
    ):
        made = [spoil(data, random.Random(number)) for number in (3, 3, 4, 5, 6)]
        assert made[0] == made[1]
        assert any(repr(other) != repr(made[0]) for other in made[2:])


def test_a_crash_of_a_command_is_a_finding(
    kinds: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("hermesrt.program.Program.load", fail)
    with pytest.raises(kinds.Finding, match=r"exit 70(.|\n)*ZeroDivisionError"):
        kinds.command("run", "p.hermes")


def test_a_changed_result_is_a_finding(kinds: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = kinds.KINDS["cells"]()
    monkeypatch.setattr("hermesc.studies.jobs.result_cache.Store.find", lambda *_: {"error": 0.0})
    with pytest.raises(kinds.Finding, match="a changed result was taken"):
        attempt(random.Random(0))
