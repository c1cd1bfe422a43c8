"""Which operations keep their tokens apart, found out by changing one token at a time."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import hermesc
from hermes_sim import engine
from hermesrt.program import Program
from hermesrt.workload import Needs

TOKENS, WIDTH = 5, 6
Function = Callable[[Tensor], Tensor]


class Around(nn.Module):
    """A function between two cosines, so that it is never an input or an output."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.cos()).cos()


def heads(x: Tensor) -> Tensor:
    """Two heads before the tokens, or after them again."""
    x = x.view(x.shape[0], TOKENS, 2, 3) if x.dim() == 3 else x
    return x.transpose(1, 2)


FLAT = torch.arange(2 * TOKENS * WIDTH - 1, -1, -1)


KEEPS: dict[str, Function] = {
    "elementwise": lambda x: x * 2 + x,
    "broadcast": lambda x: x * x.sum(-1, keepdim=True),
    "softmax over features": lambda x: x.softmax(-1),
    "layer norm": lambda x: functional.layer_norm(x, (WIDTH,)),
    "heads": lambda x: heads(x),
    "heads and back": lambda x: heads(heads(x)).flatten(2),
    "permute": lambda x: x.permute(2, 1, 0).permute(2, 1, 0),
    "cat of features": lambda x: torch.cat([x, x], -1),
    "stack": lambda x: torch.stack([x, x], 1),
    "select a feature": lambda x: x[..., 0],
    "unsqueeze": lambda x: x.unsqueeze(1).squeeze(1),
    "sum of features": lambda x: x.sum(-1),
    "prefix sums": lambda x: x.cumsum(1),
    "rows of a product": lambda x: x @ x.transpose(1, 2),
    "einsum": lambda x: torch.einsum("btd,bsd->bts", x, x),
    "attention": lambda x: functional.scaled_dot_product_attention(x, x, x),
    "pad of features": lambda x: functional.pad(x, (1, 1)),
    "split of features": lambda x: x.chunk(2, -1)[1],
    "expand": lambda x: x.unsqueeze(1).expand(-1, 3, -1, -1),
    "where": lambda x: torch.where(x > 0, x, 0.5),
}
MIXES: dict[str, Function] = {
    "places in another order": lambda x: x.index_select(1, torch.arange(TOKENS - 1, -1, -1)),
    "places of the flattened": lambda x: torch.take_along_dim(x.cos(), FLAT).view(x.shape),
    "filled in order": lambda x: (heads(x) * 0).masked_scatter(heads(x) > 0, heads(x)),
    "mean over tokens": lambda x: x.mean(1, keepdim=True) + x,
    "softmax over tokens": lambda x: x.softmax(1),
    "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(1, 1),
    "a slice": lambda x: x[:, 1:],
    "cat of tokens": lambda x: torch.cat([x, x], 1),
    "key times value": lambda x: x.transpose(1, 2) @ x,
    "sum of all": lambda x: x + x.sum(),
    "tokens as features": lambda x: x.flatten(1),
    "transposed into features": lambda x: x.transpose(1, 2).reshape(x.shape[0], TOKENS, WIDTH),
    "sort": lambda x: x.sort(1).values,
}


def latest(function: Function) -> tuple[Program, list[int]]:
    """For each token of the result the last token of the input that it waits for."""
    program = hermesc.compile(Around(function), torch.randn(2, TOKENS, WIDTH))
    found = {program.artifact.manifest.inputs[0].name: list(range(TOKENS))}
    for work in program.workload().work:
        needs = work.needs
        waits = max((max(found[n]) for n in needs.whole if n in found), default=-1)
        each = [found[n] for n in needs.each]
        found[work.step.name] = [
            max([waits, *(tokens[i] for tokens in each)]) for i in range(needs.tokens)
        ]
    return program, found[program.artifact.manifest.outputs[0]]


@pytest.mark.parametrize("name", KEEPS)
def test_position_wise_operations_keep_their_tokens_apart(name: str) -> None:
    _, waits = latest(KEEPS[name])
    whole = name in ("rows of a product", "einsum", "attention")  # a row of queries, all keys
    assert waits == ([TOKENS - 1] * TOKENS if whole else list(range(TOKENS)))


@pytest.mark.parametrize("name", MIXES)
def test_what_mixes_tokens_waits_for_all(name: str) -> None:
    assert set(latest(MIXES[name])[1]) == {TOKENS - 1}


@pytest.mark.parametrize("name", [*KEEPS, *MIXES])
def test_no_result_comes_before_an_input_that_changes_it(name: str) -> None:
    program, waits = latest((KEEPS | MIXES)[name])
    chip = program.deploy(hermesc.simulate()).configure(ideal=True)
    x = torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))
    before = chip(x)
    if len(waits) == 1:  # it waits for all
        return
    for token in range(TOKENS):
        changed = x.clone()
        changed[:, token] += 0.5
        differs = (chip(changed) != before).any(0)
        dim = list(before.shape[1:]).index(TOKENS)
        others = [d for d in range(differs.dim()) if d != dim]
        by_token = differs.amax(others) if others else differs
        assert all(waits[i] >= token for i in range(TOKENS) if by_token[i])


def test_a_stream_begins_at_the_vectors_of_a_matrix() -> None:
    """Tokens that a mixing operation made all at once stream through the next matrix."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.flip(1)).cos()

    work = hermesc.compile(Mixed(), torch.randn(2, TOKENS, WIDTH)).workload().work
    needs = {w.step.name.split("_")[0]: w.needs for w in work}
    assert needs["linear"] == Needs(TOKENS, (), ("flip",))
    assert needs["cos"] == Needs(TOKENS, ("linear",), ())


def test_tokens_of_whole_numbers_stream_through_an_embedding() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(10, WIDTH)

        def forward(self, ids: Tensor) -> Tensor:
            return self.words(ids).cos()

    work = hermesc.compile(Words(), torch.zeros(2, TOKENS, dtype=torch.long)).workload().work
    assert [w.needs.tokens for w in work] == [TOKENS, TOKENS]
    assert work[0].needs.each == ("ids",)


@pytest.mark.parametrize(
    "function",
    [
        lambda y: torch.einsum("...td,...sd->...ts", y, y * 2),
        lambda y: y @ torch.ones(WIDTH),
        lambda y: torch.ones(TOKENS) @ y,
    ],
)
def test_products_of_another_rank_give_a_time(function: Function) -> None:
    """Leading dimensions in an ellipsis, and vectors, whose dimension the result lacks."""
    program = hermesc.compile(Around(function), torch.randn(2, 3, 4, TOKENS, WIDTH))
    for work in program.workload().work:
        assert all(name for name in work.needs.each)
    assert engine.cost(program.artifact.chip, program.workload(), None).latency_ps > 0
