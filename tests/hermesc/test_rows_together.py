"""Models that do not run on one row are costed for the batch of their examples."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.errors import InputError
from hermesrt.program import Program

MODELS: dict[str, Callable[[Tensor], Tensor]] = {
    "pairs of rows": lambda y: y.reshape(-1, 2, 8).sum(1),
    "two towers": lambda y: y.view(y.shape[0] // 2, 16),
    "the best five": lambda y: y.topk(5, 0).values,
    "halves": lambda y: torch.sub(*y.chunk(2, 0)),
    "row three": lambda y: y[3],
    "windows": lambda y: y.unfold(0, 2, 1).sum(-1),
}


class Net(nn.Module):
    def __init__(self, last: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(8, 8), last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x))


def compiled(name: str) -> Program:
    torch.manual_seed(0)
    return hermesc.compile(Net(MODELS[name]), torch.randn(6, 8))


@pytest.mark.parametrize("name", MODELS)
def test_it_compiles_runs_and_is_costed(name: str) -> None:
    program = compiled(name)
    assert program.workload().samples == (1 if name == "halves" else 6) or name == "halves"
    result = hermesc.run(program, ideal=True)
    assert result.report.outputs["output_0"].relative_error < 1e-5
    assert result.report.cost.latency_ps > 0


def test_energy_is_for_each_of_the_rows() -> None:
    whole, alone = compiled("pairs of rows"), hermesc.compile(nn.Linear(8, 8), torch.randn(6, 8))
    (mvm, *_), (single, *_) = whole.workload().work, alone.workload().work
    assert (mvm.vectors, single.vectors) == (6, 1)  # type: ignore[union-attr]
    assert hermesc.cost(whole).cost.core_mvms == hermesc.cost(alone).cost.core_mvms


def test_a_batch_may_be_given_where_rows_belong_together() -> None:
    program = compiled("pairs of rows")
    assert hermesc.cost(program, {"x": (4, 8)}).sizes == {"x": (4, 8)}
    with pytest.raises(InputError, match="give several at once"):
        hermesc.cost(program, {"x": (1, 8)})
