"""Train a hardened model with Lightning: the model inside is all that changes.

Needs lightning.
"""

import tempfile
import warnings

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from hermesc.training import harden
from hermesc.training.lightning import ChipCallback


class Classifier(LightningModule):
    """An ordinary LightningModule."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Noise is in the model."""
        return functional.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """The model in evaluation is on the chip."""
        found = self.model(batch[0]).argmax(1) == batch[1]
        self.log("accuracy_on_chip", found.float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def main() -> None:
    """Print the accuracy on the chip after four epochs."""
    torch.manual_seed(0)
    x = torch.randn(600, 16)
    y = x[:, :3].argmax(1)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3))
    module = Classifier(harden(model, x[:32], recipe="rasch", calibration=x))
    learn, test = (TensorDataset(x[rows], y[rows]) for rows in (slice(0, 500), slice(500, 600)))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            max_epochs=4, accelerator="cpu", logger=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=folder, callbacks=[ChipCallback(seed=1)],
        )  # fmt: skip
        trainer.fit(module, DataLoader(learn, 50, shuffle=True), DataLoader(test, 100))
    found = float(trainer.callback_metrics["accuracy_on_chip"])
    print(f"accuracy on the chip {100 * found:.1f} %")


if __name__ == "__main__":
    main()
