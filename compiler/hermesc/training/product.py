"""A product with a fixed matrix as the chip does it, with gradients.

Forward: code(x) times the noisy weights, row block after row block where partial sums take codes,
then noise. Backward: that of the same products, at the perturbed weights and the coded inputs;
noise and rounding pass gradients on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.training.codes import batch_range, input_code, output_code, straight
from hermesc.training.noise import normal, programming_error, read_variance
from hermesc.training.plan import CONVOLUTIONS, TRANSPOSED, Labels, ProductPlan
from hermesc.training.recipes import Recipe, WeightNoise
from hermesc.training.stages import staged_linear
from hermesrt.chip.spec import ChipSpec

_Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """What all layers share.

    key: the chip's name for operations.
    input_levels: its largest input code.
    output_levels: its largest output code.
    rounding: of the output code.
    centred: whether the LDPU takes out what programming errors add to the mean input.
    seed: of the noise.
    """

    key: str
    input_levels: int
    output_levels: int
    rounding: str
    centred: bool
    seed: int


def device_of(chip: ChipSpec, key: str, seed: int) -> Device:
    """What layers need of a chip."""
    return Device(
        key,
        chip.input_levels,
        chip.output_levels,
        chip.ldpu_code.rounding,
        chip.effects.column_correction,
        seed,
    )


class NoisyWeight(nn.Module):
    """The fixed operand with noise."""

    def __init__(self, plan: ProductPlan, recipe: Recipe, device: Device, layer: int) -> None:
        super().__init__()
        self._plan, self._recipe, self._device, self._layer = plan, recipe, device, layer

    def forward(self, weight: Tensor, largest: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of this step, and what their errors add to the result of the mean input."""
        noise, none = self._recipe.weights, weight.new_zeros(())
        if noise is None or noise.size == 0:
            return weight, none
        error = self._error(noise, weight.detach(), largest, step)
        chip = noise.kind == "chip" and self._device.centred
        of_mean = self._of_mean(error) if chip else none
        return straight(weight, error.add_(weight.detach())), of_mean

    def _of_mean(self, error: Tensor) -> Tensor:
        """What the errors add on the mean of the calibration inputs, [columns] or [matrices,
        columns]; a zero where dimensions are not known."""
        labels, mean = self._plan.labels, self._plan.mean_input
        several = len(mean) != 1
        if labels is None or len(labels.summed) != 1 or mean.numel() == 0:
            return error.new_zeros(())
        if several and len(labels.grouped) != 1:
            return error.new_zeros(())
        of_mean = labels.grouped * several + labels.summed
        matrix, value = _matrix(error, labels.weight), (mean if several else mean[0]).to(error)
        return torch.einsum(f"{labels.weight},{of_mean}->{_columns(labels)}", matrix, value)

    def _error(self, noise: WeightNoise, weight: Tensor, largest: Tensor, step: Tensor) -> Tensor:
        device, plan = self._device, self._plan
        if noise.kind == "chip":
            error: Tensor = programming_error(
                weight, largest, step, device.seed, self._layer, device.key, mean_g_max(plan),
                noise.oldest_s,
            )  # fmt: skip
            return error if noise.size == 1 else noise.size * error
        if noise.kind == "own":
            size = weight.abs() * noise.size
        elif noise.by_column:
            size = largest * noise.size
        else:
            size = largest.amax() * noise.size
        drawn: Tensor = normal(weight, step, device.seed, self._layer, "weights")
        return drawn.mul_(size)


