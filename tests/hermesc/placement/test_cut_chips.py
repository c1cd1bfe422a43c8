"""Over several chips a model is cut as a pipeline or by columns, whichever lets less cross."""

from itertools import pairwise

import pytest
import torch
from torch import nn

import hermesc
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions
from hermesc.placement.over_chips import pipeline_chips
from hermesrt.artifact.schema import ChipCut
from hermesrt.chip.load import load_chip
from hermesrt.errors import ArtifactError, CapacityError
from hermesrt.facts.cut import cut_text
from hermesrt.facts.placement import placement_json
from hermesrt.files.typed import decode, encode

from ...hermes_sim.reference import assert_times_agree

THREE_CORES = [("grid.rows", "1"), ("grid.columns", "3")]
WIDE_IN_THE_MIDDLE = (256, 64, 512, 256)  # 1, 2 and 2 tiles
NARROW = (256, 256, 256, 64, 256, 256, 256)


def _compiled(sizes, chips=2, chip="hermes-dpu", **place):
    torch.manual_seed(0)
    layers = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
    net = nn.Sequential(*(m for layer in layers for m in (layer, nn.Tanh())))
    options = Options(place=PlaceOptions(chips=chips, **place))
    arrays = load_chip(chip, THREE_CORES)
    return hermesc.compile(net.eval(), torch.randn(2, 5, sizes[0]), chip=arrays, options=options)


