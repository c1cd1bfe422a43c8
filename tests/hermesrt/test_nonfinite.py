"""Outputs that are NaN or infinite are counted, shown and never right."""

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.metrics import nonfinite_rows, tells_a_class
from hermesrt.run_report import RunReport

NAN, INF = float("nan"), float("inf")


class Half(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * torch.where(x[:, :1] > 0, 1.0, NAN)


@pytest.fixture(scope="module")
def report() -> RunReport:
    torch.manual_seed(0)
    x = torch.randn(32, 8)
    chip = hermesc.compile(Half(), x[:4], calibration=x).deploy(hermesc.simulate("hermes"))
    return chip.report(x, labels=torch.zeros(32, dtype=torch.long))


def test_rows_of_nan_are_counted_on_the_chip_and_in_fp32(report: RunReport) -> None:
    output = report.outputs["output_0"]
    assert (output.nonfinite_rows, output.nonfinite_reference_rows) == (23, 23)
    told = report.to_json()["outputs"]["output_0"]
    assert (told["nonfinite_rows"], told["nonfinite_reference_rows"]) == (23, 23)
    assert "NaN or infinity in 23 of 32 rows on the chip, 23 in FP32" in str(report)


def test_rows_of_nan_are_no_right_answers(report: RunReport) -> None:
    assert report.accuracy is not None
    assert report.accuracy <= 9 / 32
    assert report.reference_accuracy is not None
    assert report.reference_accuracy <= 9 / 32


def test_the_page_tells_the_same(report: RunReport) -> None:
    from hermesrt.report.page.render import page_html

    told = page_html(report.artifact, report.cost, report)
    assert "NaN or infinity in 23 of 32 rows" in told
    assert "on the chip, 23 in FP32" in told


def test_what_is_a_class() -> None:
    rows = torch.tensor([[0.0, 1.0], [NAN, 1.0], [INF, 1.0], [-INF, 1.0], [-INF, -INF]])
    assert tells_a_class(rows).tolist() == [True, False, False, True, False]
    assert nonfinite_rows(rows) == 4
    assert nonfinite_rows(torch.tensor(NAN)) == 1
    assert nonfinite_rows(torch.ones(3, dtype=torch.int64)) == 0
