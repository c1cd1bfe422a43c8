"""What changed from one program to another, or from one report to another. Needs no torch."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hermesrt.artifact.contents import core_name
from hermesrt.artifact.io import load
from hermesrt.artifact.schema import Artifact, Matrix
from hermesrt.errors import InputError, OptionError
from hermesrt.files.atomic import read_file
from hermesrt.files.typed import encode

Report = Mapping[str, Any]
Compared = Path | Artifact | Report

_SECTIONS: Mapping[str, tuple[str, ...]] = {  # of a report, by its keys
    "options": ("chip", "method", "seed", "age_s", "mode", "ideal", "samples"),
    "accuracy": ("accuracy", "reference_accuracy", "outputs"),
    "latency": ("latency_ns", "interval_ns", "latency_by"),
    "energy": ("energy_nj", "energy_by"),
    "placement": ("cores_used", "utilisation", "mvms"),
    "layers": ("layers",),
}
_NAMES = ("label", "name", "node", "constant", "machine")  # that tell the items of a list apart


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    section: the part of the file that it is in.
    what: the dotted name of the number or text.
    before: its value in the first file; None where that has no such thing.
    after: its value in the second file; None where that has no such thing.
    """

    section: str
    what: str
    before: Any
    after: Any

    @property
    def relative(self) -> float | None:
        """The change of a number as a share of it; None where it has none."""
        a, b = self.before, self.after
        numbers = [v for v in (a, b) if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) < 2 or not a:
            return None
        try:
            ratio = b / a
        except OverflowError:
            return None
        return ratio - 1 if math.isfinite(ratio) else None


@dataclass(frozen=True, slots=True)
class Difference:
    """Two files of one kind and all that differs.

    kind: program or report.
    changes: by section.
    """

    kind: str
    changes: tuple[Change, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        changes = [
            {"section": c.section, "what": c.what, "before": c.before, "after": c.after}
            for c in self.changes
        ]
        return {"kind": self.kind, "same": not changes, "changes": changes}


def difference(first: Compared, second: Compared) -> Difference:
    """Compare two programs, or two reports of `hermesc run` or `hermesc cost`, in files or in hand.

    Raises: InputError for a file that is neither; OptionError for one of each.
    """
    a, b = _read(first), _read(second)
    if isinstance(a, Artifact) and isinstance(b, Artifact):
        return Difference("program", tuple(_of_programs(a, b)))
    if isinstance(a, Artifact) or isinstance(b, Artifact):
        names = [_called(given) for given in (first, second)]
        program, report = names if isinstance(a, Artifact) else names[::-1]
        raise OptionError(
            f"{program} is a program and {report} a report: give two programs, or two reports of "
            "`hermesc run P.hermes --json` or `hermesc cost P.hermes --json`"
        )
    try:
        return Difference("report", tuple(_of_reports(a, b)))
    except RecursionError:
        raise InputError(
            f"{_called(first)}, {_called(second)}: nested too deep for a report"
        ) from None


def _called(given: Compared) -> str:
    if isinstance(given, Path):
        return str(given)
    return given.manifest.name if isinstance(given, Artifact) else "the other"


def _read(given: Compared) -> Artifact | Report:
    if isinstance(given, Artifact):
        return given
    if not isinstance(given, Path):
        return _report(given, "a report")
    data = read_file(given, "file")
    if data.lstrip()[:1] != b"{":
        return load(given)[0]
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{given}: broken JSON: {error}") from None
    return _report(found, str(given))


def _report(found: Any, name: str) -> Report:
    if not isinstance(found, Mapping) or "latency_ns" not in found:
        raise InputError(
            f"{name}: JSON without latency_ns, so no report of `hermesc run P.hermes --json` or "
            "`hermesc cost P.hermes --json`"
        )
    return found


def _of_reports(a: Report, b: Report) -> Iterator[Change]:
    known = {key for keys in _SECTIONS.values() for key in keys}
    rest = tuple(dict.fromkeys(k for k in (*a, *b) if k not in known))
    for section, keys in {**_SECTIONS, "other": rest}.items():
        yield from _changes(section, _only(a, keys), _only(b, keys))


def _only(report: Report, keys: Sequence[str]) -> dict[str, Any]:
    return {key: report[key] for key in keys if key in report}


def _of_programs(a: Artifact, b: Artifact) -> Iterator[Change]:
    yield from _changes("options", _options(a), _options(b))
    yield from _changes("chip constants", a.manifest.chip, b.manifest.chip)
    yield from _changes("partition", _partition(a), _partition(b))
    yield from _changes("layers", _layers(a), _layers(b))
    yield from _weights(a, b)
    yield from _changes("placement", _placement(a), _placement(b))
    yield from _changes("ranges", _ranges(a), _ranges(b))


def _options(artifact: Artifact) -> dict[str, Any]:
    """What the manifest says and no other section shows."""
    shown = ("chip", "matrices", "routes", "account", "steps")
    manifest: dict[str, Any] = encode(artifact.manifest)
    return {k: v for k, v in manifest.items() if k not in shown}


def _partition(artifact: Artifact) -> dict[str, str]:
    return {a.node: f"{a.unit}: {a.reason}" for a in artifact.manifest.account}


def _layers(artifact: Artifact) -> dict[str, dict[str, Any]]:
    return {
        m.name: {
            "size": f"{m.rows} x {m.columns}",
            "tiles": len(m.tiles),
            "g_max_siemens": m.g_max_siemens,
        }
        for m in artifact.manifest.matrices
    }


def _weights(a: Artifact, b: Artifact) -> Iterator[Change]:
    """Matrices of one size whose numbers differ."""
    for name in a.matrices.keys() & b.matrices.keys():
        old, new = a.tensors[name], b.tensors[name]
        if old.shape == new.shape and not np.array_equal(old, new):
            whole = float(np.linalg.norm(old)) or 1.0
            share = float(np.linalg.norm(new - old)) / whole
            yield Change("weights", f"{name}: ||after - before|| / ||before||", 0.0, share)


def _placement(artifact: Artifact) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cores_used": len(artifact.cores),
        "utilisation": artifact.utilisation,
        "routes": [encode(r) for r in artifact.manifest.routes],
    }
    return found | {m.name: _places(artifact, m) for m in artifact.manifest.matrices}


