"""Rows run in blocks, with the result of all at once."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt import blocks
from hermesrt.blocks import OutputBlock, block_rows
from hermesrt.given_inputs import GivenInputs
from hermesrt.program import Chip, Program


def test_rows_run_in_blocks_with_the_same_result(
    program: Program, inputs: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = program.deploy(hermesc.simulate()).configure(ideal=True)(inputs)
    monkeypatch.setattr(blocks, "_BLOCK_ROWS", 8)
    chip = program.deploy(hermesc.simulate()).configure(ideal=True)
    seen = [b.rows for b in _blocks(chip, inputs)]
    assert [(r.start, r.stop) for r in seen[:2]] == [(0, 8), (8, 16)]
    torch.testing.assert_close(chip(inputs), whole, rtol=1e-5, atol=1e-6)


def _blocks(chip: Chip, inputs: Tensor) -> Iterator[OutputBlock]:
    return chip.run(GivenInputs(chip.compiled.artifact).samples((inputs,)))


def test_a_model_that_mixes_its_rows_runs_whole(
    inputs: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Centred(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x - x.mean(0)

    program = hermesc.compile(Centred(), inputs)
    assert not program.artifact.manifest.rows_independent
    monkeypatch.setattr(blocks, "_BLOCK_ROWS", 8)
    y = program.deploy(hermesc.simulate())(inputs)
    torch.testing.assert_close(y, inputs - inputs.mean(0))


def test_blocks_shrink_with_the_size_of_a_sample(program: Program) -> None:
    class Wide(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.repeat(1, 100_000)

    wide = hermesc.compile(Wide(), torch.randn(4, 3))
    assert block_rows(program.workload()) == 1024
    assert block_rows(wide.workload()) == 32
