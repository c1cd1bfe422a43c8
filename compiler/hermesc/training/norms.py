"""Batch norms of a model that learned before: their statistics stay while it trains for the chip.

A batch norm that trains takes the mean and the deviation of each batch, so whatever the errors of
weights add to all samples alike is gone behind it. A chip has the same errors in every batch, and
its program has the statistics that the model learned: there these errors stay. With frozen norms a
model sees while it trains what it will see on the chip.
"""

from torch import nn


def freeze_norms(model: nn.Module) -> None:
    """Set all batch norms to evaluation, before the model is hardened; their weights and biases
    train on."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