class ChipProduct(nn.Module):
    """One captured product between its converters."""

    def __init__(
        self,
        plan: ProductPlan,
        recipe: Recipe,
        device: Device,
        layer: int,
        target: Any,
        x_place: _Place,
        weight_place: _Place,
    ) -> None:
        super().__init__()
        self._plan, self._recipe, self._device, self._layer = plan, recipe, device, layer
        self._target, self._x, self._weight = target, x_place, weight_place
        self.observe: Callable[[int, Tensor], None] | None = None
        self._dims = _row_dims(plan) if _has_stages(plan, recipe) else None

    def forward(
        self,
        limit: Tensor,
        step: Tensor,
        clean: Tensor,
        largest: Tensor,
        of_mean: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """The operation's result on the chip.

        `clean` are the weights without noise, `largest` those of their columns, `of_mean` what
        noise adds to the result of the mean input, which the LDPU's offset takes out.
        """
        recipe, device = self._recipe, self._device
        x, weight = _at(args, self._x), _at(args, self._weight)
        if self.observe is not None:
            self.observe(self._layer, self._by_matrix(x.detach()))
            return self._call(args, kwargs, x, clean)
        code = recipe.inputs
        if code is not None:
            wide = limit = self._limit(limit, x)
            relative = code.relative
            x = input_code(x, wide, device.input_levels, code.decay, code.inside, relative=relative)
        y = self._run(args, kwargs, x, weight)
        if of_mean.dim():
            labels = self._plan.labels
            assert labels is not None
            y = y - _spread(of_mean, _columns(labels), labels.out, y)
        if recipe.read_noise:
            spread = self._read_spread(args, kwargs, x.detach(), clean.detach(), largest)
            y = y + spread * normal(y.detach(), step, device.seed, self._layer, "reads")
        if recipe.output_noise is not None and recipe.output_noise.size > 0:
            size = self._by_column(largest, y) * (recipe.output_noise.size * limit.detach().amax())
            y = y + size * normal(y.detach(), step, device.seed, self._layer, "outputs")
        return y

    def _read_spread(
        self, args: Any, kwargs: Any, x: Tensor, clean: Tensor, largest: Tensor
    ) -> Tensor:
        """The deviation of a read of each result: that of its inputs' squares and the variances V
        of single weights. V is taken as the mean of each row times that of each column, which
        leaves sums over all weights as they are and spares a product of its own."""
        plan, square = self._plan, x.square()
        variance = read_variance(clean, largest, self._device.key, mean_g_max(plan))
        own = _own_dims(plan, x, variance)
        if not own:
            return self._call(args, kwargs, square, variance, bias=False).clamp(min=0).sqrt()
        rows = variance.mean(own, keepdim=True)
        over = [d for d in _summed_dims(plan, variance) if variance.shape[d] > 1]
        columns = variance.mean(over, keepdim=True) if over else variance
        share = columns / columns.mean(own, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
        sums = self._call(args, kwargs, square, rows, bias=False).clamp(min=0)
        return (sums * self._by_column(share, sums)).sqrt()

    def _limit(self, limit: Tensor, x: Tensor) -> Tensor:
        """The range of each matrix against x: as learned, or the largest of the batch, as the
        compiler takes the largest of its calibration data."""
        labels, code = self._plan.labels, self._recipe.inputs
        if code is None or not code.learned:
            grouped = () if labels is None else tuple(labels.x.index(d) for d in labels.grouped)
            return batch_range(x, grouped)
        if limit.numel() == 1 or labels is None or labels.grouped == "":
            return limit.amax() if limit.numel() > 1 else limit.reshape(())
        return _spread(limit.reshape(self._groups(x)), labels.grouped, labels.x, x)

    def _groups(self, x: Tensor) -> list[int]:
        """The sizes of the dimensions of which each index has a matrix of its own."""
        labels = self._plan.labels
        return [] if labels is None else [x.shape[labels.x.index(d)] for d in labels.grouped]

    def _by_matrix(self, x: Tensor) -> Tensor:
        """The inputs of each matrix, [matrices, values]."""
        labels = self._plan.labels
        if labels is None or not labels.grouped or len(self._plan.limits) == 1:
            return x.reshape(1, -1).expand(len(self._plan.limits), -1)
        first = [labels.x.index(d) for d in labels.grouped]
        rest = [i for i in range(x.dim()) if i not in first]
        return x.permute(*first, *rest).reshape(len(self._plan.limits), -1)

    def _run(self, args: Any, kwargs: Any, x: Tensor, weight: Tensor) -> Tensor:
        if self._dims is None:
            return self._call(args, kwargs, x, weight)
        device, ranges = self._device, self._plan.row_ranges
        if self._plan.op == "linear":
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
            return staged_linear(x, weight, bias, ranges, device.output_levels, device.rounding)
        total: Tensor | None = None
        sizes = [stop - start for start, stop in ranges]
        cuts = (torch.split(t, sizes, d) for t, d in zip((x, weight), self._dims, strict=True))
        for i, (part, rows) in enumerate(zip(*cuts, strict=True)):
            last = i == len(ranges) - 1
            y = self._call(args, kwargs, part, rows, bias=last)
            total = y if total is None else total + y
            if not last:
                size = batch_range(total, self.kept_dims())
                total = output_code(total, size, device.output_levels, device.rounding)
        assert total is not None
        return total

    def _call(
        self, args: Any, kwargs: Any, x: Tensor, weight: Tensor, *, bias: bool = True
    ) -> Tensor:
        given = _put(_put(args, self._x, x), self._weight, weight)
        if not bias:
            given, kwargs = _without_bias(self._plan.op, given, kwargs)
        result: Tensor = self._target(*given, **kwargs)
        return result

    def _by_column(self, largest: Tensor, y: Tensor) -> Tensor:
        """A value for each column of the matrix against the result."""
        plan = self._plan
        if largest.numel() == 1:
            return largest.reshape(())
        if plan.op in CONVOLUTIONS:
            return largest.reshape(-1, *[1] * (y.dim() - 2))
        if plan.op in TRANSPOSED or plan.labels is None:
            return largest.amax()
        labels = plan.labels
        summed = [labels.weight.index(d) for d in labels.summed]
        values = _matrix(largest, labels.weight).squeeze(summed)
        return _spread(values, _columns(labels), labels.out, y)

    def kept_dims(self) -> tuple[int, ...]:
        """The dimensions of the result that different matrices make."""
        labels = self._plan.labels
        return () if labels is None else tuple(labels.out.index(d) for d in labels.grouped)


class Largest(nn.Module):
    """The largest magnitude of each column, broadcast against the operand."""

    def __init__(self, plan: ProductPlan) -> None:
        super().__init__()
        self._plan = plan

    def forward(self, weight: Tensor) -> Tensor:
        """It, of the whole operand where its dimensions are not known."""
        return column_largest(weight.detach(), self._plan)


class ChipOutput(nn.Module):
    """The code that the LDPU sends out, after all that it does."""

    def __init__(self, device: Device, kept: tuple[int, ...]) -> None:
        super().__init__()
        self._device, self._kept = device, kept

    def forward(self, y: Tensor) -> Tensor:
        """The coded value."""
        size = batch_range(y, self._kept)
        return output_code(y, size, self._device.output_levels, self._device.rounding)


def column_largest(weight: Tensor, plan: ProductPlan) -> Tensor:
    """The largest magnitude of each column, without a copy of the operand."""
    if plan.op in CONVOLUTIONS:
        over = list(range(1, weight.dim()))
    elif plan.op in TRANSPOSED:
        over = [0, *range(2, weight.dim())]
    elif plan.labels is not None and len(plan.labels.weight) <= weight.dim():
        labels = plan.labels
        over = [labels.weight.index(d) - len(labels.weight) for d in labels.summed]
    else:
        over = list(range(weight.dim()))
    return torch.maximum(weight.amax(over, keepdim=True), -weight.amin(over, keepdim=True))


def _own_dims(plan: ProductPlan, x: Tensor, operand: Tensor) -> tuple[int, ...]:
    """The dimensions of the operand that the result alone has too; none where they cannot be of
    size 1, or are not known."""
    if plan.op in CONVOLUTIONS:
        in_groups = x.shape[1 - operand.dim()] != operand.shape[1]
        return () if in_groups else (-operand.dim(),)
    labels = plan.labels
    if labels is None or plan.op in (*TRANSPOSED, "addmm", "addmv", "baddbmm"):
        return ()
    own = (d for d in labels.weight if d not in labels.x)
    return tuple(labels.weight.index(d) - len(labels.weight) for d in own)


def _summed_dims(plan: ProductPlan, operand: Tensor) -> tuple[int, ...]:
    """The dimensions of the operand that are summed over."""
    labels = plan.labels
    if plan.op in CONVOLUTIONS or labels is None:
        return tuple(range(1 - operand.dim(), 0))
    return tuple(labels.weight.index(d) - len(labels.weight) for d in labels.summed)


def _columns(labels: Labels) -> str:
    """The dimensions of the weights that the result has too."""
    return "".join(d for d in labels.weight if d not in labels.summed)


def mean_g_max(plan: ProductPlan) -> float:
    """The conductance of a column's largest weight, the mean of the row blocks, S."""
    return sum(plan.g_max_siemens) / len(plan.g_max_siemens)


def _has_stages(plan: ProductPlan, recipe: Recipe) -> bool:
    outputs = recipe.outputs
    return outputs is not None and outputs.partial_sums and len(plan.row_ranges) > 1


def _row_dims(plan: ProductPlan) -> tuple[int, int] | None:
    """The dimension of rows in x and in the weights, where it is one."""
    labels = plan.labels
    if labels is None or len(labels.summed) != 1 or plan.op in (*CONVOLUTIONS, *TRANSPOSED):
        return None
    rows = labels.weight.index(labels.summed) - len(labels.weight)
    return labels.x.index(labels.summed), rows


def _without_bias(op: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    if op in ("addmm", "addmv", "baddbmm"):
        return args, {**kwargs, "beta": 0}
    if op == "linear" or op in (*CONVOLUTIONS, *TRANSPOSED):
        kept = {k: v for k, v in kwargs.items() if k != "bias"}
        return (*args[:2], None, *args[3:]), kept
    return args, kwargs


def _spread(values: Tensor, labels: str, onto: str, like: Tensor) -> Tensor:
    """Values with labelled dimensions as a view that broadcasts against `like`."""
    order = sorted(range(len(labels)), key=lambda i: onto.index(labels[i]))
    shape = [1] * like.dim()
    for i in order:
        shape[onto.index(labels[i])] = values.shape[i]
    return values.permute(order).reshape(shape)


def _matrix(operand: Tensor, labels: str) -> Tensor:
    """The matrix itself, where the model spreads it over a batch."""
    while operand.dim() > len(labels):
        operand = operand[0]
    return operand


def _at(args: Sequence[Any], place: _Place) -> Any:
    value: Any = args
    for i in place:
        value = value[i]
    return value


def _put(args: Any, place: _Place, value: Any) -> Any:
    """The arguments with one of them replaced."""
    i, *rest = place
    new = _put(args[i], tuple(rest), value) if rest else value
    parts = [new if j == i else a for j, a in enumerate(args)]
    return tuple(parts) if isinstance(args, tuple) else parts
