"""One more token of a causal model: its matrices once, its attention over all tokens before."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import hermesc
from hermesrt.errors import OptionError
from hermesrt.one_more_token import last_row, token_works
from hermesrt.workload import HostWork, MvmWork

EXAMPLE = Path(__file__).parents[2] / "examples/decoder.py"
TOKENS, HEADS, EACH, LAYERS = 20, 4, 16, 2  # of the small decoder


@pytest.fixture(scope="module")
def works():
    shapes = hermesc.shaped(f"{EXAMPLE}:small")
    return token_works(shapes.artifact, {"ids": (1, TOKENS)})


def test_every_matrix_serves_one_vector(works):
    tokens, whole, last = works
    assert tokens == TOKENS
    assert {w.vectors for w in whole.work if isinstance(w, MvmWork)} == {TOKENS}
    assert {w.vectors for w in last.work if isinstance(w, MvmWork)} == {1}


def test_attention_takes_one_query_and_all_keys(works):
    _, whole, last = works
    assert last.digital_macs == LAYERS * 2 * HEADS * EACH * TOKENS
    assert whole.digital_macs == LAYERS * 2 * HEADS * EACH * TOKENS**2


def test_work_of_single_tokens_grows_by_what_a_longer_context_adds(works):
    _, whole, last = works
    for a, b in zip(whole.work, last.work, strict=True):
        if isinstance(a, HostWork) and isinstance(b, HostWork):
            assert b.elements <= a.elements
            assert b.taken <= a.taken


@given(
    st.integers(0, 50),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(4, 10**5),
)
def test_the_last_row_of_a_square_is_counted_once(a, b, c, tokens):
    counts = [a * s * s + b * s + c for s in (tokens, tokens - 1, tokens - 2)]
    wanted = a * tokens + b if a or b else c
    assert last_row(counts, tokens) == wanted


def test_a_recurrent_layer_makes_one_time_step_with_all_its_products():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LSTM(4, 6, proj_size=3, batch_first=True)

        def forward(self, x):
            return self.layer(x)[0]

    marks = ({1: torch.export.Dim.DYNAMIC},)
    program = hermesc.compile(Net(), torch.randn(2, 5, 4), dynamic_shapes=marks)
    _, whole, last = token_works(program.artifact, {"x": (1, 9, 4)})
    assert [(w.vectors, w.steps) for w in whole.mvms] == [(9, 9)] * 2
    assert [(w.vectors, w.steps) for w in last.mvms] == [(1, 1)] * 2


def test_a_model_without_a_free_length_is_refused():
    program = hermesc.compile(nn.Linear(4, 4), torch.randn(3, 4))
    with pytest.raises(OptionError, match="0 free sizes beside the batch; mark the sequence"):
        hermesc.cost(program, tokens=True)


def test_too_few_tokens_are_refused():
    shapes = hermesc.shaped(f"{EXAMPLE}:small")
    with pytest.raises(OptionError, match="of 4 or more"):
        hermesc.cost(shapes, {"ids": (1, 3)}, tokens=True)
