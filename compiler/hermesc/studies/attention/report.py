"""What `hermesc study attention` tells: text, JSON, a CSV of every run, a picture."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hermesc.studies.attention.plan import AttentionJob, AttentionLine, Errors
from hermesc.studies.statistics import Spread
from hermesrt.report.text.terminal import facts, table
from hermesrt.units import plural

if TYPE_CHECKING:  # only who draws needs matplotlib
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class AttentionStudy:
    """A finished study: what was run, what was found, how long it took.

    `str()` of it is the terminal's text.
    """

    chip: str
    settings: tuple[str, ...]
    tokens: str
    features: str
    lines: tuple[AttentionLine, ...]
    seeds: int
    runs: int
    kept: int
    place: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The same as data."""
        return asdict(self)

    def __str__(self) -> str:
        return _text(self)


def _text(study: AttentionStudy) -> str:
    kept = f"; {plural(study.kept, 'job')} kept from before" if study.kept else ""
    head = [
        ("Chip", " ".join([study.chip, *study.settings])),
        ("Tokens", study.tokens),
        ("Features", study.features),
        ("Runs", f"{study.runs} ({plural(study.seeds, 'seed')}){kept}"),
        ("Time", f"{study.seconds:.0f} s {study.place}"),
    ]
    text = [facts(head), "Relative error of the attention's result, mean over samples:"]
    columns = ["s/d", "s", "FP32", "chip", "chip less FP32"]
    compared = any(not math.isnan(line.published.mean) for line in study.lines)
    columns += ["published FP32", "measured chip", "measured less published"] if compared else []
    rows = []
    for n in study.lines:
        row = [str(n.ratio), str(n.features), *_pair(n.fp, n.chip)]
        rows.append([*row, *(_pair(n.published, n.measured) if compared else [])])
    text.append(table(columns, rows))
    if compared:
        text.append("The published tokens are not public; sizes of errors depend on them.")
    return "\n".join(text)


def attention_runs_csv(found: Mapping[AttentionJob, Errors]) -> bytes:
    """Every run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("ratio", "seed", "error_fp", "error_chip"))
    for job, errors in sorted(found.items(), key=lambda item: (item[0].ratio, item[0].seed)):
        writer.writerow((job.ratio, job.seed, repr(errors.fp), repr(errors.chip)))
    return text.getvalue().encode()


def attention_picture(lines: Sequence[AttentionLine], kind: str) -> bytes:
    """Errors against s/d as a file of that kind; the same study gives the same bytes."""
    from hermesc.studies.chip.plot import as_bytes

    return as_bytes(lambda: _figure(lines), kind)


def _figure(lines: Sequence[AttentionLine]) -> "Figure":
    from matplotlib.figure import Figure

    from hermesc.studies.chip.plot import PUBLISHED_SERIES

    figure = Figure(figsize=(5.0, 3.4), layout="constrained")
    axis = figure.subplots()
    ours = (("FP32, ours", "fp", "#000000", ":", "."),)
    for label, name, colour, dash, marker in (*ours, *PUBLISHED_SERIES):
        attribute = "chip" if name == "predicted" else name
        values: list[Spread] = [getattr(n, attribute) for n in lines]
        if all(math.isnan(v.mean) for v in values):
            continue
        axis.errorbar(
            [n.ratio for n in lines],
            [v.mean for v in values],
            yerr=[0.0 if math.isnan(v.deviation) else v.deviation for v in values],
            linestyle=dash,
            marker=marker,
            color=colour,
            markersize=4,
            elinewidth=0.7,
            label=label,
        )
    axis.set(xlabel="s/d", ylabel="error of attention")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.legend()
    return figure


def _pair(fp: Spread, chip: Spread) -> list[str]:
    return [_spread(fp), _spread(chip), f"{chip.mean - fp.mean:+.4f}"]


def _spread(found: Spread) -> str:
    if math.isnan(found.mean):
        return "-"
    deviation = "" if math.isnan(found.deviation) else f" ± {found.deviation:.4f}"
    return f"{found.mean:.4f}{deviation}"
