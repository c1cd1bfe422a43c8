"""A program with right checksums and wrong content is refused with a message that says what."""

import numpy as np
import pytest

from hermesrt.artifact import io
from hermesrt.errors import ArtifactError


def _host(m, op=None):
    return next(s for s in m["steps"] if s["type"] == "host" and op in (None, s["op"]))


def _mvm(m):
    return next(s for s in m["steps"] if s["type"] == "mvm")


def _cascade(m):
    return next(x for x in m["matrices"] if len(x["row_ranges"]) > 1)


def _set(at, key, value):
    at[key] = value


def _op(name):
    return lambda m, t: _set(_host(m), "op", name)


def _move(t, tile):
    tile["core_rows"] = [t, t + tile["rows"][1] - tile["rows"][0]]


def _overlap(m, t):
    one, two = m["matrices"][0]["tiles"][0], m["matrices"][1]["tiles"][0]
    two["core"] = one["core"]
    for axis in ("rows", "columns"):
        size = two[axis][1] - two[axis][0]
        two[f"core_{axis}"] = [one[f"core_{axis}"][0], one[f"core_{axis}"][0] + size]


def _later(m, t):
    m["steps"].reverse()


def _itself(m, t):
    step = _mvm(m)
    step["input"] = step["name"]


def _tensor(change):
    def edit(m, t):
        name = _cascade(m)["name"]
        t[name] = change(t[name])

    return edit


def _codes(change):
    def edit(m, t):
        name = _mvm(m)["calibration"]
        t[name] = np.ascontiguousarray(change(t[name]))

    return edit


def _window(**changes):
    """A window over one dimension, with something wrong."""
    whole = {name: [1] for name in ("kernel", "stride", "dilation", "spread")}
    window = whole | {"before": [0], "after": [0], "mode": "zeros"} | changes
    return lambda m, t: _set(_mvm(m), "window", window)


def _stolen_error(manifest, tensors):
    manifest["predicted"][0]["mvm"] = "elsewhere"


CUT = {"chosen": "columns", "asked": False, "pipeline_bytes": None, "columns_bytes": 1}


def _slice(**changes):
    """A matrix that is a slice of a weight whose other slices are not there, or is none."""
    whole = {"of": "w", "fill": "equal", "number": 0, "count": 2, "share": 1.0} | changes
    return lambda m, t: _set(m["matrices"][0], "slice", whole)


