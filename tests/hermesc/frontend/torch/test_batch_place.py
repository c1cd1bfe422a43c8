"""Examples whose batch is not first, or that have none, are recognised and asked about."""

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.errors import ModelError


def _encoder(*, batch_first: bool) -> nn.Module:
    torch.manual_seed(0)
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=batch_first).eval()


class Standardized(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / x.std(0)


SEQUENCE_FIRST = {
    "attention": (lambda: _encoder(batch_first=False), (6, 4, 16)),
    "attention, a batch of one": (lambda: _encoder(batch_first=False), (6, 1, 16)),
    "LSTM": (lambda: nn.LSTM(16, 4), (6, 3, 16)),
    "LSTM, a batch of one": (lambda: nn.LSTM(16, 4), (6, 1, 16)),
}


class LastStep(nn.Module):
    """Its result has lost the sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(16, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][-1])


SEQUENCE_FIRST |= {
    "the last step alone": (LastStep, (6, 3, 16)),
    "the last step alone, a batch of one": (LastStep, (6, 1, 16)),
}
UNBATCHED = {
    "attention": lambda: _encoder(batch_first=True),
    "LSTM": lambda: nn.LSTM(16, 4, batch_first=True),
}
PLAIN = {
    "batch first": (lambda: _encoder(batch_first=True), (6, 4, 16)),
    "a batch of one": (lambda: _encoder(batch_first=True), (1, 4, 16)),
    "rows alone": (lambda: nn.Linear(16, 4), (6, 16)),
    "statistics of the batch": (Standardized, (6, 16)),
}


@pytest.mark.parametrize("name", SEQUENCE_FIRST)
def test_a_sequence_that_is_first_is_asked_about(name):
    build, shape = SEQUENCE_FIRST[name]
    torch.manual_seed(0)
    with pytest.raises(ModelError, match=rf"the batch, {shape[1]}, second. Say batch_dim=1 \(--ba"):
        hermesc.compile(build().eval(), (torch.randn(shape),))


@pytest.mark.parametrize("name", UNBATCHED)
def test_one_sample_without_a_batch_is_asked_about(name):
    torch.manual_seed(0)
    with pytest.raises(ModelError, match=r"one sample each. Give them .* x\[None\]"):
        hermesc.compile(UNBATCHED[name]().eval(), (torch.randn(6, 16),))


@pytest.mark.parametrize("name", PLAIN)
def test_a_batch_that_is_first_is_taken(name):
    build, shape = PLAIN[name]
    assert hermesc.compile(build().eval(), (torch.randn(shape),))


@pytest.mark.parametrize(("shape", "dim"), [((6, 16), 0), ((6, 4, 16), 1), ((6, 4, 16), 0)])
def test_what_the_user_says_is_taken(shape, dim):
    model = _encoder(batch_first=False)
    x = torch.randn(shape)
    program = hermesc.compile(model, (x,), batch_dim=dim)
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    y = chip(x.movedim(dim, 0)).movedim(0, dim)
    torch.testing.assert_close(y, model(x).detach(), rtol=1e-4, atol=1e-5)


def test_only_a_module_has_its_batch_elsewhere():
    exported = torch.export.export(nn.Linear(4, 3), (torch.randn(2, 4),))
    with pytest.raises(ModelError, match=r"only an nn\.Module has its batch elsewhere"):
        hermesc.compile(exported, (torch.randn(2, 4),), batch_dim=1)


def test_an_exported_program_whose_rows_belong_together_compiles():
    """It has one mode alone, and says so when it is to change it."""
    exported = torch.export.export(Standardized(), (torch.randn(6, 16),))
    program = hermesc.compile(exported)
    assert not program.artifact.manifest.rows_independent
