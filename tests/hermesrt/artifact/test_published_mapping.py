"""Mapping files in the published format: there and back, and what is refused."""

import json

import pytest
import torch
from torch import nn

import hermesc
from hermesc.pipeline import ModelSource, Options, compile_model
from hermesc.placement.options import PlaceOptions
from hermesrt.artifact.published_mapping import from_text, layer_names, to_text
from hermesrt.errors import MappingError
from hermesrt.program import Program


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(300, 64)
        self.head = nn.Linear(64, 10, bias=False)

    def forward(self, x):
        return self.head(torch.tanh(self.wide(x)))


def compiled(chip, mapping=None, **place):
    torch.manual_seed(0)
    source = ModelSource(Net().eval(), (torch.randn(2, 9, 300),))
    options = Options(place=PlaceOptions(**place))
    return compile_model(source, chip, options, mapping=mapping or {})


def region(weight, tile):
    keys = ("weight_row_region", "weight_col_region", "tile_row_region", "tile_col_region")
    return dict(zip(keys, (*weight, *tile), strict=True))


def layer(tiles):
    return {"type": "Linear", "weight": "w", "bias": None, "tiles_map": tiles, "n_shared": 1}


WIDE = {"2": {
    "3": [region(([0, 200], [0, 64]), ([0, 200], [0, 64]))],
    "4": [region(([200, 300], [0, 64]), ([156, 256], [192, 256]))],
}}  # fmt: skip
HEAD = {"2": {"3": [region(([0, 64], [0, 10]), ([0, 64], [64, 74]))]}}


def text(**layers):
    return json.dumps({name: layer(tiles) for name, tiles in layers.items()})


@pytest.mark.parametrize("objective", ["balanced", "cores", "latency", "throughput", "energy"])
@pytest.mark.parametrize("chips", [1, 2])
def test_a_placement_comes_back_as_it_was(chip_with, objective, chips):
    chip = chip_with(grid_rows=2, grid_columns=4)
    first = compiled(chip, objective=objective, chips=chips)
    exported = to_text(first)
    again = compiled(chip, from_text(exported, "f", chip, chips), objective="balanced", chips=chips)
    assert again.manifest.matrices == first.manifest.matrices
    assert again.manifest.routes == first.manifest.routes
    assert again.manifest.placement.solver == "file"
    assert to_text(again) == exported


def test_a_published_file_is_honoured_to_the_cell(chip):
    made = compiled(chip, from_text(text(wide=WIDE, head=HEAD), "f", chip, 1))
    wide, head = made.manifest.matrices
    assert [(t.core, t.core_rows, t.core_columns) for t in wide.tiles] == [
        (19, (0, 200), (0, 64)), (20, (156, 256), (192, 256))
    ]  # fmt: skip
    assert wide.row_ranges == ((0, 200), (200, 300))
    assert [(t.core, t.core_columns) for t in head.tiles] == [(19, (64, 74))]
    assert json.loads(to_text(made))["wide"]["tiles_map"] == WIDE


def test_a_layer_that_the_file_does_not_name_goes_to_cores_it_leaves_empty(chip):
    made = compiled(chip, from_text(text(wide=WIDE), "f", chip, 1))
    head = made.manifest.matrices[1]
    assert not {t.core for t in head.tiles} & {19, 20}


def test_a_run_on_a_mapping_is_exact_when_ideal(chip):
    torch.manual_seed(0)
    net, x = Net().eval(), torch.randn(2, 9, 300)
    source = ModelSource(net, (x,))
    made = compile_model(source, chip, Options(), mapping=from_text(text(wide=WIDE), "f", chip, 1))
    deployed = Program.of(made).deploy(hermesc.simulate("hermes"))
    found = deployed.configure(ideal=True)(x)
    assert torch.allclose(found, net(x), atol=1e-5)


BAD = {
    "f: not valid JSON": "{",
    "f: must be an object of layers": "[]",
    "f: wide: it has no `tiles_map`": json.dumps({"wide": {"type": "Linear"}}),
    r"f: wide: there is no core \(8, 0\); core rows are 0 to 7": text(wide={"8": {"0": []}}),
    r"f: wide: core \(0, 1\) has no list": text(wide={"0": {"1": []}}),
    r"f: wide: `tile_col_region` on core \(2, 3\) is \[200, 264\]; it must be two rising": text(
        wide={"2": {"3": [region(([0, 200], [0, 64]), ([0, 200], [200, 264]))]}}
    ),
    r"f: wide: rows 0-200, columns 0-64 of the weight do not have the size": text(
        wide={"2": {"3": [region(([0, 200], [0, 64]), ([0, 200], [0, 63]))]}}
    ),
    r"f: wide: rows 0-200, columns 0-64 of core \(2, 3\) overlap those of head: rows 0-64": text(
        wide=WIDE, head={"2": {"3": [region(([0, 64], [0, 10]), ([0, 64], [60, 70]))]}}
    ),
    r"f: head: rows 0-32, columns 0-10 are there 2 times": text(
        head={"0": {"0": [region(([0, 32], [0, 10]), ([0, 32], [0, 10])),
                          region(([0, 32], [0, 10]), ([32, 64], [0, 10]))]}}
    ),
    r"f: wide: `read_mode` is '2-phase'": json.dumps(
        {"wide": layer(WIDE) | {"read_mode": "2-phase"}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_a_file_that_is_wrong_is_refused_with_layer_and_place(chip, message):
    with pytest.raises(MappingError, match=message) as caught:
        from_text(BAD[message], "f", chip, 1)
    assert caught.value.exit_code == 2


OTHER = {
    "mapping: body: the model has no such layer on crossbars; it has wide, head": {"body": HEAD},
    "mapping: head: the column regions 1-10 do not cover its 10 columns": {"wide": WIDE, "head": {
        "0": {"0": [region(([0, 64], [1, 10]), ([0, 64], [0, 9]))]}}},
    "mapping: wide: the row regions 0-64 do not cover its 300 rows once": {"wide": HEAD},
}  # fmt: skip


@pytest.mark.parametrize("message", OTHER)
def test_a_file_of_another_model_is_refused_with_its_layer(chip, message):
    layers = from_text(text(**OTHER[message]), "f", chip, 1)
    with pytest.raises(MappingError, match=message):
        compiled(chip, layers)


def test_layers_of_one_name_are_numbered():
    assert layer_names(["a", "b", "a", "a"]) == ["a", "b", "a#2", "a#3"]
