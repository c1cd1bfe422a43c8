"""The golden model's program, its file, and files that were changed with right checksums."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hermesrt.artifact import io
from hermesrt.artifact.schema import Artifact
from hermesrt.files.container import pack, unpack
from hermesrt.files.tensors import tensor_chunks, tensors_from_bytes

from ...zoo.golden import golden_stages

PARTS = ("program.json", "weights.safetensors", "examples.safetensors")
Edit = Callable[[dict[str, Any], dict[str, Any]], None]


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    """The golden model's program."""
    made: Artifact = golden_stages()["emit"]
    return made


@pytest.fixture(scope="session")
def program_bytes(artifact: Artifact) -> bytes:
    """The golden model's program file."""
    return io.to_bytes(artifact)


@pytest.fixture(scope="session")
def rebuilt(program_bytes: bytes) -> Callable[[Edit], bytes]:
    """The program file after `edit(manifest, tensors)`, with right checksums."""

    def make(edit: Edit) -> bytes:
        parts = unpack(program_bytes, "program", PARTS, "test")
        manifest = json.loads(parts[PARTS[0]])
        tensors = tensors_from_bytes(parts[PARTS[1]], "test")
        edit(manifest, tensors)
        parts[PARTS[0]] = json.dumps(manifest).encode()
        parts[PARTS[1]] = tensor_chunks(tensors)
        return pack("program", parts)

    return make
