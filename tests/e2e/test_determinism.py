"""What docs/chip.md promises of repetition: each line is a test here."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.program import Chip, Program


@pytest.fixture(scope="module")
def x() -> Tensor:
    """More rows than one block takes."""
    return torch.randn(1200, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def program(x: Tensor) -> Program:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 40), nn.ReLU(), nn.Linear(40, 8)).eval()
    return hermesc.compile(model, x[:16])


def fresh(program: Program, seed: int = 0) -> Chip:
    return program.deploy(hermesc.simulate(seed=seed))


@pytest.fixture(scope="module")
def y(program: Program, x: Tensor) -> Tensor:
    """What the first call of a fresh chip gives."""
    return fresh(program)(x)


def test_a_new_chip_of_the_same_seed_repeats_the_first_calls(
    program: Program, x: Tensor, y: Tensor
) -> None:
    first, second = fresh(program), fresh(program)
    assert torch.equal(first(x), y)
    assert torch.equal(second(x), y)
    assert torch.equal(first(x[:9]), second(x[:9]))


def test_a_copy_of_a_chip_goes_on_as_it_does(program: Program, x: Tensor) -> None:
    chip = fresh(program)
    chip(x[:20])
    other = copy.deepcopy(chip)
    assert torch.equal(other(x[:30]), chip(x[:30]))


def test_another_seed_is_another_chip(program: Program, x: Tensor, y: Tensor) -> None:
    assert not torch.equal(fresh(program, 1)(x), y)


def test_a_second_call_has_fresh_noise_until_rewind(program: Program, x: Tensor, y: Tensor) -> None:
    chip = fresh(program)
    assert torch.equal(chip(x), y)
    assert not torch.equal(chip(x), y)
    assert torch.equal(chip.rewind()(x), y)


def test_a_report_is_a_call(program: Program, x: Tensor, y: Tensor) -> None:
    called, reported = fresh(program), fresh(program)
    called(x[:16])
    reported.report(x[:16])
    after = reported(x)
    assert torch.equal(called(x), after)
    assert not torch.equal(after, y)


def test_two_reports_of_the_same_calls_are_the_same(program: Program, x: Tensor) -> None:
    first, second = (fresh(program).report(x[:50]) for _ in range(2))
    assert first.to_json() == second.to_json()


@pytest.mark.parametrize("rows", [1, 100, 1100])
def test_rows_that_follow_change_nothing(program: Program, x: Tensor, y: Tensor, rows: int) -> None:
    assert torch.equal(fresh(program)(x[:rows]), y[:rows])


@pytest.mark.parametrize("part", [1, 7, 64, 1000])
def test_a_batch_in_several_calls_has_the_same_bits(
    program: Program, x: Tensor, y: Tensor, part: int
) -> None:
    rows = x[:70] if part == 1 else x
    chip = fresh(program)
    assert torch.equal(torch.cat([chip(some) for some in rows.split(part)]), y[: len(rows)])


def test_noise_belongs_to_the_row_and_not_to_its_place(
    program: Program, x: Tensor, y: Tensor
) -> None:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    assert torch.equal(fresh(program)(x[order]), y[order])


def test_equal_rows_of_a_batch_have_different_noise(program: Program, x: Tensor) -> None:
    same = fresh(program)(x[:1].expand(300, -1))
    assert len(same.unique(dim=0)) > 250
    again = torch.cat([fresh(program)(x[:1].expand(300, -1)) for _ in range(2)])
    assert torch.equal(again[:300], again[300:])


def test_a_row_that_is_read_again_has_its_next_noise_in_whatever_call(
    program: Program, x: Tensor
) -> None:
    twice = fresh(program)(torch.cat([x[:5], x[:5]]))
    chip = fresh(program)
    assert torch.equal(torch.cat([chip(x[:5]), chip(x[:5])]), twice)
    assert not torch.equal(twice[:5], twice[5:])


def test_age_and_mode_leave_the_count_of_reads(program: Program, x: Tensor) -> None:
    aged = fresh(program).configure(age_s=3600.0)
    called = fresh(program)
    called(x)
    called.configure(age_s=3600.0)
    first = aged(x)
    assert not torch.equal(called(x), first)
    assert torch.equal(called.rewind()(x), first)


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("two_threads")
def test_threads_change_nothing_on_crossbars(program: Program, x: Tensor, y: Tensor) -> None:
    assert torch.equal(fresh(program)(x), y)


@pytest.mark.usefixtures("two_threads")
def test_threads_change_nothing_in_programming(program: Program) -> None:
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(program.deploy(hermesc.simulate(), method="oneshot").device.state().arrays)
    assert all((found[0][name] == found[1][name]).all() for name in found[0])


def test_an_ideal_chip_has_no_noise(program: Program, x: Tensor) -> None:
    chip = fresh(program).configure(ideal=True)
    assert torch.equal(chip(x), chip(x))
    torch.testing.assert_close(chip(x[:3]), chip(x)[:3])


class Recurrent(nn.Module):
    """An LSTM and a head on its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(6, 10, batch_first=True), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Turned(nn.Module):
    """Tokens before the batch at its product, and a product of what is no sample's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 9), nn.Linear(9, 4)
        self.register_buffer("places", torch.randn(5, 6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x.transpose(0, 1)).transpose(0, 1) + self.first(self.places)
        return self.second(y.relu()).flatten(1)


OF_ALL_SHAPES = {
    "tokens": (nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4)), (5, 6)),
    "tokens first": (Turned(), (5, 6)),
    "images": (
        nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 3), nn.Flatten()),
        (2, 7, 6),
    ),
    "time steps": (Recurrent(), (5, 6)),
}


@pytest.mark.parametrize("name", OF_ALL_SHAPES)
def test_a_vector_is_known_by_its_sample_in_whatever_shape(name: str) -> None:
    model, shape = OF_ALL_SHAPES[name]
    x = torch.randn(12, *shape, generator=torch.Generator().manual_seed(2))
    program = hermesc.compile(model.eval(), x[:5])
    y = fresh(program)(x)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fresh(program)(x[order]), y[order])
    for part in (1, 5):
        chip = fresh(program)
        assert torch.equal(torch.cat([chip(some) for some in x.split(part)]), y)


def test_each_time_step_and_each_token_has_noise_of_its_own() -> None:
    """The same vector at all of them."""
    torch.manual_seed(0)
    linear, alone = nn.Linear(20, 8), torch.randn(1, 1, 20)
    x = alone.expand(3, 200, -1)
    y = fresh(hermesc.compile(linear, torch.randn(4, 200, 20)))(x)
    assert len(y.reshape(-1, 8).unique(dim=0)) > 250