CASES = {
    "cells of two kinds": (
        lambda m, t: [_set(m["matrices"][0], "method", "ideal"), _overlap(m, t)],
        "holds layers with cells of two kinds",
    ),
    "three devices": (lambda m, t: _set(m["matrices"][0], "devices", 3), "devices` is 3"),
    "no method": (lambda m, t: _set(m["matrices"][0], "method", "hand"), "method` is 'hand'"),
    "slices missing": (_slice(), "its slices are not those of one weight"),
    "slice of one": (_slice(count=1), "`matrices.0..slice.count` is 1"),
    "slice beyond": (_slice(number=64), "slice.number` is 64"),
    "slice of no fill": (_slice(fill="half"), "slice.fill` is 'half'"),
    "slice of no share": (_slice(share=-0.5), "slice.share` is -0.5"),
    "errors of another step": (_stolen_error, "its predicted errors are those of other steps"),
    # operations
    "op from_file": (_op("aten.from_file.default"), "aten.from_file.default' is not an operation"),
    "op os.system": (_op("os.system"), "os.system' is not an operation"),
    "op in place": (_op("aten.add_.Tensor"), "aten.add_.Tensor' is not an operation"),
    "op eval": (_op("builtins.eval"), "builtins.eval' is not an operation"),
    "op random": (_op("aten.rand.default"), "is not an operation"),
    "op empty": (_op("aten.empty.memory_format"), "is not an operation"),
    "op of a namespace": (_op("prim.device.default"), "is not an operation"),
    "op dunder": (_op("aten.__class__.default"), "is not an operation"),
    "op size attribute": (_op("size.__import__"), "is not an operation"),
    "op with out": (_op("aten.cos.out"), "is not an operation"),
    "op overload dunder": (_op("aten.cos.__init__"), "is not an operation"),
    "op without overload": (_op("aten.cos"), "is not an operation"),
    "op loop without a body": (_op("loop.while"), "loop.while has other arguments"),
    "op loop of another kind": (_op("loop.until"), "loop.until' is not an operation"),
    "op empty name": (_op(""), "is not an operation"),
    "args not a list": (lambda m, t: _set(_host(m), "args", 3), "arguments are not a list"),
    "kwargs not a table": (lambda m, t: _set(_host(m), "kwargs", []), "arguments are not a list"),
    "argument of no kind": (
        lambda m, t: _set(_host(m), "args", [{"eval": "1"}]),
        "not an argument",
    ),
    "argument dtype": (
        lambda m, t: _set(_host(m), "args", [{"dtype": "object"}]),
        "not an argument",
    ),
    # order and names
    "later step": (_later, "comes later or never"),
    "its own result": (_itself, "comes later or never"),
    "unknown reference": (
        lambda m, t: _set(_host(m), "args", [{"ref": "nobody"}]),
        "takes nobody, which comes later or never",
    ),
    "step twice": (lambda m, t: m["steps"].append(m["steps"][-1]), "is defined twice"),
    "step over an input": (lambda m, t: _set(m["steps"][-1], "name", "x"), "x is defined twice"),
    "input twice": (lambda m, t: m["inputs"].append(m["inputs"][0]), "an input is defined twice"),
    "matrix twice": (lambda m, t: m["matrices"].append(m["matrices"][0]), "defined twice"),
    "unknown output": (lambda m, t: _set(m, "outputs", ["nobody"]), "output nobody is not defined"),
    "no output": (lambda m, t: _set(m, "outputs", []), "it has no output"),
    "unknown matrix": (lambda m, t: _set(_mvm(m), "matrix", "mvm:nobody"), "no matrix mvm:nobody"),
    "unknown constant": (
        lambda m, t: m["steps"].insert(0, {"type": "constant", "name": "k", "tensor": "nobody"}),
        "no tensor nobody",
    ),
    # tiles
    "overlap": (_overlap, "two tiles overlap on core"),
    "outside below": (lambda m, t: _move(7, m["matrices"][0]["tiles"][0]), "lies outside core"),
    "outside above": (lambda m, t: _move(-1, m["matrices"][0]["tiles"][0]), "lies outside core"),
    "no such core": (lambda m, t: _set(m["matrices"][0]["tiles"][0], "core", 9), "outside core 9"),
    "core below zero": (
        lambda m, t: _set(m["matrices"][0]["tiles"][0], "core", -1),
        "outside core",
    ),
    "other size": (
        lambda m, t: _set(m["matrices"][0]["tiles"][0], "core_columns", [0, 1]),
        "lies outside core",
    ),
    "tile missing": (lambda m, t: _cascade(m)["tiles"].pop(), "tiles missing|do not cover"),
    "tile twice": (lambda m, t: _cascade(m)["tiles"].append(_cascade(m)["tiles"][0]), "missing"),
    "stage unknown": (lambda m, t: _set(_cascade(m)["tiles"][0], "stage", 5), "tiles missing"),
    "stage below zero": (lambda m, t: _set(_cascade(m)["tiles"][0], "stage", -1), "tiles missing"),
    "copy in part": (lambda m, t: _set(_cascade(m)["tiles"][0], "copy", 1), "tiles missing"),
    "copy below zero": (lambda m, t: _set(_cascade(m)["tiles"][0], "copy", -1), "tiles missing"),
    "copies without end": (lambda m, t: _set(_cascade(m)["tiles"][0], "copy", 2**40), "missing"),
    "route of no copy": (lambda m, t: _set(m["routes"][0], "copy", 1), "routes are not those"),
    "no chip": (lambda m, t: _set(m, "chips", 0), "`chips` is 0"),
    "a mode of its own": (lambda m, t: _set(_cascade(m), "mode", "2-phase"), "mode"),
    "rows of another": (
        lambda m, t: _set(_cascade(m)["tiles"][0], "rows", [0, 1]),
        "rows are wrong",
    ),
    "row gap": (lambda m, t: _set(_cascade(m)["row_ranges"], 0, [0, 1]), "do not cover it once"),
    "row overlap": (lambda m, t: _set(_cascade(m)["row_ranges"], 1, [0, 12]), "do not cover"),
    "no rows": (lambda m, t: _set(_cascade(m), "row_ranges", []), "do not cover it once"),
    "g_max missing": (lambda m, t: _cascade(m)["g_max_siemens"].pop(), "g_max of each row block"),
    "g_max too high": (
        lambda m, t: _set(_cascade(m)["g_max_siemens"], 0, 1e-3),
        "g_max above the devices'",
    ),
    "g_max of zero": (lambda m, t: _set(_cascade(m)["g_max_siemens"], 0, 0), "must lie between"),
    "smaller arrays": (lambda m, t: _set(m["chip"]["crossbar"], "rows", 2), "lies outside core"),
    # tensors
    "tensor lost": (lambda m, t: t.pop(_cascade(m)["name"]), "is not a stored 12x10 tensor"),
    "tensor transposed": (_tensor(lambda w: w.T), "is not a stored 12x10 tensor"),
    "tensor flat": (_tensor(lambda w: w.reshape(-1)), "is not a stored 12x10 tensor"),
    "tensor of int": (_tensor(lambda w: w.astype(np.int32)), "does not hold finite numbers"),
    "tensor of complex": (_tensor(lambda w: w.astype(np.complex64)), "finite numbers|safetensors"),
    "tensor with nan": (_tensor(lambda w: w * np.float32("nan")), "does not hold finite numbers"),
    "tensor with inf": (_tensor(lambda w: w + np.float32("inf")), "does not hold finite numbers"),
    "bias too short": (
        lambda m, t: _set(t, _mvm(m)["bias"], t[_mvm(m)["bias"]][:-1]),
        "is not one number for each column",
    ),
    "bias lost": (lambda m, t: t.pop(_mvm(m)["bias"]), "is not one number for each column"),
    "bias of text": (
        lambda m, t: _set(t, _mvm(m)["bias"], t[_mvm(m)["bias"]].astype(np.bool_)),
        "bias",
    ),
    "bias with nan": (
        lambda m, t: _set(t, _mvm(m)["bias"], t[_mvm(m)["bias"]] * np.float32("nan")),
        "bias",
    ),
    # ranges
    "range of zero": (lambda m, t: _set(_mvm(m), "input_max", 0), "a range is not above 0"),
    "range below zero": (lambda m, t: _set(_mvm(m), "input_max", -1), "must lie between"),
    "output range lost": (lambda m, t: _mvm(m)["output_max"].pop(), "one output range for each"),
    "output range of zero": (lambda m, t: _set(_mvm(m)["output_max"], 0, 0.0), "not above 0"),
    "clipped share above all": (lambda m, t: _set(_mvm(m), "clipped_share", 1.5), "must lie betw"),
    # calibration codes
    "codes lost": (lambda m, t: t.pop(_mvm(m)["calibration"]), "are not input codes of its matrix"),
    "codes of another name": (lambda m, t: _set(_mvm(m), "calibration", "x"), "not input codes"),
    "codes of other rows": (_codes(lambda c: c[:, :-1]), "not input codes"),
    "codes of one dimension": (_codes(lambda c: c[0]), "not input codes"),
    "codes of float": (_codes(lambda c: c.astype(np.float32)), "not input codes"),
    "codes of int32": (_codes(lambda c: c.astype(np.int32)), "not input codes"),
    "code below the lowest": (_codes(lambda c: np.full_like(c, -128)), "not input codes"),
    "code above the highest": (
        _codes(lambda c: np.full(c.shape, 128, np.int16)),
        "not input codes",
    ),
    # windows
    "window of no dimension": (_window(kernel=[]), "one to three dimensions"),
    "window of four dimensions": (
        _window(**{k: [1] * 4 for k in ("kernel", "stride", "dilation", "spread")}),
        "one to three dimensions",
    ),
    "window with a stride too many": (_window(stride=[1, 1]), "one number for each dimension"),
    "window without taps": (_window(kernel=[0]), "must lie between"),
    "window of other taps": (_window(kernel=[5]), "other taps than its matrix has rows"),
    "window of too many taps": (_window(kernel=[2**40]), "must lie between"),
    "window that stands still": (_window(stride=[0]), "must lie between"),
    "window with endless padding": (_window(before=[2**40]), "must lie between"),
    "window cut without end": (_window(after=[-(2**40)]), "must lie between"),
    "window spread without end": (_window(spread=[2**40]), "must lie between"),
    "window padded by a file": (_window(mode="/etc/passwd"), "must be one of"),
    "window spread in a circle": (_window(spread=[2], mode="circular"), "padded with zeros"),
    "window of text": (lambda m, t: _set(_mvm(m), "window", "3x3"), "window"),
    # routes
    "route over no link": (
        lambda m, t: _set(m["routes"][0], "cores", [0, 8]),
        "links that the chip",
    ),
    "route to no core": (
        lambda m, t: _set(m["routes"][0], "cores", [0, 99]),
        "links that the chip",
    ),
    "route of no matrix": (lambda m, t: _set(m["routes"][0], "matrix", "mvm:nobody"), "route"),
    "route between other cores": (lambda m, t: _set(m["routes"][0], "cores", [7, 8]), "route"),
    "route of no cores": (lambda m, t: _set(m["routes"][0], "cores", []), "route"),
    "route to no stage": (lambda m, t: _set(m["routes"][0], "stage", 7), "route"),
    "routes lost": (lambda m, t: _set(m, "routes", []), "route"),
    "route twice": (lambda m, t: m["routes"].append(m["routes"][0]), "route"),
    "cut on one chip": (lambda m, t: _set(m, "cut", CUT), "it is cut over chips, but has one"),
    "cut of no kind": (lambda m, t: _set(m, "cut", CUT | {"chosen": "x"}), "one of pipeline"),
    "cut below zero": (lambda m, t: _set(m, "cut", CUT | {"columns_bytes": -1}), "between 0"),
    # types of the manifest
    "unknown key": (lambda m, t: _set(m, "shell", "rm"), "`shell` is not a known key"),
    "missing key": (lambda m, t: m.pop("streams"), "`streams` is missing"),
    "wrong type": (lambda m, t: _set(m, "streams", "yes"), "`streams` must be a bool"),
    "number as name": (lambda m, t: _set(m, "name", 3), "`name` must be a str"),
    "text as list": (lambda m, t: _set(m, "outputs", "x"), "`outputs` must be a list"),
    "unknown step": (lambda m, t: _set(m["steps"][0], "type", "python"), "must be one of constant"),
    "step of no type": (lambda m, t: _set(m["steps"], 0, None), "must be one of constant"),
    "step type a list": (lambda m, t: _set(m["steps"][0], "type", []), "must be one of constant"),
    "huge int": (lambda m, t: _set(m, "calibration_rows", 10**40), "too large a number"),
    "huge core": (lambda m, t: _set(_cascade(m)["tiles"][0], "core", 2**62), "outside core"),
    "huge matrix": (lambda m, t: _set(_cascade(m), "rows", 2**31), "is not a stored"),
    "fraction as int": (lambda m, t: _set(_cascade(m), "rows", 12.0), "must be a whole number"),
    "bool as int": (lambda m, t: _set(_cascade(m), "rows", True), "must be a number"),
    "pair of three": (lambda m, t: _set(_cascade(m)["row_ranges"], 0, [0, 6, 7]), "hold 2 values"),
    "unknown unit": (lambda m, t: _set(m["account"][0], "unit", "gpu"), "one of analog, ldpu"),
    "negative size": (lambda m, t: _set(m["inputs"][0]["dims"], 1, -1), "has a negative size"),
    "unknown dtype": (lambda m, t: _set(m["inputs"][0], "dtype", "object"), "dtype"),
    "example lost shape": (lambda m, t: _set(m["inputs"][0], "dims", ["s0", 99]), "x"),
    # the chip
    "chip of null": (lambda m, t: _set(m, "chip", None), "chip"),
    "chip a list": (lambda m, t: _set(m, "chip", []), "chip"),
    "chip a name": (lambda m, t: _set(m, "chip", "hermes"), "chip"),
    "chip without grid": (lambda m, t: m["chip"].pop("grid"), "`grid` is missing"),
    "chip key unknown": (lambda m, t: _set(m["chip"]["grid"], "depth", 2), "`grid.depth` is not a"),
    "chip out of range": (lambda m, t: _set(m["chip"]["grid"], "rows", 0), "`grid.rows` is 0"),
    "chip of text": (lambda m, t: _set(m["chip"]["grid"], "rows", "8"), "must be a number"),
}


