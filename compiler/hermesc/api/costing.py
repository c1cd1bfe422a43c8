"""Time and energy of a program, from sizes alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim import engine
from hermesc.api.given import GivenProgram, file_of, program_of
from hermesc.app.beside import Beside, beside
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.load import GivenSettings
from hermesrt.chip.spec import Mode
from hermesrt.cost import Cost
from hermesrt.data import check_sizes, example_samples
from hermesrt.errors import OptionError
from hermesrt.facts.cost import cost_facts, cost_json
from hermesrt.facts.fact import Fact, aligned
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.frame import frame
from hermesrt.report.notebook import text_html
from hermesrt.report.text.terminal import layer_table
from hermesrt.report.text.trace import trace_json
from hermesrt.run_report import read_mode
from hermesrt.workload import workload

if TYPE_CHECKING:
    from pandas import DataFrame

Sizes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, repr=False)
class CostReport:
    """All that `hermesc cost` reports; `str()` of it is the terminal's text.

    artifact: the program.
    sizes: shape of each input, the batch first.
    mode: the read mode in force, or `mixed`.
    cost: time and energy of one sample.
    beside: machines to compare with, and assumed constants moved.
    """

    artifact: Artifact
    sizes: Sizes
    mode: str
    cost: Cost
    beside: Beside

    def __repr__(self) -> str:
        return f"<CostReport {self.artifact.manifest.name}: {self.cost!r}>"

    def _repr_html_(self) -> str:
        return text_html(str(self))

    def to_frame(self) -> "DataFrame":
        """One line a layer: vectors, MVMs, latency and energy.

        Raises: InputError without pandas.
        """
        return frame(cost_json(self.artifact, self.cost)["layers"])

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names; times in ns, energies in nJ."""
        found = {"chip": self.artifact.chip.name, "mode": self.mode}
        return found | cost_json(self.artifact, self.cost) | self.beside.to_json(self.cost)

    def __str__(self) -> str:
        chip, name = self.artifact.chip, self.artifact.manifest.name
        hypothetical = " (hypothetical)" if chip.hypothetical else ""
        sizes = (f"{n} {'x'.join(map(str, s)) or 'scalar'}" for n, s in self.sizes.items())
        head = [
            Fact("Program", f"{name} on {chip.name}{hypothetical}, {self.mode} reads"),
            Fact("Sample", ", ".join(sizes)),
        ]
        layers = [layer_table(self.cost)] if self.cost.layers else []
        text = aligned([*head, *cost_facts(self.artifact, self.cost)])
        return "\n".join([text, *layers, *self.beside.tables(self.cost)])


def cost(
    program: GivenProgram,
    shapes: Sizes | None = None,
    *,
    mode: Mode | None = None,
    trace: str | Path | None = None,
    compare: str | None = None,
    sensitivity: bool = False,
    chip_settings: GivenSettings = (),
) -> CostReport:
    """Time and energy of one sample of a program: no values are computed.

    shapes: sizes of inputs by name, the batch first; the examples' where there are none.
    mode: read mode of all layers; each layer's own if not given.
    trace: a Chrome trace is written to this file.
    compare: names of digital machines, such as "a100,cpu", or a TOML file of machines.
    sensitivity: also what half and twice each assumed constant makes of the total.
    chip_settings: numbers of the chip to replace, such as ("effects.read_noise", "off").
    Raises: OptionError, InputError, ArtifactError, ChipError.
    """
    if trace is not None:
        check_writable(Path(trace), program=file_of(program))
    artifact = program_of(program, chip_settings).artifact
    sizes = _sizes(artifact, shapes or {})
    work = workload(artifact, sizes)
    found = engine.bounded_cost(artifact.chip, work, mode)
    more = beside(work, mode, compare, moved=sensitivity)
    if trace is not None:
        write_atomically(Path(trace), trace_json(artifact, found).encode())
    ran = {s.name: sizes[s.name] if not s.dims else (work.samples, *sizes[s.name][1:])
           for s in artifact.manifest.inputs}  # fmt: skip
    return CostReport(artifact, ran, read_mode(artifact, mode), found, more)


def _sizes(artifact: Artifact, given: Sizes) -> Sizes:
    """The shape of each input, the examples' where none is given: of one sample, if rows are
    independent."""
    examples = example_samples(artifact).inputs
    for name, size in given.items():
        if name not in examples:
            text = f"{name}={'x'.join(map(str, size))}"
            raise OptionError(f"--shape {text}: the program's inputs are {', '.join(examples)}")
    sizes = {n: tuple(t.shape) for n, t in examples.items()} | dict(given)
    for spec in artifact.manifest.inputs:
        if spec.dims and isinstance(spec.dims[0], str) and artifact.manifest.rows_independent:
            if spec.name in given and given[spec.name][0] != 1:
                raise OptionError(
                    f"--shape {spec.name}: time and energy are those of one sample: a batch of 1"
                )
            sizes[spec.name] = (1, *sizes[spec.name][1:])
    check_sizes(artifact, sizes, "--shape")
    return sizes
