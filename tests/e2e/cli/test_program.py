"""hermesc program, with real files."""

from pathlib import Path

import pytest

from ...command_line import succeed, succeed_json


def test_a_programmed_state_runs_as_the_same_seed_does(folder: Path) -> None:
    made = succeed_json("program", "net.hermes", "--seed", "4", cwd=folder)
    assert made["method"] == "published"
    assert made["seed"] == 4
    assert made["mvm_error_before"] == pytest.approx(1.0, abs=0.02)  # RESET cells give nothing
    assert 0.01 < made["mvm_error_after"] < 0.3
    assert [c["core"] for c in made["cores"]] == [0]
    by_state = succeed_json("run", "net.hermes", "--state", "net.state", cwd=folder)
    by_seed = succeed_json("run", "net.hermes", "--seed", "4", cwd=folder)
    assert by_state == by_seed


def test_pulse_by_pulse_programming_tells_its_effort_and_draws_its_curve(folder: Path) -> None:
    out = ("-o", "gdp.state", "--plot", "c.svg")
    made = succeed_json("program", "net.hermes", "--method", "gdp", *out, cwd=folder)
    wanted = {
        "output", "method", "seed", "mvm_error_before", "mvm_error_after", "seconds", "cores",
        "lifetime_years", "pulses_a_device", "pulses", "verify_reads", "mvms",
        "chip_seconds", "chip_joules", "iterations",
    }  # fmt: skip
    assert wanted <= set(made)
    assert made["method"] == "gdp"
    assert made["mvm_error_after"] < 0.15
    moves = [i["phase"] for i in made["iterations"]]
    assert moves[0] == "start"
    assert set(moves[1:]) == {"verify", "descend"}
    assert all(len(i["mvm_errors"]) == 1 for i in made["iterations"])
    assert made["mvms"] % moves.count("descend") == 0
    assert made["verify_reads"] == moves.count("verify") + 2
    assert made["chip_seconds"] > 0
    assert made["chip_joules"] > 0
    assert "<svg" in (folder / "c.svg").read_text()
    assert not (folder / "gdp.state.part").exists()

    def error(*words: str) -> float:
        found = succeed_json("run", "net.hermes", "--state", "gdp.state", *words, cwd=folder)
        assert found["method"] == "gdp"
        return float(found["outputs"]["output_0"]["relative_error"])

    assert error("--age", "360d") > error() > 0


def test_programming_says_in_words_what_it_took(folder: Path) -> None:
    exact = ("step_share", "floor_siemens", "verify_counts")
    words = [w for key in exact for w in ("--set", f"chip.write_noise.{key}=0.0")]
    words += ["--method", "oneshot", "--seed", "2", "-o", "one.state"]
    first, second, third, last = succeed("program", "net.hermes", *words, cwd=folder).splitlines()
    assert first == "one.state: 1 core, oneshot weights, seed 2"
    assert 5 < float(second.removeprefix("MVM error ").split()[0]) < 30
    assert third.startswith("On the chip: ")
    assert " years at one programming a day: at most 5 pulses a device each time" in last
    assert "pulses" in third
    assert "assumed" in third
