"""Predicted errors of every layer's outputs, its own and with those of the layers before it.

In: Quantized. Out: an entry for each MVM. The own error is `own_error`'s. What comes in is found by
two runs of the exact graph on a few calibration rows: one as it is, one in which each MVM's result
misses by normal noise of its own predicted size and clips at its largest code, so that the host's
functions pass errors on as they are. (The own error is that before an output clips: where it is
larger than the signal, the total may be smaller.) Errors are relative to the signal: the deviation
of a layer's outputs from their mean over the calibration vectors, which is what it tells apart.
Cost: linear in the graph; no cell is drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hermesc.analysis.own_error import Curves, OwnError, own_error
from hermesc.ir.graph import Weights
from hermesc.ir.interpret import interpret, mvm
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Quantized
from hermesrt.artifact.schema import PredictedError
from hermesrt.chip.cells import with_devices
from hermesrt.chip.spec import ChipSpec

_ROWS = 64  # of the calibration data that errors are sent through
_VECTORS = 256  # of each layer that are compared
_STEPS = 16  # of a recurrence that are compared
_MOST = 1e6  # of an error; a larger one says nothing more
_SEED = 0


def predicted_errors(
    quantized: Quantized,
    weights: Weights,
    calibration: Mapping[str, Tensor],
    rows_independent: bool,
    chip: ChipSpec,
) -> tuple[PredictedError, ...]:
    """One entry for each MVM, in order."""
    graph, tiled = quantized.graph, quantized.tiled
    places = {use: i for i, m in enumerate(tiled.matrices) for use in m.uses}
    own: dict[str, OwnError] = {}
    curves, chips = Curves(), {m.devices: with_devices(chip, m.devices) for m in tiled.matrices}
    for op, ranges, codes in zip(graph.mvms, quantized.ranges, quantized.vectors, strict=True):
        place = places[op.name]
        matrix, g_max = tiled.matrices[place], quantized.g_max_siemens[place]
        own[op.name] = own_error(
            op, matrix, ranges, g_max, codes, weights, chips[matrix.devices], curves
        )
    some = _few(calibration) if rows_independent else dict(calibration)
    totals = _sent_through(quantized, weights, some, own, chip)
    signals = _layer_signals(quantized, weights, own)
    return tuple(
        _entry(op, own[op.name], signals[op.name], totals.get(op.name)) for op in graph.mvms
    )


def _layer_signals(
    quantized: Quantized, weights: Weights, own: Mapping[str, OwnError]
) -> dict[str, float]:
    """Of each product, the deviation of its layer's outputs: for a slice those of all together."""
    sums: dict[tuple[str, str], Tensor] = {}
    for op, codes in zip(quantized.graph.mvms, quantized.vectors, strict=True):
        if op.slice is not None and len(codes):
            y = codes.float() @ weights[op.matrix].float()
            y = y if op.scale is None else y * weights[op.scale]
            layer = op.input, op.slice.of
            sums[layer] = sums[layer] + y if layer in sums else y
    units = {r.mvm: r.input_max / 127 for r in quantized.ranges}
    found = {}
    for op in quantized.graph.mvms:
        found[op.name] = float(own[op.name].signal.mean()) ** 0.5
        if op.slice is not None and (op.input, op.slice.of) in sums:
            y = sums[op.input, op.slice.of] * units[op.name]
            found[op.name] = float(y.var(0, correction=0).mean()) ** 0.5
    return found


def _entry(op: Mvm, own: OwnError, signal: float, total: float | None) -> PredictedError:
    alone = float(own.signal.mean()) ** 0.5
    if total is not None and signal:
        total *= alone / signal  # found relative to the slice's own outputs
    shares = (own.programming, own.read, own.input_code, own.converters)
    parts = [_relative(float(v.mean()) ** 0.5, signal) for v in shares]
    mine = _relative(float(own.total.mean()) ** 0.5, signal)
    return PredictedError(op.name, mine, mine if total is None else _relative(total, 1.0), *parts)


def _relative(error: float, signal: float) -> float:
    """Nothing to lose where there is no signal."""
    if not signal:
        return 0.0
    found = error / signal
    return float(f"{found:.4g}") if found < _MOST else _MOST  # what is no number is too large


def _few(calibration: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rows at equal distances."""
    rows = max((len(t) for t in calibration.values() if t.dim()), default=0)
    stride = max(1, -(-rows // _ROWS))
    return {name: t[::stride] if t.dim() else t for name, t in calibration.items()}


def _sent_through(
    quantized: Quantized,
    weights: Weights,
    inputs: Mapping[str, Tensor],
    own: Mapping[str, OwnError],
    chip: ChipSpec,
) -> dict[str, float]:
    """Relative error of each MVM whose input was off as predicted; empty where the host's functions
    fail on such inputs."""
    graph = quantized.graph
    limits = {r.mvm: r.output_max[-1] * chip.ldpu_code.range_factor for r in quantized.ranges}
    exact: dict[str, list[Tensor]] = {op.name: [] for op in graph.mvms}
    found: dict[str, list[Tensor]] = {op.name: [] for op in graph.mvms}
    stream = torch.Generator().manual_seed(_SEED)

    def right(op: Mvm, x: Tensor) -> Tensor:
        y = mvm(op, weights, x)
        _keep(exact[op.name], op, y)
        return y

    def wrong(op: Mvm, x: Tensor) -> Tensor:
        y = mvm(replace(op, relu=False), weights, x)
        deviation = own[op.name].total.sqrt().reshape(-1, *[1] * (-1 - op.channel_dim))
        noise = torch.randn(y.shape, generator=stream) * deviation
        limit = limits[op.name] if chip.effects.output_code else float("inf")
        y = (y + noise.to(y.dtype)).clamp(0.0 if op.relu else -limit, limit)
        _keep(found[op.name], op, y)
        return y

    try:
        interpret(graph, weights, inputs, product=right)
        interpret(graph, weights, inputs, product=wrong)
    except (RuntimeError, ValueError, IndexError):
        return {}
    pairs = {n: (torch.cat(ys), torch.cat(exact[n])) for n, ys in found.items()}
    return {name: _distance(y, wanted) for name, (y, wanted) in pairs.items()}


def _keep(kept: list[Tensor], op: Mvm, y: Tensor) -> None:
    """Some output vectors, at equal distances; of a recurrence those of its first time steps."""
    if len(kept) < _STEPS:
        vectors = y.movedim(op.channel_dim, -1).reshape(-1, y.shape[op.channel_dim])
        kept.append(vectors[:: max(1, -(-len(vectors) // _VECTORS))].clone())


def _distance(y: Tensor, exact: Tensor) -> float:
    y, exact = y.double(), exact.double()
    varies = len(exact) > 1 and bool((exact != exact[0]).any())
    signal = exact - exact.mean(0) if varies else exact
    rms: Sequence[float] = [float(v.square().mean()) ** 0.5 for v in (y - exact, signal)]
    return _relative(*rms)
