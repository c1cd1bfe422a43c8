"""Loops on the host: what they compute, their limit, and what a file may not say."""

import dataclasses

import pytest
import torch

from hermesrt.errors import InputError
from hermesrt.ops.call import Body, Call, Ref, from_json, run, to_json
from hermesrt.ops.loop import run_loop
from hermesrt.ops.loop_rules import (
    MOST_DEPTH,
    MOST_STEPS,
    Scan,
    WhileLoop,
    fault_of_loop,
    inner_calls,
    limited,
    loop_depth,
    loop_of,
    most_steps,
    shared_limit,
)
from hermesrt.ops.schema import fault_of

BELOW = Body(
    ("y", "end"),
    (
        ("total", Call("aten.sum.default", (Ref("y"),))),
        ("going", Call("aten.lt.Scalar", (Ref("total"), Ref("end")))),
    ),
    ("going",),
)
RAISE = Body(("y", "end"), (("next", Call("aten.add.Scalar", (Ref("y"), 1))),), ("next",))
LOOP = WhileLoop(BELOW, RAISE, (Ref("x"),), (40,))
SUMS = Scan(
    Body(
        ("sum", "row"), (("next", Call("aten.add.Tensor", (Ref("sum"), Ref("row")))),),
        ("next", "next"),
    ),
    (Ref("x"),), (Ref("rows"),), (),
)  # fmt: skip


def test_a_loop_goes_on_as_long_as_its_condition_holds():
    (found,) = run(LOOP.call, {"x": torch.zeros(2, 3)})
    assert torch.equal(found, torch.full((2, 3), 7.0))
    assert torch.equal(run(LOOP.call, {"x": found})[0], found)


def test_a_scan_has_a_step_for_each_row():
    rows = torch.randn(5, 2)
    last, sums = run(SUMS.call, {"x": torch.zeros(2), "rows": rows})
    torch.testing.assert_close(sums, rows.cumsum(0))
    assert torch.equal(last, sums[-1])


def test_a_loop_that_goes_on_is_ended_at_its_limit_with_its_place():
    call = dataclasses.replace(LOOP, limit=6).call
    with pytest.raises(InputError, match=r"m.py:3: the loop goes on after 6 steps, .*most_steps"):
        run_loop(call, {"x": torch.zeros(2, 3)}, where="m.py:3")


@pytest.mark.parametrize("loop", [LOOP, SUMS], ids=["while", "scan"])
def test_shapes_alone_take_one_step(loop):
    values = {"x": torch.zeros(2, device="meta"), "rows": torch.zeros(5, 2, device="meta")}
    seen: list[str] = []
    shapes = [tuple(t.shape) for t in run(loop.call, values, "meta")]
    assert shapes == ([(2,)] if loop is LOOP else [(2,), (5, 2)])
    full = {name: torch.zeros(t.shape) for name, t in values.items()}
    run_loop(loop.call, full, once=True, observe=lambda name, *_: seen.append(name))
    assert seen == (["total", "going", "next"] if loop is LOOP else ["next"])


def test_a_number_is_one_in_the_body_and_a_tensor_outside():
    condition = Body(("i",), (("going", Call("size.lt", (Ref("i"), 4))),), ("going",))
    body = Body(("i",), (("next", Call("size.add", (Ref("i"), 1))),), ("next",))
    loop = WhileLoop(condition, body, (Ref("x"),), (), numbers=(0,))
    (found,) = run(loop.call, {"x": torch.tensor(1)})
    assert torch.equal(found, torch.tensor(4))


def test_what_is_carried_keeps_its_sizes_and_dtype():
    for call in (
        Call("aten.cat.default", ((Ref("y"), Ref("y")),)),
        Call("aten.gt.Scalar", (Ref("y"), 0)),
    ):
        body = Body(("y", "end"), (("next", call),), ("next",))
        with pytest.raises(TypeError, match=r"a loop carries torch.float32\[1, 3\], of which a st"):
            run(dataclasses.replace(LOOP, body=body).call, {"x": torch.zeros(1, 3)})


def test_a_loop_is_data_in_a_file():
    for loop in (LOOP, SUMS):
        args = from_json(to_json(loop.call.args))
        assert args == loop.call.args
        assert loop_of(Call(loop.call.op, args)) == loop
        assert fault_of(loop.call) is None
        assert loop.call.refs() == (("x",) if loop is LOOP else ("x", "rows"))


