"""hermesc compile, with real files."""

import json
from pathlib import Path

import pytest

from ...command_line import hermesc, succeed, succeed_json


def test_compile_prints_one_json_object(folder: Path) -> None:
    found = succeed_json("compile", "net.py", "-o", "again.hermes", cwd=folder)
    wanted = {
        "cores_used", "tiles", "utilisation", "analog_ops", "digital_ops", "analog_mac_share",
        "refusals", "stages", "sha256",
    }  # fmt: skip
    assert wanted <= set(found)
    assert found["cores_used"] == 1
    assert found["analog_ops"] == 2
    assert {r["op"] for r in found["refusals"]} == {
        "aten.cos.default",
        "aten.sin.default",
        "aten.cat.default",
    }
    assert all(r["location"].startswith("net.py:") and r["reason"] for r in found["refusals"])


def test_the_same_file_compiles_to_the_same_bytes(folder: Path) -> None:
    for name in ("one.hermes", "two.hermes"):
        succeed("compile", "net.py", "-o", name, cwd=folder)
    assert (folder / "one.hermes").read_bytes() == (folder / "two.hermes").read_bytes()


def test_compile_says_what_is_not_analog(folder: Path) -> None:
    text = succeed("compile", "net.py", "-o", "text.hermes", cwd=folder)
    assert "net.py:16" in text
    assert "no LDPU has such a function" in text
    assert "hello from the model" not in text


def test_dump_writes_every_stage(folder: Path) -> None:
    succeed("compile", "net.py", "-o", "dumped.hermes", "--dump", "stages", cwd=folder)
    names = sorted(p.name for p in (folder / "stages").iterdir())
    assert names[0] == "01-capture.txt"
    decomposed = next(name for name in names if "decompose" in name)
    assert "mvm(" in (folder / "stages" / decomposed).read_text()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("one_phase_us = 133\nfour_phase_ns = 520", "`mvm_time.one_phase_us` is not a known key"),
        ("one_phase_ns = 133", "`mvm_time.four_phase_ns` is missing"),
        ("one_phase_ns = 133\nfour_phase_ns = -520", "`mvm_time.four_phase_ns` is -520"),
    ],
)
def test_a_wrong_chip_file_names_file_and_key(folder: Path, lines: str, message: str) -> None:
    (folder / "bad.toml").write_text(
        f'base = "hermes"\n[mvm_time]\nkind = "assumed"\nsource = "a test"\n{lines}\n'
    )
    run = hermesc("compile", "net.py", "--chip", "bad.toml", cwd=folder)
    assert run.returncode == 2
    assert message in run.stderr
    assert "bad.toml" in run.stderr


def test_a_users_chip_works_by_path(folder: Path) -> None:
    (folder / "tiny.toml").write_text(
        'base = "hermes"\nname = "tiny"\n[grid]\nkind = "assumed"\nsource = "a test"\n'
        "rows = 1\ncolumns = 1\n"
    )
    found = succeed_json(
        "compile", "net.py", "--chip", "tiny.toml", "-o", "tiny.hermes", cwd=folder
    )
    assert found["chip"] == "tiny"
    assert succeed_json("run", "tiny.hermes", cwd=folder)["chip"] == "tiny"


def test_options_of_passes_and_chip_numbers_can_be_set(folder: Path) -> None:
    out = ("-o", "set.hermes")
    host = succeed_json("compile", "net.py", *out, "--set", "partition.digital=head", cwd=folder)
    assert host["analog_ops"] == 1
    odp = "chip.unit_cell.devices_per_polarity=1"
    succeed("compile", "net.py", *out, "--set", odp, cwd=folder)
    one = succeed_json("run", "set.hermes", cwd=folder)
    two = succeed_json("run", "net.hermes", cwd=folder)
    error = [r["outputs"]["output_0"]["relative_error"] for r in (one, two)]
    assert error[0] > error[1]


def test_a_model_that_does_not_fit_exits_with_3(folder: Path) -> None:
    (folder / "big.py").write_text(
        "import torch\nmodel = torch.nn.Linear(4096, 2048)\n"
        "example_inputs = (torch.ones(2, 4096),)\n"
    )
    run = hermesc("compile", "big.py", cwd=folder)
    assert run.returncode == 3
    assert "needs 128 cores and the chip `hermes` has 64" in run.stderr
    assert "4096x2048, 128 tiles" in run.stderr
    assert not (folder / "big.hermes").exists()


def test_a_placement_is_exported_and_read_back(folder: Path) -> None:
    told = succeed_json("compile", "net.py", "--set", "place.objective=cores", "-o", "one.hermes",
                        cwd=folder)  # fmt: skip
    placement = told["placement"]
    assert placement["objective"] == "cores"
    assert (placement["value"], placement["bound"], placement["gap"]) == (1.0, 1.0, 0.0)
    assert placement["crossing_bytes"] == 0
    succeed("inspect", "one.hermes", "--export", "hermes-json", "-o", "one.json", cwd=folder)
    succeed("compile", "net.py", "--mapping", "one.json", "-o", "two.hermes", cwd=folder)
    again = succeed("inspect", "two.hermes", "--export", "hermes-json", cwd=folder)
    assert again == (folder / "one.json").read_text()
    assert list(json.loads(again)) == ["omega", "head"]


def test_a_mapping_of_another_model_is_refused_by_layer(folder: Path) -> None:
    succeed("inspect", "net.hermes", "--export", "hermes-json", "-o", "map.json", cwd=folder)
    text = (folder / "map.json").read_text().replace('"head"', '"tail"')
    (folder / "map.json").write_text(text)
    run = hermesc("compile", "net.py", "--mapping", "map.json", "-o", "x.hermes", cwd=folder)
    assert run.returncode == 2
    assert (
        "mapping: tail: the model has no such layer on crossbars; it has omega, head" in run.stderr
    )
    assert not (folder / "x.hermes").exists()


def test_several_chips_say_what_crosses(folder: Path) -> None:
    sizes = {"grid.rows": 1, "grid.columns": 1, "crossbar.rows": 40, "crossbar.columns": 20}
    small = [word for key, n in sizes.items() for word in ("--set", f"chip.{key}={n}")]
    run = hermesc("compile", "net.py", *small, cwd=folder)
    assert run.returncode == 3
    assert "Spread it over 2 chips with --set place.chips=2" in run.stderr
    spread = ("--set", "place.chips=2", "-o", "two.hermes")
    placement = succeed_json("compile", "net.py", *small, *spread, cwd=folder)["placement"]
    assert (placement["chips"], placement["chips_used"]) == (2, 2)
    assert placement["crossing_bytes"] == 40
