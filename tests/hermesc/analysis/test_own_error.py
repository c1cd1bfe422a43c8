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
    return given[0]


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


def test_the_table_gives_what_every_cell_gives(layer, monkeypatch):
    found = own_error.own_error(*layer)
    monkeypatch.setattr(own_error, "_tabulated", lambda curves, g: [curve(g) for curve in curves])
    wanted = own_error.own_error(*layer)
    for cause in fields(wanted):
        a, b = getattr(found, cause.name), getattr(wanted, cause.name)
        torch.testing.assert_close(a, b, rtol=1e-3, atol=0)


@pytest.mark.parametrize("curve", [own_error._missed, own_error._misread])
def test_every_place_in_the_table_is_the_nearest(curve):
    chip = load_chip("hermes")
    siemens = torch.linspace(0, 2e-5, 999).reshape(27, 37)
    (found,) = own_error._tabulated((lambda g: curve(chip, g),), siemens)
    torch.testing.assert_close(found, curve(chip, siemens), rtol=1e-2, atol=1e-18)
