"""hermesc study attention, end to end."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ....command_line import exit_code

SHORT = ("--ratios", "1,4", "--seeds", "2", "--jobs", "1")


def study(*words: object) -> int:
    return exit_code("study", "attention", *words)


def tokens(path: Path, samples: int = 6, **changed: np.ndarray) -> Path:
    draw = np.random.default_rng(0)
    arrays = {name: 0.5 * draw.normal(size=(samples, 12, 16)) for name in "QKV"}
    np.savez(path, **(arrays | changed))
    return path


def test_the_study_tells_writes_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, picture = tmp_path / "runs.csv", tmp_path / "attention.svg"
    given = tokens(tmp_path / "qkv.npz")
    assert study(*SHORT, "--tokens", given, "-o", runs, "--plot", picture) == 0
    text = capsys.readouterr().out
    assert "3 samples of 12 tokens of the size 16" in text
    assert "published" not in text
    with runs.open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["ratio"], line["seed"]) for line in lines] == [
        ("1", "0"), ("1", "1"), ("4", "0"), ("4", "1"),
    ]  # fmt: skip
    few, many = (sum(float(n["error_fp"]) for n in lines if n["ratio"] == ratio) for ratio in "14")
    assert many < 0.8 * few
    assert picture.read_text().startswith("<?xml")


def test_drawn_tokens_have_the_published_size_and_results_are_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--ratios", "1", "--seeds", "1", "--jobs", "1", "--json")
    found = []
    for more in ((), (), ("--fresh",), ("--form", "positive"), ("--sampler", "ssf")):
        assert study(*words, *more) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert [one["kept"] for one in found] == [0, 1, 0, 0, 0]
    assert found[0]["lines"] == found[1]["lines"] == found[2]["lines"]
    assert found[0]["lines"][0]["features"] == 63
    assert "10 samples of 64 tokens of the size 64" in found[0]["tokens"]
    errors = [one["lines"][0]["fp"]["mean"] for one in found]
    assert errors[3] > errors[0]  # both signs have less variance
    assert errors[4] != errors[0]


def test_published_errors_stand_beside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = tokens(folder / "qkv.npz")
    assert study(*SHORT, "--tokens", given, "--data", folder) == 0
    text = capsys.readouterr().out
    assert "measured chip" in text
    assert "0.1000" in text
    assert "The published tokens are not public" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--form", "cubic"), "--form cubic: give some of positive, hyperbolic"),
        (("--form", "positive,relu"), "give one of positive"),
        (("--sampler", "nystroem"), "--sampler nystroem: give some of rff"),
        (("--ratios", "0"), "from 1 to 100"),
        (("--deviation", "0"), "--deviation 0.0: it must be a number above 0"),
        (("--tokens", "none.npz"), "cannot read the file of inputs none.npz"),
        (("--data", "nowhere"), "there is no such folder"),
    ],
)
def test_a_wrong_option_is_told(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(*words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"V": np.ones((6, 12, 8))}, "numbers of one shape"),
        ({"Q": np.full((6, 12, 16), np.nan)}, "holds NaN or infinity"),
        ({"K": np.full((6, 12, 16), "x")}, "must hold numbers"),
    ],
)
def test_tokens_that_do_not_serve_are_told(
    changed: dict[str, np.ndarray],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert study("--tokens", tokens(tmp_path / "qkv.npz", **changed)) == 2
    assert message in capsys.readouterr().err
    np.savez(tmp_path / "qk.npz", Q=np.ones((2, 3, 4)), K=np.ones((2, 3, 4)))
    assert study("--tokens", tmp_path / "qk.npz") == 2
    assert "there is no array V" in capsys.readouterr().err