def _places(artifact: Artifact, matrix: Matrix) -> str:
    """Where a matrix sits: core, rows and columns in its array."""
    places = []
    for tile in matrix.tiles:
        rows, columns = ("-".join(map(str, r)) for r in (tile.core_rows, tile.core_columns))
        places.append(f"{core_name(artifact, tile.core)} [{rows}, {columns}]")
    return "; ".join(places)


def _ranges(artifact: Artifact) -> dict[str, dict[str, Any]]:
    fields = ("input_max", "output_max", "clipped_share", "relu", "bias", "scale")
    return {s.name: {f: getattr(s, f) for f in fields} for s in artifact.mvms}


def _changes(section: str, a: Any, b: Any) -> Iterator[Change]:
    """Differences of two trees of plain data, leaf by leaf."""
    old, new = dict(_leaves(a, "")), dict(_leaves(b, ""))
    for what in dict.fromkeys((*old, *new)):
        before, after = old.get(what), new.get(what)
        if before != after or (what in old) != (what in new):
            yield Change(section, what, before, after)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value):
        seen: dict[str, int] = {}
        for part in value:
            name = _name(part)
            seen[name] = seen.get(name, 0) + 1
            mark = name if seen[name] == 1 else f"{name}#{seen[name]}"
            yield from _leaves(part, f"{path}.{mark}" if path else mark)
    elif isinstance(value, list | tuple):
        yield path, list(value)
    else:
        yield path, value


def _name(item: Any) -> str:
    if isinstance(item, Mapping):
        for key in _NAMES:
            if isinstance(item.get(key), str):
                return str(item[key])
    return "item"
