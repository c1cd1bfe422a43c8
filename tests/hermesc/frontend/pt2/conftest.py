"""A small exported program in a file, and how to change its parts."""

import json
import zipfile

import pytest
import torch
from torch import nn

BATCH = {0: torch.export.Dim.DYNAMIC}


class Machine(nn.Module):
    """Random features in torch.no_grad(), a size computed of a size, a head."""

    def __init__(self):
        super().__init__()
        self.register_buffer("omega", torch.randn(16, 24))
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        with torch.no_grad():
            y = (x @ self.omega).cos()
        return {"scores": self.head(y.reshape(x.shape[0] * 2, 12).reshape(-1, 24))}


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The file, in the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    exported = torch.export.export(Machine().eval(), (torch.randn(6, 16),), dynamic_shapes=(BATCH,))
    torch.export.save(exported, tmp_path / "m.pt2")
    return tmp_path / "m.pt2"


@pytest.fixture
def edit(path):
    """Change the parts of the file: edit(change), where change(parts) works on a dict of bytes."""

    def edited(change):
        with zipfile.ZipFile(path) as old:
            parts = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
        change(parts)
        with zipfile.ZipFile(path, "w") as new:
            for name, data in parts.items():
                new.writestr(f"m/{name}", data)

    return edited


@pytest.fixture
def edit_text(edit):
    """Replace one text of the model's JSON by another, wherever it stands."""

    def edited(old, new):
        def change(parts):
            text = parts["models/model.json"].decode()
            assert old in text
            parts["models/model.json"] = text.replace(old, new).encode()

        edit(change)

    return edited


@pytest.fixture
def edit_json(edit):
    """Change the model's parsed JSON: edit_json(change)."""

    def edited(change):
        def rewrite(parts):
            value = json.loads(parts["models/model.json"])
            change(value)
            parts["models/model.json"] = json.dumps(value).encode()

        edit(rewrite)

    return edited
