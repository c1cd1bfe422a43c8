"""Which layers are expected to drown in their errors, and what helps, in words. Needs no torch.

A layer drowns where its expected error is larger than its signal, which is how much its outputs
vary over the calibration data. Root causes come first: of the layers that are only off because
something before them is, the first one is told where nothing before it drowns by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

from hermesrt.artifact.schema import Artifact, PredictedError
from hermesrt.units import percent, plural

_SIGNAL = 1.0
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class LayerError:
    """The expected error of a layer, that of its worst use.

    label: the layer.
    found: the errors.
    """

    label: str
    found: PredictedError

    @property
    def drowns(self) -> bool:
        """Whether its error is larger than its signal."""
        return self.found.total > _SIGNAL

    @property
    def incoming(self) -> float:
        """What the errors of its inputs add."""
        return sqrt(max(self.found.total**2 - self.found.own**2, 0.0))


def layer_errors(artifact: Artifact) -> tuple[LayerError, ...]:
    """Every layer with its expected error, in the order of their first use; none for files of older
    compilers."""
    worst: dict[str, LayerError] = {}
    for label, found in _uses(artifact):
        if label not in worst or found.total > worst[label].found.total:
            worst[label] = LayerError(label, found)
    return tuple(worst.values())


def _uses(artifact: Artifact) -> Iterator[tuple[str, PredictedError]]:
    """Each use of a layer with its error; slices have theirs relative to the layer's outputs: what
    reaches all of them adds up, and what each adds is its own."""
    sliced: dict[tuple[str, str], list[PredictedError]] = {}
    labels: dict[tuple[str, str], str] = {}
    for found, step in zip(artifact.manifest.predicted, artifact.mvms, strict=False):
        matrix = artifact.matrices[step.matrix]
        if matrix.slice is None:
            yield matrix.label, found
            continue
        use = step.input, matrix.slice.of
        labels[use] = matrix.label
        sliced.setdefault(use, []).append(found)
        if len(sliced[use]) == matrix.slice.count:
            yield labels[use], _together(sliced[use])


def _together(slices: Sequence[PredictedError]) -> PredictedError:
    own, programming, read, converters = (
        sqrt(sum(getattr(s, name) ** 2 for s in slices))
        for name in ("own", "programming", "read", "converters")
    )
    rounded = sum(s.input_code for s in slices)  # the same for all of them
    incoming = sum(LayerError("", s).incoming for s in slices)
    last = slices[-1]
    return PredictedError(
        last.mvm, own, sqrt(own**2 + incoming**2), programming, read, rounded, converters
    )


def drowned(artifact: Artifact) -> tuple[LayerError, ...]:
    """The layers that drown, in order."""
    return tuple(layer for layer in layer_errors(artifact) if layer.drowns)


def error_warnings(artifact: Artifact) -> tuple[str, ...]:
    """A sentence for each layer that is at the root of it."""
    layers = drowned(artifact)
    roots = list(_roots(layers))
    told = [_sentence(layer) for layer in roots[:_SHOWN]]
    if len(layers) > len(told):
        rest = plural(len(layers) - len(told), "more layer")
        told.append(f"the error is larger than the signal in {rest}, by this or behind it")
    return tuple(told)


def _roots(layers: tuple[LayerError, ...]) -> Iterator[LayerError]:
    for number, layer in enumerate(layers):
        if not number or layer.found.own > _SIGNAL:
            yield layer


def _sentence(layer: LayerError) -> str:
    """What is expected, why, and what to do."""
    found, keep = layer.found, f"--set partition.digital={layer.label}"
    parts = {
        "programming": found.programming,
        "the noise of reading": found.read,
        "the rounding of its inputs": found.input_code,
        "counts and output codes": found.converters,
        "the errors of its inputs, which it magnifies": layer.incoming,
    }
    cause = max(parts, key=lambda name: parts[name])
    also = {
        "programming": "; `hermesc program --method gdp` brings its weights closer",
        "the rounding of its inputs": "; quantize.range=percentile makes the steps finer",
        "counts and output codes": "; partition.bias=host or quantize.range=percentile makes the "
        "steps finer",
        "the errors of its inputs, which it magnifies": ", and the layers before it",
    }
    return (
        f"{layer.label} drowns: its outputs are expected to be off by {found.total:.1f} times as "
        f"much as they vary on the calibration data, most of it by {cause}; {keep} keeps it exact"
        f"{also.get(cause, '')}"
    )


def error_text(found: PredictedError) -> str:
    """Own and total error in short."""
    return f"{percent(found.own)} own, {percent(found.total)} in all"
