"""A `.pt2` file written anew: torch reads what we write, and never the user's file.

Torch's own loader unpickles example inputs, custom objects and odd weights, loads compiled
libraries, evaluates sizes as Python, imports classes that a nesting of results names, and builds
Python source of the names in the graph. So each part is parsed here and checked against a closed
schema, and a new archive is made of what was understood. It holds no pickle at all: weights are
bytes, and example inputs stay with us as tensors.
"""

import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.export.pt2_archive import PT2ArchiveWriter

from hermesc.frontend.pt2.archive import RefusedPart, read_parts
from hermesc.frontend.pt2.json_text import read_json
from hermesc.frontend.pt2.operations import check_operations
from hermesc.frontend.pt2.samples import read_samples
from hermesc.frontend.pt2.schema import PROGRAM
from hermesc.frontend.pt2.signature import check_signature
from hermesc.frontend.pt2.sizes import check_amount
from hermesc.frontend.pt2.weights import Payloads, read_payloads
from hermesrt.errors import ModelError

_ADVICE = (
    "save it with torch.export.save(torch.export.export(model, example_inputs, "
    "dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)), 'model.pt2')"
)
_MODEL = "models/model.json"
_WEIGHTS = "data/weights/model_weights_config.json"
_CONSTANTS = "data/constants/model_constants_config.json"
_SAMPLES = "data/sample_inputs/model.pt"
_KNOWN = re.compile(
    rf"{_MODEL}|{_WEIGHTS}|{_CONSTANTS}|{_SAMPLES}|archive_format|archive_version|byteorder|"
    r"\.data/\w+|data/weights/weight_\d+|data/constants/tensor_\d+|\.\w+",
    re.ASCII,
)


_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An archive of our own for torch.export.load, and the example inputs that the file held."""

    archive: io.BytesIO
    samples: Any


def rewrite(path: Path) -> Rewritten:
    """Read, check and write anew; nothing in the file is run, evaluated, imported or unpickled.

    Raises: ModelError for what is no exported program, or asks for more than data;
    UnsupportedOpError that lists operations from outside the table.
    """
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: not a .pt2 file (a zip archive); {_ADVICE}")
    try:
        parts = read_parts(path)
        return _rewritten(parts)
    except RefusedPart as error:
        raise ModelError(f"{path}: {error}; {_ADVICE}") from None
    except _DAMAGE as error:
        raise ModelError(f"{path}: a damaged .pt2 file: {error}; {_ADVICE}") from None


def _rewritten(parts: dict[str, bytes]) -> Rewritten:
    if _MODEL not in parts:
        raise RefusedPart(f"an archive without an exported program in it ({_MODEL})")
    odd = [name for name in parts if not _KNOWN.fullmatch(name)]
    if odd:
        raise RefusedPart(f"it holds {odd[0][:80]}, which torch would load as code or objects")
    if parts.get("byteorder", b"little") != b"little":
        raise RefusedPart("its numbers are not in little-endian order")
    program = _program(parts[_MODEL])
    weights = read_payloads(parts, "data/weights", _WEIGHTS, "weight")
    constants = read_payloads(parts, "data/constants", _CONSTANTS, "tensor")
    try:
        check_signature(
            program["graph_module"], weights.config["config"], constants.config["config"]
        )
    except RefusedPart as error:
        raise error.within(_MODEL) from None
    samples = read_samples(parts.get(_SAMPLES, b""))
    return Rewritten(_archive(program, weights, constants), samples)


def _program(data: bytes) -> dict[str, Any]:
    try:
        value = read_json(data, _MODEL)
        check_amount(value)
        program: dict[str, Any] = PROGRAM(value)
    except RefusedPart as error:
        raise error.within(_MODEL) from None
    check_operations(program["graph_module"]["graph"])
    return program


def _archive(program: dict[str, Any], weights: Payloads, constants: Payloads) -> io.BytesIO:
    stream = io.BytesIO()
    with PT2ArchiveWriter(stream) as archive:
        archive.write_string(_MODEL, json.dumps(program, allow_nan=False))
        archive.write_string(_WEIGHTS, json.dumps(weights.config))
        archive.write_string(_CONSTANTS, json.dumps(constants.config))
        for name, data in (*weights.parts.items(), *constants.parts.items()):
            archive.write_bytes(name, data)
        archive.write_bytes(_SAMPLES, b"")
    stream.seek(0)
    return stream
