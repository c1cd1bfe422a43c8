"""A mixture of experts whose rows are sorted by expert compiles, and is right."""

import torch
from torch import Tensor, nn
from torch.export import Dim

import hermesc
from hermesc.frontend.torch.experts import ALL_EXPERTS, every_expert


@torch.library.custom_op("transformers::grouped_mm_fallback", mutates_args=())
def grouped_mm(x: Tensor, weight: Tensor, offs: Tensor) -> Tensor:
    """As transformers defines it where torch's own takes no FP32."""
    out, start = x.new_zeros(x.shape[0], weight.shape[2]), 0
    for i, end in enumerate(offs.tolist()):
        out[start:end], start = x[start:end] @ weight[i], end
    return out


@grouped_mm.register_fake
def _(x: Tensor, weight: Tensor, offs: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[2])


class Experts(nn.Module):
    """As decoders write it: each token goes to two of four experts, sorted for one product."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(8, 4)
        self.up = nn.Parameter(torch.randn(4, 8, 12))
        self.down = nn.Parameter(torch.randn(4, 12, 8))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.reshape(-1, 8)
        weights, chosen = self.router(tokens).softmax(-1).topk(2)
        expert, order = chosen.reshape(-1).sort()
        counts = torch.histc(expert.float(), 4, 0, 3)
        ends = counts.cumsum(0, dtype=torch.int32)
        rows = grouped_mm(tokens[order // 2], self.up, ends)
        rows = grouped_mm(rows.relu(), self.down, ends)
        rows = rows * weights.reshape(-1)[order].unsqueeze(1)
        out = torch.empty_like(rows)
        out[order] = rows
        return out.reshape(-1, 2, 8).sum(1).reshape(x.shape)


def test_every_expert_is_on_crossbars_and_each_row_takes_its_own() -> None:
    torch.manual_seed(0)
    model = Experts()
    program = hermesc.compile(model, (torch.randn(3, 5, 8),), dynamic_shapes=({1: Dim.AUTO},))
    sizes = [(m.rows, m.columns) for m in program.artifact.manifest.matrices]
    assert sizes == [(8, 4), (8, 48), (12, 32)]
    assert ALL_EXPERTS in program.artifact.manifest.notes
    chip = program.deploy(hermesc.simulate("hermes"), "ideal").configure(ideal=True)
    x = torch.randn(2, 9, 8)
    with torch.no_grad():
        torch.testing.assert_close(chip(x), model(x))


def test_rows_behind_the_last_end_are_zero() -> None:
    torch.manual_seed(0)
    x, weight, ends = torch.randn(7, 4), torch.randn(3, 4, 5), torch.tensor([2, 2, 6])
    found = every_expert(x, weight, ends)
    torch.testing.assert_close(found, grouped_mm(x, weight, ends))
    assert not found[6].any()
