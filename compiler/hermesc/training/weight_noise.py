"""The fixed operand of a product with a recipe's noise."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hermesc.training.codes import straight
from hermesc.training.dimensions import column_largest, matrix_of
from hermesc.training.noise import normal, programming_error
from hermesc.training.plan import ProductPlan
from hermesc.training.recipes import Recipe, WeightNoise
from hermesrt.chip.spec import ChipSpec


@dataclass(frozen=True, slots=True)
class TrainingDevice:
    """What all layers that train share of the chip.

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


def training_device(chip: ChipSpec, key: str, seed: int) -> TrainingDevice:
    """What layers need of a chip."""
    return TrainingDevice(
        key,
        chip.input_levels,
        chip.output_levels,
        chip.ldpu_code.rounding,
        chip.effects.column_correction,
        seed,
    )


class NoisyWeight(nn.Module):
    """The fixed operand with noise."""

    def __init__(
        self, plan: ProductPlan, recipe: Recipe, device: TrainingDevice, layer: int
    ) -> None:
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
        matrix, value = matrix_of(error, labels.weight), (mean if several else mean[0]).to(error)
        return torch.einsum(f"{labels.weight},{of_mean}->{labels.columns}", matrix, value)

    def _error(self, noise: WeightNoise, weight: Tensor, largest: Tensor, step: Tensor) -> Tensor:
        device, plan = self._device, self._plan
        if noise.kind == "chip":
            error: Tensor = programming_error(
                weight, largest, step, device.seed, self._layer, device.key,
                plan.mean_g_max_siemens, noise.oldest_s,
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


class Largest(nn.Module):
    """The largest magnitude of each column, broadcast against the operand."""

    def __init__(self, plan: ProductPlan) -> None:
        super().__init__()
        self._plan = plan

    def forward(self, weight: Tensor) -> Tensor:
        """It, of the whole operand where its dimensions are not known."""
        return column_largest(weight.detach(), self._plan)
