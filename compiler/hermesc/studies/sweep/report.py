"""A finished sweep: a tidy table, and the points that no other beats."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermesc.studies.sweep.grid import Point
from hermesc.studies.sweep.job import Figures
from hermesrt.errors import OptionError
from hermesrt.extras import require
from hermesrt.frame import frame
from hermesrt.report.text.terminal import table
from hermesrt.units import percent, plural, si

if TYPE_CHECKING:
    from pandas import DataFrame

TABLES = (".csv", ".json", ".parquet")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Result:
    """A point and what it came to.

    point: its settings.
    figures: accuracy, errors, time and energy.
    command: repeats it; empty for a model that is in no file.
    """

    point: Point
    figures: Figures
    command: str

    @property
    def loss(self) -> float:
        """Share of wrong classes, or the largest relative error where nothing is classified."""
        if self.figures.accuracy is not None:
            return 1 - self.figures.accuracy
        return max((error for _, error in self.figures.errors), default=0.0)

    @property
    def price(self) -> tuple[float, float, float]:
        """Energy, latency, cores."""
        f = self.figures
        return f.energy_nj or 0.0, f.latency_ns or 0.0, float(f.cores_used or 0)


@dataclass(frozen=True, slots=True, repr=False)
class SweepReport:
    """All points of a sweep; `str()` of it is the terminal's text.

    name: of the model.
    results: by point.
    kept: how many jobs were finished before.
    programs: how many were compiled.
    """

    name: str
    results: tuple[Result, ...]
    kept: int
    programs: int

    def __repr__(self) -> str:
        return f"<SweepReport {self.name}, {plural(len(self.results), 'point')}>"

    def _repr_html_(self) -> str:
        from hermesrt.report.notebook import text_html

        return text_html(str(self))

    @property
    def sound(self) -> tuple[Result, ...]:
        """The points that have figures."""
        return tuple(r for r in self.results if not r.figures.failed)

    @property
    def front(self) -> tuple[Result, ...]:
        """The points that no other beats or equals in loss, energy, latency and cores at once."""
        return undominated(self.sound, lambda r: (r.loss, *r.price))

    def rows(self) -> list[dict[str, Any]]:
        """One row a point: what was set, what it came to, and the commands that repeat it."""
        names = list(dict.fromkeys(name for r in self.results for name, _ in r.point.values))
        outputs = list(dict.fromkeys(name for r in self.results for name, _ in r.figures.errors))
        front = {r.point.number for r in self.front}
        return [self._row(r, names, outputs, front) for r in self.results]

    def _row(
        self, result: Result, names: Sequence[str], outputs: Sequence[str], front: set[int]
    ) -> dict[str, Any]:
        f, values, errors = result.figures, dict(result.point.values), dict(result.figures.errors)
        return {
            "point": result.point.number,
            **{name: values.get(name) for name in names},
            "accuracy": f.accuracy,
            "reference_accuracy": f.reference_accuracy,
            **{f"{name}_relative_error": errors.get(name) for name in outputs},
            "latency_ns": f.latency_ns,
            "interval_ns": f.interval_ns,
            "energy_nj": f.energy_nj,
            "cores_used": f.cores_used,
            "pareto": result.point.number in front,
            "failed": f.failed,
            "command": result.command,
        }

    def to_frame(self) -> "DataFrame":
        """One line a point.

        Raises: InputError without pandas.
        """
        return frame(self.rows())

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": self.name,
            "points": len(self.results),
            "failed": len(self.results) - len(self.sound),
            "kept": self.kept,
            "programs": self.programs,
            "front": [r.point.number for r in self.front],
            "rows": self.rows(),
        }

    def written(self, suffix: str) -> bytes:
        """The table as a file of that kind.

        Raises: InputError for Parquet without pandas and pyarrow.
        """
        match suffix:
            case ".csv":
                return self._csv().encode()
            case ".json":
                import json

                return (json.dumps(self.to_json(), indent=2) + "\n").encode()
        data = io.BytesIO()
        self.to_frame().to_parquet(data, index=False)
        return data.getvalue()

    def _csv(self) -> str:
        rows, text = self.rows(), io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def __str__(self) -> str:
        failed = len(self.results) - len(self.sound)
        words = [plural(len(self.results), "point"), f"{plural(self.programs, 'program')} compiled"]
        words += [f"{self.kept} finished before"] if self.kept else []
        words += [f"{failed} failed"] if failed else []
        lines = [f"{self.name}: {', '.join(words)}"]
        if self.front:
            lines += [*self._front_lines()]
        for result in [r for r in self.results if r.figures.failed][:_SHOWN]:
            lines.append(f"point {result.point.number} failed: {result.figures.failed}")
        return "\n".join(lines)

    def _front_lines(self) -> list[str]:
        front = sorted(self.front, key=lambda r: r.loss)
        varied = _varied(self.results)
        classified = all(r.figures.accuracy is not None for r in front)
        head = (
            "point",
            *varied,
            "accuracy" if classified else "error",
            "energy",
            "latency",
            "cores",
        )
        rows = [_front_row(r, varied, classified=classified) for r in front[:_SHOWN]]
        more = len(front) - _SHOWN
        title = "No other point is better in all of accuracy, energy, latency and cores than:"
        return [title, table(head, rows), *([f"  and {more} more"] if more > 0 else [])]


def undominated(
    results: Sequence[Result], losses: Callable[[Result], tuple[float, ...]]
) -> tuple[Result, ...]:
    """The results that no other is as good as in everything and better in something."""
    known = [(r, losses(r)) for r in results]
    return tuple(
        r
        for r, mine in known
        if not any(
            other != mine and all(a <= b for a, b in zip(other, mine, strict=True))
            for _, other in known
        )
    )


def check_table(path: Path) -> None:
    """Refuse a table of another kind before long work.

    Raises: OptionError, InputError.
    """
    if path.suffix not in TABLES:
        raise OptionError(f"-o {path}: the table is one of {', '.join(TABLES)}")
    if path.suffix == ".parquet":
        require("pandas", f"-o {path}")
        require("pyarrow", f"-o {path}")


def _varied(results: Sequence[Result]) -> list[str]:
    """What is not the same at all points."""
    names = dict.fromkeys(name for r in results for name, _ in r.point.values)
    return [n for n in names if len({dict(r.point.values).get(n) for r in results}) > 1]


def _front_row(result: Result, varied: Sequence[str], *, classified: bool) -> tuple[str, ...]:
    values, (energy, latency, cores) = dict(result.point.values), result.price
    quality = percent(1 - result.loss) if classified else f"{result.loss:.3g}"
    return (
        str(result.point.number),
        *(str(values.get(name, "")) for name in varied),
        quality,
        si(energy * 1e-9, "J"),
        si(latency * 1e-9, "s"),
        f"{cores:.0f}",
    )
