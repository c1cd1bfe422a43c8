"""Program files: the same bytes each time, read back whole, refused when damaged."""

import dataclasses
import hashlib
import os
import pickle
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermesc.pipeline import Options, compile_model
from hermesrt.artifact import io
from hermesrt.errors import ArtifactError, InputError
from hermesrt.files.container import pack, unpack
from hermesrt.files.typed import encode

from ...zoo.golden import golden_chip, golden_source

PARTS = ("program.json", "weights.safetensors", "examples.safetensors")


def test_compiling_twice_gives_the_same_bytes(program_bytes):
    again = compile_model(golden_source(), golden_chip(), Options())
    assert io.to_bytes(again) == program_bytes


ANOTHER_PROCESS = """
import hashlib, torch, hermesc
from hermesrt.artifact import io
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4), torch.nn.BatchNorm1d(4))
with torch.no_grad():
    model[1].weight.uniform_(), model[1].bias.uniform_()
    model[2].running_mean.uniform_(), model[2].weight.uniform_(), model[2].bias.uniform_()
program = hermesc.compile(model, torch.randn(3, 4))
print(hashlib.sha256(io.to_bytes(program.artifact)).hexdigest())
"""


def test_compiling_in_another_process_gives_the_same_bytes():
    there = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    with redirect_stdout(StringIO()) as here:
        exec(ANOTHER_PROCESS, {})
    assert len(there) == 65
    assert here.getvalue() == there


def test_round_trip_keeps_everything(artifact, program_bytes):
    back = io.from_bytes(program_bytes, "test")
    assert io.to_bytes(back) == program_bytes
    for field in dataclasses.fields(artifact.manifest):
        if field.name != "chip":
            assert getattr(back.manifest, field.name) == getattr(artifact.manifest, field.name)
    assert back.chip == artifact.chip
    assert back.tensors.keys() == artifact.tensors.keys()
    for name, tensor in artifact.tensors.items():
        assert np.array_equal(back.tensors[name], tensor)
        assert back.tensors[name].dtype == tensor.dtype
    assert np.array_equal(back.examples["x"], artifact.examples["x"])
    assert back.labels is None


def test_labels_survive_the_round_trip(artifact):
    labelled = dataclasses.replace(artifact, labels=np.array([3, 1, 2]))
    assert io.from_bytes(io.to_bytes(labelled), "test").labels.tolist() == [3, 1, 2]


def test_the_golden_program_has_cascades_routes_and_shared_cores(artifact):
    """So that what is refused below is refused in a program that has everything."""
    assert artifact.manifest.routes
    assert any(len(m.row_ranges) > 1 for m in artifact.manifest.matrices)
    assert artifact.tiles > len(artifact.cores)
    assert {type(step).tag for step in artifact.manifest.steps} == {"constant", "host", "mvm"} or {
        type(step).tag for step in artifact.manifest.steps
    } == {"host", "mvm"}


def test_a_flip_of_any_byte_is_refused(program_bytes):
    """Each byte of what frames the parts, and every fifth within `program.json`, the longest of
    them, whose checksum knows no places."""
    count, start = len(program_bytes), program_bytes.index(b"program.json") + 64
    end = program_bytes.index(b"weights.safetensors") - 64
    for i in [*range(start), *range(start, end, 5), *range(end, count)]:
        damaged = bytearray(program_bytes)
        damaged[i] ^= 1 << (i % 8)
        with pytest.raises(ArtifactError):
            io.from_bytes(bytes(damaged), "test")


@given(st.data())
def test_any_other_byte_anywhere_is_refused(program_bytes, data):
    i = data.draw(st.integers(0, len(program_bytes) - 1))
    damaged = bytearray(program_bytes)
    damaged[i] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ArtifactError):
        io.from_bytes(bytes(damaged), "test")


def test_a_file_cut_off_anywhere_is_refused(program_bytes):
    for length in [*range(0, len(program_bytes), 7), len(program_bytes) - 1]:
        with pytest.raises(ArtifactError):
            io.from_bytes(program_bytes[:length], "test")


@given(st.data())
def test_any_part_left_out_is_refused(program_bytes, data):
    start = data.draw(st.integers(0, len(program_bytes) - 1))
    end = data.draw(st.integers(start + 1, len(program_bytes)))
    with pytest.raises(ArtifactError):
        io.from_bytes(program_bytes[:start] + program_bytes[end:], "test")


@pytest.mark.parametrize("part", PARTS)
def test_a_pickle_in_place_of_a_part_is_refused_and_never_run(part, program_bytes, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    parts = unpack(program_bytes, "program", PARTS, "test")
    parts[part] = pickle.dumps(Bomb())
    with pytest.raises(ArtifactError, match="not valid"):
        io.from_bytes(pack("program", parts), "test")
    assert list(tmp_path.iterdir()) == []


def test_save_and_load_agree_on_the_checksum(artifact, program_bytes, tmp_path):
    path = tmp_path / "net.hermes"
    digest = io.save(artifact, path)
    back, found = io.load(path)
    assert digest.hex == found.hex == hashlib.sha256(program_bytes).hexdigest()
    assert encode(back.manifest.steps) == encode(artifact.manifest.steps)
    assert [p.name for p in tmp_path.iterdir()] == ["net.hermes"]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the program .*none.hermes"):
        io.load(tmp_path / "none.hermes")


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "net.hermes"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(ArtifactError, match=r"net\.hermes: damaged or not a file of hermesc"):
        io.load(path)
