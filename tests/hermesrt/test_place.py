"""Programs where torch computes: each device that there is, and none that there is not."""

import numpy as np
import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt.errors import OptionError
from hermesrt.place import place_of
from hermesrt.program import Chip, Program

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def deployed(program: Program) -> Chip:
    return program.deploy(hermesc.simulate(seed=3))


def test_to_be_on_the_processor_changes_no_bit(program: Program, inputs: Tensor) -> None:
    there = deployed(program).to("cpu")(inputs)
    assert there.device.type == "cpu"
    assert torch.equal(there, deployed(program)(inputs))


@needs_cuda
def test_a_program_answers_alike_on_every_device(program: Program, inputs: Tensor) -> None:
    there = deployed(program).to("cuda")(inputs)
    here = deployed(program)(inputs)
    assert there.device.type == "cuda"
    assert (there.cpu() != here).float().mean() <= 0.02  # cosines differ in the last bit
    assert (there.cpu() - here).norm() < 0.02 * here.norm()


@needs_cuda
def test_inputs_may_lie_there_already(program: Program, inputs: Tensor) -> None:
    chip = deployed(program).to("cuda")
    assert torch.equal(chip(inputs), chip.rewind()(inputs.to("cuda")))


@pytest.mark.parametrize("place", ["cpu", pytest.param("cuda", marks=needs_cuda)])
def test_a_report_of_a_run_there_tells_the_accuracy(
    program: Program, inputs: Tensor, place: str
) -> None:
    report = deployed(program).to(place).report(inputs, labels=np.zeros(len(inputs), np.int64))
    assert report.accuracy is not None


@needs_cuda
def test_noise_has_the_same_moments_on_every_device(program: Program) -> None:
    chip, same = deployed(program).to("cuda"), torch.ones(2000, 16)
    noise = chip(same) - chip(same).mean(0)
    wanted = deployed(program)(same).var(0)
    assert torch.allclose(noise.var(0).cpu(), wanted, rtol=0.2)


@pytest.mark.parametrize("name", ["tpu", "meta", "mps", "cpu:x"])
def test_what_is_no_device_for_programs_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match="must be cpu, cuda or cuda:N"):
        place_of(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_refused_with_what_to_do(program: Program) -> None:
    with pytest.raises(OptionError, match="finds no CUDA device here; install a torch with CUDA"):
        deployed(program).to("cuda")


@needs_cuda
def test_a_number_beyond_the_last_device_is_refused() -> None:
    with pytest.raises(OptionError, match="from cuda:0 on"):
        place_of("cuda:999")
