"""Cores have one name in every view: their number, with their chip's where there are several."""

from dataclasses import replace

from hermesrt.artifact.contents import core_name, cores_text, link_name
from hermesrt.artifact.schema import Artifact


def test_on_one_chip_cores_are_numbers(artifact: Artifact) -> None:
    one = _on(artifact, 1)
    assert core_name(one, 1) == "core 1"
    assert cores_text(one, [1, 0, 0]) == "0, 1"
    assert link_name(one, (0, 1)) == "link 0 → 1"


def test_on_several_chips_they_are_counted_from_zero_on_each(artifact: Artifact) -> None:
    two, first = _on(artifact, 2), artifact.chip.cores
    assert core_name(two, first + 1) == "chip 1, core 1"
    assert cores_text(two, [0, first, first + 1]) == "chip 0, core 0; chip 1, cores 0, 1"
    assert link_name(two, (first, first + 1)) == "chip 1, link 0 → 1"
    assert link_name(two, (0, first)) == "chip 0, core 0 → chip 1, core 0"


def _on(artifact: Artifact, chips: int) -> Artifact:
    return replace(artifact, manifest=replace(artifact.manifest, chips=chips))
