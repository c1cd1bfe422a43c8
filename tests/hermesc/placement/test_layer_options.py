"""What single layers are to be: by label or pattern, the last setting counts."""

import pytest
import torch
from torch import nn

import hermesc
from hermesc.pipeline import Options, parse_options
from hermesc.placement.options import LayerOptions, split_layers
from hermesrt.artifact.published_mapping import from_text
from hermesrt.device import Method
from hermesrt.errors import MappingError, OptionError


class Net(nn.Module):
    """Two layers in a module, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.enc(x))


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return Net()


def modes(program: "hermesc.Program") -> dict[str, str]:
    return {m.label: m.mode for m in program.artifact.manifest.matrices}


def test_settings_of_layers_are_told_apart_from_others() -> None:
    rest, layers = split_layers([("place.copies", "2"), ("layers.enc.0.mode", "1-phase")])
    assert rest == [("place.copies", "2")]
    assert layers == LayerOptions((("enc.0", "mode", "1-phase"),))


def test_a_layer_is_read_in_its_own_mode_and_inspect_shows_it(net: Net) -> None:
    x = torch.randn(16, 8)
    program = hermesc.compile(net, x, options={"layers.head.mode": "1-phase"})
    assert modes(program) == {"enc.0": "4-phase", "enc.2": "4-phase", "head": "1-phase"}
    line = next(text for text in str(program.inspect()).splitlines() if text.startswith("  head"))
    assert line.endswith("1-phase")
    whole = hermesc.compile(net, x)
    assert program.cost().cost.latency_ps < whole.cost().cost.latency_ps
    assert program.run().report.read_mode == "mixed"


def test_the_last_pattern_that_matches_counts(net: Net) -> None:
    settings = {"layers": {"*": {"mode": "1-phase"}, "enc.*": {"mode": "4-phase"}}}
    found = hermesc.compile(net, torch.randn(16, 8), options=settings)
    assert modes(found) == {"enc.0": "4-phase", "enc.2": "4-phase", "head": "1-phase"}


def test_layers_are_options_as_a_dataclass_too(net: Net) -> None:
    options = Options(layers=LayerOptions((("head", "mode", "1-phase"),)))
    x = torch.randn(16, 8)
    assert modes(hermesc.compile(net, x, options=options))["head"] == "1-phase"
    both = hermesc.compile(net, x, options=options, place_copies=2)
    assert modes(both)["head"] == "1-phase"
    assert parse_options([("layers.head.mode", "1-phase")]) == options


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "layers.heads.mode",
            "1-phase",
            'no such layer \\(did you mean "head"\\?\\); on crossbars',
        ),
        ("layers.head.mode", "5-phase", "must be one of 1-phase, 4-phase"),
        ("layers.head.slice", "2", 'of single layers there is layers.LAYER.NAME.*"slices"'),
        ("layers.head.slices", "0", "must be a whole number from 1 to 64"),
        ("layers.head.slice_fill", "half", "must be one of equal, max, corrected"),
        ("layers.mode", "1-phase", "of single layers there is layers.LAYER.NAME"),
    ],
)
def test_what_a_layer_does_not_have_is_refused(
    net: Net, key: str, value: str, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        hermesc.compile(net, torch.randn(16, 8), options={key: value})


def cores(program: "hermesc.Program") -> dict[str, set[int]]:
    return {m.label: {t.core for t in m.tiles} for m in program.artifact.manifest.matrices}


def outputs(program: "hermesc.Program", x: torch.Tensor, method: Method) -> torch.Tensor:
    chip = program.deploy(hermesc.simulate(program.artifact.chip, seed=3), method=method)
    found: torch.Tensor = chip(x)
    return found


def test_devices_of_all_layers_are_those_of_the_chip(net: Net) -> None:
    x = torch.randn(16, 8)
    by_layer = hermesc.compile(net, x, options={"layers.*.devices": 1})
    by_chip = hermesc.compile(net, x, options={"chip.unit_cell.devices_per_polarity": 1})
    for method in ("published", "verify"):
        assert torch.equal(outputs(by_layer, x, method), outputs(by_chip, x, method))


def test_layers_whose_cells_differ_have_cores_of_their_own_and_inspect_shows_them(net: Net) -> None:
    settings = {"place.objective": "cores", "layers.head.devices": 1, "layers.enc.2.method": "gdp"}
    x = torch.randn(16, 8)
    together = cores(hermesc.compile(net, x, options={"place.objective": "cores"}))
    assert len(set.union(*together.values())) == 1
    program = hermesc.compile(net, x, options=settings)
    assert len(set.union(*cores(program).values())) == 3
    lines = {
        line.split()[0]: line.split()[-3:] for line in str(program.inspect()).splitlines() if line
    }
    assert lines["head"][-3:] == ["1", "as", "run"]
    assert lines["enc.2"][-2:] == ["chip", "gdp"]


def test_each_layer_is_programmed_by_its_own_method(net: Net) -> None:
    x = torch.randn(16, 8)
    plain = hermesc.compile(net, x)
    every = hermesc.compile(net, x, options={"layers.*.method": "verify"})
    assert torch.equal(outputs(every, x, "published"), outputs(plain, x, "verify"))
    exact = hermesc.compile(net, x, options={"layers.*.method": "ideal"})
    assert torch.equal(outputs(exact, x, "published"), outputs(plain, x, "ideal"))
    mixed = hermesc.compile(net, x, options={"layers.head.method": "verify"})
    found = outputs(mixed, x, "published")
    assert not torch.equal(found, outputs(plain, x, "published"))
    assert not torch.equal(found, outputs(plain, x, "verify"))
    chip = mixed.deploy(hermesc.simulate(mixed.artifact.chip))
    assert "some layers by methods of their own" in str(chip.facts)


def test_inputs_of_a_layer_clip_by_its_own_rule(net: Net) -> None:
    x = torch.randn(64, 8)
    settings = {"layers.head.range": "percentile", "layers.head.percentile": 50.0}
    plain, own = hermesc.compile(net, x), hermesc.compile(net, x, options=settings)
    pairs = zip(plain.artifact.mvms, own.artifact.mvms, strict=True)
    assert [a.input_max == b.input_max for a, b in pairs] == [True, True, False]


def test_a_mapping_that_puts_cells_of_two_kinds_on_a_core_is_refused(net: Net) -> None:
    x = torch.randn(16, 8)
    whole = hermesc.compile(net, x, options={"place.objective": "cores"})
    mapping = hermesc.export_mapping(whole)
    layers = from_text(mapping, "map", whole.artifact.chip, 1)
    with pytest.raises(MappingError, match="whose cells have other devices or another method"):
        hermesc.compile(net, x, mapping=layers, options={"layers.head.devices": 1})
