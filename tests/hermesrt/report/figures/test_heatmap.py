"""Maps of cells: what is drawn is what the chip holds, within a step."""

import base64
import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import hermesc
from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.errors import OptionError
from hermesrt.program import Chip, Program
from hermesrt.programming.cell_maps import MIDDLE
from hermesrt.programming.conductances import CoreCells
from hermesrt.report.figures.export import FIGURES, chip_figure, png
from hermesrt.report.figures.heatmap import maps_of
from hermesrt.snapshot import ProgrammingSnapshot, snapshot


def _codes(text: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_the_codes_are_the_conductances_within_half_a_step(held: ProgrammingSnapshot) -> None:
    maps = maps_of(held.cells, 100_000)
    assert maps.stride == 1
    for cells, drawn in zip(held.cells(), maps.cores, strict=True):
        target, error = _codes(drawn.target), _codes(drawn.error)
        assert ((target > 0) == cells.used).all()
        for codes, values, step in (
            (target, cells.target, maps.scales.target_step),
            (error, cells.error, maps.scales.error_step),
        ):
            shown = (codes.astype(float) - MIDDLE) * step
            apart = abs(shown - values * 1e6)[cells.used]
            assert apart.max() <= step / 2 * (1 + 1e-5)
        assert drawn.rms == pytest.approx(cells.rms_error * 1e6)


def test_ideal_weights_have_no_error(small: Program) -> None:
    chip = small.deploy(hermesc.simulate("hermes", seed=0), method="ideal")
    for cells in snapshot(chip).cells():
        assert abs(cells.error).max() < 1e-9
        assert cells.used.any()


def test_within_a_budget_a_pixel_is_the_worst_cell_of_its_square(held: ProgrammingSnapshot) -> None:
    broken: list[CoreCells] = []
    for cells in held.cells():
        wrong = cells.programmed.copy()
        row, column = (int(i[0]) for i in np.nonzero(cells.used))
        wrong[row + 3, column + 1] += 1e-4  # one cell far off
        broken.append(replace(cells, programmed=wrong))
    maps = maps_of(lambda: broken, budget=20_000)
    assert maps.stride > 1
    for drawn in maps.cores:
        codes = _codes(drawn.error)
        assert codes.shape == (256 // maps.stride, 256 // maps.stride)
        assert (codes.max() - MIDDLE) * maps.scales.error_step > 90
    assert sum(len(m.target) + len(m.error) for m in maps.cores) <= 20_000


def test_the_core_figure_names_the_core_and_its_tiles(
    artifact: Artifact, cost: Cost, held: ProgrammingSnapshot
) -> None:
    core = artifact.cores[0]
    svg = chip_figure("core", artifact, cost, held, core)
    text = " ".join(ElementTree.fromstring(svg).itertext())
    assert f"Core {core} of small on hermes" in text
    assert "rows 0–256, columns 0–40" in text
    assert svg.count("data:image/png;base64,") == 6


def test_a_core_that_holds_nothing_is_refused(
    artifact: Artifact, cost: Cost, held: ProgrammingSnapshot, digital: Program, chip: Chip
) -> None:
    with pytest.raises(OptionError, match=r"--core 63: it holds nothing; the cores in use are 0"):
        chip_figure("core", artifact, cost, held, 63)
    empty = snapshot(digital.deploy(hermesc.simulate("hermes", seed=0)))
    with pytest.raises(OptionError, match="no core holds"):
        chip_figure("core", digital.artifact, cost, empty, None)


@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_is_the_same_each_time_and_becomes_pixels(
    artifact: Artifact, cost: Cost, held: ProgrammingSnapshot, figure: str
) -> None:
    svg = chip_figure(figure, artifact, cost, held, None)  # type: ignore[arg-type]
    assert svg == chip_figure(figure, artifact, cost, held, None)  # type: ignore[arg-type]
    image = Image.open(io.BytesIO(png(svg)))
    root = ElementTree.fromstring(svg)
    width, height = (float(root.get(k, "0")) for k in ("width", "height"))
    assert image.size == pytest.approx((2 * width, 2 * height), abs=2)
    assert len(set(image.convert("RGB").resize((200, 200)).get_flattened_data())) > 10


@pytest.mark.parametrize("figure", FIGURES)
def test_hostile_names_stay_text_in_each_figure(
    hostile: Artifact, cost: Cost, held: ProgrammingSnapshot, figure: str
) -> None:
    root = ElementTree.fromstring(chip_figure(figure, hostile, cost, held, None))  # type: ignore[arg-type]
    assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "img")]
    assert not [k for e in root.iter() for k in e.attrib if k.startswith("on")]


def test_the_maps_of_a_full_chip_leave_room_in_a_page_of_five_megabytes() -> None:
    draw = np.random.default_rng(0)
    used = np.ones((256, 256), dtype=np.bool_)
    cells = [
        CoreCells(
            core,
            draw.uniform(-2e-5, 2e-5, used.shape).astype(np.float32),
            draw.uniform(-2e-5, 2e-5, used.shape).astype(np.float32),
            used,
        )
        for core in range(64)
    ]
    maps = maps_of(lambda: cells, 3_900_000)
    assert maps.stride == 2
    assert len(maps.cores) == 64
    assert sum(len(m.target) + len(m.error) for m in maps.cores) < 4_000_000
