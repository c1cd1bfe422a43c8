"""Attacks: whatever a file holds, torch reads what we wrote and nothing of the file runs."""

import ast
import io
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

import hermesc
from hermesc.frontend.pt2.rewrite import rewrite
from hermesc.frontend.pt2.source import load_program
from hermesrt.errors import ModelError

ROOT = Path(__file__).parents[4]
SAMPLES = "data/sample_inputs/model.pt"


class Evil:
    """What a pickle would run."""

    def __reduce__(self):
        return (open, ("pwned", "w"))


def evil():
    stream = io.BytesIO()
    torch.save(Evil(), stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", [SAMPLES, SAMPLES.upper(), f"./{SAMPLES}"])
@pytest.mark.parametrize("root", ["m", "M", "n"])
@pytest.mark.parametrize("first", [True, False])
def test_a_second_entry_for_another_reader_is_refused(name, root, first, path, tmp_path):
    """Torch takes the first entry of a name, a check of Python's zipfile the last."""
    with zipfile.ZipFile(path) as old:
        parts = [(n, old.read(n)) for n in old.namelist()]
    twin = (f"{root}/{name}", evil())
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as new:
        warnings.simplefilter("ignore")
        for part, data in [twin, *parts] if first else [*parts, twin]:
            new.writestr(part, data)
    with pytest.raises(ModelError, match=r"twice|folders|which no \.pt2 file holds"):
        hermesc.compile(path)
    assert not (tmp_path / "pwned").exists()


def test_an_input_s_name_does_not_become_code(path, edit_text, tmp_path):
    edit_text('"x"', "\"z=open('pwned','w').write('x')\"")
    with pytest.raises(ModelError, match="is no name of an input, a node or an argument"):
        hermesc.compile(path)
    assert not (tmp_path / "pwned").exists()


def test_a_tower_of_powers_is_not_evaluated(path, edit_text):
    edit_text("Symbol('s77', positive=True, integer=True)", "9**9**9**9")
    with pytest.raises(ModelError, match=r"the size '9\*\*9\*\*9\*\*9' is no expression of sizes"):
        hermesc.compile(path)


def test_torch_s_archive_holds_no_pickle_and_no_part_of_the_file_s_own(path, edit):
    def change(parts):
        parts["data/weights/weight_7"] = evil()  # that no weight names
        parts["data/constants/tensor_7"] = evil()
        parts[".data/note"] = evil()

    edit(change)
    with zipfile.ZipFile(rewrite(path).archive) as archive:
        names = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert names[SAMPLES] == b""
    assert not any(b"pwned" in data for data in names.values())
    hermesc.compile(path)


def test_nothing_is_unpickled(path, monkeypatch):
    """Compile and load a file with every unpickler broken."""

    def broken(*_, **__):
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "load", broken)
    monkeypatch.setattr(pickle, "loads", broken)
    monkeypatch.setattr(pickle, "Unpickler", broken)
    monkeypatch.setattr(pickle, "_Unpickler", broken)
    monkeypatch.setattr("_pickle.load", broken)
    monkeypatch.setattr("_pickle.loads", broken)
    monkeypatch.setattr("_pickle.Unpickler", broken)
    monkeypatch.setattr(torch, "load", broken)
    monkeypatch.setattr("torch._weights_only_unpickler.Unpickler", broken)
    with pytest.raises(AssertionError, match="something was unpickled"):
        torch.export.load(path)
    program, samples = load_program(path)
    assert samples[0][0].shape == (6, 16)
    assert len(program.state_dict) == 3
    hermesc.compile(path)


def test_no_code_of_ours_unpickles():
    """Were torch.load ever called, it would have to say weights_only=True."""
    seen = 0
    for package in ("compiler", "runtime", "targets"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                seen += 1
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    assert "weights_only=True" in ast.unparse(node), file
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = {a.name for a in node.names} | {getattr(node, "module", None)}
                    assert not names & {"pickle", "_pickle", "dill", "cloudpickle", "joblib"}, file
    assert seen > 10_000
