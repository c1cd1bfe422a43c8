"""How programming went: the MVM error of every core by iteration, and at t0, as SVG.

The error at t0 is larger than that of the last iteration: what noise devices gather until t0 comes
when programming ends.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from hermesrt.artifact.contents import core_name
from hermesrt.artifact.schema import Artifact
from hermesrt.programming.convergence import convergence
from hermesrt.programming.loop import Iteration
from hermesrt.programming.outcome import ProgrammingOutcome
from hermesrt.report.figures.floorplan import figure_title
from hermesrt.report.figures.svg import FONT, INK, MUTED, RULE, document, heading, n, text
from hermesrt.units import percent, plural

PHASES: Mapping[str, tuple[str, str]] = {  # name, colour
    "start": ("SET and RESET", "#8B949E"),
    "pulse": ("one pulse", "#D55E00"),
    "verify": ("program-and-verify", "#0072B2"),
    "descend": ("gradient descent", "#009E73"),
}
_WIDTH, _HEIGHT = 620.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 16.0, 42.0, 44.0
_BAR = "#3D5A80"


def curve_svg(iterations: Sequence[Iteration]) -> str:
    """Grey: each core; coloured: their mean, by phase. For a page."""
    return _framed("MVM error of each core by iteration", _curve(iterations))


def curve_document(iterations: Sequence[Iteration]) -> str:
    """The curve as a picture that stands alone."""
    cores = len(iterations[0].mvm_errors) if iterations else 0
    title = f"Programming {plural(cores, 'core')}"
    body = heading(title, "grey: each core; coloured: their mean, by phase")
    drawn = _curve(iterations) if iterations else ()
    body += ['<g transform="translate(20 70)">', *drawn, "</g>"]
    return document(title, (_WIDTH + 40, 80 + _HEIGHT), body)


def errors_svg(artifact: Artifact, errors: Mapping[int, float]) -> str:
    """The MVM error of each core as it is now. For a page."""
    return _framed("MVM error of each core", _errors(artifact, errors))


def programming_svg(artifact: Artifact, outcome: ProgrammingOutcome) -> str:
    """Both beside each other, or the errors alone where nothing was programmed pulse by pulse."""
    title = f"Programming {figure_title(artifact)}"
    mean = percent(outcome.mean_error)
    body = heading(title, f"{outcome.method} weights; mean MVM error of the cores {mean}")
    parts = [_curve(outcome.iterations)] if outcome.iterations else []
    parts.append(_errors(artifact, outcome.errors))
    for i, part in enumerate(parts):
        body += [f'<g transform="translate({n(20 + i * (_WIDTH + 20))} 70)">', *part, "</g>"]
    width = 40 + len(parts) * _WIDTH + 20 * (len(parts) - 1)
    return document(title, (width, 80 + _HEIGHT), body)


def _framed(name: str, parts: Iterator[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {FONT} role="img" '
            f'viewBox="0 0 {n(_WIDTH)} {n(_HEIGHT)}" aria-label="{name}">',
            *parts,
            "</svg>",
        ]
    )


def _curve(iterations: Sequence[Iteration]) -> Iterator[str]:
    values = [100 * e for i in iterations for e in i.mvm_errors]
    scale = _Scale(values)
    last = max(1, len(iterations) - 1)

    def x(number: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * number / last

    def line(errors: Sequence[float], first: int = 0) -> str:
        return " ".join(f"{n(x(i))},{n(scale.y(100 * e))}" for i, e in enumerate(errors, first))

    yield from scale.drawn("MVM error (%) while programming, before t0")
    for tick in range(0, last + 1, max(1, int(_step(last)))):
        yield text(str(tick), (x(tick), _HEIGHT - 26), size=12, fill=MUTED, anchor="middle")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield text("iteration", (middle, _HEIGHT - 8), size=12, fill=MUTED, anchor="middle")
    curves = convergence(iterations)
    for errors in curves.cores:
        yield (
            f'<polyline class="faint" points="{line(errors)}" fill="none" stroke="{MUTED}" '
            'stroke-opacity="0.35" stroke-width="0.8"/>'
        )
    legend = _LEFT
    for part in curves.phases:
        name, colour = PHASES[part.phase]
        points = line(part.means, part.first)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.4"/>'
        if len(part.means) == 1:
            centre = f'cx="{n(x(part.first))}" cy="{n(scale.y(100 * part.means[0]))}"'
            yield f'<circle {centre} r="3.5" fill="{colour}"/>'
        yield f'<rect x="{n(legend)}" y="8" width="16" height="4" fill="{colour}"/>'
        yield text(name, (legend + 22, 15), size=12)
        legend += 44 + 6.8 * len(name)


def _errors(artifact: Artifact, errors: Mapping[int, float]) -> Iterator[str]:
    scale = _Scale([100 * e for e in errors.values()], from_zero=True)
    yield from scale.drawn("MVM error (%) at t0")
    pitch = (_WIDTH - _LEFT - _RIGHT) / max(1, len(errors))
    every = math.ceil((26 if artifact.manifest.chips == 1 else 40) / pitch)
    for i, (core, error) in enumerate(sorted(errors.items())):
        left, wide = _LEFT + pitch * (i + 0.15), 0.7 * min(pitch, 60.0)
        top = scale.y(100 * error)
        yield (
            f'<rect class="core-bar" data-core="{core}" x="{n(left)}" y="{n(top)}" '
            f'width="{n(wide)}" height="{n(scale.bottom - top)}" fill="{_BAR}">'
            f"<title>{core_name(artifact, core)}: {percent(error)}</title></rect>"
        )
        if i % every == 0:
            at = (left + wide / 2, _HEIGHT - 26)
            yield text(_number(artifact, core), at, size=12, fill=MUTED, anchor="middle")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    axis = "core" if artifact.manifest.chips == 1 else "chip : core"
    yield text(axis, (middle, _HEIGHT - 8), size=12, fill=MUTED, anchor="middle")


def _number(artifact: Artifact, core: int) -> str:
    """A core's number, behind its chip's where there are several."""
    chip, local = divmod(core, artifact.chip.cores)
    return str(core) if artifact.manifest.chips == 1 else f"{chip}:{local}"


def _step(high: float) -> float:
    """The distance of about five ticks, of one digit."""
    power = 10.0 ** math.floor(math.log10(high / 4))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= high / 5)


class _Scale:
    """The vertical axis: logarithmic where it can be and need be, else from zero."""

    def __init__(self, values: Sequence[float], *, from_zero: bool = False) -> None:
        self.bottom = _HEIGHT - _BOTTOM
        high, low = max(values, default=1.0) or 1.0, min(values, default=0.0)
        self.log = not from_zero and low > 0 and high / low > 5
        if self.log:
            self.low, self.high = low / 1.15, high * 1.15
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            marks = [m * 10.0**d for d in decades for m in (1, 2, 5)]
        else:
            self.low, self.high = 0.0, high * 1.08
            step = _step(self.high)
            marks = [i * step for i in range(int(self.high / step) + 1)]
        self.ticks = [m for m in marks if self.low <= m <= self.high]

    def y(self, value: float) -> float:
        """The height of a value."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = value / self.high
        return self.bottom - (self.bottom - _TOP) * share

    def drawn(self, name: str) -> Iterator[str]:
        """Lines, numbers and name."""
        yield text(name, (_LEFT, _TOP - 4), size=12, fill=MUTED)
        for tick in self.ticks:
            y = self.y(tick)
            yield (
                f'<line class="rule" x1="{n(_LEFT)}" x2="{n(_WIDTH - _RIGHT)}" y1="{n(y)}" '
                f'y2="{n(y)}" stroke="{RULE}"/>'
            )
            yield text(f"{tick:g}", (_LEFT - 8, y + 4), size=12, fill=INK, anchor="end")
