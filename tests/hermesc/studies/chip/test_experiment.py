"""What an experiment did with a data set: read from TOML, applied to a setup."""

from pathlib import Path

import pytest
import torch

from hermesc.studies.chip.experiment import DatasetSettings, read_experiment
from hermesc.studies.data.datasets import to_range
from hermesc.studies.experiment.measure import Setup
from hermesrt.chip.load import load_chip
from hermesrt.errors import InputError


def test_the_built_in_clip_of_cod_rna_is_marked_inferred() -> None:
    settings = read_experiment()["cod-rna"]
    assert (settings.kind, settings.input_clip, settings.scaling) == ("inferred", 2.0, "standard")
    assert "inputs clip at 2 std (inferred: " in settings.text


def test_an_input_clip_leaves_the_output_range_unclipped() -> None:
    setup = DatasetSettings("a test", "assumed", 2.5).applied(Setup(load_chip("hermes")))
    ranges = setup.options.quantize
    assert (ranges.range, ranges.deviations, ranges.output_range) == (
        "deviations",
        2.5,
        "unclipped",
    )


def test_no_clip_changes_nothing() -> None:
    setup = Setup(load_chip("hermes"))
    assert DatasetSettings("a test", "quoted").applied(setup) is setup


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[letter]\nkind = 'quoted'", r"\[letter\].*source"),
        ("[letter]\nkind = 'sure'\nsource = 'x'", "kind"),
        ("[letter]\nkind = 'quoted'\nsource = 'x'\nclip = 2.0", "clip"),
        ("[letter", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_its_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_experiment(path)


def test_range_scaling_fills_minus_one_to_one() -> None:
    found = to_range(torch.tensor([[0.0, 5.0], [4.0, 5.0], [1.0, 5.0]]))
    assert found.tolist() == [[-1.0, 0.0], [1.0, 0.0], [-0.5, 0.0]]
