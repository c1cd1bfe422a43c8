"""A program with a recurrence and wrong content is refused with a message that says what."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.pipeline import parse_options
from hermesrt.artifact import io
from hermesrt.errors import ArtifactError, InputError
from hermesrt.files.container import pack, unpack
from hermesrt.files.tensors import tensor_chunks, tensors_from_bytes
from hermesrt.program import Program

from .conftest import PARTS, Edit


class Model(nn.Module):
    """An LSTM in the chip's gate unit, a projected one there too, a GRU, and an LSTM whose
    projection is the host's."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.LSTM(5, 100, batch_first=True)
        self.b = nn.LSTM(100, 8, proj_size=3, batch_first=True)
        self.c = nn.GRU(3, 4, batch_first=True)
        self.d = nn.LSTM(4, 8, proj_size=3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.d(self.c(self.b(self.a(x)[0])[0])[0])[0]


@pytest.fixture(scope="module")
def whole() -> bytes:
    torch.manual_seed(0)
    options = parse_options([("partition.digital", "d.l0.projection")])
    program = hermesc.compile(Model(), (torch.randn(2, 4, 5),), options=options)
    return io.to_bytes(program.artifact)


def rebuilt(whole: bytes, edit: Edit) -> bytes:
    parts = unpack(whole, "program", PARTS, "test")
    manifest = json.loads(parts[PARTS[0]])
    tensors = tensors_from_bytes(parts[PARTS[1]], "test")
    edit(manifest, tensors)
    parts[PARTS[0]] = json.dumps(manifest).encode()
    parts[PARTS[1]] = tensor_chunks(tensors)
    return pack("program", parts)


def step(m: dict[str, Any], number: int) -> dict[str, Any]:
    """An MVM step."""
    found: dict[str, Any] = [s for s in m["steps"] if s["type"] == "mvm"][number]
    return found


def of(number: int, **changes: Any) -> Edit:
    """The recurrence of a step with something wrong."""
    return lambda m, _: step(m, number)["recurrence"].update(changes)


def tiles(m: dict[str, Any], number: int) -> list[dict[str, Any]]:
    (found,) = (x for x in m["matrices"] if x["name"] == step(m, number)["matrix"])
    mine: list[dict[str, Any]] = found["tiles"]
    return mine


def moved(m: dict[str, Any], _: Any) -> None:
    tiles(m, 0)[0]["core"] += 8


def swapped(m: dict[str, Any], _: Any) -> None:
    """Both tiles in one core."""
    one, two = tiles(m, 0)
    two["core"] = one["core"]
    one["core_rows"], two["core_rows"] = [0, 105], [105, 210]


def parted(m: dict[str, Any], _: Any) -> None:
    """A column moves from one tile to the other."""
    one, two = tiles(m, 0)
    for tile, at, by in ((one, 1, 1), (two, 0, 1)):
        tile["columns"][at] += by
    one["core_columns"][1] += 1
    two["core_columns"][1] -= 1


def copied(m: dict[str, Any], _: Any) -> None:
    mine = tiles(m, 2)
    mine.append(mine[0] | {"copy": 1, "core": 63})


def flat(m: dict[str, Any], t: dict[str, Any]) -> None:
    name = step(m, 3)["recurrence"]["projection"]
    t[name] = t[name].reshape(-1)


def infinite(m: dict[str, Any], t: dict[str, Any]) -> None:
    name = step(m, 3)["recurrence"]["projection"]
    t[name] = t[name] * np.float32("inf")


def windowed(m: dict[str, Any], _: Any) -> None:
    ones = {name: [1] for name in ("kernel", "stride", "dilation", "spread")}
    step(m, 2)["window"] = ones | {"before": [0], "after": [0], "mode": "zeros"}


def second(**changes: Any) -> Edit:
    """The second product of a projected layer with something wrong."""
    return lambda m, _: step(m, 1)["second"].update(changes)


def nested(m: dict[str, Any], _: Any) -> None:
    step(m, 1)["second"]["second"] = step(m, 1)["second"].copy()


def endless(m: dict[str, Any], _: Any) -> None:
    inner = step(m, 1)["second"]
    for _ in range(300):
        inner["second"] = inner = inner.copy()


def lent(m: dict[str, Any], _: Any) -> None:
    step(m, 2)["second"] = step(m, 1)["second"] | {"input": step(m, 2)["name"]}


def alone(m: dict[str, Any], _: Any) -> None:
    plain = step(m, 2)
    plain["second"], plain["recurrence"] = step(m, 1)["second"], None


def twice(m: dict[str, Any], _: Any) -> None:
    projection = step(m, 3)["recurrence"]["projection"]
    step(m, 1)["recurrence"].update(projection=projection, unit="host")


def copied_second(m: dict[str, Any], _: Any) -> None:
    (found,) = (x for x in m["matrices"] if x["name"] == step(m, 1)["second"]["matrix"])
    found["tiles"].append(found["tiles"][0] | {"copy": 1, "core": 63})


def unchipped(m: dict[str, Any], _: Any) -> None:
    del m["chip"]["gdpu"]


CASES = {
    "a kind of its own": (of(0, kind="python"), "must be one of"),
    "another kind": (of(2, kind="lstm"), "not the first states"),
    "kind of fewer gates": (of(2, kind="rnn_tanh"), "other columns than its gates"),
    "another width": (of(0, hidden=99), "other columns than its gates"),
    "no width": (of(0, hidden=0), "must lie between"),
    "endless width": (of(0, hidden=2**40), "must lie between"),
    "states of nobody": (of(2, states=["nobody"]), "takes nobody, which comes later or never"),
    "no states": (of(0, states=[]), "not the first states"),
    "states as text": (of(0, states="h"), "must be a list"),
    "cells of a gru": (of(2, cells=True), "only an LSTM"),
    "a key too many": (of(0, shell="rm"), "not a known key"),
    "a list": (lambda m, _: step(m, 0).update(recurrence=[]), "recurrence"),
    "a window too": (windowed, "a recurrence has no window"),
    "projection of nobody": (of(3, projection="nobody"), "is no projection"),
    "projection of one dimension": (flat, "is no projection"),
    "projection without numbers": (infinite, "is no projection"),
    "projection of a gru": (of(2, projection="mvm:c.l0"), "is no projection|only an LSTM"),
    "projected twice": (twice, "not the products of its kind"),
    "a second product of a gru": (lent, "not the products of its kind"),
    "a second product of none": (alone, "only a recurrence has a second product"),
    "a gru without its second": (of(2, kind="gru_reset_first", hidden=8), "not the products"),
    "a second product of others": (second(input="x"), "no plain one of what its gates make"),
    "a relu in the loop": (second(relu=True), "no plain one"),
    "a third product": (nested, "no plain one"),
    "products without end": (endless, "too deep|nested|recursion"),
    "a second product of no matrix": (second(matrix="nobody"), "has no rows|is not"),
    "another second matrix": (second(matrix="mvm:c.l0"), "has no rows|is not 8x"),
    "a second product's name twice": (second(name="x"), "defined twice"),
    "a second product without codes": (second(calibration="nobody"), "are not input codes"),
    "a second product without range": (second(input_max=0.0), "a range is not above 0"),
    "copies of a second matrix": (copied_second, "copies of its matrix serve nothing"),
    "copies": (copied, "copies of its matrix serve nothing"),
    "gates on no chip": (of(1, unit="fpga"), "must be one of"),
    "gates of a gru": (of(2, unit="gdpu"), "only an LSTM"),
    "gates of a layer projected on the host": (of(3, unit="gdpu"), "no projection"),
    "gates behind another row": (moved, "in front of the gate unit"),
    "two tiles for one slice": (swapped, "in front of the gate unit"),
    "a value's gates apart": (parted, "not those of the gate unit's slices"),
    "a chip without the unit": (unchipped, "the chip has no gate unit"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_edited_recurrence_is_refused(name: str, whole: bytes) -> None:
    edit, message = CASES[name]
    with pytest.raises(ArtifactError, match=message):
        io.from_bytes(rebuilt(whole, edit), "net.hermes")


def test_the_unedited_program_is_accepted_as_it_is(whole: bytes) -> None:
    assert io.to_bytes(io.from_bytes(rebuilt(whole, lambda *_: None), "test")) == whole


def test_a_file_from_before_recurrences_is_read(whole: bytes) -> None:
    """Without the new keys it is a program of plain products."""

    def older(m: dict[str, Any], _: Any) -> None:
        for name in ("gdpu", "gdpu_tanh"):
            del m["chip"][name]
        m["predicted"] = []
        for s in m["steps"]:
            if s["type"] == "mvm":
                s.pop("recurrence")
                s.pop("second")

    artifact = io.from_bytes(rebuilt(whole, older), "test")
    assert artifact.chip.gate_unit is None
    assert all(s.recurrence is None for s in artifact.mvms)


def test_states_that_do_not_fit_fail_with_a_sentence(whole: bytes) -> None:
    """The first state of one layer is another's."""

    def crossed(m: dict[str, Any], _: Any) -> None:
        step(m, 2)["recurrence"]["states"] = step(m, 1)["recurrence"]["states"][:1]

    artifact = io.from_bytes(rebuilt(whole, crossed), "test")
    chip = Program.of(artifact).deploy(hermesc.simulate("hermes"))
    with pytest.raises(InputError, match="its first states are"):
        chip(torch.randn(2, 4, 5))
