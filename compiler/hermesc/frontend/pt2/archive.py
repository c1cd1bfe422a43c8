"""What a `.pt2` archive may hold, looked at before torch reads it.

Torch's loader would unpickle example inputs, custom objects and odd weights, load compiled
libraries and evaluate size expressions as Python. An ordinary export needs none of that, so an
archive that asks for it is refused and what is left is data.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from hermesrt.errors import Location, ModelError, Refusal, UnsupportedOpError

_ADVICE = (
    "save it with torch.export.save(torch.export.export(model, example_inputs, "
    "dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)), 'model.pt2')"
)
_ENTRIES = re.compile(
    r"models/model\.json|archive_format|archive_version|byteorder|\.data/\w+"
    r"|data/weights/(weight_\d+|model_weights_config\.json)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)"
    r"|data/sample_inputs/model\.pt"
)
_SIZE_FUNCTIONS = {
    "Max", "Min", "FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilDiv",
    "CeilToInt", "FloorToInt", "TruncToInt", "RoundToInt", "IntTrueDiv", "FloatTrueDiv", "ToFloat",
    "PowByNatural", "Symbol", "Dummy", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Eq",
    "Ne", "Equality", "Unequality", "LessThan", "GreaterThan", "StrictLessThan",
    "StrictGreaterThan",
    "And", "Or", "Not", "True", "False", "true", "false", "positive", "nonnegative", "negative",
    "integer", "real", "precision", "oo", "int_oo",
}  # fmt: skip
_SIZE = re.compile(r"[\w\s()+\-*/,.<>=']*")
_TARGETS = re.compile(
    r"torch\.ops\.(aten|higher_order)\.\w+(\.\w+)?|_operator\.\w+|math\.\w+|torch\._?sym_\w+"
)


def check_archive(path: Path) -> None:
    """Nothing in the file would run as code when torch loads it.

    Raises: ModelError for what is no exported program, or asks for more than data;
    UnsupportedOpError that lists operations from outside torch's own.
    """
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: not a .pt2 file (a zip archive); {_ADVICE}")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name.partition("/")[2]: name for name in archive.namelist()}
            if "models/model.json" not in parts:
                raise ModelError(
                    f"{path}: an archive without an exported program in it (models/model.json); "
                    f"{_ADVICE}"
                )
            odd = [name for name in parts if not _ENTRIES.fullmatch(name)]
            if odd:
                raise ModelError(
                    f"{path}: it holds {odd[0]}, which torch would load as code or objects; "
                    f"{_ADVICE}"
                )
            program = _json(archive, parts["models/model.json"])
            configs = [_json(archive, parts[p]) for p in parts if p.endswith("_config.json")]
            for part in _pickled(parts, configs):
                _unpickles_safely(archive.read(parts[part]), part, path)
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: a damaged .pt2 file: {error}; {_ADVICE}") from None
    _check_sizes(program, path)
    _check_operations(program)


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(name))


def _pickled(parts: dict[str, str], configs: list[Any]) -> Iterator[str]:
    """The parts that torch reads with pickle."""
    for part in parts:
        if part.startswith("data/sample_inputs/"):
            yield part
    for config in configs:
        for entry in config["config"].values():
            if entry.get("use_pickle"):
                name = str(entry["path_name"])
                yield f"data/{'weights' if name.startswith('weight_') else 'constants'}/{name}"


def _unpickles_safely(data: bytes, part: str, path: Path) -> None:
    """Torch loads such a part with full pickle when the safe way fails; here it must not fail."""
    if not data:
        return
    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except Exception:
        raise ModelError(
            f"{path}: {part} holds objects that only an unsafe load would read; {_ADVICE}"
        ) from None


def _check_sizes(program: Any, path: Path) -> None:
    for text in _values(program, "expr_str"):
        names = set(re.findall(r"[A-Za-z_]\w*", text)) if isinstance(text, str) else {"?"}
        odd = [n for n in names if not re.fullmatch(r"[suz]+\d+", n) and n not in _SIZE_FUNCTIONS]
        if odd or not _SIZE.fullmatch(text):
            raise ModelError(f"{path}: the size {str(text)[:60]!r} is no expression of sizes")


def _check_operations(program: Any) -> None:
    names = {str(t): None for t in _values(program, "target") if isinstance(t, str)}
    called = [t for t in names if t.startswith(("torch.", "_operator", "math", "#"))]
    refused = [
        Refusal(name, Location(), "not an operation of torch.ops.aten or arithmetic on sizes")
        for name in called
        if not _TARGETS.fullmatch(name)
    ]
    if refused:
        raise UnsupportedOpError(refused)


def _values(data: Any, key: str) -> Iterator[Any]:
    """Every value of that key, at any depth."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name == key:
                yield value
            yield from _values(value, key)
    elif isinstance(data, list):
        for value in data:
            yield from _values(value, key)
