"""Each figure of the page alone, as SVG or PNG.

PNGs are made by resvg, in twice the size for slides; its fallback font is matplotlib's DejaVu Sans,
so that no system font is needed.
"""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hermesrt.artifact.contents import fullest_core
from hermesrt.artifact.schema import Artifact
from hermesrt.errors import OptionError

if TYPE_CHECKING:  # the plan and the graph need no torch
    from collections.abc import Sequence

    from hermesrt.cost import Cost
    from hermesrt.programming.conductances import CoreCells
    from hermesrt.programming.loop import Iteration
    from hermesrt.snapshot import ProgrammingSnapshot

Figure = Literal["plan", "core", "graph", "timeline", "energy", "latency", "programming"]
FIGURES: tuple[Figure, ...] = (
    "plan", "core", "graph", "timeline", "energy", "latency", "programming",
)  # fmt: skip
STATIC: tuple[Figure, ...] = ("plan", "graph")
_SCALE = 2.0
_CSS_DPI, _PRINT_SCALE = 96.0, 4.0


def static_figure(figure: Figure, artifact: Artifact) -> str:
    """A figure of the program file alone."""
    if figure == "plan":
        from hermesrt.report.figures.floorplan import floorplan_svg

        return floorplan_svg(artifact)
    from hermesrt.report.figures.graph_picture import graph_svg

    return graph_svg(artifact)


def chip_figure(
    figure: Figure, artifact: Artifact, cost: "Cost", held: "ProgrammingSnapshot", core: int | None
) -> str:
    """A figure that needs a chip which holds the program.

    Raises: OptionError for a core that is not in use.
    """
    from hermesrt.report.figures.breakdown import breakdown_svg
    from hermesrt.report.figures.convergence import programming_svg
    from hermesrt.report.figures.heatmap import core_svg
    from hermesrt.report.figures.timeline import timeline_svg

    match figure:
        case "core":
            cells = _cells(artifact, held, core)
            return core_svg(artifact, cells, held.outcome.errors.get(cells.core))
        case "timeline":
            return timeline_svg(artifact, cost)
        case "energy" | "latency":
            return breakdown_svg(artifact, cost, figure)
        case "programming":
            return programming_svg(artifact, held.outcome)
    return static_figure(figure, artifact)


def _cells(artifact: Artifact, held: "ProgrammingSnapshot", core: int | None) -> "CoreCells":
    """That core, or the fullest."""
    if not artifact.cores:
        raise OptionError("--figure core: the program has no matrix on the chip, so no core holds")
    core = fullest_core(artifact) if core is None else core
    for cells in held.cells():
        if cells.core == core:
            return cells
    used = ", ".join(map(str, artifact.cores))
    raise OptionError(f"--core {core}: it holds nothing; the cores in use are {used}")


def curve_picture(iterations: "Sequence[Iteration]", path: Path) -> bytes:
    """MVM error of every core against the iteration, in the format of the path's suffix: the SVG
    itself, its pixels, or a PDF of its pixels at print resolution."""
    from hermesrt.report.figures.convergence import curve_document

    svg = curve_document(iterations)
    match path.suffix:
        case ".png":
            return png(svg)
        case ".pdf":
            return _pdf(png(svg, _PRINT_SCALE))
    return svg.encode()


def _pdf(pixels: bytes) -> bytes:
    """One page that shows a picture."""
    from PIL import Image

    page = io.BytesIO()
    with Image.open(io.BytesIO(pixels)) as image:
        image.convert("RGB").save(page, format="PDF", resolution=_CSS_DPI * _PRINT_SCALE)
    return page.getvalue()


def png(svg: str, scale: float = _SCALE) -> bytes:
    """A picture's pixels."""
    import resvg_py

    matplotlib = find_spec("matplotlib")
    assert matplotlib is not None and matplotlib.origin is not None
    fonts = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=scale,
            font_files=[str(fonts / "DejaVuSans.ttf"), str(fonts / "DejaVuSans-Bold.ttf")],
            sans_serif_family="DejaVu Sans",
        )
    )
