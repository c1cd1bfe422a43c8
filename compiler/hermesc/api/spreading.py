"""Several simulated chips of one program, each programmed once and read at several ages."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hermes_sim.sensitivity import joint_range
from hermesc.api.given import GivenProgram, file_of, program_of
from hermesc.api.making import Defects, simulate
from hermesc.api.notebook import Chip, Program
from hermesrt.artifact.schema import Artifact
from hermesrt.blocks import OutputBlock
from hermesrt.chip.load import GivenSettings
from hermesrt.chip.spec import Mode
from hermesrt.cost import Cost
from hermesrt.data import Samples, example_samples, read_samples
from hermesrt.device import Method
from hermesrt.errors import OptionError
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.layer_outputs import LayerOutputs, layer_errors
from hermesrt.measurement import RunSettings, measure
from hermesrt.run_report import RunReport
from hermesrt.spread_report import SpreadReport
from hermesrt.units import age_of

MOST_DRAWS = 100_000
PICTURES = (".svg", ".png", ".pdf")
_KEPT_ELEMENTS = 2**26  # of FP32 results that are kept from the first chip for all others
Ages = str | Sequence[float | str]


def spread(
    program: GivenProgram,
    inputs: str | Path | None = None,
    *,
    draws: int = 20,
    ages: Ages = "0s",
    method: Method | None = None,
    seed: int | None = None,
    defects: Defects | None = None,
    mode: Mode | None = None,
    csv: str | Path | None = None,
    plot: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    chip_settings: GivenSettings = (),
) -> SpreadReport:
    """How chips differ: accuracy and error of several, each programmed once and read at each age.

    inputs: an .npz file of inputs by name, and `labels`; the program's examples, if not given.
    draws: how many chips; their seeds are `seed` and those that follow it.
    ages: since programming, in seconds or such as "1d"; a text with commas between them too.
    method: how weights are programmed; `published` if not given.
    seed: of the first chip, 0 if not given.
    defects: what is broken on all of them.
    mode: read mode of all layers; each layer's own if not given.
    csv: a table with a row for each chip and age is written to this file.
    plot: accuracy and error against the age are drawn to this .svg, .png or .pdf file.
    progress: gets the chips done and all chips.
    chip_settings: numbers of the chip to replace.
    Raises: OptionError, InputError, ArtifactError, ChipError.
    """
    times, first = parse_ages(ages), seed or 0
    if not 1 <= draws <= MOST_DRAWS:
        raise OptionError(f"--draws {draws}: give from 1 to {MOST_DRAWS:,} chips")
    data, table, picture = (None if p is None else Path(p) for p in (inputs, csv, plot))
    for path in (table, picture):
        if path is not None:
            check_writable(path, program=file_of(program), inputs=data)
    if picture is not None and picture.suffix not in PICTURES:
        raise OptionError(f"--plot {picture}: the picture is one of {', '.join(PICTURES)}")
    compiled = program_of(program, chip_settings)
    samples = read_samples(compiled.artifact, data) if data else example_samples(compiled.artifact)
    runs: list[tuple[RunReport, ...]] = []
    exact = Reference(samples)
    for draw in range(draws):
        chip = Chip(compiled, simulate(compiled.artifact.chip, first + draw, defects))
        chip.program(method or "published")
        if not runs:
            cost = chip.device.cost(compiled.workload(samples), mode)
        runs.append(tuple(read_chip(compiled, chip, samples, times, mode, exact, cost)))
        if progress is not None:
            progress(draw + 1, draws)
    assumed = joint_range(compiled.artifact.chip, compiled.workload(samples), mode)
    report = SpreadReport(tuple(runs), assumed)
    _write(report, table, picture)
    return report


def parse_ages(ages: Ages) -> tuple[float, ...]:
    """Seconds since programming, each once, in the order given.

    Raises: OptionError where there is none, or one that is no age.
    """
    words = ages.split(",") if isinstance(ages, str) else ages
    found = tuple(dict.fromkeys(age_of(word) for word in words))
    if not found:
        raise OptionError("--ages: give at least one age, such as 0s,1h,1d")
    return found


class Reference:
    """FP32 results, computed by the first run that needs them and kept where they are few."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._kept: list[OutputBlock] | None = None
        self._layers = LayerOutputs()
        self._seen = LayerOutputs()

    def layers(self, artifact: Artifact) -> dict[str, float]:
        """Relative error of each layer's outputs in the last run."""
        return layer_errors(artifact, self._seen, self._layers)

    def blocks(self, chip: Chip) -> Iterator[OutputBlock]:
        """A run's blocks with their FP32 results."""
        self._seen = LayerOutputs()
        if self._kept is not None:
            watch = self._seen, LayerOutputs()
            found = chip.run(self._samples, references=False, watch=watch)
            for block, exact in zip(found, self._kept, strict=True):
                yield OutputBlock(block.rows, block.outputs, exact.references)
            return
        kept: list[OutputBlock] = []
        self._layers = LayerOutputs()
        for block in chip.run(self._samples, watch=(self._seen, self._layers)):
            kept.append(OutputBlock(block.rows, (), block.references))
            yield block
        if sum(t.numel() for b in kept for t in b.references) <= _KEPT_ELEMENTS:
            self._kept = kept


def read_chip(
    program: Program,
    chip: Chip,
    samples: Samples,
    ages: Iterable[float],
    mode: Mode | None,
    exact: Reference,
    cost: Cost,
) -> Iterator[RunReport]:
    """A chip at each age, with the read noise of a first run."""
    for age in ages:
        chip.rewind().configure(age, mode)
        settings = RunSettings(chip.method, chip.device.seed, chip.settings)
        blocks = ((b.rows, b.outputs, b.references) for b in exact.blocks(chip))
        report = measure(program.artifact, settings, samples, blocks, cost)
        yield replace(report, layers=exact.layers(program.artifact))


def _write(report: SpreadReport, table: Path | None, picture: Path | None) -> None:
    if table is not None:
        write_atomically(table, report.to_csv().encode())
    if picture is not None:
        from hermesrt.report.figures.spread import spread_picture

        write_atomically(picture, spread_picture(report, picture))
