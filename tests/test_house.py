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


# Rooms whose data a stranger reads first: each field of a public data class has a line of its own.
_DESCRIBED = (
    "hermesrt/artifact", "hermesrt/chip", "hermesrt/cost.py", "hermesrt/ops", "hermesrt/pricing.py",
    "hermes_sim", "hermesc/analysis", "hermesc/ir", "hermesc/kernels", "hermesc/passes",
    "hermesc/placement", "hermesc/pipeline.py", "hermesc/layout.py",
)  # fmt: skip
_SAID_ONCE = {"pedigree", "tag"}  # a table's source, a file's word for a class
_WHOLE = {"ChipSpec"}  # its fields are the tables of the file, each described as a class


def test_every_field_of_described_data_has_a_line() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {data.name}.{field}"
        for path in _described_files()
        for data in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(data, ast.ClassDef) and _is_public_data(data)
        for field in _fields(data) - _lines_of(data) - _SAID_ONCE
    ]
    assert not missing


def _described_files() -> list[Path]:
    found = []
    for room in _DESCRIBED:
        place = SOURCES[room.partition("/")[0]] / room
        assert place.exists(), room
        found += [place] if place.is_file() else sorted(place.rglob("*.py"))
    return found


def _is_public_data(data: ast.ClassDef) -> bool:
    made = any("dataclass" in ast.unparse(d) for d in data.decorator_list)
    return made and not data.name.startswith("_") and data.name not in _WHOLE


def _fields(data: ast.ClassDef) -> set[str]:
    names = [
        n.target.id
        for n in data.body
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]
    return {name for name in names if not name.startswith("_")}


def _lines_of(data: ast.ClassDef) -> set[str]:
    return {line.partition(":")[0].strip() for line in (ast.get_docstring(data) or "").splitlines()}
