"""Programs and chips as they lie in a notebook: the runtime's, with the commands as methods."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hermesrt.program as runtime
from hermesrt.device import Device, Method
from hermesrt.facts.program import program_facts
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.report.notebook import facts_html, page_frame, plan_html

if TYPE_CHECKING:
    from hermesc.api.costing import CostReport, Sizes
    from hermesc.api.exporting import Exported
    from hermesc.api.looking import Inspection, StageName
    from hermesc.api.running import RunResult
    from hermesrt.chip.load import GivenSettings
    from hermesrt.spread_report import SpreadReport


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A figure; a notebook shows it.

    svg: its text.
    """

    svg: str

    def __repr__(self) -> str:
        return f"<Picture, {len(self.svg):,} characters of SVG>"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> Path:
        """Write it as .svg, or as pixels to a .png file."""
        from hermesrt.report.figures.export import png

        target = Path(path)
        check_writable(target)
        made = png(self.svg) if target.suffix.lower() == ".png" else self.svg.encode()
        write_atomically(target, made)
        return target


@dataclass(frozen=True, slots=True, repr=False)
class Page:
    """The page about a program; a notebook shows it in a frame.

    html: its text.
    """

    html: str

    def __repr__(self) -> str:
        return f"<Page, {len(self.html):,} characters of HTML>"

    def _repr_html_(self) -> str:
        return page_frame(self.html)

    def save(self, path: str | Path) -> Path:
        """Write it as an .html file."""
        target = Path(path)
        check_writable(target)
        write_atomically(target, self.html.encode())
        return target


class Program(runtime.Program):
    """A compiled model, with each command about it as a method.

    artifact: what is in its file.
    sha256: of its file.
    """

    def deploy(self, device: Device, method: Method = "published") -> "Chip":
        """Write the weights into a device."""
        chip = Chip(self, device)
        chip.program(method)
        return chip

    def with_chip(self, settings: "GivenSettings") -> "Program":
        """The same program on a chip with other numbers, such as {"adc.counter_bits": 6}.

        Raises: OptionError for a number that it was compiled for.
        """
        from hermesc.api.given import program_of

        return program_of(self, settings)

    def run(self, inputs: str | Path | None = None, **options: Any) -> "RunResult":
        """`hermesc.run` of this program."""
        from hermesc.api.running import run

        return run(self, inputs, **options)

    def spread(self, inputs: str | Path | None = None, **options: Any) -> "SpreadReport":
        """`hermesc.spread` of this program."""
        from hermesc.api.spreading import spread

        return spread(self, inputs, **options)

    def cost(self, shapes: "Sizes | None" = None, **options: Any) -> "CostReport":
        """`hermesc.cost` of this program."""
        from hermesc.api.costing import cost

        return cost(self, shapes, **options)

    def inspect(self, stage: "StageName | None" = None) -> "Inspection":
        """`hermesc.inspect` of this program."""
        from hermesc.api.looking import inspect

        return inspect(self, stage)

    def view(self, state: str | Path | None = None) -> Page:
        """The page that `hermesc.view` writes, of the chip in a state file or of a drawn one."""
        from hermesc.api.running import deployed
        from hermesc.app.page import page_of

        return Page(page_of(deployed(self, None if state is None else Path(state))))

    def export(self, output: str | Path) -> "Exported":
        """The ONNX model that `hermesc.export` writes."""
        from hermesc.api.exporting import export

        return export(self, output)

    def plan(self) -> Picture:
        """The floor plan: which core holds which layer."""
        from hermesrt.report.figures.export import static_figure

        return Picture(static_figure("plan", self.artifact))

    def _repr_html_(self) -> str:
        facts = program_facts(self.artifact, f"sha256 {self.sha256[:12]}")
        return facts_html(facts) + plan_html(self.artifact)


class Chip(runtime.Chip):
    """A device that holds a program: call it like the model itself."""

    def _repr_html_(self) -> str:
        return facts_html(self.facts) + plan_html(self.compiled.artifact)


def as_shown(program: runtime.Program) -> Program:
    """A program of the runtime with the methods of this one."""
    return program if isinstance(program, Program) else Program(program.artifact, program.digest)
