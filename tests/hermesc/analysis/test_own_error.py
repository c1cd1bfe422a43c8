"""Errors of layers cost no more than a table of the devices' curves, and are as exact."""

from dataclasses import fields

import pytest
import torch

import hermesc
from hermesc.analysis import output_error, own_error
from hermesrt.chip.load import load_chip


@pytest.fixture
def layer(monkeypatch):
    """What own_error was given for one layer of many cells."""
    given = []

    def noting(*words):
        given.append(words)
        return own_error.own_error(*words)

    monkeypatch.setattr(output_error, "own_error", noting)
    torch.manual_seed(0)
    hermesc.compile(torch.nn.Linear(256, 512, bias=False), torch.randn(8, 256))
    *words, _ = given[0]
    return [*words, own_error.Curves()]


def test_the_curves_are_taken_at_a_table_of_points_not_at_every_cell(layer, monkeypatch):
    points = []
    for name in ("_missed", "_misread"):
        curve = getattr(own_error, name)

        def noting(chip, siemens, curve=curve):
            points.append(siemens.numel())
            return curve(chip, siemens)

        monkeypatch.setattr(own_error, name, noting)
    own_error.own_error(*layer)
    assert len(points) == 2
    assert max(points) < 256 * 512 / 4
    own_error.own_error(*layer)  # of the same range: the same table
    assert len(points) == 2


def test_the_table_gives_what_every_cell_gives(layer, monkeypatch):
    found = own_error.own_error(*layer)
    curves = (own_error._missed, own_error._misread)
    monkeypatch.setattr(own_error.Curves, "of", lambda _, g, __, chip: [c(chip, g) for c in curves])
    wanted = own_error.own_error(*layer)
    for cause in fields(wanted):
        a, b = getattr(found, cause.name), getattr(wanted, cause.name)
        torch.testing.assert_close(a, b, rtol=1e-3, atol=0)


@pytest.mark.parametrize("top", [2e-5, 1e-5])
def test_every_place_in_the_table_is_the_nearest(top):
    chip, curves = load_chip("hermes"), own_error.Curves()
    curves.of(torch.full((1, 1), 3e-5), 3e-5, chip)  # of another range
    siemens = torch.linspace(0, top, 999).reshape(27, 37)
    found = curves.of(siemens.clone(), top, chip)
    for values, curve in zip(found, (own_error._missed, own_error._misread), strict=True):
        torch.testing.assert_close(values, curve(chip, siemens), rtol=1e-2, atol=1e-18)
