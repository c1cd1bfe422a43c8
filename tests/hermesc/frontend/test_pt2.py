"""Exported programs, from a file or in hand."""

import warnings
import zipfile

import pytest
import torch
from torch import nn

import hermesc
from hermesc.errors import ModelError

BATCH = {0: torch.export.Dim.DYNAMIC}
X = torch.randn(6, 16)


class Machine(nn.Module):
    """Random features, a bias, a head."""

    def __init__(self):
        super().__init__()
        self.register_buffer("omega", torch.randn(16, 24))
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        return self.head((x @ self.omega).cos())


def exported(*, shapes=(BATCH,), x=X):
    torch.manual_seed(0)
    return torch.export.export(Machine().eval(), (x,), dynamic_shapes=shapes)


@pytest.fixture
def path(tmp_path):
    torch.export.save(exported(), tmp_path / "m.pt2")
    return tmp_path / "m.pt2"


def test_file_compiles_with_its_own_example_inputs(path):
    program = hermesc.compile(path)
    artifact = program.artifact
    assert {m.label for m in artifact.manifest.matrices} == {"omega", "head"}
    assert artifact.examples["x"].shape == (6, 16)
    chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
    rows = torch.randn(9, 16)
    torch.testing.assert_close(chip(rows), exported().module()(rows), rtol=1e-5, atol=1e-5)


def test_nodes_keep_their_lines(path):
    assert "test_pt2.py" in str(hermesc.compile(path).artifact.mvms[0].location)


def test_given_inputs_take_the_place_of_stored_ones(path):
    assert hermesc.compile(path, torch.randn(4, 16)).artifact.examples["x"].shape == (4, 16)


def test_program_in_hand_compiles():
    assert len(hermesc.compile(exported()).artifact.mvms) == 2


def test_decomposed_program_compiles():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        decomposed = exported().run_decompositions()
    program = hermesc.compile(decomposed)
    assert len(program.artifact.mvms) == 2


def test_calibration_stands_in_where_no_example_is_stored():
    program = exported()
    program.example_inputs = None
    made = hermesc.compile(program, calibration={"x": torch.randn(99, 16)})
    assert made.artifact.examples["x"].shape == (64, 16)
    with pytest.raises(ModelError, match="lacks the input x; it has y"):
        hermesc.compile(program, calibration={"y": X})
    with pytest.raises(ModelError, match="holds no example inputs; give example_inputs"):
        hermesc.compile(program)


def test_a_batch_fixed_on_export_stays_fixed_and_is_noted():
    notes = hermesc.compile(exported(shapes=None)).artifact.manifest.notes
    assert any("fixes the first size of x to 6" in note for note in notes)


@pytest.mark.parametrize("wrong", [(X, X), torch.randn(6, 15)])
def test_inputs_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ModelError, match=r"fails on its own example_inputs|takes 1"):
        hermesc.compile(exported(), wrong)


def test_what_is_no_pt2_file_is_refused(tmp_path):
    path = tmp_path / "m.pt2"
    path.write_bytes(b"hello")
    with pytest.raises(ModelError, match=r"not a \.pt2 file \(a zip archive\); save it with"):
        hermesc.compile(path)
    torch.save({"a": X}, path)
    with pytest.raises(ModelError, match=r"without an exported program in it \(models/model"):
        hermesc.compile(path)


def test_a_damaged_file_is_refused(path):
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in parts.items():
            new.writestr(name, b"{}" if name.endswith("models/model.json") else data)
    with pytest.raises(ModelError, match="torch cannot load it"):
        hermesc.compile(path)
