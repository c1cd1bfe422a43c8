"""Convolve: make every convolution with a fixed kernel an Mvm at each position of a window.

In: a canonical Graph. Out: the Graph in which they are Mvm operations with a window; rows of the
matrix are taps, with all channels of a tap together, which takes no more tiles than one for each
tap (Le Gallo 2023: ResNet-9 on 40 cores). Groups are packed along the diagonal of as few matrices
as fit a crossbar each, or stay digital, whichever has the lower product of energy and time for one
output position; a depthwise convolution, whose matrix is almost empty, stays digital unless asked
for. The reason is noted. Cost: linear in operations and weights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from hermesc.analysis.convolution import Convolution, ConvolutionFinder
from hermesc.ir.graph import Graph, Removed, Weights, is_same
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op, takes
from hermesc.ir.types import Dim, TensorType
from hermesrt.chip.spec import ChipSpec
from hermesrt.ops.call import Call, Ref
from hermesrt.units import plural


@dataclass(frozen=True, slots=True)
class ConvolveOptions:
    """How convolutions are lowered.

    groups: where those in groups run: `auto` where they cost less, and depthwise ones on the host;
        or all of them on crossbars (`analog`) or on the host (`digital`).
    """

    groups: Literal["auto", "analog", "digital"] = "auto"


def convolve(
    graph: Graph, weights: Weights, chip: ChipSpec, options: ConvolveOptions
) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with Mvm operations for its convolutions, and the weights with their matrices."""
    finder, builder = ConvolutionFinder(graph, weights), _Builder(graph, weights)
    for op in graph.ops:
        found = finder.find(op) if isinstance(op, Digital) else None
        if not isinstance(op, Digital) or found is None:
            builder.ops.append(op)
            continue
        bundles = _bundles(found, chip)
        reason = _why_digital(found, bundles, chip, options)
        if reason is None:
            builder.lower(op, found, bundles)
        else:
            builder.stay(op, reason)
    return builder.result()


