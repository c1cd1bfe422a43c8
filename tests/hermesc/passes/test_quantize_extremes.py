"""Numbers at the ends of FP32: refused with the layer's name, or no NaN."""

import pytest
import torch
from torch import nn

import hermesc
from hermesrt.errors import ModelError


def test_outputs_beyond_fp32_are_refused_by_layer() -> None:
    layer = nn.Linear(8, 4)
    with torch.no_grad():
        layer.weight[0, 0] = 3e38
    with pytest.raises(ModelError, match=r"beyond FP32 .* its weights reach 3e\+38"):
        hermesc.compile(layer, 10 * torch.ones(8, 8))


@pytest.mark.parametrize("size", [1e-36, 1e-37, 1e-38, 1e-40, 1e-44])
@pytest.mark.parametrize("bias", [True, False])
def test_tiny_inputs_give_no_nan(size: float, bias: bool) -> None:
    torch.manual_seed(0)
    x, layer = size * torch.randn(32, 8), nn.Linear(8, 4, bias=bias)
    program = hermesc.compile(layer, x[:8], calibration=x)
    chip = program.deploy(hermesc.simulate("hermes"))
    assert chip(x).isfinite().all()
    assert chip(torch.randn(4, 8)).isfinite().all()
    if size < 1e-36:
        assert any("the chip sees zeros" in n for n in program.artifact.manifest.notes)


def test_small_inputs_are_as_exact_as_others() -> None:
    torch.manual_seed(0)
    x, layer = torch.randn(32, 8), nn.Linear(8, 4, bias=False)
    errors = []
    for size in (1.0, 1e-35):
        program = hermesc.compile(layer, size * x[:8], calibration=size * x)
        report = program.deploy(hermesc.simulate("hermes")).report(size * x)
        errors.append(report.outputs["output_0"].relative_error)
    assert errors[1] == pytest.approx(errors[0], rel=0.05)
