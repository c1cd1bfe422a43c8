"""The experiment apart from the chip: heads for many features and for many classes."""

import torch

from hermesc.studies.data.datasets import Prepared
from hermesc.studies.experiment.measure import KernelEstimate, scores, wide_ridge_head
from hermesc.studies.experiment.published import ridge_head


def drawn(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def test_the_head_of_many_features_is_the_same_head() -> None:
    z, labels = drawn(30, 50), (drawn(30, seed=1) > 0).float()
    assert torch.allclose(wide_ridge_head(z, labels), ridge_head([(z, labels)]), atol=1e-4)
    classes = torch.nn.functional.one_hot(drawn(30, 3, seed=2).argmax(1)).float()
    found = wide_ridge_head(z, classes)
    assert found.shape == (51, 3)
    assert torch.allclose(found, ridge_head([(z, classes)]), atol=1e-4)
    one = ridge_head([(z, classes[:, 1])])
    assert torch.allclose(found[:, 1], one, atol=1e-4)


def test_classes_are_told_apart_and_blocks_change_nothing() -> None:
    x = drawn(9000, 4)
    labels = x[:, :3].argmax(1).float()
    data = Prepared(x[:4500], labels[:4500], x[4500:], labels[4500:], classes=3)
    estimates = [KernelEstimate(lambda z: z, lambda a, b: a @ b.T)]
    (found,) = scores(lambda x: x, lambda x: x + 0.5, estimates, data)
    assert found.accuracy_fp > 0.9
    assert found.error_fp < 1e-6
    assert found.error_chip > 0.1
