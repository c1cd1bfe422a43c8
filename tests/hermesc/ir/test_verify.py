"""Each rule of a stage has a case that breaks it."""

import math
from dataclasses import replace

import pytest
import torch

from hermesc.ir import verify
from hermesc.ir.graph import Captured, Graph
from hermesc.ir.interpret import interpret
from hermesc.ir.meaning import verify_meaning
from hermesc.ir.ops import Constant, Digital, Input, Mvm
from hermesc.ir.stages import Block
from hermesc.ir.types import TensorType
from hermesrt.errors import InternalError, Location, VerifyError
from hermesrt.ops.call import Call, Ref

T = TensorType(("s0", 4), "float32")
X, W = Input("x", T), Constant("w", "w", TensorType((4, 4), "float32"))
COS = Digital("c", Call("aten.cos.default", (Ref("x"),)), T, "c", Location())
MVM = Mvm("y", "c", "m", T, "y", Location())
WEIGHTS = {
    "w": torch.ones(4, 4),
    "m": torch.ones(4, 4),
    "v": torch.ones(4),
    "wide": torch.ones(5, 4),
}
NODES = (
    Captured("c", "aten.cos.default", Location()),
    Captured("y", "aten.mm.default", Location()),
)
GOOD = Graph((X, W, COS, MVM), ("y",), NODES)

GRAPHS = {
    "c is defined twice": replace(GOOD, ops=(X, W, COS, COS, MVM)),
    "y takes c, which is not defined before it": replace(GOOD, ops=(X, W, MVM, COS)),
    "c takes nobody": replace(
        GOOD, ops=(X, W, replace(COS, call=Call("aten.cos.default", (Ref("nobody"),))), MVM)
    ),
    "y needs the weight lost": replace(GOOD, ops=(X, W, COS, replace(MVM, matrix="lost"))),
    "y needs the weight gone": replace(GOOD, ops=(X, W, COS, replace(MVM, bias="gone"))),
    "w needs the weight k": replace(GOOD, ops=(X, replace(W, weight="k"), COS, MVM)),
    "c: os.system is unknown": replace(
        GOOD, ops=(X, W, replace(COS, call=Call("os.system", (Ref("x"),))), MVM)
    ),
    "y: v is not a matrix": replace(GOOD, ops=(X, W, COS, replace(MVM, matrix="v"))),
    r"y: float32\[s0, 4\] @ \(5, 4\)": replace(GOOD, ops=(X, W, COS, replace(MVM, matrix="wide"))),
    "output nobody is not defined": replace(GOOD, outputs=("nobody",)),
    "captured nodes lost without a reason: z": replace(
        GOOD, captured=(*NODES, Captured("z", "aten.sin.default", Location()))
    ),
}


@pytest.mark.parametrize("message", GRAPHS)
def test_a_graph_that_was_sound_and_is_broken_is_a_bug_of_the_pass_before(message):
    verify.verify_graph(GOOD, WEIGHTS, "partition")
    with pytest.raises(VerifyError, match=f"bug in the pass `decompose`: {message}"):
        verify.verify_graph(GRAPHS[message], WEIGHTS, "decompose")


def test_verify_error_is_internal():
    with pytest.raises(VerifyError) as caught:
        verify.verify_graph(replace(GOOD, outputs=("z",)), WEIGHTS, "test")
    assert caught.value.exit_code == 70


ONES = {"x": torch.ones(2, 4)}
PRODUCT = torch.full((2, 4), 4 * math.cos(1.0))  # of GOOD on ones


def test_a_graph_that_computes_what_the_model_did_passes():
    assert verify_meaning(GOOD, WEIGHTS, ONES, interpret(GOOD, WEIGHTS, ONES), (PRODUCT,)) == ()


@pytest.mark.parametrize(
    "eager", [PRODUCT * 1.01, PRODUCT[:1], PRODUCT.double(), PRODUCT * math.nan]
)
def test_a_graph_that_computes_something_else_is_a_bug(eager):
    with pytest.raises(InternalError, match="output 0 of the compiled graph differs"):
        verify_meaning(GOOD, WEIGHTS, ONES, interpret(GOOD, WEIGHTS, ONES), (eager,))


@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: (*a, a[0])])
def test_partition_with_a_node_lost_or_doubled_is_refused(change, stages):
    partitioned, _ = stages["partition"]
    broken = replace(partitioned, assignments=change(partitioned.assignments))
    with pytest.raises(VerifyError, match="assignments do not match the model"):
        verify.verify_partitioned(broken)


