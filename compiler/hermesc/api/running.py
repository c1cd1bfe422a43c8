"""Programming a simulated chip, and running on it."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hermesrt.program as runtime
from hermesc.api.given import GivenProgram, file_of, program_of
from hermesc.api.making import Defects, simulate
from hermesc.api.notebook import Chip
from hermesc.app.beside import Beside, beside
from hermesrt.blocks import OutputBlock, joined
from hermesrt.chip.load import GivenSettings
from hermesrt.chip.spec import Mode
from hermesrt.data import example_samples, read_samples, write_outputs
from hermesrt.device import Method
from hermesrt.errors import OptionError
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.place import place_of
from hermesrt.programming.loop import ProgrammingOptions, ProgrammingProgress
from hermesrt.programming.mvm_error import mvm_errors
from hermesrt.programming_report import ProgrammingReport
from hermesrt.report.text.terminal import layer_table
from hermesrt.report.text.trace import trace_json
from hermesrt.run_report import RunReport

if TYPE_CHECKING:
    from pandas import DataFrame

RunProgress = Callable[[int, int], None]
_CURVES = (".svg", ".png", ".pdf")
_PAGES = (".html", ".htm")


def program(
    program: GivenProgram,
    output: str | Path,
    *,
    method: Method | None = None,
    seed: int | None = None,
    defects: Defects | None = None,
    options: ProgrammingOptions | None = None,
    plot: str | Path | None = None,
    observe: Callable[[ProgrammingProgress], None] | None = None,
    chip_settings: GivenSettings = (),
) -> ProgrammingReport:
    """Program the weights into a simulated chip's cells and keep their state in `output`.

    method: `published` if not given.
    seed: of the chip's devices, 0 if not given.
    defects: what is broken on the chip; that for which the program was compiled, if not given.
    plot: the curve of a pulse-by-pulse method is drawn to this file.
    observe: is called after each iteration.
    chip_settings: numbers of the chip to replace.
    A pulse-by-pulse method that was stopped goes on where it was when called again.
    Raises: OptionError, InputError, ArtifactError.
    """
    output, curve = Path(output), None if plot is None else Path(plot)
    check_writable(output, program=file_of(program))
    if curve is not None:
        check_writable(curve, program=file_of(program))
        _check_curve(curve, method)
    start = time.perf_counter()
    compiled = program_of(program, chip_settings)
    chip = _blank(compiled, seed, defects)
    before = mvm_errors(chip.device, compiled.artifact)
    chip.program(method or "published", options, observe, checkpoint_of(output))
    errors = mvm_errors(chip.device, compiled.artifact)
    chip.save(output)
    if curve is not None:
        from hermesrt.report.figures.export import curve_picture

        write_atomically(curve, curve_picture(chip.iterations, curve))
    return ProgrammingReport(chip, before, errors, time.perf_counter() - start)


def checkpoint_of(output: Path) -> Path:
    """Where a program run that writes `output` keeps what it did so far."""
    return output.with_name(output.name + ".part")


def _check_curve(plot: Path, method: str | None) -> None:
    if plot.suffix not in _CURVES:
        raise OptionError(f"--plot {plot}: the picture is a .svg, .png or .pdf file")
    if method in (None, "published", "ideal"):
        raise OptionError(
            f"--plot: {method or 'published'} weights are drawn at once; --method gdp, verify "
            "or oneshot has a curve"
        )


@dataclass(frozen=True, slots=True, repr=False)
class RunResult:
    """All that `hermesc run` reports; `str()` of it is the terminal's text.

    report: accuracy, latency and energy.
    beside: machines to compare with, and assumed constants moved.
    """

    report: RunReport
    beside: Beside

    def __repr__(self) -> str:
        return repr(self.report).replace("RunReport", "RunResult", 1)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()

    def to_frame(self) -> "DataFrame":
        """As the report's."""
        return self.report.to_frame()

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names; times in ns, energies in nJ."""
        return self.report.to_json() | self.beside.to_json(self.report.cost)

    def __str__(self) -> str:
        cost = self.report.cost
        layers = [layer_table(cost)] if cost.layers else []
        return "\n".join([str(self.report), *layers, *self.beside.tables(cost)])


def run(
    program: GivenProgram,
    inputs: str | Path | None = None,
    *,
    outputs: str | Path | None = None,
    state: str | Path | None = None,
    method: Method | None = None,
    seed: int | None = None,
    defects: Defects | None = None,
    age_s: float | str = 0.0,
    mode: Mode | None = None,
    ideal: bool = False,
    trace: str | Path | None = None,
    report: str | Path | None = None,
    compare: str | None = None,
    sensitivity: bool = False,
    progress: RunProgress | None = None,
    chip_settings: GivenSettings = (),
    device: str = "cpu",
) -> RunResult:
    """Run a program on the simulated chip: accuracy, latency and energy.

    inputs: an .npz file of inputs by name, and `labels`; the program's examples, if not given.
    outputs: output_0..., reference_0... are written to this .npz file.
    state: a chip that `program` made; otherwise one is drawn by `method`, `seed` and `defects`.
    age_s: seconds since programming, or a text such as "1d".
    mode: read mode of all layers; each layer's own if not given.
    ideal: no noise and no quantisation.
    trace: a Chrome trace is written to this file.
    report: the page of `view` with this run's results is written to this .html file.
    compare: names of digital machines, or a TOML file of machines.
    sensitivity: also what half and twice each assumed constant makes of the total.
    progress: gets the rows done and all rows.
    chip_settings: numbers of the chip to replace.
    device: where torch computes, such as `cuda`.
    Raises: OptionError, InputError, ArtifactError, ChipError.
    """
    data, held, values, spans, page = map(_path, (inputs, state, outputs, trace, report))
    _check_run(page, held, method, seed, defects)
    for path in (values, spans, page):
        if path is not None:
            check_writable(path, program=file_of(program), inputs=data, state=held)
    place = place_of(device)
    compiled = program_of(program, chip_settings)
    artifact = compiled.artifact
    samples = read_samples(artifact, data) if data else example_samples(artifact)
    chip = deployed(compiled, held, method, seed, defects).configure(age_s, mode, ideal)
    chip.to(place)
    kept: list[OutputBlock] = []
    blocks = _counted(chip.run(samples), samples.count, progress)
    found = chip.measured(samples, _keep(blocks, kept) if values else blocks)
    if values is not None:
        _write(values, kept)
    if spans is not None:
        write_atomically(spans, trace_json(artifact, found.cost).encode())
    if page is not None:
        from hermesc.app.page import page_of

        write_atomically(page, page_of(chip, samples, found).encode())
    return RunResult(found, beside(compiled.workload(samples), mode, compare, moved=sensitivity))


def deployed(
    compiled: runtime.Program,
    state: Path | None = None,
    method: Method | None = None,
    seed: int | None = None,
    defects: Defects | None = None,
) -> Chip:
    """A simulated chip with the program's weights, newly written or from a state file."""
    chip = _blank(compiled, seed, defects)
    if state is not None:
        return chip.load(state)
    chip.program(method or "published")
    return chip