def within(depth: int, limit: int) -> Call:
    """Loops of that limit within each other."""
    call = dataclasses.replace(LOOP, limit=limit).call
    for _ in range(depth - 1):
        inner = Call(call.op, (*call.args[:2], (Ref("y"),), *call.args[3:]))
        steps = (("some", inner), ("next", Call("size.getitem", (Ref("some"), 0))))
        call = dataclasses.replace(
            LOOP, body=Body(("y", "end"), steps, ("next",)), limit=limit
        ).call
    return call


def test_loops_within_each_other_share_a_limit():
    assert (loop_depth(within(3, 10)), most_steps(within(3, 10))) == (3, 1000)
    assert [shared_limit(1000, within(depth, 1)) for depth in (1, 2, 3)] == [1000, 31, 10]
    assert fault_of_loop(within(2, 1000)) is None
    assert f"it may be at most {MOST_STEPS}" in str(fault_of_loop(within(2, 1001)))
    assert f"more than {MOST_DEPTH} loops" in str(fault_of_loop(within(MOST_DEPTH + 1, 1)))
    assert [call.op for call in inner_calls(within(2, 10))][-2:] == ["loop.while", "size.getitem"]


def beside(*inner: Call, limit: int = 1) -> Call:
    """A loop around some others, each of which begins with its value."""
    steps = tuple(
        (f"some{i}", Call(c.op, (*c.args[:2], (Ref("y"),), *c.args[3:])))
        for i, c in enumerate(inner)
    )
    last = ("next", Call("size.getitem", (Ref("some0"), 0)))
    held = Body(("y", "end"), (*steps, last), ("next",))
    return dataclasses.replace(LOOP, body=held, limit=limit).call


def test_loops_beside_each_other_share_a_limit():
    around = beside(*(LOOP.call for _ in range(12)))
    limit = shared_limit(MOST_STEPS, around)
    assert most_steps(limited(around, limit)) <= MOST_STEPS < most_steps(limited(around, limit + 2))
    asked = Body(("y", "end"), (*around.args[1].steps, *BELOW.steps), ("going",))
    within_condition = dataclasses.replace(LOOP, condition=asked).call
    small = limited(within_condition, 3)
    assert (small.args[-2], {c.args[-2] for c in inner_calls(small) if c.op == "loop.while"}) == (
        3, {3},
    )  # fmt: skip


def test_a_result_whose_size_a_counter_says_is_bounded_before_it_is_made():
    going = Body(("i", "y"), (("going", Call("size.lt", (Ref("i"), 2**40))),), ("going",))
    steps = (
        ("next", Call("size.mul", (Ref("i"), 2))),
        ("many", Call("aten.expand.default", (Ref("y"), (Ref("i"),)))),
        ("real", Call("aten.cos.default", (Ref("many"),))),
        ("sum", Call("aten.sum.default", (Ref("real"),))),
        ("kept", Call("aten.reshape.default", (Ref("sum"), (1,)))),
    )
    growing = Body(("i", "y"), steps, ("next", "kept"))
    loop = WhileLoop(going, growing, (Ref("i"), Ref("y")), (), numbers=(0,))
    values = {"i": torch.tensor(2**37), "y": torch.zeros(1)}
    with pytest.raises(OverflowError, match="may take 8 GiB"):
        run(loop.call, values)


def test_what_a_step_holds_and_what_a_scan_stacks_fits_in_memory():
    wide = tuple((f"s{i}", Call("aten.cos.default", (Ref("y"),))) for i in range(3))
    held = dataclasses.replace(LOOP, body=body(*wide, NEXT)).call
    big = torch.zeros(2**30, device="meta")
    with pytest.raises(OverflowError, match="8 GiB"):
        run(held, {"x": big}, "meta")
    sums = dataclasses.replace(
        SUMS, body=Body(("sum", "row"), SUMS.body.steps, ("next", "next", "next", "next"))
    ).call
    small = {
        "x": torch.zeros(2**10, device="meta"),
        "rows": torch.zeros(2**20, 2**10, device="meta"),
    }
    with pytest.raises(TypeError, match="at most 100000"):
        run(sums, small, "meta")
    small["rows"] = torch.zeros(10**5, 2**14, device="meta")
    small["x"] = torch.zeros(2**14, device="meta")
    with pytest.raises(OverflowError, match="8 GiB"):
        run(sums, small, "meta")


