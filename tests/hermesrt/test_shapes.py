"""A model runs without values, wherever its operations allow it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.artifact.schema import Artifact, HostStep
from hermesrt.artifact.steps import host_step
from hermesrt.errors import InputError
from hermesrt.executor import execute, reference_mvm
from hermesrt.ops.call import Call, Ref
from hermesrt.replication import sample_shapes
from hermesrt.shapes import check_run, in_smallest_batch, run_shapes, without_values
from hermesrt.workload import MvmWork, workload


class Tanh(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + x.tanh().sum()


def _without_shape_function() -> Artifact:
    """A program with an operation that the meta device does not know, in the place of `tanh`."""
    made = hermesc.compile(Tanh(), torch.rand(4, 6)).artifact
    steps = tuple(
        replace(s, op="aten.corrcoef.default") if getattr(s, "op", "") == "aten.tanh.default" else s
        for s in made.manifest.steps
    )
    return replace(made, manifest=replace(made.manifest, steps=steps))


def test_a_walk_begins_on_the_meta_device() -> None:
    assert without_values(lambda device: device) == "meta"


def test_a_walk_without_shape_function_begins_anew_on_zeros() -> None:
    tried: list[str] = []

    def walk(device: str) -> int:
        tried.append(device)
        if device == "meta":
            raise NotImplementedError
        return len(tried)

    assert without_values(walk) == 2
    assert tried == ["meta", "cpu"]


def test_other_failures_are_not_tried_twice() -> None:
    def walk(device: str) -> int:
        raise ValueError(device)

    with pytest.raises(ValueError, match="meta"):
        without_values(walk)


def test_counts_and_shapes_do_not_depend_on_the_batch_that_is_given() -> None:
    program = hermesc.compile(nn.Linear(6, 3), torch.randn(4, 6)).artifact
    found = in_smallest_batch(program, {"input": (100, 6)}, lambda shapes, _: dict(shapes))
    assert found == (1, {"input": (1, 6)})
    assert list(sample_shapes(program, {"input": (100, 6)}).values()) == [(1, 6)]


def test_counts_and_shapes_come_from_zeros_where_an_operation_has_no_shape_function() -> None:
    program, sizes = _without_shape_function(), {"x": (4, 6)}
    with pytest.raises(NotImplementedError):
        run_shapes(program, {"x": (1, 6)}, "meta", lambda *_: None)
    (work,) = (w for w in workload(program, sizes).work if isinstance(w, MvmWork))
    assert work.vectors == 1
    assert list(sample_shapes(program, sizes).values()) == [(1, 6)]


def test_what_follows_from_a_size_that_values_say_is_bounded_before_it_is_made() -> None:
    made = hermesc.compile(Tanh(), torch.rand(4, 6)).artifact
    (x,) = (i.name for i in made.manifest.inputs)
    calls = {
        "mask": Call("aten.gt.Scalar", (Ref(x), 0)),
        "chosen": Call("aten.index.Tensor", (Ref(x), (Ref("mask"),))),
        "tanh": Call("aten.outer.default", (Ref("chosen"), Ref("chosen"))),
    }
    (old,) = (s for s in made.manifest.steps if getattr(s, "op", "") == "aten.tanh.default")
    assert isinstance(old, HostStep)
    new = [host_step(n.replace("tanh", old.name), c, old.location) for n, c in calls.items()]
    at = made.manifest.steps.index(old)
    steps = (*made.manifest.steps[:at], *new, *made.manifest.steps[at + 1 :])
    artifact = replace(made, manifest=replace(made.manifest, steps=steps))
    check_run(artifact, {x: (2**14, 6)})  # of zeros nothing is chosen
    with pytest.raises(InputError, match="may take 8 GiB"):
        execute(artifact, {x: torch.ones(2**14, 6)}, reference_mvm(artifact))
