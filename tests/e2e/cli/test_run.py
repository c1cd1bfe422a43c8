"""hermesc run, with real files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ...command_line import hermesc, succeed, succeed_json


def test_run_prints_one_json_object_with_the_fixed_names(folder: Path) -> None:
    found = succeed_json("run", "net.hermes", "--inputs", "x.npz", cwd=folder)
    wanted = {
        "chip", "method", "seed", "age_s", "mode", "samples", "outputs", "accuracy",
        "reference_accuracy", "latency_ns", "interval_ns", "energy_nj", "latency_by", "energy_by",
        "assumed_share", "cores_used", "utilisation", "mvms",
    }  # fmt: skip
    assert wanted <= set(found)
    assert found["samples"] == 30
    assert found["outputs"]["output_0"]["shape"] == [30, 3]
    assert found["method"] == "published"
    assert sum(found["latency_by"].values()) == pytest.approx(found["latency_ns"])
    assert sum(found["energy_by"].values()) == pytest.approx(found["energy_nj"])


def test_a_run_repeats_bit_for_bit(folder: Path) -> None:
    for name in ("a.npz", "b.npz"):
        succeed("run", "net.hermes", "--inputs", "x.npz", "--outputs", name, cwd=folder)
    with np.load(folder / "a.npz") as a, np.load(folder / "b.npz") as b:
        assert a.files == ["output_0", "reference_0"]
        assert all(np.array_equal(a[n], b[n]) for n in a.files)
        assert not np.array_equal(a["output_0"], a["reference_0"])


def test_ideal_equals_the_reference(folder: Path) -> None:
    found = succeed_json("run", "net.hermes", "--inputs", "x.npz", "--ideal", cwd=folder)
    assert found["outputs"]["output_0"]["relative_error"] < 1e-6
    assert found["accuracy"] == found["reference_accuracy"]


def test_age_mode_and_seed_change_the_result(folder: Path) -> None:
    def error(*words: str) -> float:
        found = succeed_json("run", "net.hermes", "--inputs", "x.npz", *words, cwd=folder)
        return float(found["outputs"]["output_0"]["relative_error"])

    fresh = error()
    assert error("--age", "360d") > fresh
    assert error("--seed", "1") != fresh
    assert error("--mode", "1-phase") != fresh
    assert error("--method", "ideal") < fresh


def test_one_phase_reads_are_faster_and_cheaper(folder: Path) -> None:
    one, four = (
        succeed_json("run", "net.hermes", "--mode", mode, cwd=folder)
        for mode in ("1-phase", "4-phase")
    )
    assert one["latency_ns"] < four["latency_ns"]
    assert one["energy_nj"] < four["energy_nj"]


def test_effects_can_be_switched_at_run_time(folder: Path) -> None:
    def error(*effects: str) -> float:
        words = [w for e in effects for w in ("--set", f"chip.effects.{e}=false")]
        found = succeed_json("run", "net.hermes", "--inputs", "x.npz", *words, cwd=folder)
        return float(found["outputs"]["output_0"]["relative_error"])

    assert error("read_noise", "programming_noise") < 0.7 * error()


def test_a_flipped_byte_is_refused(folder: Path) -> None:
    data = bytearray((folder / "net.hermes").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "flipped.hermes").write_bytes(data)
    run = hermesc("run", "flipped.hermes", cwd=folder)
    assert run.returncode == 2
    assert "damaged" in run.stderr


def test_several_chips_are_told_with_their_spread(folder: Path) -> None:
    words = ("run", "net.hermes", "--draws", "3", "--ages", "0,1h")
    text = succeed(*words, "--csv", "t.csv", "--plot", "t.svg", cwd=folder)
    assert "3 chips, seeds 0 to 2" in text
    assert (folder / "t.csv").read_text().startswith("seed,age_s,accuracy,")
    found = succeed_json(*words, "--seed", "7", cwd=folder)
    assert found["seeds"] == [7, 8, 9]
    assert [age["age_s"] for age in found["ages"]] == [0, 3600]
    one = succeed_json("run", "net.hermes", "--draws", "1", cwd=folder)
    assert one["ages"][0]["accuracy"]["interval"] == [None, None]


def test_a_single_run_says_that_it_is_one_chip(folder: Path) -> None:
    assert "one chip, --draws 20 shows how chips differ" in succeed("run", "net.hermes", cwd=folder)
    assert "one chip" not in succeed("run", "net.hermes", "--ideal", cwd=folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--draws", "2", "--age", "1d"), "--age is of one chip at one age"),
        (("--draws", "2", "--ideal"), "--ideal is of one chip"),
        (("--ages", "0,1d", "--outputs", "y.npz"), "--outputs is of one chip"),
        (("--draws", "0"), "--draws 0: give from 1"),
        (("--ages", "0,yesterday"), "yesterday"),
    ],
)
def test_options_of_one_chip_do_not_go_with_several(
    folder: Path, words: tuple[str, ...], message: str
) -> None:
    run = hermesc("run", "net.hermes", *words, cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_named_before_anything_runs(folder: Path) -> None:
    run = hermesc("run", "net.hermes", "--device", "cuda", cwd=folder)
    assert run.returncode == 2
    assert "finds no CUDA device" in run.stderr
    assert succeed("run", "net.hermes", "--device", "cpu", cwd=folder).startswith("Program")
