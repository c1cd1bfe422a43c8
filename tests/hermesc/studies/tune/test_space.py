"""What a search may set: presets are all words of all options, and choices become settings."""

from hermesc.app.settings import parse_settings
from hermesc.studies.tune.space import AS_ALL, Space, settings, words
from hermesrt.chip.load import word

SPACE = Space(("enc.0", "head[1]"), ("published", "gdp"))


def test_every_word_of_every_option_is_a_preset() -> None:
    names = dict(SPACE.presets())
    for option, choices in words().items():
        for value in choices[1:]:
            assert f"{option}={value}" in names
    assert "place.objective=latency" in names
    assert "mode=1-phase" in names
    assert "method=gdp" in names
    assert "partition.digital=head[1]" in names


def test_the_defaults_set_nothing_and_each_preset_what_its_name_says() -> None:
    for name, choices in SPACE.presets():
        said = {k: str(v) for k, v in settings(choices, SPACE).items()}
        if name == "defaults":
            assert said == {}
            continue
        key, _, value = name.partition("=")
        wanted = {"mode": "layers.*.mode"}.get(key, key)
        assert said[wanted] == value


def test_settings_are_those_that_compile_takes() -> None:
    choices = dict(SPACE.presets())["quantize.range=percentile"] | {
        "layer enc.0": "digital", "layer head[1]": "1-phase", "slices head[1]": 4,
        "quantize.percentile": 99.0, "tile.slices": 2, "tile.slice_fill": "corrected",
        "method": "gdp",
    }  # fmt: skip
    said = settings(choices, SPACE)
    assert said.pop("method") == "gdp"
    assert said["tile.slice_fill"] == "max"  # pulses do not correct
    options, _ = parse_settings([(k, word(v)) for k, v in said.items()])
    assert options.partition.digital == ("enc.0",)
    assert options.quantize.percentile == 99.0
    assert options.layers.mode(["head[1]"], "4-phase") == "1-phase"
    assert options.layers.mode(["head1"], "4-phase") == "4-phase"
    assert options.layers.applied(["head[1]"], options.tile).slices == 4


def test_a_recurrent_layer_stays_whole_where_the_others_are_sliced() -> None:
    space = Space(("cell", "head"), ("published",), frozenset({"cell"}))
    choices = dict(space.presets())["tile.slices=3"]
    assert "slices cell" not in choices
    assert settings(choices, space) == {"tile.slices": 3, "layers.cell.slices": 1}


def test_a_digital_layer_has_no_slices_to_choose() -> None:
    choices = dict(SPACE.presets())["partition.digital=enc.0"]
    assert "slices enc.0" not in choices
    assert choices["slices head[1]"] == AS_ALL
