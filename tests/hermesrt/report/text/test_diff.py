"""What changed between two programs or two reports, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesrt.difference import Change, Difference, difference
from hermesrt.errors import ArtifactError, InputError, OptionError
from hermesrt.program import Chip, Program
from hermesrt.report.text.diff import difference_text
from hermesrt.run_report import RunReport


@pytest.fixture(scope="module")
def files(small: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    small.save(folder / "a.hermes")
    return folder


def _changed(files: Path, program: Program, **fields: object) -> Difference:
    artifact = program.artifact
    changed = replace(artifact, manifest=replace(artifact.manifest, **fields))
    Program.of(changed).save(files / "b.hermes")
    return difference(files / "a.hermes", files / "b.hermes")


def test_a_program_is_the_same_as_itself(files: Path) -> None:
    found = difference(files / "a.hermes", files / "a.hermes")
    assert found.changes == ()
    assert difference_text(found) == "The two programs are the same."
    assert found.to_json() == {"kind": "program", "same": True, "changes": []}


def test_a_tile_that_moved_is_a_placement_and_nothing_else(files: Path, small: Program) -> None:
    first, *rest = small.artifact.manifest.matrices
    moved = tuple(replace(t, core=t.core + 40) for t in first.tiles)
    routes = small.artifact.manifest.routes
    routes = tuple(replace(r, cores=tuple(c + 40 for c in r.cores)) for r in routes)
    found = _changed(files, small, matrices=(replace(first, tiles=moved), *rest), routes=routes)
    assert {c.section for c in found.changes} == {"placement"}
    place = next(c for c in found.changes if c.what == first.name)
    assert f"core {first.tiles[0].core} [0-256, 0-40]" in place.before
    assert f"core {first.tiles[0].core + 40} [0-256, 0-40]" in place.after


def test_a_constant_of_the_chip_is_named_with_its_relative_change(
    files: Path, small: Program
) -> None:
    chip = small.artifact.manifest.chip
    energy = chip["mvm_energy"]["four_phase_nj"]
    tables = chip | {"mvm_energy": chip["mvm_energy"] | {"four_phase_nj": 2 * energy}}
    found = _changed(files, small, chip=tables)
    (change,) = found.changes
    assert change == Change("chip constants", "mvm_energy.four_phase_nj", energy, 2 * energy)
    assert "+100.0 %" in difference_text(found)


def test_a_range_a_reason_and_an_option_have_sections_of_their_own(
    files: Path, small: Program
) -> None:
    manifest = small.artifact.manifest
    steps = tuple(
        replace(s, input_max=s.input_max * 2) if s.name == small.artifact.mvms[0].name else s
        for s in manifest.steps
    )
    account = (replace(manifest.account[0], reason="another"), *manifest.account[1:])
    found = _changed(files, small, steps=steps, account=account, calibration_rows=99)
    assert [c.section for c in found.changes] == ["options", "partition", "ranges"]
    assert found.changes[0].what == "calibration_rows"
    assert found.changes[2].what == f"{small.artifact.mvms[0].name}.input_max"


def test_layers_and_weights_are_compared(files: Path) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(8, 4), torch.randn(16, 8)
    hermesc.compile(layer, x, name="one").save(files / "old.hermes")
    with torch.no_grad():
        layer.weight *= 1.5
    hermesc.compile(layer, x, name="one").save(files / "new.hermes")
    found = difference(files / "old.hermes", files / "new.hermes")
    weights = next(c for c in found.changes if c.section == "weights")
    assert weights.after == pytest.approx(0.5, rel=1e-5)
    hermesc.compile(nn.Linear(8, 6), x, name="one").save(files / "wide.hermes")
    found = difference(files / "old.hermes", files / "wide.hermes")
    assert any(c.section == "layers" and c.after == "8 x 6" for c in found.changes)


def test_reports_differ_in_options_accuracy_latency_and_energy(
    files: Path, run: RunReport, chip: Chip
) -> None:
    again = chip.configure(age_s=86400.0, mode="1-phase").report()
    chip.configure(age_s=0.0, mode="4-phase")
    (files / "a.json").write_text(json.dumps(run.to_json()))
    (files / "b.json").write_text(json.dumps(again.to_json()))
    found = difference(files / "a.json", files / "b.json")
    sections = {c.section for c in found.changes}
    assert {"options", "accuracy", "latency", "energy", "layers"} <= sections
    latency = next(c for c in found.changes if c.what == "latency_ns")
    assert (latency.before, latency.after) == (
        run.to_json()["latency_ns"],
        again.to_json()["latency_ns"],
    )
    assert any(c.what == "layers.first.latency_ns" for c in found.changes)
    assert json.loads(json.dumps(found.to_json()))["kind"] == "report"


def test_what_only_one_report_has_is_told_from_a_null(files: Path) -> None:
    (files / "with.json").write_text('{"latency_ns": 1, "accuracy": null, "extra": [1, 2]}')
    (files / "without.json").write_text('{"latency_ns": 1}')
    found = difference(files / "with.json", files / "without.json")
    assert [(c.what, c.before) for c in found.changes] == [("accuracy", None), ("extra", [1, 2])]


def test_layers_of_one_name_are_told_apart(files: Path) -> None:
    pair = '{"latency_ns": 1, "layers": [{"label": "f", "mvms": 1}, {"label": "f", "mvms": %d}]}'
    (files / "c.json").write_text(pair % 2)
    (files / "d.json").write_text(pair % 3)
    (change,) = difference(files / "c.json", files / "d.json").changes
    assert change == Change("layers", "layers.f#2.mvms", 2, 3)


def test_a_program_and_a_report_are_not_compared(files: Path) -> None:
    (files / "r.json").write_text('{"latency_ns": 1}')
    for pair in (("a.hermes", "r.json"), ("r.json", "a.hermes")):
        with pytest.raises(OptionError, match=r"a\.hermes is a program and .*r\.json a report"):
            difference(files / pair[0], files / pair[1])


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", ArtifactError, "damaged or not a file of hermesc"),
        (b"PK\x03\x04rest", ArtifactError, "damaged or not a file of hermesc"),
        (b'{"latency_ns": 1', InputError, "broken JSON"),
        (b'{"\xff": 1}', InputError, "broken JSON"),
        (b'{"tiles": 3}', InputError, "JSON without latency_ns"),
        (b'{"a":' * 100_000, InputError, "broken JSON"),
    ],
)
def test_a_file_that_is_neither_is_refused_by_name(
    files: Path, content: bytes, error: type[InputError], words: str
) -> None:
    (files / "bad").write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        difference(files / "a.hermes", files / "bad")
    assert "bad" in str(caught.value)


def test_a_file_that_does_not_exist_is_refused(files: Path) -> None:
    with pytest.raises(InputError, match="cannot read the file"):
        difference(files / "a.hermes", files / "none.hermes")


def test_numbers_beyond_all_floats_are_shown_without_a_ratio(files: Path) -> None:
    (files / "e.json").write_text('{"latency_ns": 3}')
    (files / "f.json").write_text('{"latency_ns": 1%s}' % ("0" * 400))
    text = difference_text(difference(files / "e.json", files / "f.json"))
    assert "%" not in text
    assert np.isinf(float("1" + "0" * 400))