def test_the_unedited_program_is_accepted(rebuilt, program_bytes):
    back = io.from_bytes(rebuilt(lambda m, t: None), "test")
    assert io.to_bytes(back) == program_bytes


@pytest.mark.parametrize("name", CASES)
def test_edited_program_is_refused(name, rebuilt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edit, message = CASES[name]
    with pytest.raises(ArtifactError, match=message) as caught:
        io.from_bytes(rebuilt(edit), "net.hermes")
    assert str(caught.value).startswith("net.hermes")
    assert list(tmp_path.iterdir()) == []


def _values(value, path=()):
    """Every place in the manifest."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _values(child, (*path, key))


JUNK = [None, [], {}, -1, 10**30, "x", [[[]]], 1e308, True, "\ud800"]


@pytest.mark.parametrize("nth", range(len(JUNK)))
def test_junk_anywhere_is_accepted_or_refused_but_never_another_error(nth, rebuilt):
    """Each place gets one kind of junk, and neighbours get different kinds."""
    places = []
    rebuilt(lambda m, t: places.extend(_values(m)))
    escaped = []
    for path in places[nth :: len(JUNK)]:

        def edit(m, t, path=path):
            at = m
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = JUNK[nth]

        try:
            io.from_bytes(rebuilt(edit), "test")
        except ArtifactError:
            continue
        except Exception as error:
            escaped.append((path, repr(error)))
    assert escaped == []
