"""Exported programs, from a file or in hand."""

import io
import pickle
import warnings
import zipfile

import pytest
import torch
from torch import nn

import hermesc
from hermesrt.errors import ModelError

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
    assert "test_source.py" in str(hermesc.compile(path).artifact.mvms[0].location)


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


def edited(path, change):
    """The archive with its parts changed: change(parts), by name without the root."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    root = next(iter(parts)).partition("/")[0]
    inner = {name.partition("/")[2]: data for name, data in parts.items()}
    change(inner)
    with zipfile.ZipFile(path, "w") as new:
        for name, data in inner.items():
            new.writestr(f"{root}/{name}", data)


class Evil:
    """What a pickle would run."""

    def __reduce__(self):
        return (open, ("pwned", "w"))


def _replaced(old, new):
    def change(parts):
        assert old in parts["models/model.json"]
        parts["models/model.json"] = parts["models/model.json"].replace(old, new)

    return change


def _saved(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda p: p.update({"models/model.json": b"{}"}),
            "an object with no graph_module; its fields",
        ),
        (lambda p: p.update({"models/model.json": b"{"}), "models/model.json is no JSON"),
        (
            lambda p: p.update({"data/sample_inputs/model.pt": _saved(Evil())}),
            "model.pt. hold objects that only an unsafe load would read",
        ),
        (
            lambda p: p.update({"data/constants/opaque_obj_0": pickle.dumps(Evil())}),
            "opaque_obj_0, which torch would load as code or objects",
        ),
        (
            lambda p: p.update({"data/aotinductor/model/a.so": b""}),
            "a.so, which torch would load as code",
        ),
        (
            lambda p: p.update(
                {
                    "data/weights/weight_0": _saved(Evil()),
                    "data/weights/model_weights_config.json": p[
                        "data/weights/model_weights_config.json"
                    ].replace(b'"use_pickle": false', b'"use_pickle": true'),
                }
            ),
            "weight_0 holds objects that only an unsafe load would read",
        ),
        (
            _replaced(b'"expr_str": "', b'"expr_str": "__import__(\'os\').getcwd() and '),
            "is no expression of sizes",
        ),
        (
            _replaced(b'"torch.ops.aten.cos.default"', b'"torch.hub.list"'),
            "torch.hub.list: not an operation of torch.ops.aten",
        ),
    ],
)
def test_a_damaged_or_hostile_file_is_refused_and_runs_nothing(
    change, message, path, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    edited(path, change)
    with pytest.raises(ModelError, match=message):
        hermesc.compile(path)
    assert not (tmp_path / "pwned").exists()


def test_an_archive_written_anew_is_the_same(path):
    edited(path, lambda parts: None)
    assert len(hermesc.compile(path).artifact.mvms) == 2
