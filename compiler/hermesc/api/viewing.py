"""The page about a program, or one of its figures as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hermesrt.artifact.schema import Artifact
from hermesrt.errors import OptionError
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.report.figures.export import STATIC, Figure, chip_figure, png, static_figure

if TYPE_CHECKING:  # the plan and the graph of a file need no torch
    from hermesc.api.given import GivenProgram
    from hermesrt.program import Chip

Format = Literal["html", "svg", "png"]
_FORMATS: tuple[Format, ...] = ("html", "svg", "png")


def view(
    program: "GivenProgram",
    output: str | Path | None = None,
    *,
    state: str | Path | None = None,
    format: Format | None = None,
    figure: Figure | None = None,
    core: int | None = None,
) -> Path:
    """Write a page about a program that opens in any browser, or one of its figures; the file.

    output: P.html or P-FIGURE.svg if not given, P the program's name.
    state: a chip that `program` made; one drawn from the published statistics, if not given.
    format: by the output's suffix if not given, else html; a figure is an svg.
    figure: one figure alone; the plan, where a picture is asked for.
    core: the core that the figure `core` shows; the fullest, if not given.
    Raises: OptionError, InputError, ArtifactError.
    """
    held, target = state and Path(state), None if output is None else Path(output)
    kind = _format(format, figure, target)
    if kind == "html" and figure is not None:
        raise OptionError(f"--figure {figure}: a figure alone is an svg or a png, the page has all")
    if core is not None and figure != "core":
        raise OptionError("--core: only --figure core shows one core")
    shown = figure or "plan"
    suffix = ".html" if kind == "html" else f"-{shown}.{kind}"
    file = Path(program) if isinstance(program, str | Path) else None
    name = file.stem if file else program.artifact.manifest.name  # type: ignore[union-attr]
    target = target or Path(name + suffix)
    check_writable(target, program=file, state=held or None)
    if kind == "html":
        write_atomically(target, _page(program, held or None))
    else:
        write_atomically(target, _picture(program, held or None, shown, core, kind))
    return target


def _format(given: Format | None, figure: Figure | None, output: Path | None) -> Format:
    """The format: as said, or by the suffix.

    Raises: OptionError where neither tells, or they differ.
    """
    suffix = output.suffix.lstrip(".").lower() if output else ""
    told = next((f for f in _FORMATS if f == suffix), None)
    if given is not None and told is not None and told != given:
        raise OptionError(f"--format {given} -o {output}: the two differ; leave one out")
    if given is None and output is not None and told is None:
        raise OptionError(
            f"-o {output}: the page is an .html file, a figure an .svg or .png file; or give "
            "--format"
        )
    return given or told or ("svg" if figure else "html")


def _page(program: "GivenProgram", state: Path | None) -> bytes:
    from hermesc.app.page import page_of

    return page_of(_chip(program, state)).encode()


def _picture(
    program: "GivenProgram", state: Path | None, figure: Figure, core: int | None, kind: Format
) -> bytes:
    if figure in STATIC:
        svg = static_figure(figure, _artifact(program))
    else:
        from hermesrt.snapshot import snapshot

        chip = _chip(program, state)
        cost = chip.device.cost(chip.compiled.workload(), None)
        svg = chip_figure(figure, chip.compiled.artifact, cost, snapshot(chip), core)
    return png(svg) if kind == "png" else svg.encode("utf-8", "replace")


def _chip(program: "GivenProgram", state: Path | None) -> "Chip":
    from hermesc.api.given import program_of
    from hermesc.api.running import deployed

    return deployed(program_of(program), state)


def _artifact(program: "GivenProgram") -> Artifact:
    from hermesrt.artifact.io import load

    return load(Path(program))[0] if isinstance(program, str | Path) else program.artifact
