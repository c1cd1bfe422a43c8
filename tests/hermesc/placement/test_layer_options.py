"""What single layers are to be: by label or pattern, the last setting counts."""

import pytest
import torch
from torch import nn

import hermesc
from hermesc.pipeline import Options, parse_options
from hermesc.placement.options import LayerOptions, split_layers
from hermesrt.errors import OptionError


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
