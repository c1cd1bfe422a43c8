"""The signal chain against a slow reference written from the same sentences."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hermes_sim.crossbar import (
    Layer,
    Stage,
    four_phases,
    input_codes,
    layer_mvm,
    output_code,
    saturated,
)


def silent(_: int, shape: torch.Size) -> Tensor:
    return torch.zeros(shape)


def stage(weights: Tensor, step: float = 1e-6, start: int = 0) -> Stage:
    rows, columns = weights.shape
    return Stage(
        slice(start, start + rows),
        weights,
        None,
        torch.zeros(rows, columns),
        torch.ones(columns),
        step,
    )


def layer(*stages: Stage) -> Layer:
    return Layer(1.0, 127, 127, 1e9, 1e9, True, 0.0, True, stages, None, False)


def test_inputs_become_signed_codes_and_clip() -> None:
    codes = input_codes(layer(), torch.tensor([[0.0, 0.5, 1.0, -1.0, 3.0, -0.003]]))
    assert codes.tolist() == [[0, 64, 127, -127, 127, 0]]


def test_output_code_truncates_toward_zero_or_rounds() -> None:
    values = torch.tensor([0.9, -0.9, 1.5, 1000.0])
    assert output_code(layer(), values, 1.0).tolist() == [0, 0, 1, 127]
    rounded = output_code(replace(layer(), truncate=False), values, 1.0)
    assert rounded.tolist() == [1, -1, 2, 127]


def test_counts_are_whole() -> None:
    weights = torch.full((3, 2), 0.13)
    y = layer_mvm(layer(stage(weights, step=1e-3)), torch.ones(1, 3), silent)
    assert y.tolist() == [[pytest.approx(127e-3)] * 2], "clips at 127 codes of 1e-3"
    wide = layer_mvm(layer(stage(weights, step=1.0)), torch.ones(1, 3), silent)
    assert wide.tolist() == [[50.0, 50.0]]  # 3 x 127 x 0.13 = 49.53 counts


def test_partial_sums_are_quantised_at_every_hop() -> None:
    first, second = torch.full((1, 1), 0.02), torch.full((1, 1), 0.02)
    x = torch.ones(1, 2)  # each block gives 2.54, that is 3 whole counts
    fine = layer(stage(first, 1e-3 * 127), stage(second, 1e-3 * 127, 1))
    coarse = layer(stage(first, 2.0), stage(second, 1e-3 * 127, 1))
    assert layer_mvm(fine, x, silent).item() == pytest.approx(6.0, abs=0.2)
    assert layer_mvm(coarse, x, silent).item() == pytest.approx(5.0, abs=0.2)


def test_bias_and_relu_come_after_the_last_partial_sum() -> None:
    blocks = (stage(torch.full((1, 1), 0.1), 0.25), stage(torch.full((1, 1), -0.1), 0.25, 1))
    with_bias = replace(layer(*blocks), bias=torch.tensor([-1.0]))
    assert layer_mvm(with_bias, torch.ones(1, 2), silent).item() == -1.0
    with_relu = replace(with_bias, relu=True)
    assert layer_mvm(with_relu, torch.ones(1, 2), silent).item() == 0.0


def test_four_phases_saturate_one_by_one() -> None:
    polarities = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # one column: g+ = (1, 0), g- = (0, 1)
    codes = torch.tensor([[100.0, 100.0], [100.0, -100.0], [10.0, 10.0]])
    net = four_phases(replace(layer(), phase_limit=60.0), codes, polarities)
    # +100 x g+ stops at 60, +100 x g- stops at 60; -100 x g- adds to the positive counter
    assert net.flatten().tolist() == [0.0, 120.0, 0.0]


def test_a_counter_stops_at_its_last_count() -> None:
    polarities = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    codes = torch.tensor([[100.0, -100.0]])
    net = four_phases(replace(layer(), counter_limit=150.0), codes, polarities)
    assert net.item() == 150.0  # two phases of 100 in one counter


def test_the_quick_test_for_saturation_never_changes_a_result() -> None:
    draw = torch.Generator().manual_seed(0)
    weights = torch.randn(64, 8, generator=draw)
    polarities = torch.cat([weights.clamp(min=0), (-weights).clamp(min=0)], 1)
    codes = torch.randint(-127, 128, (50, 64), generator=draw).float()
    net = codes @ weights
    for limit in (100.0, 1000.0, 1500.0, 1e6):
        limited = replace(layer(), phase_limit=limit, counter_limit=1.5 * limit)
        got = saturated(limited, codes, net, polarities)
        wanted = four_phases(limited, codes, polarities)
        torch.testing.assert_close(got, wanted, atol=0.01, rtol=1e-4)


def test_one_phase_reads_stop_at_the_net_current() -> None:
    one_phase = replace(layer(), four_phase=False, phase_limit=50.0)
    net = torch.tensor([[70.0, -70.0, 20.0]])
    got = saturated(one_phase, torch.ones(1, 1), net.clone(), torch.ones(1, 6))
    assert got.tolist() == [[50.0, -50.0, 20.0]]


def test_one_phase_reads_have_a_polarity_asymmetry() -> None:
    uneven = replace(layer(stage(torch.ones(1, 1), 10.0)), asymmetry=0.5)
    up, down = layer_mvm(uneven, torch.tensor([[1.0], [-1.0]]), silent).flatten().tolist()
    assert up == pytest.approx(190.0)
    assert down == pytest.approx(-120.0)


def test_read_noise_has_the_variance_of_its_devices() -> None:
    noisy = replace(stage(torch.zeros(4, 1), 0.01), variance=torch.full((4, 1), 9.0))
    draw = torch.Generator().manual_seed(0)
    y = layer_mvm(
        replace(layer(noisy), output_levels=10**6),
        torch.ones(20000, 4) / 127,
        lambda _, shape: torch.randn(shape, generator=draw),
    )
    assert y.std().item() == pytest.approx(6.0, rel=0.03)  # 4 devices of deviation 3
