"""Several chips at several ages as tables."""

from collections.abc import Sequence

from hermesrt.facts.fact import aligned
from hermesrt.report.text.terminal import table
from hermesrt.spread import Interval, Spread
from hermesrt.spread_report import AgeSpread, SpreadReport
from hermesrt.units import duration, percent

_HEAD = ("age", "mean", "deviation", "95 % of chips", "worst chip")


def spread_text(report: SpreadReport) -> str:
    """Facts, then a table of the accuracy and of each output's error, by age."""
    ages, found = report.ages, [aligned(report.facts)]
    if all(age.accuracy is not None for age in ages):
        lines = [_accuracy_line(age) for age in ages]
        found.append("Accuracy\n" + table((*_HEAD, "test set alone"), lines))
    for name in ages[0].outputs:
        rows = [(duration(a.age_s), *_error_words(a.outputs[name])) for a in ages]
        found.append(f"Relative error of {name}\n" + table(_HEAD, rows))
    if ages[0].layers:
        found.append(_layers(ages))
    return "\n".join(found)


def _layers(ages: Sequence[AgeSpread]) -> str:
    """Mean relative error of each layer at each age, and its spread at the last."""
    head = ("layer", *(duration(age.age_s) for age in ages), *_HEAD[2:])
    rows = [
        (name, *(f"{age.layers[name].mean:.3g}" for age in ages), *_error_words(s)[1:])
        for name, s in ages[-1].layers.items()
    ]
    at = f"; the rest is that at {duration(ages[-1].age_s)}" if len(ages) > 1 else ""
    return f"Relative error of layers, mean{at}\n" + table(head, rows)


def _accuracy_line(age: AgeSpread) -> tuple[str, ...]:
    assert age.accuracy is not None
    assert age.test_set is not None
    s = age.accuracy
    return (
        duration(age.age_s),
        percent(s.mean),
        f"{100 * s.deviation:.2f} points",
        _between(s.interval),
        f"{percent(s.worst)} (seed {s.worst_seed})",
        _between(age.test_set),
    )


def _between(interval: Interval) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"


def _error_words(s: Spread) -> tuple[str, ...]:
    low, high = s.interval
    between = f"{low:.3g} to {high:.3g}"
    return (
        f"{s.mean:.3g}", f"{s.deviation:.2g}", between, f"{s.worst:.3g} (seed {s.worst_seed})",
    )  # fmt: skip
