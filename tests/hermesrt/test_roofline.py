"""Digital machines by hand."""

import pytest
import torch
from torch import nn

import hermesc
from hermesrt.chip.machine import load_machines
from hermesrt.roofline import estimates
from hermesrt.workload import Workload


@pytest.fixture(scope="module")
def work() -> Workload:
    model = nn.Sequential(nn.Linear(100, 200, bias=False), nn.GELU())
    return hermesc.compile(model, torch.randn(2, 100)).workload()


def test_a_small_product_waits_for_memory(work: Workload) -> None:
    """Batch 1 on an A100 in INT8: 20,000 weights, 100 inputs and 200 outputs, then 400 values."""
    int8, fp16 = estimates(load_machines("a100"), work)
    assert (int8.precision, fp16.precision) == ("INT8", "FP16")
    assert int8.latency_ns == pytest.approx((20_300 + 400) / 1555)
    assert fp16.latency_ns == pytest.approx(2 * int8.latency_ns)
    assert int8.peak_latency_ns == pytest.approx((2 * 20_000 + 200) / 624e3)


def test_power_grows_with_utilisation(work: Workload) -> None:
    int8, _ = estimates(load_machines("a100"), work)
    assert int8.utilisation == pytest.approx(int8.peak_latency_ns / int8.latency_ns)
    watt = 73.1 + 326.9 * int8.utilisation
    assert int8.energy_nj == pytest.approx(watt * int8.latency_ns)
    assert int8.peak_energy_nj == pytest.approx(400 * int8.peak_latency_ns)


def test_many_tokens_are_limited_by_compute() -> None:
    program = hermesc.compile(nn.Linear(512, 512, bias=False), torch.randn(2, 4096, 512))
    cpu, _ = estimates(load_machines("cpu"), program.workload())
    assert cpu.latency_ns == pytest.approx(2 * 512 * 512 * 4096 / 23.6e3)
    assert cpu.utilisation == pytest.approx(1.0)