def _blank(compiled: runtime.Program, seed: int | None, defects: Defects | None) -> Chip:
    """A simulated chip that took the program's tiles; no weight is written yet."""
    return Chip(compiled, simulate(compiled.artifact.chip, seed or 0, defects))


def _check_run(
    page: Path | None,
    state: Path | None,
    method: Method | None,
    seed: int | None,
    defects: Defects | None,
) -> None:
    if page is not None and page.suffix not in _PAGES:
        raise OptionError(
            f"--report {page}: the page is an .html file; for a report as data write "
            "hermesc run ... --json > FILE.json"
        )
    if state is not None and any(o is not None for o in (method, seed, defects)):
        raise OptionError(
            "--state is a programmed chip already: leave out --method and --seed, and --defects"
        )


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _counted(
    blocks: Iterable[OutputBlock], total: int, progress: RunProgress | None
) -> Iterator[OutputBlock]:
    for block in blocks:
        yield block
        if progress is not None:
            progress(block.rows.stop or total, total)


def _keep(blocks: Iterable[OutputBlock], kept: list[OutputBlock]) -> Iterator[OutputBlock]:
    for block in blocks:
        kept.append(block)
        yield block


def _write(path: Path, blocks: list[OutputBlock]) -> None:
    outputs = joined([block.outputs for block in blocks])
    references = joined([block.references for block in blocks])
    write_outputs(
        path,
        {f"output_{i}": value for i, value in enumerate(outputs)},
        {f"reference_{i}": value for i, value in enumerate(references)},
    )
