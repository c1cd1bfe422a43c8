"""The fuzzer of re-signed programs finds nothing in its first mutants, and would say if it did."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hermesrt.files.container import unpack

FUZZ = Path(__file__).parents[2] / "tools/fuzz"


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hermes_mutants", FUZZ / "hermes_mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_mutant_is_made_again_from_its_number(mutants: ModuleType) -> None:
    data = mutants.valid_programs()[1]  # with loops
    parts = unpack(data, "program", mutants.PARTS, "valid")
    first, again, other = (mutants.mutant(parts, number) for number in (5, 5, 6))
    assert first == again != other
    assert first.data != data
    unpack(first.data, "program", mutants.PARTS, "mutant")  # its checksums are right


def test_the_first_mutants_are_run_or_refused() -> None:
    command = [sys.executable, str(FUZZ / "hermes.py"), "--mutants", "25", "--seconds", "300"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("25 mutants: ")