def _chips(program):
    each = program.artifact.chip.cores
    return [sorted({t.core // each for t in m.tiles}) for m in program.artifact.manifest.matrices]


def _crossing(program):
    return placement_json(program.artifact, program.workload())["crossing_bytes"]


def test_columns_cross_less_where_a_pipeline_breaks_at_a_wide_place():
    """Five vectors: a pipeline sends all 512 inputs of the last layer on; columns send the 64 of
    the layer before to a second chip, and the half of the 512 that this one did not make."""
    program = _compiled(WIDE_IN_THE_MIDDLE)
    assert program.artifact.manifest.cut == ChipCut(
        "columns", asked=False, pipeline_bytes=5 * 512, columns_bytes=5 * (64 + 256)
    )
    assert _chips(program) == [[0], [0, 1], [1]]
    assert _crossing(program) == 5 * (64 + 256)


def test_a_pipeline_crosses_once_at_each_border_and_columns_at_each_layer():
    """Each chip holds three of the six layers of one tile each. In columns they go to the two chips
    in turn."""
    program = _compiled(NARROW)
    assert program.artifact.manifest.cut == ChipCut(
        "pipeline", asked=False, pipeline_bytes=5 * 64, columns_bytes=5 * (256 * 4 + 64)
    )
    assert _chips(program) == [[0]] * 3 + [[1]] * 3
    assert _crossing(program) == 5 * 64


@pytest.mark.parametrize(
    ("cut", "sizes", "crosses"),
    [("pipeline", WIDE_IN_THE_MIDDLE, 5 * 512), ("columns", NARROW, 5 * (256 * 4 + 64))],
)
def test_a_cut_that_is_asked_for_is_taken_though_more_crosses(cut, sizes, crosses):
    program = _compiled(sizes, cut=cut)
    found = program.artifact.manifest.cut
    assert (found.chosen, found.asked) == (cut, True)
    assert _crossing(program) == crosses
    assert f"{cut}, as asked for: whole layers in a pipeline let " in cut_text(found)


@pytest.mark.parametrize("objective", ["cores", "balanced", "energy"])
def test_what_the_compiler_counts_is_what_the_program_crosses(objective):
    program = _compiled((300, 512, 64, 512, 100), chips=6, objective=objective)
    cut = program.artifact.manifest.cut
    taken = {"pipeline": cut.pipeline_bytes, "columns": cut.columns_bytes}
    assert len(program.artifact.chips) > 1
    assert taken[cut.chosen] == _crossing(program) == min(taken.values())


@pytest.mark.parametrize("cut", ["pipeline", "columns"])
def test_both_products_of_a_time_step_cross_as_the_program_says(cut):
    """A projected LSTM of 5 and 2 tiles on chips of three cores: what its gates make goes
    to the projection's chip, and h back, at each of 5 time steps."""
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LSTM(64, 300, proj_size=48, batch_first=True)
            self.head = nn.Linear(48, 300)

        def forward(self, x):
            return self.head(self.layer(x)[0])

    options = Options(place=PlaceOptions(chips=4, cut=cut, objective="cores"))
    arrays = load_chip("hermes-dpu", THREE_CORES)
    program = hermesc.compile(Net(), torch.randn(2, 5, 64), chip=arrays, options=options)
    found = program.artifact.manifest.cut
    assert _crossing(program) == getattr(found, f"{cut}_bytes") > 0
    assert_times_agree(arrays, program.workload())


def test_the_links_are_paid_for_what_crosses_alone():
    few, many = (_compiled(WIDE_IN_THE_MIDDLE, cut=cut) for cut in ("columns", "pipeline"))
    ours, theirs = hermesc.cost(few).cost, hermesc.cost(many).cost
    assert ours.energy_by["chip_link"] == pytest.approx(5 * (64 + 256) * 8 * 1.9)
    assert theirs.energy_by["chip_link"] == pytest.approx(5 * 512 * 8 * 1.9)


def test_a_layer_that_no_chip_holds_begins_one_and_runs_over_several():
    program = _compiled((64, 256, 4 * 256), chips=3, cut="pipeline")
    assert _chips(program) == [[0], [1, 2]]


def test_copies_that_fill_every_core_go_wherever_there_is_room():
    program = _compiled((300, 700, 64, 512, 100, 100), chips=4, objective="throughput")
    cut = program.artifact.manifest.cut
    assert cut == ChipCut("anywhere", asked=False, pipeline_bytes=None, columns_bytes=None)
    assert cut_text(cut) == (
        "tiles wherever there is room: whole layers in a pipeline do not fit, shares of columns do "
        "not fit"
    )
    with pytest.raises(CapacityError, match="Spread it over"):
        _compiled((300, 700, 64, 512, 100, 100), chips=4, objective="throughput", cut="pipeline")


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(CapacityError, match=r"does not fit 2 chips .* --set place\.chips=N"):
        _compiled((512, 512, 512), chips=2, cut="columns")


def test_on_one_chip_there_is_no_cut_and_older_files_have_none():
    program = _compiled((256, 64), chips=2)
    assert program.artifact.manifest.cut is None
    stored = encode(program.artifact.manifest)
    del stored["cut"]
    again = decode(type(program.artifact.manifest), stored, "f", ArtifactError)
    assert again == program.artifact.manifest


def test_a_cut_that_crosses_less_than_nothing_is_refused():
    bad = encode(ChipCut("columns", asked=False, pipeline_bytes=-1, columns_bytes=0))
    with pytest.raises(ArtifactError, match="pipeline_bytes"):
        decode(ChipCut, bad, "f", ArtifactError)


def test_a_cut_changes_no_result():
    one, two = (_compiled(WIDE_IN_THE_MIDDLE, cut=cut) for cut in ("columns", "pipeline"))
    x = torch.randn(3, 5, 256)
    device = hermesc.simulate(load_chip("hermes-dpu", THREE_CORES))
    ours, theirs = (p.deploy(device).configure(ideal=True)(x) for p in (one, two))
    assert torch.equal(ours, theirs)


def test_a_pipeline_takes_so_many_chips_at_most():
    """On chips of three cores: one tile; four of one core each; a cascade of two; two of those."""
    assert pipeline_chips([(1, 1), (4, 1), (1, 2)], 3) == 3
    assert pipeline_chips([(1, 1), (2, 2)], 3) == 3
    assert pipeline_chips([], 3) == 1
