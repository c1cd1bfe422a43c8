"""Steps that a hostile file may hold end in one message, whatever torch makes of them."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.artifact.schema import Artifact, HostStep, MvmStep
from hermesrt.errors import ArtifactError, HermescError, InputError, Location
from hermesrt.ops import bounds
from hermesrt.program import Program

HERE = Location("net")
X, Y = {"ref": "x"}, {"ref": "cos"}


class Net(nn.Module):
    """A cosine and a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.cos())


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return hermesc.compile(Net(), torch.randn(2, 4)).artifact


def run(artifact: Artifact) -> None:
    """Everything that a run does, from the checks to the report."""
    program = Program.of(artifact)
    program.deploy(hermesc.simulate(artifact.chip)).report()


def with_output(artifact: Artifact, *steps: tuple[str, list[Any]], **kwargs: Any) -> Artifact:
    """The program whose output is the last of some steps more, each called after its place."""
    more = [HostStep(f"s{i}", op, args, kwargs, HERE) for i, (op, args) in enumerate(steps)]
    manifest = artifact.manifest
    changed = replace(manifest, steps=(*manifest.steps, *more), outputs=(more[-1].name,))
    return replace(artifact, manifest=changed)


S0, S1 = {"ref": "s0"}, {"ref": "s1"}
CASES: dict[str, list[tuple[str, list[Any]]]] = {
    "an output of several tensors": [("aten.chunk.default", [X, 2])],
    "an output of two tensors": [("aten.sort.default", [X])],
    "an output that is a number": [("aten.sym_size.int", [X, 0])],
    "a part that is a list": [("aten.chunk.default", [X, 2]), ("size.getitem", [S0, 7])],
    "a part of a tensor by a number": [("aten.sym_size.int", [X, 0]), ("size.getitem", [S0, 0])],
    "division by zero": [("size.floordiv", [1, 0]), ("aten.reshape.default", [X, [S0]])],
    "a root of less than zero": [("size.sqrt", [-1]), ("aten.mul.Tensor", [X, S0])],
    "a number where a dtype belongs": [("aten.log_softmax.int", [X, 0, -1])],
    "a tensor where a size belongs": [("aten.reshape.default", [X, [X]])],
    "a single place found": [("aten.searchsorted.Scalar", [X, 1.0])],
    "a huge result": [("aten.expand.default", [{"ref": "s0"}, [2**40, 2, 4]])],
    "a huge size": [("aten.full.default", [[2**31, 2**31], 1.0])],
    "many parts": [("aten.tensor_split.sections", [X, 2**31]), ("size.getitem", [S0, 0])],
}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_step_is_refused(artifact: Artifact, name: str) -> None:
    with pytest.raises(InputError):  # an ArtifactError is one
        run(with_output(artifact, *CASES[name]))


def test_a_conjugate_that_torch_only_noted_down_is_an_output(artifact: Artifact) -> None:
    steps = [
        ("aten.fft_fft.default", [X]),
        ("aten.conj.default", [S0]),
        ("aten.real.default", [S1]),
    ]
    run(with_output(artifact, *steps))
    parts = [*steps[:2], ("aten.imag.default", [S1])]
    run(with_output(artifact, *parts))  # a view with its sign noted down


def test_vectors_of_a_matrix_are_real_numbers_of_its_height(artifact: Artifact) -> None:
    manifest = artifact.manifest
    for op, args in (("aten.sym_size.int", [X, 0]), ("aten.argmax.default", [X, 0]),
                     ("aten.cat.default", [[X, X], 1])):  # fmt: skip
        new = HostStep("new", op, args, {}, HERE)
        steps = [replace(s, input="new") if isinstance(s, MvmStep) else s for s in manifest.steps]
        at = next(i for i, s in enumerate(steps) if isinstance(s, MvmStep))
        changed = replace(manifest, steps=(*steps[:at], new, *steps[at:]))
        with pytest.raises(InputError, match="vectors of 4 real numbers"):
            run(replace(artifact, manifest=changed))


def test_an_output_without_rows_is_refused_where_rows_are_run_apart(artifact: Artifact) -> None:
    assert artifact.manifest.rows_independent
    program = Program.of(with_output(artifact, ("aten.sum.default", [X])))
    chip = program.deploy(hermesc.simulate(artifact.chip))
    with pytest.raises(HermescError, match="rows"):
        chip(torch.randn(3000, 4))


def test_a_run_that_does_not_fit_in_memory_does_not_begin(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program.of(artifact)
    chip = program.deploy(hermesc.simulate(artifact.chip))
    monkeypatch.setattr("hermesrt.shapes.MOST_BYTES", 100)
    with pytest.raises(InputError, match="at one time"):
        chip(torch.randn(50, 4))
    assert bounds.MOST_BYTES == 2**33


def test_the_message_names_program_step_and_argument(artifact: Artifact) -> None:
    wrong = with_output(artifact, ("aten._to_copy.default", [X]), dtype=99)
    with pytest.raises(
        ArtifactError, match=r"s0: aten\._to_copy\.default takes .* for dtype, not 99"
    ):
        Program.of(wrong)
