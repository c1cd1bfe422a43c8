"""The installed chips. Needs neither torch nor numpy."""

from dataclasses import dataclass
from typing import Any

from hermesrt.chip.load import chip_names, chip_tables, load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.report.text.chip import chip_text


@dataclass(frozen=True, slots=True, repr=False)
class InstalledChips:
    """Chips; `str()` of it is the terminal's text.

    chips: their descriptions.
    alone: whether one is shown, with the source of every number.
    """

    chips: tuple[ChipSpec, ...]
    alone: bool

    def __repr__(self) -> str:
        return f"<InstalledChips {', '.join(chip.name for chip in self.chips)}>"

    def _repr_html_(self) -> str:
        from hermesrt.report.notebook import text_html

        return text_html(str(self))

    def to_json(self) -> dict[str, Any]:
        """One chip's tables, or the names of several."""
        if self.alone:
            return chip_tables(self.chips[0])
        return {"chips": [chip.name for chip in self.chips]}

    def __str__(self) -> str:
        if self.alone:
            (chip,) = self.chips
            tables = {k: v for k, v in chip_tables(chip).items() if isinstance(v, dict)}
            return chip_text(chip, tables)
        return "\n".join(map(_line, self.chips))


def chips(name: str | None = None) -> InstalledChips:
    """The installed chips, or one by its name or TOML file.

    Raises: ChipError.
    """
    names = chip_names() if name is None else (name,)
    return InstalledChips(tuple(map(load_chip, names)), name is not None)


def _line(chip: ChipSpec) -> str:
    hypothetical = "hypothetical: " if chip.hypothetical else ""
    return f"{chip.name:<12}{chip.cores} cores: {hypothetical}{chip.description}"
