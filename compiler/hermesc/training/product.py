"""A product with a fixed matrix as the chip does it, with gradients.

Forward: code(x) times the noisy weights, row block after row block where partial sums take codes,
then noise. Backward: that of the same products, at the perturbed weights and the coded inputs;
noise and rounding pass gradients on.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.training.codes import batch_range, input_code, output_code
from hermesc.training.dimensions import broadcast_onto, matrix_of, own_dims, row_dims, summed_dims
from hermesc.training.noise import normal, read_variance
from hermesc.training.plan import CONVOLUTIONS, TRANSPOSED, ProductPlan
from hermesc.training.recipes import Recipe
from hermesc.training.stages import staged_linear
from hermesc.training.weight_noise import TrainingDevice

_Place = tuple[int, ...]


class ChipProduct(nn.Module):
    """One captured product between its converters."""

    def __init__(
        self,
        plan: ProductPlan,
        recipe: Recipe,
        device: TrainingDevice,
        layer: int,
        target: Any,
        x_place: _Place,
        weight_place: _Place,
    ) -> None:
        super().__init__()
        self._plan, self._recipe, self._device, self._layer = plan, recipe, device, layer
        self._target, self._x, self._weight = target, x_place, weight_place
        self.observe: Callable[[int, Tensor], None] | None = None
        self._dims = row_dims(plan) if _has_stages(plan, recipe) else None

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
            y = y - broadcast_onto(of_mean, labels.columns, labels.out, y)
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
        variance = read_variance(clean, largest, self._device.key, plan.mean_g_max_siemens)
        own = own_dims(plan, x, variance)
        if not own:
            return self._call(args, kwargs, square, variance, bias=False).clamp(min=0).sqrt()
        rows = variance.mean(own, keepdim=True)
        over = [d for d in summed_dims(plan, variance) if variance.shape[d] > 1]
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
        return broadcast_onto(limit.reshape(self._groups(x)), labels.grouped, labels.x, x)

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
        values = matrix_of(largest, labels.weight).squeeze(summed)
        return broadcast_onto(values, labels.columns, labels.out, y)

    def kept_dims(self) -> tuple[int, ...]:
        """The dimensions of the result that different matrices make."""
        labels = self._plan.labels
        return () if labels is None else tuple(labels.out.index(d) for d in labels.grouped)


class ChipOutput(nn.Module):
    """The code that the LDPU sends out, after all that it does."""

    def __init__(self, device: TrainingDevice, kept: tuple[int, ...]) -> None:
        super().__init__()
        self._device, self._kept = device, kept

    def forward(self, y: Tensor) -> Tensor:
        """The coded value."""
        size = batch_range(y, self._kept)
        return output_code(y, size, self._device.output_levels, self._device.rounding)


def _has_stages(plan: ProductPlan, recipe: Recipe) -> bool:
    outputs = recipe.outputs
    return outputs is not None and outputs.partial_sums and len(plan.row_ranges) > 1


def _without_bias(op: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    if op in ("addmm", "addmv", "baddbmm"):
        return args, {**kwargs, "beta": 0}
    if op == "linear" or op in (*CONVOLUTIONS, *TRANSPOSED):
        kept = {k: v for k, v in kwargs.items() if k != "bias"}
        return (*args[:2], None, *args[3:]), kept
    return args, kwargs


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