def _with_matrix(tiled, **changes):
    first, *rest = tiled.matrices
    return replace(tiled, matrices=(replace(first, **changes), *rest))


def _blocks(*rows, columns=((0, 5), (5, 10))):
    return tuple(tuple(Block(r, c) for r in rows) for c in columns)


TILED = {
    "first: shape": {"rows": 13},
    "first: blocks do not cover 12": {"cascades": _blocks((0, 6))},
    "blocks do not cover 12 exactly": {"cascades": _blocks((0, 7), (6, 12))},
    "blocks do not cover 10 exactly": {"cascades": _blocks((0, 6), (6, 12), columns=((0, 5),))},
    "do not cover 12 exactly": {"cascades": _blocks((0, 6), (6, 6), (6, 12))},
    "first: a block of 12x5 is too big": {"cascades": _blocks((0, 12))},
    "not every MVM has one matrix": {"uses": ()},
}


@pytest.mark.parametrize("message", TILED)
def test_broken_tiling_is_refused(message, stages, golden_chip):
    weights = stages["partition"][1]
    verify.verify_tiled(stages["tile"], weights, golden_chip)
    with pytest.raises(VerifyError, match=message):
        verify.verify_tiled(_with_matrix(stages["tile"], **TILED[message]), weights, golden_chip)


@pytest.mark.parametrize(
    "change", [{"input_max": 0.0}, {"output_max": (1.0, 0.0)}, {"input_max": -1.0}]
)
def test_a_range_that_is_not_above_zero_is_refused(change, stages, golden_chip):
    quantized = stages["quantize"]
    first, *rest = quantized.ranges
    broken = replace(quantized, ranges=(replace(first, **change), *rest))
    with pytest.raises(VerifyError, match="a range is not above 0"):
        verify.verify_quantized(broken, golden_chip)


@pytest.mark.parametrize("g", [0.0, -1e-6, 1e-3])
def test_a_conductance_outside_the_devices_is_refused(g, stages, golden_chip):
    with pytest.raises(VerifyError, match="a g_max is outside the devices' range"):
        verify.verify_quantized(replace(stages["quantize"], g_max_siemens=((g,),)), golden_chip)


def _tiles(change):
    """The placement with other tiles of its first matrix."""

    def broken(placed):
        name, tiles = next(iter(placed.tiles.items()))
        return replace(placed, tiles=placed.tiles | {name: change(tiles)})

    return broken


def _place(change):
    return _tiles(lambda tiles: (change(tiles[0]), *tiles[1:]))


PLACED = {
    "no core 9": _place(lambda t: replace(t, core=9)),
    "no core -1": _place(lambda t: replace(t, core=-1)),
    "outside the array of core": _place(lambda t: replace(t, core_rows=(4, 10))),
    "outside the array": _place(lambda t: replace(t, core_columns=(-1, 4))),
    "the place has another size": _place(lambda t: replace(t, core_columns=(0, 1))),
    "two blocks overlap on core": _tiles(lambda tiles: (*tiles, tiles[0])),
    "a block is lost or doubled": _tiles(lambda tiles: tiles[1:]),
    "block is lost or doubled": _place(lambda t: replace(t, stage=1)),
}


@pytest.mark.parametrize("message", PLACED)
def test_broken_placement_is_refused(message, stages, golden_chip):
    verify.verify_placed(stages["place"], golden_chip)
    with pytest.raises(VerifyError, match=message):
        verify.verify_placed(PLACED[message](stages["place"]), golden_chip)


def test_a_hop_without_a_link_is_refused(stages, golden_chip):
    routed = stages["route"]
    verify.verify_routed(routed, golden_chip)
    first, *rest = routed.routes
    broken = replace(routed, routes=(replace(first, cores=(0, 8)), *rest))
    with pytest.raises(VerifyError, match="no link from 0 to 8"):
        verify.verify_routed(broken, golden_chip)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda order: order[:-1], "an operation is lost or doubled"),
        (lambda order: (*order[:-1], order[0]), "an operation is lost or doubled"),
        (lambda order: order[::-1], "comes before what it takes"),
    ],
)
def test_broken_schedule_is_refused(change, message, stages):
    scheduled = stages["schedule"]
    verify.verify_scheduled(scheduled)
    with pytest.raises(VerifyError, match=message):
        verify.verify_scheduled(replace(scheduled, order=change(scheduled.order)))
