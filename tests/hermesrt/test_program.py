"""The Python interface: deploy, call, report, save, load."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.artifact.schema import HostStep
from hermesrt.chip.spec import Mode
from hermesrt.cost import Cost
from hermesrt.errors import ArtifactError, InputError, OptionError
from hermesrt.program import Program
from hermesrt.workload import Workload


def test_a_chip_is_called_like_the_model(
    program: Program, model: nn.Module, inputs: Tensor
) -> None:
    chip = program.deploy(hermesc.simulate())
    y = chip(inputs)
    with torch.no_grad():
        wanted = model(inputs)
    assert y.shape == wanted.shape
    assert y.dtype == wanted.dtype
    assert not torch.equal(y, wanted)
    assert ((y - wanted).norm() / wanted.norm()).item() < 0.5


def test_ideal_equals_torch_to_round_off(
    program: Program, model: nn.Module, inputs: Tensor
) -> None:
    chip = program.deploy(hermesc.simulate()).configure(ideal=True)
    with torch.no_grad():
        torch.testing.assert_close(chip(inputs), model(inputs), rtol=1e-5, atol=1e-5)


def test_several_outputs_come_as_a_tuple(inputs: Tensor) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"a": x.cos(), "b": x.sum(1)}

    chip = hermesc.compile(Two(), inputs).deploy(hermesc.simulate())
    a, b = chip(inputs)
    assert torch.equal(a, inputs.cos())
    assert b.shape == (50,)


def test_report_uses_the_examples_and_their_labels(program: Program) -> None:
    report = program.deploy(hermesc.simulate()).report()
    assert report.samples == 8
    assert report.reference_accuracy == 1.0
    assert "Accuracy" in str(report)


def test_time_and_energy_of_the_same_sizes_are_computed_once(
    program: Program, inputs: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = program.deploy(hermesc.simulate())
    asked: list[str | None] = []
    cost = chip.device.cost

    def counted(workload: Workload, mode: Mode | None) -> Cost:
        asked.append(mode)
        return cost(workload, mode)

    monkeypatch.setattr(chip.device, "cost", counted)
    first, again = (chip.report(inputs).cost for _ in range(2))
    assert first == again == program.deploy(hermesc.simulate()).report(inputs).cost
    assert chip.report(inputs[:3]).cost == first
    other = chip.configure(mode="1-phase").report(inputs).cost
    assert other.latency_ps < first.latency_ps
    assert asked == [None, None, "1-phase"]
    assert program.workload() is program.workload()


def test_a_saved_program_is_the_same_program(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "p.hermes"
    program.save(path)
    again = hermesc.load(path)
    assert again.sha256 == program.sha256
    assert again.artifact.manifest == program.artifact.manifest


def test_programs_and_chips_go_to_other_processes(
    program: Program, inputs: Tensor, tmp_path: Path
) -> None:
    program.save(tmp_path / "p.hermes")
    for one in (program, Program.load(tmp_path / "p.hermes")):
        chip = pickle.loads(pickle.dumps(one.deploy(hermesc.simulate())))
        assert chip.compiled.sha256 == program.sha256
        assert torch.equal(chip(inputs), program.deploy(hermesc.simulate())(inputs))


def test_an_operation_that_torch_does_not_have_is_refused(program: Program) -> None:
    host = next(s for s in program.artifact.manifest.steps if isinstance(s, HostStep))
    for name in ("aten.cos.nonsense", "aten.add_.Tensor", "aten.cos.out", "os.system"):
        steps = tuple(
            replace(s, op=name) if s is host else s for s in program.artifact.manifest.steps
        )
        manifest = replace(program.artifact.manifest, steps=steps)
        with pytest.raises(ArtifactError, match="this torch has no operation"):
            Program.of(replace(program.artifact, manifest=manifest))


def test_wrong_inputs_are_refused_by_name(program: Program, inputs: Tensor) -> None:
    chip = program.deploy(hermesc.simulate())
    with pytest.raises(InputError, match=r"input 'x' has the shape \(50, 15\)"):
        chip(inputs[:, 1:])
    with pytest.raises(InputError, match="2 inputs given; the program takes 1: x"):
        chip(inputs, inputs)
    with pytest.raises(InputError, match="NaN or infinite"):
        chip(inputs * float("nan"))


@pytest.mark.usefixtures("unchecked_types")
def test_unknown_settings_are_refused(program: Program) -> None:
    chip = program.deploy(hermesc.simulate())
    with pytest.raises(OptionError, match="must be one of published, gdp, verify, oneshot, ideal"):
        chip.program("magic")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="0 or more seconds"):
        chip.configure(age_s=-1.0)
    with pytest.raises(OptionError, match="1-phase, 4-phase"):
        chip.configure(mode="2-phase")  # type: ignore[arg-type]


def test_the_users_model_is_given_back_as_it_was(inputs: Tensor) -> None:
    model = nn.Sequential(nn.Linear(16, 4), nn.Dropout(0.5)).train()
    hermesc.compile(model, inputs)
    assert model.training
    assert model[1].training


@pytest.mark.parametrize(("dtype", "step"), [(torch.float16, 0.01), (torch.bfloat16, 0.05)])
def test_half_precision_compiles_and_keeps_its_dtype(dtype: torch.dtype, step: float) -> None:
    x = torch.randn(8, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    image = nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3, padding=1), nn.Flatten()
    half = nn.Sequential(*image, nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 4)).to(dtype)
    chip = hermesc.compile(half, x).deploy(hermesc.simulate()).configure(ideal=True)
    with torch.no_grad():
        torch.testing.assert_close(chip(x), half(x), rtol=step, atol=step)


def test_writing_into_a_new_tensor_compiles(inputs: Tensor) -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.zeros(x.shape[0], 6)
            y[:, :4] = self.layer(x)
            y[:, 4:] = x[:, :2]
            return y

    model = Parts().eval()
    chip = hermesc.compile(model, inputs[:4]).deploy(hermesc.simulate()).configure(ideal=True)
    with torch.no_grad():
        torch.testing.assert_close(chip(inputs), model(inputs))


def test_rewound_chip_repeats_its_first_noise(program: Program, inputs: Tensor) -> None:
    chip = program.deploy(hermesc.simulate())
    first, second = chip(inputs), chip(inputs)
    assert not torch.equal(first, second)
    assert torch.equal(chip.rewind()(inputs), first)


def test_arrays_are_taken_as_tensors_are(program: Program, inputs: Tensor) -> None:
    chip = program.deploy(hermesc.simulate())
    assert torch.equal(chip(inputs.numpy()), chip.rewind()(inputs))
