"""Low-rank adapters are found by what the graph does with them, and by nothing else."""

import torch
from torch import nn

from hermesc.passes.partition import PartitionOptions

X = torch.randn(8, 12)
SIZES = {"w": (12, 10), "a": (12, 3), "b": (3, 10), "c": (10,)}


def digital(front, module, forward, options=None, **sizes):
    """Operations that stay digital, with their reasons."""
    made = front(module(forward, **(sizes or SIZES)), (X,), options or PartitionOptions())
    return {r.op: r.reason for r in made.partitioned.refusals}, len(made.graph.mvms)


ADAPTERS = {
    "as in LoRA": lambda m, x: x @ m.w + (x @ m.a) @ m.b,
    "with its scale": lambda m, x: x @ m.w + m.c + 2.0 * ((x @ m.a) @ m.b),
    "scaled inside": lambda m, x: (x @ m.a / 4) @ m.b + (x @ m.w + m.c),
    "taken away": lambda m, x: x @ m.w - (x @ m.a) @ m.b,
}
OTHERS = {
    "a bottleneck beside a skip": (lambda m, x: x[:, :10] + (x @ m.a) @ m.b, 2),
    "a function between": (lambda m, x: x @ m.w + torch.relu(x @ m.a) @ m.b, 3),
    "of another value": (lambda m, x: x @ m.w + (x.cos() @ m.a) @ m.b, 3),
    "its inner value is used again": (
        lambda m, x: (lambda y: torch.cat([x @ m.w + y @ m.b, y], 1))(x @ m.a),
        3,
    ),
}


def test_adapters_stay_digital_and_say_so(front, module):
    for name, forward in ADAPTERS.items():
        refused, mvms = digital(front, module, forward)
        assert mvms == 1, name
        assert "adapter of w: low-rank" in refused["aten.matmul.default"], name


def test_what_only_looks_like_one_goes_to_the_chip(front, module):
    for name, (forward, count) in OTHERS.items():
        refused, mvms = digital(front, module, forward)
        assert mvms == count, (name, refused)


def test_a_wide_pair_is_no_adapter(front, module):
    sizes = {"w": (12, 10), "a": (12, 10), "b": (10, 10), "c": (10,)}
    assert digital(front, module, ADAPTERS["as in LoRA"], **sizes)[1] == 3


def test_the_chip_takes_adapters_where_that_is_asked_for(front, module):
    options = PartitionOptions(adapters="chip")
    assert digital(front, module, ADAPTERS["as in LoRA"], options)[1] == 3


def test_a_module_as_peft_writes_it(front):
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.base_layer = nn.Linear(12, 10)
            self.lora_A, self.lora_B = nn.Linear(12, 4, bias=False), nn.Linear(4, 10, bias=False)
            self.dropout = nn.Dropout(0.1)

        def forward(self, x):
            return torch.relu(self.base_layer(x) + self.lora_B(self.lora_A(self.dropout(x))) * 0.5)

    made = front(Layer(), (X,), PartitionOptions())
    assert [op.label for op in made.graph.mvms] == ["base_layer"]
    assert all(op.bias for op in made.graph.mvms)  # the LDPU still adds it
