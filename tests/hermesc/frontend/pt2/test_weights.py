"""Weights are bytes of the archive, within their bounds."""

import json

import pytest

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.weights import read_payloads

CONFIG = "data/weights/model_weights_config.json"


def meta(sizes, strides, offset=0, dtype=7):
    number = [{"as_int": n} for n in (*sizes, *strides, offset)]
    return {
        "dtype": dtype,
        "sizes": number[: len(sizes)],
        "strides": number[len(sizes) : -1],
        "storage_offset": number[-1],
        "requires_grad": False,
        "device": {"type": "cuda", "index": 0},
        "layout": 7,
    }


def read(*entries, held=96):
    config = {
        name: {"path_name": path, "is_param": True, "use_pickle": False, "tensor_meta": view}
        for name, path, view in entries
    }
    parts = {CONFIG: json.dumps({"config": config}), "data/weights/weight_0": bytes(held)}
    return read_payloads(parts, "data/weights", CONFIG, "weight")


def test_tied_weights_keep_one_storage_and_come_to_the_cpu():
    found = read(("a", "weight_0", meta((4, 6), (6, 1))), ("b", "weight_0", meta((2,), (1,), 22)))
    assert list(found.parts) == ["data/weights/weight_0"]
    assert list(found.config["config"]) == ["a", "b"]
    assert found.config["config"]["a"]["tensor_meta"]["device"] == {"type": "cpu", "index": None}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("a", "weight_0", meta((4, 7), (7, 1)))], "needs bytes up to 112; the archive holds 96"),
        ([("a", "weight_0", meta((2,), (1,), 23))], "needs bytes up to 100"),
        ([("a", "weight_0", meta((2**40,), (0,)))], "repeats 96 bytes to 4398046511104"),
        ([("a", "weight_0", meta((-1,), (1,)))], "that is no number"),
        ([("a", "weight_0", meta((4,), (1, 1)))], "1 sizes and 2 strides"),
        ([("a", "weight_1", meta((4,), (1,)))], "are not there"),
        ([("a", "tensor_0", meta((4,), (1,)))], "are not there"),
        ([("a", "weight_0", None)], "objects that only an unsafe load would read"),
        ([("__class__", "weight_0", meta((4,), (1,)))], "no name of a parameter"),
        ([("a.__dict__.b", "weight_0", meta((4,), (1,)))], "no name of a parameter"),
        (
            [("a", "weight_0", meta((4,), (1,))), ("b", "weight_0", meta((4,), (1,), dtype=8))],
            "is read as two dtypes",
        ),
    ],
)
def test_what_does_not_fit_the_bytes_is_refused(entries, message):
    with pytest.raises(RefusedPart, match=message):
        read(*entries)


def test_weights_without_bytes_are_refused():
    with pytest.raises(RefusedPart, match="the archive holds 0"):
        read(("a", "weight_0", meta((4,), (1,))), held=0)
