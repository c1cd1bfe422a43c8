"""The house of the tests: its rooms are the sources, and no test takes a private name."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
SOURCES = {
    "hermesc": ROOT / "compiler",
    "hermesrt": ROOT / "runtime",
    "hermes_chip": ROOT / "targets" / "hermes",
    "hermes_sim": ROOT / "targets" / "sim",
}
FILES = sorted(TESTS.rglob("*.py"))


def test_every_room_of_tests_is_a_room_of_the_sources() -> None:
    rooms = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    ours = {room for room in rooms if room.parts and room.parts[0] in SOURCES}
    assert len(ours) > 10
    lost = [room for room in ours if not (SOURCES[room.parts[0]] / room).is_dir()]
    assert not lost


def test_no_test_imports_a_private_name() -> None:
    found = [
        f"{path.relative_to(TESTS)}: {alias.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and _ours(node.module)
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert not found


def _ours(module: str) -> bool:
    return module.split(".")[0] in SOURCES
