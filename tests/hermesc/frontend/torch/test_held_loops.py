"""Loops whose number of steps the data say run on the host; one with a fixed matrix is refused."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.export import Dim

import hermesc
from hermes_sim.digital import VectorWork, vector_work
from hermesc.app.onnx_export.write import onnx_model
from hermesrt.errors import InputError, ModelError, UnsupportedOpError


class Roots(nn.Module):
    """Newton's square roots between two layers: constants of its own, and writing in place."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.behind = nn.Linear(8, 8), nn.Linear(8, 4)
        self.least = nn.Parameter(torch.tensor(1e-4))

    def forward(self, x: Tensor) -> Tensor:
        a = self.before(x).square() + 1

        def step(i: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            z = y.clone()
            z[:, 0] *= torch.tensor(1.0)
            return i + 1, 0.5 * (z + a / y)

        def goes_on(i: Tensor, y: Tensor) -> Tensor:
            return ((y * y - a).abs().max() > self.least) & (i < 50)

        return self.behind(while_loop(goes_on, step, (torch.tensor(0), a))[1])


class Counted(nn.Module):
    """A counter that is a number, and an end that the data say."""

    def forward(self, x: Tensor) -> Tensor:
        return while_loop(
            lambda i, y: y.sum() > i, lambda i, y: (i + 1, y - 0.1), (0, x.abs() + 1)
        )[1]


class Long(nn.Module):
    """More steps than are written out, and a choice in each."""

    def forward(self, x: Tensor) -> Tensor:
        def step(i: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return i + 1, torch.cond(y.sum() > 0, lambda t: t / 2, lambda t: t + 1, (y,))

        return while_loop(lambda i, y: i < 5000, step, (torch.tensor(0), x))[1]


class Within(nn.Module):
    """A loop in a loop, and one of known length in that."""

    def forward(self, x: Tensor) -> Tensor:
        def inner(z: Tensor) -> tuple[Tensor]:
            more = while_loop(lambda i, w: i < 3, lambda i, w: (i + 1, w + 0.1), (0, z))[1]
            return (more + 0.7,)

        def step(y: Tensor) -> tuple[Tensor]:
            return (while_loop(lambda z: z.sum() < 3, inner, (y - 5,))[0] + 0.01 * y + 0.1,)

        return while_loop(lambda y: y.sum() < 15, step, (x - 1,))[0]


class Sums(nn.Module):
    """A scan along a free size."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = torch.zeros(x.shape[0], 4)
        last, all_of = scan(lambda h, p: (torch.tanh(h + p), 2 * h), first, x, dim=1)
        return all_of, last


class Mapped(nn.Module):
    """The same for each row of the batch."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = torch_map(lambda row, k: (row.sin() * 2, row + k), x, torch.ones(4))
        return first, second


RUN = {
    "until the data say so": (Roots, (3, 8), None, r"torch.while_loop \(.*\): runs on the host; "),
    "with a number": (Counted, (3, 4), None, r"steps that the example inputs take"),
    "too long to write out": (Long, (3, 4), None, r"the 5,000 steps that the example inputs take"),
    "within each other": (Within, (3, 4), None, r"of at most 316"),
    "a map": (Mapped, (3, 4), None, r"torch.map \(.*\): runs on the host, one step after"),
    "a scan of free length": (
        Sums, (3, 5, 4), ({1: Dim.AUTO},), r"torch.scan \(.*\): runs on the host, one step"
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, when a scan runs by itself
@pytest.mark.parametrize("name", RUN)
def test_such_a_loop_runs_as_in_torch(name, tmp_path):
    build, shape, marks, note = RUN[name]
    torch.manual_seed(0)
    model = build().eval()
    given = torch.randn(shape)
    made = hermesc.compile(model, (given,), dynamic_shapes=marks, batch_dim=0)
    assert any(torch_note(said, note) for said in made.artifact.manifest.notes)
    assert made.artifact.manifest.rows_independent == (build in (Sums, Mapped))
    made.save(tmp_path / "p.hermes")
    program = hermesc.Program.load(tmp_path / "p.hermes")
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    other = torch.randn(5, 9 if marks else shape[1], *shape[2:])
    for x in (given, other):
        with torch.no_grad():
            found, wanted = chip(x), model(x)
        pairs = zip(several(found), several(wanted), strict=True)
        for ours, theirs in pairs:
            torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=1e-6)


def torch_note(said: str, pattern: str) -> bool:
    return re.search(pattern, said) is not None


def several(values):
    return values if isinstance(values, tuple) else (values,)


def test_the_work_of_a_loop_is_that_of_its_steps():
    torch.manual_seed(0)
    program = hermesc.compile(Counted(), (torch.randn(3, 4),), batch_dim=0)
    (loop,) = [w for w in program.workload().work if w.step.op == "loop.while"]
    steps = ["aten.sum.default", "aten.gt.Scalar", "size.add", "aten.sub.Tensor"]
    assert [w.step.op for w in loop.inner] == steps
    assert loop.times > 1
    # The sum takes four values, the comparison makes one, the difference four.
    assert vector_work(loop) == VectorWork(elements=9 * loop.times)


class Layered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        def step(y: Tensor) -> tuple[Tensor]:
            y = y * 2
            return (self.layer(y) + 1 + y,)

        return while_loop(lambda y: y.sum() < 5, step, (x,))[0]


class Scanned(Layered):
    def forward(self, x: Tensor) -> Tensor:
        def step(h: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(self.layer(h) + part)
            return h, 2 * h

        return scan(step, torch.zeros(x.shape[0], 4), x, dim=1)[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("build", [Layered, Scanned])
def test_a_fixed_matrix_in_such_a_loop_is_refused_at_its_line(build):
    x = torch.rand(3, 4) if build is Layered else torch.rand(3, 5, 4)
    marks = None if build is Layered else ({1: Dim.AUTO},)
    with pytest.raises(
        UnsupportedOpError, match=r"multiplies by a fixed matrix, layer\.weight,"
    ) as caught:
        hermesc.compile(build(), (x,), dynamic_shapes=marks)
    (refusal,) = caught.value.refusals
    assert refusal.op == ("torch.while_loop" if build is Layered else "torch.scan")
    assert refusal.location.file == "test_held_loops.py"
    assert f"{refusal.op.removeprefix('torch.')}(" in refusal.location.code


def test_a_run_ends_at_the_limit_that_the_options_say():
    x = torch.ones(3, 4)
    program = hermesc.compile(Counted(), (x,), batch_dim=0, options={"loops.most_steps": 40})
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    with pytest.raises(InputError, match=r"test_held_loops.py:\d+.* goes on after 40 steps"):
        chip(40 * x)
    with pytest.raises(InputError, match="goes on after 2 steps"):
        hermesc.compile(Counted(), (x,), batch_dim=0, options={"loops.most_steps": 2})


def test_shapes_alone_cannot_say_how_long_a_loop_goes_on():
    with torch.device("meta"):
        model = Roots()
    with pytest.raises(ModelError, match=r"decides by values, .*leave --meta out"):
        hermesc.shaped(model, (torch.randn(3, 8),))


class Random(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return while_loop(lambda y: y.sum() < 5, lambda y: (y + torch.rand(4),), (x,))[0]


def test_what_the_host_does_not_run_is_refused_in_a_loop_too():
    with pytest.raises(UnsupportedOpError, match="random"):
        hermesc.compile(Random(), (torch.rand(3, 4),))


class Chosen(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 100, lambda t: t.cos(), lambda t: t.sin(), (x,))


def test_a_choice_for_all_rows_keeps_them_together_even_if_the_examples_choose_alike():
    assert not hermesc.compile(Chosen(), (torch.rand(3, 4),)).artifact.manifest.rows_independent


def test_such_a_loop_is_not_written_as_onnx():
    program = hermesc.compile(Counted(), (torch.rand(3, 4),), batch_dim=0)
    with pytest.raises(ModelError, match=r"test_held_loops.py:\d+.*does not write"):
        onnx_model(program.artifact)