def _bundles(c: Convolution, chip: ChipSpec) -> tuple[range, ...]:
    """The groups of each matrix: as many as fit a crossbar, and at least one."""
    outputs, inputs = c.kernel.shape[0] // c.groups, c.kernel.shape[1]
    rows, columns = inputs * c.window.taps, outputs
    fitting = min(chip.crossbar.rows // rows, chip.crossbar.columns // columns)
    each = max(1, fitting)
    starts = range(0, c.groups, each)
    return tuple(range(start, min(start + each, c.groups)) for start in starts)


def _why_digital(
    c: Convolution, bundles: Sequence[range], chip: ChipSpec, options: ConvolveOptions
) -> str | None:
    if c.groups == 1 or options.groups == "analog":
        return None
    used = 100 / len(bundles[0])
    packed = (
        f"packed along the diagonal its groups would take {plural(len(bundles), 'tile')} or more, "
        f"{used:.2g} % of them weights"
    )
    if options.groups == "digital":
        return f"a convolution in {c.groups} groups, kept digital by convolve.groups=digital"
    if c.kernel.shape[1] == 1:
        return (
            f"a depthwise convolution; {packed}, so it is digital by default "
            "(convolve.groups=analog stores it)"
        )
    (analog_nj, analog_ns), (host_nj, host_ns) = _analog(c, bundles, chip), _digital(c, chip)
    if analog_nj * analog_ns <= host_nj * host_ns:
        return None
    return (
        f"a convolution in {c.groups} groups; {packed}; a position would cost {analog_nj:.3g} nJ, "
        f"{analog_ns:.3g} ns on crossbars and {host_nj:.3g} nJ, {host_ns:.3g} ns off them"
    )


def _analog(c: Convolution, bundles: Sequence[range], chip: ChipSpec) -> tuple[float, float]:
    """Nanojoules and nanoseconds of one output position, all matrices at once."""
    nj = ns = 0.0
    for groups in bundles:
        rows = len(groups) * c.kernel.shape[1] * c.window.taps
        columns = len(groups) * c.kernel.shape[0] // c.groups
        high, wide = -(-rows // chip.crossbar.rows), -(-columns // chip.crossbar.columns)
        nj += high * wide * chip.mvm_nj["4-phase"] + high * columns * chip.ldpu_energy.output_nj
        outputs_ns = chip.ldpu_time.output_interval_ns * -(-columns // wide)
        ns = max(ns, chip.mvm_ns["4-phase"], outputs_ns)
    return nj, ns


def _digital(c: Convolution, chip: ChipSpec) -> tuple[float, float]:
    """The same off the crossbars."""
    macs, unit = c.kernel.numel(), chip.vector_unit
    if unit is not None:
        return macs * unit.mac_pj / 1000, macs * unit.mac_ns
    return 2 * macs * chip.host_energy.op_pj / 1000, 2 * macs * chip.host_time.op_ns


class _Builder:
    """Writes the new graph."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._graph = graph
        self._weights = dict(weights)
        self._types = {op.name: op.type for op in graph.ops}
        self._stays = list(graph.stays)
        self._removed = list(graph.removed)
        self.ops: list[Op] = []

    def stay(self, op: Digital, reason: str) -> None:
        """The operation stays as it is."""
        self.ops.append(op)
        self._stays.append(Removed(op.origin, reason))

    def lower(self, op: Digital, c: Convolution, bundles: Sequence[range]) -> None:
        """The operation as Mvms, one for each bundle of groups, and its bias."""
        kind = op.type
        assert isinstance(kind, TensorType)
        dim = -1 - c.window.rank
        x_type = self._types[c.x]
        assert isinstance(x_type, TensorType)
        chain: list[Op] = []
        parts: list[str] = []
        for i, groups in enumerate(bundles):
            x, weight = c.x, c.weight
            if len(bundles) > 1:
                x, weight = f"{op.name}.in{i}", f"{weight}[{i}]"
                chain.append(_narrow(op, x, c, groups, x_type))
            matrix = _matrix(c, groups)
            stored = self._store(f"mvm:{weight.removesuffix('.weight')}", matrix)
            made = TensorType(_with(kind.dims, dim, matrix.shape[1]), kind.dtype)
            label = stored.removeprefix("mvm:")
            parts.append(f"{op.name}.{i}")
            chain.append(
                Mvm(parts[-1], x, stored, made, op.origin, op.location, label, window=c.window)
            )
        if len(bundles) > 1:
            call = Call("aten.cat.default", (tuple(Ref(p) for p in parts), dim))
            chain.append(Digital(f"{op.name}.cat", call, kind, op.origin, op.location))
        if c.bias is not None:
            chain += self._biased(op, chain[-1].name, c.bias, c.window.rank)
        self.ops += [*chain[:-1], replace(chain[-1], name=op.name)]
        for pad in c.pads:
            self._removed.append(Removed(pad.origin, f"padding, part of the window of {c.weight}"))
            self.ops.remove(pad)

    def _biased(self, op: Digital, to: str, bias: Tensor, rank: int) -> Iterator[Op]:
        value = bias.reshape(-1, *[1] * rank)
        name = f"{op.name}.bias"
        weight = self._store(name, value.contiguous())
        dtype = str(value.dtype).removeprefix("torch.")
        yield Constant(name, weight, TensorType(tuple(value.shape), dtype))
        call = Call("aten.add.Tensor", (Ref(to), Ref(name)))
        yield Digital(f"{op.name}.add", call, op.type, op.origin, op.location)

    def _store(self, name: str, value: Tensor) -> str:
        """Keep a weight beside the graph, under its own name as long as that is free."""
        held = self._weights.get(name)
        if held is not None and not is_same(held, value):
            return self._store(f"{name}'", value)
        self._weights[name] = value
        return name

    def result(self) -> tuple[Graph, dict[str, Tensor]]:
        """The graph without constants that nothing takes any more."""
        needed = set(self._graph.outputs).union(*(takes(op) for op in self.ops))
        kept = (op for op in self.ops if isinstance(op, Input) or op.name in needed)
        graph = replace(
            self._graph, ops=tuple(kept), removed=tuple(self._removed), stays=tuple(self._stays)
        )
        return graph, graph.live_weights(self._weights)


def _matrix(c: Convolution, groups: range) -> Tensor:
    """Rows are taps x input channels, columns output channels; groups lie along the diagonal."""
    kernel = c.kernel.reshape(c.groups, -1, *c.kernel.shape[1:])[groups.start : groups.stop]
    count, outputs, inputs = kernel.shape[:3]
    blocks = kernel.flatten(3).permute(3, 0, 2, 1)  # taps, groups, inputs, outputs
    matrix = kernel.new_zeros(c.window.taps, count, inputs, count, outputs)
    for i in range(count):
        matrix[:, i, :, i] = blocks[:, i]
    return matrix.reshape(c.window.taps * count * inputs, count * outputs)


def _narrow(op: Digital, name: str, c: Convolution, groups: range, x_type: TensorType) -> Digital:
    """The input channels of some groups."""
    each, dim = c.kernel.shape[1], -1 - c.window.rank
    start, stop = groups.start * each, groups.stop * each
    call = Call("aten.slice.Tensor", (Ref(c.x), dim, start, stop))
    kind = TensorType(_with(x_type.dims, dim, stop - start), x_type.dtype)
    return Digital(name, call, kind, op.origin, op.location)


def _with(dims: tuple[Dim, ...], dim: int, size: int) -> tuple[Dim, ...]:
    changed = list(dims)
    changed[dim] = size
    return tuple(changed)
