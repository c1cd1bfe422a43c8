"""Lightning: a hardened model trains in a LightningModule as any other; this adds the chip.

Nothing of it is needed to train: the noise is in the model and the clip follows each optimizer. The
callback says what validation and test run on, and keeps in Lightning's checkpoints what a
`state_dict` does not hold: the noise's step and the learned ranges.
"""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from hermesc.training.evaluation import set_chip
from hermesc.training.hardened import Hardened
from hermesc.training.hardening import state_of
from hermesrt.errors import ModelError


class ChipCallback(Callback):  # type: ignore[misc,unused-ignore]
    """Validate and test on a simulated chip.

    seed: of the chip.
    age: since programming, such as "1d".
    validate: whether validation runs on the chip too, or in FP32, which is faster.
    """

    def __init__(self, seed: int = 0, age: float | str = 0.0, *, validate: bool = True) -> None:
        self._seed, self._age, self._validate = seed, age, validate

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Find the hardened models and choose their chip.

        Raises: ModelError where there is none.
        """
        found = _hardened(pl_module)
        if not found:
            raise ModelError(
                "the LightningModule holds no hardened model; set one of its attributes to "
                "hermesc.training.harden(model, example_inputs)"
            )
        for model in found:
            set_chip(model, self._seed, self._age, active=True)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """The chip, or FP32."""
        for model in _hardened(pl_module):
            set_chip(model, active=self._validate)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """The chip again."""
        for model in _hardened(pl_module):
            set_chip(model, active=True)

    def on_save_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep the step and the ranges."""
        own = [state_of(m) for m in _hardened(pl_module)]
        checkpoint["hermesc"] = [
            {"step": int(state.step), "input_ranges": state.ranges()} for state in own
        ]

    def on_load_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Take them back."""
        for model, held in zip(_hardened(pl_module), checkpoint.get("hermesc", []), strict=False):
            with torch.no_grad():
                state_of(model).step.fill_(held["step"])
            state_of(model).take(held["input_ranges"])


def _hardened(module: LightningModule) -> list[Hardened]:
    return [m for m in module.modules() if isinstance(m, Hardened)]
