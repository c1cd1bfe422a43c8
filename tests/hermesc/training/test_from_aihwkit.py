"""State dictionaries of aihwkit's layout become plain weights and ranges.

The dictionaries are made here as aihwkit 1.2 and aihwkit-lightning 2.1 document them; objects of
those packages are stood for by a class that the reader does not know.
"""

import pickle

import pytest
import torch
from torch import nn

import hermesc
from hermesc.training import from_aihwkit, harden, learned_ranges
from hermesc.training.hardening import state_of
from hermesrt.errors import HermescError, InputError, ModelError


class Config:
    """Stands for aihwkit's rpu_config, which a file holds too."""

    def __init__(self):
        self.drift = {"a": 1}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6)
        self.wide, self.head = nn.Linear(24, 10), nn.Linear(10, 3)

    def forward(self, x):
        return self.head(self.wide(self.norm(self.conv(x)).relu().flatten(1)).relu())


X = torch.randn(16, 2, 4, 4, generator=torch.Generator().manual_seed(1))


def tile(prefix, weight, bias=None, scale=None, alpha=None, limit=None, analog_bias=None):
    """A tile's entries: the weight divided by its scales, as a tile holds it."""
    factor = torch.ones(1)
    found = {}
    for key, value in (("mapping_scales", scale), ("out_scaling_alpha", alpha)):
        if value is not None:
            found[f"{prefix}.{key}"], factor = value, factor * value
    held = weight / factor.reshape(-1, 1)
    if analog_bias is not None:
        held = torch.cat([held, (analog_bias / factor)[:, None]], 1)
    found[f"{prefix}.analog_tile_state"] = {
        "analog_tile_weights": held, "analog_tile_class": "InferenceTile", "rpu_config": Config(),
        "analog_lr": 0.01, "analog_ctx": torch.zeros(1),
    }  # fmt: skip
    found[f"{prefix}.analog_ctx"] = torch.zeros(1)
    if bias is not None:
        found[f"{prefix}.bias"] = bias
    if limit is not None:
        found[f"{prefix}.input_range"] = torch.tensor([limit])
        found[f"{prefix}.input_range_update_idx"] = torch.zeros(1)
    return found


def aihwkit_state(model):
    """A convolution on a tile with an analog bias, a layer on six tiles, and one in torch."""
    conv, wide = model.conv, model.wide
    state = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("norm.")}
    state |= tile("conv.analog_module", conv.weight.detach().reshape(6, 18), limit=2.5,
                  analog_bias=conv.bias.detach(), scale=torch.rand(6) + 0.5)  # fmt: skip
    columns, rows = (0, 12, 24), (0, 4, 7, 10)
    for i in range(2):
        for j in range(3):
            part = wide.weight.detach()[rows[j] : rows[j + 1], columns[i] : columns[i + 1]]
            state |= tile(f"wide.analog_module.array.{i}.{j}", part, limit=1.0 + i + 0.1 * j,
                          scale=torch.rand(len(part)) + 0.5, alpha=torch.tensor([1.7]))  # fmt: skip
    state["wide.analog_module.bias"] = wide.bias.detach()
    state["head.analog_module.tile.weight"] = model.head.weight.detach() / 2
    state["head.analog_module.mapping_scales"] = torch.tensor([2.0])
    state["head.analog_module.analog_tile_state"] = {"rpu_config": Config()}
    state["head.analog_module.bias"] = model.head.bias.detach()
    return state


def lightning_state(model):
    state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    for name, limits in (("conv", [2.5]), ("wide", [1.0, 2.1]), ("head", [0.7])):
        state[f"{name}.input_range"] = torch.tensor(limits)
        for key in ("input_range_update_idx", "x_min", "x_max"):
            state[f"{name}.{key}"] = torch.zeros(len(limits))
    return state


@pytest.fixture(scope="module")
def trained():
    """Weights that are not those of the model that they will be loaded into."""
    model = Net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def test_tiles_are_merged_with_their_scales_and_biases(trained):
    found = from_aihwkit(Net(), aihwkit_state(trained))
    torch.testing.assert_close(found.model.eval()(X), trained(X))
    assert found.input_ranges == pytest.approx({"conv": 2.5, "wide": 2.2})


def test_lightning_layers_are_taken_with_their_ranges(trained):
    found = from_aihwkit(Net(), lightning_state(trained))
    assert torch.equal(found.model.eval()(X), trained(X))
    assert found.input_ranges == pytest.approx({"conv": 2.5, "wide": 2.1, "head": 0.7})


def test_weights_that_every_forward_pass_clips_are_clipped(trained):
    state = lightning_state(trained)
    state["wide.learnable_weight_clip"] = torch.full((2, 10), 0.05)
    state["wide.learnable_weight_clip"][1] = 0.1
    weight = from_aihwkit(Net(), state).model.wide.weight.detach()
    assert float(weight[:, :12].abs().max()) == pytest.approx(0.05)
    assert float(weight[:, 12:].abs().max()) == pytest.approx(0.1)


def test_learned_ranges_reach_the_program_and_training_goes_on(trained, tmp_path):
    for state in (aihwkit_state(trained), lightning_state(trained)):
        torch.save(state, tmp_path / "analog.pt")
        program = hermesc.compile(Net(), X, weights=tmp_path / "analog.pt")
        labels = {m.name: m.label for m in program.artifact.manifest.matrices}
        limits = {labels[s.matrix]: s.input_max for s in program.artifact.mvms}
        assert limits["conv"] == pytest.approx(2.5) and limits["wide"] == pytest.approx(
            2.15, abs=0.06
        )
        found = from_aihwkit(Net(), tmp_path / "analog.pt")
        same = hermesc.compile(found.model, X, input_ranges=found.input_ranges, name="Net")
        assert same.sha256 == program.sha256
    hardened = harden(found.model, X, recipe="rasch")
    state_of(hardened).take(found.input_ranges)
    assert learned_ranges(hardened) == pytest.approx(dict(found.input_ranges))


def test_what_does_not_fit_is_refused(trained, tmp_path):
    state = aihwkit_state(trained)
    del state["wide.analog_module.array.1.2.analog_tile_state"]
    with pytest.raises(InputError, match="its tiles make no whole matrix"):
        from_aihwkit(Net(), state)
    state = aihwkit_state(trained)
    state["wide.analog_module.array.1.2.mapping_scales"] = torch.ones(7)
    with pytest.raises(InputError, match="7 scales for 3 outputs"):
        from_aihwkit(Net(), state)
    with pytest.raises(InputError, match="has no counterpart here"):
        from_aihwkit(Net(), {"wide.analog_tile_state_0": {}})
    with pytest.raises(InputError, match="neither analog tiles nor learned input ranges"):
        from_aihwkit(Net(), trained.state_dict())
    with pytest.raises(ModelError, match="not those of this model"):
        from_aihwkit(nn.Linear(24, 10), aihwkit_state(trained))


def test_a_hostile_file_runs_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    state = {"conv.analog_module.analog_tile_state": {"analog_tile_weights": Hostile()}}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(HermescError):
        hermesc.compile(Net(), X, weights=tmp_path / "w.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps(state))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(HermescError):
        hermesc.compile(Net(), X, weights=tmp_path / "old.pt")
    assert not (tmp_path / "ran").exists()
