"""The floor plan: every tile at its place, and nothing in it that was not meant."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from hermesrt.artifact.schema import Artifact, Matrix, Route, Tile
from hermesrt.program import Program
from hermesrt.report.figures.floorplan import chip_svg, floorplan_svg
from hermesrt.report.figures.svg import swatch_svg

_SVG = "{http://www.w3.org/2000/svg}"


def _marked(svg: str, kind: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(svg)
    return [e for e in root.iter() if kind in e.get("class", "").split()]


def _rectangle(element: ElementTree.Element) -> tuple[float, float, float, float]:
    x, y, width, height = (float(element.get(k, "")) for k in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def _with_matrices(artifact: Artifact, matrices: tuple[Matrix, ...]) -> Artifact:
    manifest = replace(artifact.manifest, matrices=matrices, routes=())
    return replace(artifact, manifest=manifest)


def _with_chip(artifact: Artifact, **tables: dict[str, int]) -> Artifact:
    chip = artifact.manifest.chip
    changed = {name: chip[name] | values for name, values in tables.items()}
    return replace(artifact, manifest=replace(artifact.manifest, chip=chip | changed))


def _matrix(label: str, tile: Tile) -> Matrix:
    """A matrix of one tile."""
    return Matrix(
        name=f"matrix_{label}",
        label=label,
        mode="4-phase",
        rows=tile.rows[1],
        columns=tile.columns[1],
        row_ranges=(tile.rows,),
        g_max_siemens=(2e-5,),
        tiles=(tile,),
    )


def _many(artifact: Artifact, count: int) -> Artifact:
    """As many 16 x 16 layers, side by side in the cores."""
    matrices = []
    for i in range(count):
        core, place = divmod(i, 256)
        row, column = divmod(place, 16)
        core_rows, core_columns = (16 * row, 16 * row + 16), (16 * column, 16 * column + 16)
        tile = Tile(0, 0, (0, 16), (0, 16), core, core_rows, core_columns)
        matrices.append(_matrix(f"layer{i}", tile))
    return _with_matrices(artifact, tuple(matrices))


def test_it_draws_one_rectangle_for_each_tile_and_core(artifact: Artifact) -> None:
    svg = floorplan_svg(artifact)
    assert artifact.tiles == 3
    assert len(_marked(svg, "tile")) == artifact.tiles
    assert len(_marked(svg, "core")) == 64
    assert len(_marked(svg, "used")) == 2 * len(artifact.cores)  # the core and its number


def test_a_tile_lies_in_its_core_at_its_rows_and_columns(artifact: Artifact) -> None:
    svg = floorplan_svg(artifact)
    cores = [_rectangle(e) for e in _marked(svg, "core")]
    tiles = [t for m in artifact.manifest.matrices for t in m.tiles]
    tiles.sort(key=lambda tile: tile.core)  # core by core, in the order of layers
    for element, tile in zip(_marked(svg, "tile"), tiles, strict=True):
        left, top, right, bottom = cores[tile.core]
        wide, high = (right - left) / 256, (bottom - top) / 256
        assert _rectangle(element) == pytest.approx(
            (
                left + wide * tile.core_columns[0],
                top + high * tile.core_rows[0],
                left + wide * tile.core_columns[1],
                top + high * tile.core_rows[1],
            ),
            abs=0.02,
        )


def test_cores_are_numbered_row_by_row(artifact: Artifact) -> None:
    cores = [_rectangle(e) for e in _marked(floorplan_svg(artifact), "core")]
    assert cores[7][1] == cores[0][1] < cores[8][1]
    assert cores[8][0] == cores[0][0] < cores[1][0]


def test_title_and_legend_say_what_is_shown(artifact: Artifact) -> None:
    text = " ".join(ElementTree.fromstring(floorplan_svg(artifact)).itertext())
    used = len(artifact.cores)
    for words in ("small on hermes", f"{used} of 64 cores", "512 × 40, 2", "first", "head"):
        assert words in text


def test_the_same_program_gives_the_same_picture(artifact: Artifact) -> None:
    assert floorplan_svg(artifact) == floorplan_svg(replace(artifact))


def test_a_hostile_label_stays_text(hostile: Artifact) -> None:
    root = ElementTree.fromstring(floorplan_svg(hostile))
    assert not [e for e in root.iter() if e.tag.removeprefix(_SVG) in ("script", "img")]
    assert not [e for e in root.iter() if any(k.startswith("on") for k in e.attrib)]
    assert "]]>" in "".join(root.itertext())
    holder = _marked(chip_svg(hostile), "holder")[0]
    assert "onerror='" in holder.get("aria-label", "")


def test_a_program_without_matrices_is_an_empty_chip(digital: Program) -> None:
    svg = floorplan_svg(digital.artifact)
    assert _marked(svg, "tile") == []
    assert len(_marked(svg, "core")) == 64
    assert "0 of 64 cores: the model has no matrix on the chip" in svg
    assert "No layer is on the chip" in svg


def test_the_legend_of_hundreds_of_layers_stays_short(artifact: Artifact) -> None:
    many = _many(artifact, 300)
    root = ElementTree.fromstring(floorplan_svg(many))
    texts = [e.text for e in root.iter(f"{_SVG}text")]
    assert len(_marked(floorplan_svg(many), "tile")) == 300
    assert "layer36" in texts
    assert "layer37" not in texts
    assert "263 more" in texts


def test_neighbouring_layers_differ_in_colour_or_hatch_and_every_hatch_is_defined(
    artifact: Artifact,
) -> None:
    svg = floorplan_svg(_many(artifact, 100))
    fills = [e.get("fill", "") for e in _marked(svg, "tile")]
    assert len(set(fills[:35])) == 35
    defined = {e.get("id") for e in ElementTree.fromstring(svg).iter(f"{_SVG}pattern")}
    used = {fill[5:-1] for fill in fills if fill.startswith("url(#")}
    assert used == defined - {"assumed"}
    assert swatch_svg(40) == swatch_svg(5)


@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (16, 16), (3, 100)])
def test_any_grid_is_drawn_inside_the_picture(artifact: Artifact, grid: tuple[int, int]) -> None:
    rows, columns = grid
    chip = _with_chip(artifact, grid={"rows": rows, "columns": columns})
    bare = _with_matrices(chip, ())
    svg = floorplan_svg(bare)
    cores = [_rectangle(e) for e in _marked(svg, "core")]
    width, height = map(float, ElementTree.fromstring(svg).get("viewBox", "").split()[2:])
    assert len(cores) == rows * columns
    assert max(c[2] for c in cores) < width
    assert max(c[3] for c in cores) < height


def test_a_crossbar_of_another_size_is_filled_by_a_tile_of_its_size(artifact: Artifact) -> None:
    chip = _with_chip(artifact, crossbar={"rows": 64, "columns": 128})
    tile = Tile(0, 0, (0, 64), (0, 128), 5, (0, 64), (0, 128))
    matrix = _matrix("whole", tile)
    svg = floorplan_svg(_with_matrices(chip, (matrix,)))
    core = _rectangle(_marked(svg, "core")[5])
    assert _rectangle(_marked(svg, "tile")[0]) == pytest.approx(core, abs=0.02)
    assert core[2] - core[0] == pytest.approx(2 * (core[3] - core[1]), abs=0.05)


def test_each_link_of_a_layer_is_drawn_once(artifact: Artifact) -> None:
    name = artifact.manifest.matrices[0].name
    hops = ((0, 1), (1, 0), (0, 2), (2, 0), (0, 8), (8, 0), (0, 16), (16, 0), (0, 9), (0, 1))
    routes = tuple(Route(name, 0, (0, 40), 1, cores) for cores in hops)
    drawn = replace(artifact, manifest=replace(artifact.manifest, routes=routes))
    paths = [e.get("d") for e in _marked(floorplan_svg(drawn), "route")]
    assert len(paths) == len(set(paths)) == 9


def test_a_fine_grid_has_neither_numbers_nor_arrows(artifact: Artifact) -> None:
    fine = _with_chip(artifact, grid={"rows": 8, "columns": 64})
    svg = floorplan_svg(fine)
    assert _marked(svg, "route") == _marked(svg, "number") == []
    assert len(_marked(svg, "tile")) == artifact.tiles


def test_several_chips_stand_side_by_side_with_their_names(artifact: Artifact) -> None:
    tiles = [Tile(0, 0, (0, 16), (0, 16), core, (0, 16), (0, 16)) for core in (0, 63, 64, 130)]
    spread = _with_matrices(artifact, tuple(_matrix(str(i), t) for i, t in enumerate(tiles)))
    spread = replace(spread, manifest=replace(spread.manifest, chips=3))
    svg = floorplan_svg(spread)
    cores = [_rectangle(e) for e in _marked(svg, "core")]
    assert len(cores) == 3 * 64
    assert not any(_overlap(a, b) for i, a in enumerate(cores) for b in cores[:i])
    texts = [e.text for e in ElementTree.fromstring(svg).iter(f"{_SVG}text")]
    assert {"chip 0", "chip 1", "chip 2"} <= set(texts)
    assert "4 of 192 cores of 3 chips" in " ".join(map(str, texts))
    names = [e.get("aria-label", "") for e in _marked(chip_svg(spread), "holder")]
    assert names[2].startswith("chip 1, core 0: 1 tile of 2")


def test_a_link_between_chips_runs_from_core_to_core(artifact: Artifact) -> None:
    tiles = [Tile(0, 0, (0, 16), (0, 16), core, (0, 16), (0, 16)) for core in (7, 64)]
    spread = _with_matrices(artifact, tuple(_matrix(str(i), t) for i, t in enumerate(tiles)))
    routes = (Route("matrix_0", 0, (0, 16), 1, (7, 64)),)
    manifest = replace(spread.manifest, routes=routes, chips=2)
    svg = floorplan_svg(replace(spread, manifest=manifest))
    assert len(_marked(svg, "route")) == 1


def test_copies_of_a_tile_are_all_drawn(artifact: Artifact) -> None:
    tile = Tile(0, 0, (0, 16), (0, 16), 0, (0, 16), (0, 16))
    matrix = replace(_matrix("twice", tile), tiles=(tile, replace(tile, copy=1, core=9)))
    assert len(_marked(floorplan_svg(_with_matrices(artifact, (matrix,))), "tile")) == 2


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
