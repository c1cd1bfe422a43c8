"""What a search found: the front, what of it beats the presets, and what each layer costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermesc.studies.sweep.grid import Point, Value
from hermesc.studies.sweep.job import Figures
from hermesc.studies.sweep.report import Result, SweepReport
from hermesc.studies.tune.objectives import (
    Aims,
    Losses,
    error_of,
    front,
    relative_hypervolume,
)
from hermesc.studies.tune.space import DEFAULTS, digital
from hermesrt.report.text.terminal import table
from hermesrt.units import plural, si

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN = 20
_WIDE = 110


@dataclass(frozen=True, slots=True)
class Tried:
    """One point of a search.

    number: its place in the study.
    preset: what it is a preset of; empty where the sampler proposed it.
    settings: what it sets, by name.
    figures: mean of its chips.
    losses: one number an objective, the less the better; empty of a point that was not read on
        all chips.
    state: complete, pruned or fail.
    failed: why it has no figures.
    command: repeats it on its first chip.
    """

    number: int
    preset: str
    settings: tuple[tuple[str, Value], ...]
    figures: Figures
    losses: Losses
    state: str
    failed: str
    command: str


@dataclass(frozen=True, slots=True)
class LayerSensitivity:
    """What a layer costs and gains on crossbars, all others being as they are by default.

    label: of the layer.
    lost: points of accuracy, or of relative error in per cent, that are lost by it.
    saved_nj: energy of a sample that is saved by it, nJ.
    saved_ns: latency, ns.
    """

    label: str
    lost: float
    saved_nj: float
    saved_ns: float


@dataclass(frozen=True, slots=True, repr=False)
class TuneReport:
    """A search; `str()` of it is the terminal's text.

    name: of the model.
    aims: the objectives.
    tried: every point, in order.
    draws: chips that each was read on.
    storage: where the study is.
    layers: that were set one by one.
    taken_up: points that an ended process had begun, and that began again.
    fresh: the points of the front on chips that the search has not seen, by number.
    """

    name: str
    aims: Aims
    tried: tuple[Tried, ...]
    draws: int
    storage: str
    layers: tuple[str, ...]
    taken_up: int
    fresh: Mapping[int, Figures]

    def __repr__(self) -> str:
        return f"<TuneReport {self.name}, {plural(len(self.tried), 'point')}>"

    def _repr_html_(self) -> str:
        from hermesrt.report.notebook import text_html

        return text_html(str(self))

    @property
    def sound(self) -> tuple[Tried, ...]:
        """The points that were read on all chips."""
        return tuple(t for t in self.tried if t.losses)

    @property
    def presets(self) -> tuple[Tried, ...]:
        """Those of them that are the defaults or a preset."""
        return tuple(t for t in self.sound if t.preset)

    @property
    def front(self) -> tuple[Tried, ...]:
        """The points that no other dominates, best in the first objective first."""
        return self.front_of(self.tried)

    @staticmethod
    def front_of(tried: Sequence[Tried]) -> tuple[Tried, ...]:
        """The same of some points."""
        sound = [t for t in tried if t.losses]
        found = [sound[i] for i in front([t.losses for t in sound])]
        return tuple(sorted(found, key=lambda t: t.losses))

    @property
    def hypervolumes(self) -> tuple[float, float]:
        """Of the presets, and of all points, in units of the box around all points."""
        presets = [t.losses for t in self.presets]
        if not presets:
            return 0.0, 0.0
        every = [t.losses for t in self.sound]
        return relative_hypervolume(presets, every), relative_hypervolume(every, every)

    @property
    def sensitivity(self) -> tuple[LayerSensitivity, ...]:
        """Of each layer that was read as a digital one, what its crossbars cost and gain."""
        known = {t.preset: t.figures for t in self.presets}
        usual = known.get(DEFAULTS)
        if usual is None:
            return ()
        return tuple(
            LayerSensitivity(
                label,
                100 * (_loss(usual) - _loss(known[digital(label)])),
                (known[digital(label)].energy_nj or 0.0) - (usual.energy_nj or 0.0),
                (known[digital(label)].latency_ns or 0.0) - (usual.latency_ns or 0.0),
            )
            for label in self.layers
            if digital(label) in known
        )

    @property
    def points(self) -> SweepReport:
        """All points as those of a sweep: a table, a DataFrame, a file."""
        results = tuple(
            Result(Point(t.number, t.settings), t.figures, t.command) for t in self.tried
        )
        return SweepReport(self.name, results, 0, 0)

    def to_frame(self) -> "DataFrame":
        """One line a point.

        Raises: InputError without pandas.
        """
        return self.points.to_frame()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        presets, every = self.hypervolumes
        return {
            "model": self.name,
            "objectives": list(self.aims.names),
            "points": len(self.tried),
            "pruned": sum(t.state == "pruned" for t in self.tried),
            "failed": sum(bool(t.failed) for t in self.tried),
            "draws": self.draws,
            "storage": self.storage,
            "hypervolume": {"presets": presets, "found": every},
            "front": [self._front_json(t) for t in self.front],
            "sensitivity": [
                {"layer": s.label, "lost_points": s.lost, "saved_energy_nj": s.saved_nj,
                 "saved_latency_ns": s.saved_ns}
                for s in self.sensitivity
            ],
            "rows": self.points.rows(),
        }  # fmt: skip

    def _front_json(self, tried: Tried) -> dict[str, Any]:
        fresh = self.fresh.get(tried.number)
        return {
            "point": tried.number,
            "preset": tried.preset or None,
            "settings": dict(tried.settings),
            "objectives": dict(zip(self.aims.names, tried.losses, strict=True)),
            "accuracy": tried.figures.accuracy,
            "fresh_accuracy": None if fresh is None else fresh.accuracy,
            "fresh_relative_error": None if fresh is None else error_of(fresh),
            "command": tried.command,
        }

    def __str__(self) -> str:
        pruned = sum(t.state == "pruned" for t in self.tried)
        failed = sum(bool(t.failed) for t in self.tried)
        words = [plural(len(self.tried), "point"), f"{len(self.presets)} of them presets"]
        words += [f"{pruned} pruned"] if pruned else []
        words += [f"{failed} failed"] if failed else []
        words += [f"{self.taken_up} begun again"] if self.taken_up else []
        chips = f"mean of {plural(self.draws, 'chip')}"
        presets, every = self.hypervolumes
        volume = (
            f"Hypervolume {every:.3f} of the box around all points; presets alone {presets:.3f}"
        )
        lines = [f"{self.name}: {', '.join(words)}; {chips}", *self._front_lines(), volume]
        return "\n".join([*lines, *self._sensitivity_lines(), self._study_line()])

    def _front_lines(self) -> list[str]:
        found = self.front
        head = ("point", *self.aims.names, "fresh chips", "settings")
        rows = [
            (str(t.number), *self.aims.words(t.figures), self._fresh_words(t), _said(t))
            for t in found[:_SHOWN]
        ]
        more = len(found) - _SHOWN
        title = f"No other point is better in all of {', '.join(self.aims.names)} than:"
        return [title, table(head, rows), *([f"  and {more} more"] if more > 0 else [])]

    def _fresh_words(self, tried: Tried) -> str:
        """The first objective on chips that the search has not seen."""
        fresh = self.fresh.get(tried.number)
        return "" if fresh is None else self.aims.words(fresh)[0]

    def _sensitivity_lines(self) -> list[str]:
        found = self.sensitivity
        if not found:
            return []
        classified = all(t.figures.accuracy is not None for t in self.sound)
        unit = "points" if classified else "% of error"
        rows = [
            (
                s.label,
                f"{s.lost:.2f} {unit}",
                si(s.saved_nj * 1e-9, "J"),
                si(s.saved_ns * 1e-9, "s"),
            )
            for s in sorted(found, key=lambda s: -s.lost)[:_SHOWN]
        ]
        lost = "accuracy lost" if classified else "error added"
        head = ("layer", lost, "energy saved", "latency saved")
        return ["What each layer costs and saves on crossbars, instead of digital:",
                table(head, rows)]  # fmt: skip

    def _study_line(self) -> str:
        return f"Optuna's study {self.name!r} is in {self.storage}; the same command goes on"


def _said(tried: Tried) -> str:
    words = " ".join(f"{name}={value}" for name, value in tried.settings) or "the defaults"
    return words if len(words) <= _WIDE else words[: _WIDE - 3] + "..."


def _loss(figures: Figures) -> float:
    return error_of(figures) if figures.accuracy is None else 1 - figures.accuracy