def changed(**parts):
    return dataclasses.replace(LOOP, **parts).call


def body(*steps: tuple[str, Call], inputs=("y", "end"), outputs=("next",)) -> Body:
    return Body(inputs, steps, outputs)


NEXT = ("next", Call("aten.cos.default", (Ref("y"),)))
FAULTS = {
    "no limit": (changed(limit=0), "limit of 0 steps"),
    "endless": (changed(limit=MOST_STEPS + 1), "it may be"),
    "a limit of no kind": (changed(limit=1.5), "argument of another kind"),
    "a limit that is a result": (changed(limit=Ref("x")), "argument of another kind"),
    "usual above its limit": (changed(usual=10**9), "limit of 100000 steps"),
    "a body of no kind": (changed(body=Ref("x")), "argument of another kind"),
    "a start of no kind": (changed(carried=(1,)), "argument of another kind"),
    "another of no kind": (changed(others=("os",)), "argument of another kind"),
    "a number elsewhere": (changed(numbers=(1,)), "other inputs or outputs"),
    "arguments missing": (Call("loop.while", LOOP.call.args[:-1]), "has other arguments"),
    "named arguments": (Call("loop.while", LOOP.call.args, (("limit", 1),)), "other arguments"),
    "another loop": (Call("loop.until", LOOP.call.args), "has other arguments"),
    "fewer inputs": (changed(body=body(NEXT, inputs=("y",))), "other inputs or outputs"),
    "more results": (changed(body=body(NEXT, outputs=("next", "y"))), "other inputs or outputs"),
    "an input twice": (changed(body=body(NEXT, inputs=("y", "y"))), "is defined twice"),
    "a step twice": (changed(body=body(NEXT, NEXT)), "next is defined twice"),
    "something from outside": (
        changed(body=body(("next", Call("aten.cos.default", (Ref("x"),))))),
        "next takes x, which its loop's body does not have",
    ),
    "itself": (changed(body=body(("next", Call("aten.cos.default", (Ref("next"),))))), "es next,"),
    "a lost result": (changed(body=body(outputs=("lost",))), "gives lost, which it does not have"),
    "a long name on several lines": (
        changed(body=body(outputs=("a\n" * 500,))), "gives " + "a\\n" * 50 + ", which it",
    ),
    "an operation outside the list": (
        changed(body=body(("next", Call("os.system", ("ls",))))),
        "'os.system' is not an operation",
    ),
    "one in it without arguments": (beside(Call("loop.while", LOOP.call.args[:3])), "other argu"),
    "one in it with a limit of no kind": (beside(changed(limit="x")), "argument of another kind"),
    "one in it with a body of no kind": (beside(changed(body="x")), "argument of another kind"),
    "more steps than are printed": (beside(LOOP.call, limit=10**4299), "of more than 10^12"),
    "a scan of nothing": (dataclasses.replace(SUMS, rows=()).call, "other inputs or outputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_loop_is_said_to_be_one(name):
    call, text = FAULTS[name]
    assert text in str(fault_of_loop(call))
    assert text in str(fault_of(call))


def test_arguments_in_a_body_fit_their_operations():
    call = changed(body=body(("next", Call("aten.cos.default", ("x",)))))
    assert fault_of_loop(call) is None
    assert "aten.cos.default takes Tensor" in str(fault_of(call))


@pytest.mark.parametrize(
    "data",
    [
        {"inputs": [1], "steps": [], "outputs": []},
        {"inputs": [], "steps": [], "outputs": [], "more": 1},
        {"inputs": [], "steps": [["a", "aten.cos.default", {}, {}]], "outputs": []},
        {"inputs": [], "steps": [["a", "aten.cos.default", []]], "outputs": []},
        {"inputs": [], "steps": "", "outputs": []},
    ],
)
def test_a_body_that_is_none_is_refused(data):
    with pytest.raises(ValueError, match=r"not an argument|a body holds|a step of a body"):
        from_json(data)
