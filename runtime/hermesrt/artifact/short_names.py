"""Names of layers without what most of them share, for views that say the full one beside."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from hermesrt.artifact.schema import Artifact


def layer_names(artifact: Artifact) -> Mapping[str, str]:
    """The short name of each layer of a program, by its label."""
    return short_names([matrix.label for matrix in artifact.manifest.matrices])


def short_names(labels: Sequence[str]) -> Mapping[str, str]:
    """Each label without the modules around at least half of them, and without what was folded into
    a weight; the label itself where two would be called the same.

    `encoder.net.layers.0.to_q` and its like are `layers.0.to_q`: a number keeps the name before it.
    """
    distinct = list(dict.fromkeys(labels))
    prefix = _prefix(distinct)
    for cut in (prefix, ()):
        short = {label: _without(label, cut) for label in distinct}
        if len(set(short.values())) == len(distinct):
            return short
    return {label: label for label in distinct}


def _prefix(labels: Sequence[str]) -> tuple[str, ...]:
    """The longest path of modules around at least two and at least half of the labels."""
    counts = Counter(prefix for label in labels for prefix in _prefixes(label))
    found = [p for p, count in counts.items() if count > 1 and 2 * count >= len(labels)]
    longest = max(found, key=len, default=())
    inside = (label.split(".") for label in labels)
    inner = [p[len(longest)] for p in inside if tuple(p[: len(longest)]) == longest]
    return longest[:-1] if any(part.isdecimal() for part in inner) else longest


def _prefixes(label: str) -> Iterator[tuple[str, ...]]:
    parts = label.split(".")
    yield from (tuple(parts[:depth]) for depth in range(1, len(parts)))


def _without(label: str, prefix: tuple[str, ...]) -> str:
    parts = label.partition("~")[0].split(".") if label[:1] != "~" else [label]
    inside = tuple(parts[: len(prefix)]) == prefix
    return ".".join(parts[len(prefix) :] if inside else parts)
