"""A program as ONNX: the checker takes it, and onnxruntime computes what torch does."""

import json
import re
from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

import hermesc
from hermesc.app.onnx_export.functions import Body, function_names
from hermesc.app.onnx_export.module import DOMAIN
from hermesc.app.onnx_export.write import OnnxModel, onnx_model
from hermesc.kernels.attention import FavorAttention, MultiheadAttention
from hermesrt.errors import ModelError, OptionError, UnsupportedOpError
from hermesrt.program import Program

from ....zoo.case import Layers

runtime = pytest.importorskip("onnxruntime")


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(16, 300), nn.LayerNorm(300), nn.Linear(300, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.norm(torch.relu(self.a(x)))
        return self.b(h.reshape(x.shape[0], -1)).softmax(-1), h


def _images() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, (3, 2), stride=2, dilation=(1, 2), padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LazyLinear(10),
    )


def _favor() -> nn.Module:
    return MultiheadAttention(32, 2, lambda size: FavorAttention(size, 32))


def _public() -> nn.Module:
    performer = pytest.importorskip("performer_pytorch")
    return performer.SelfAttention(32, heads=2, dim_head=16, causal=False)


MODELS = {
    "MLP with two outputs": (Mlp, (8, 16), None),
    "convolutions": (_images, (4, 3, 10, 9), None),
    "our Performer": (_favor, (2, 6, 32), ({1: Dim("tokens", min=2, max=64)},)),
    "a public Performer": (_public, (2, 6, 32), None),
    "LSTM of any length": (
        lambda: Layers(lambda m, x: m.a(x)[0], a=nn.LSTM(6, 5, batch_first=True)),
        (3, 4, 6),
        ({1: Dim("steps", min=2, max=64)},),
    ),
    "layers both ways and their last states": (
        lambda: Layers(
            lambda m, x: (m.a(x)[0], m.b(x)[1][1][0], m.c(x)[0]),
            a=nn.GRU(6, 5, 2, bidirectional=True, batch_first=True),
            b=nn.LSTM(6, 5, batch_first=True),
            c=nn.RNN(6, 4, nonlinearity="relu", bias=False, batch_first=True),
        ),
        (3, 4, 6),
        None,
    ),
    "FP64": (lambda: nn.Linear(6, 5).double(), (4, 6), None),
}


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[nn.Module, Program, OnnxModel]]:
    """The models that were asked for, each compiled and exported once."""
    return {}


@pytest.fixture(params=MODELS)
def exported(request, made):
    name = request.param
    if name not in made:
        build, shape, dynamic = MODELS[name]
        torch.manual_seed(0)
        model, x = build().eval(), torch.randn(*shape)
        x = x.double() if name == "FP64" else x
        with torch.no_grad():
            model(x)
        program = hermesc.compile(model, (x,), dynamic_shapes=dynamic)
        made[name] = model, program, onnx_model(program.artifact)
    return *made[name], MODELS[name]


def _ran(found: OnnxModel, x: Tensor) -> list[np.ndarray]:
    session = runtime.InferenceSession(
        found.proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (name,) = (i.name for i in session.get_inputs())
    return session.run(None, {name: x.numpy()})


def test_onnxruntime_computes_what_torch_does_at_another_batch(exported):
    model, _, found, (_, shape, dynamic) = exported
    torch.manual_seed(1)
    sizes = (shape[0] + 3, shape[1] + 4 if dynamic else shape[1], *shape[2:])
    x = torch.randn(sizes).to(next(model.parameters()).dtype)
    wanted = model(x)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    outputs = _ran(found, x)
    assert len(outputs) == len(wanted)
    for ours, theirs in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5, atol=2e-6)


def test_the_checker_takes_it_in_full_and_every_mvm_is_a_call_of_a_function(exported):
    _, program, found, _ = exported
    onnx.checker.check_model(found.proto, full_check=True)
    names = {f.name for f in found.proto.functions}
    calls = Counter(n.op_type for n in found.proto.graph.node if n.domain == DOMAIN)
    assert set(calls) == names
    assert sum(calls.values()) == len(program.artifact.mvms) == found.analog_nodes
    versions = {o.domain: o.version for o in found.proto.opset_import}
    assert versions == {"": found.opset} | ({DOMAIN: 1} if names else {})


def test_metadata_say_tile_core_and_line(exported):
    _, program, found, _ = exported
    artifact = program.artifact
    tiles = {m.label: m.tiles for m in artifact.manifest.matrices}
    for function in found.proto.functions:
        facts = {p.key: p.value for p in function.metadata_props}
        stored = json.loads(facts["ai.hermesc.tiles"])
        wanted = tiles[facts["ai.hermesc.layer"]]
        assert [t["core"] for t in stored] == [t.core for t in wanted]
        assert [t["core_rows"] for t in stored] == [list(t.core_rows) for t in wanted]
        assert facts["ai.hermesc.cores"] == ", ".join(map(str, sorted({t.core for t in wanted})))
    locations = {step.name: str(step.location) for step in artifact.mvms}
    for node in found.proto.graph.node:
        facts = {p.key: p.value for p in node.metadata_props}
        if node.domain == DOMAIN:
            assert facts["ai.hermesc.location"] == locations[facts["ai.hermesc.step"]]
        assert facts["ai.hermesc.unit"] == ("analog" if node.domain == DOMAIN else "digital")
        assert not any(key.startswith("pkg.") for key in facts)


def test_free_sizes_stay_free_and_weights_keep_their_names(exported):
    _, program, found, (_, _, dynamic) = exported
    sizes = found.proto.graph.input[0].type.tensor_type.shape.dim
    free = [size.HasField("dim_param") for size in sizes]
    assert free == [isinstance(d, str) for d in program.artifact.manifest.inputs[0].dims]
    assert sum(free) == (2 if dynamic else 1)
    labels = {m.label for m in program.artifact.manifest.matrices}
    held = {i.name for i in found.proto.graph.initializer}
    assert labels <= {re.sub("~(kernel|x|h|biases):.*", "", name) for name in held}


def test_our_own_front_end_reads_it_back(tmp_path, made):
    torch.manual_seed(0)
    model, x = _favor().eval(), torch.randn(4, 6, 32)
    written = hermesc.compile(model, (x,)).export(tmp_path / "m.onnx")
    assert written.output == tmp_path / "m.onnx"
    assert (written.functions, written.analog_nodes) == (5, 6)
    again = hermesc.compile(tmp_path / "m.onnx", calibration={"x": x})
    assert len(again.artifact.mvms) == 6
    chip = again.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    torch.testing.assert_close(chip(x), model(x).detach(), rtol=1e-4, atol=1e-5)


class Wave(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x) + torch.special.bessel_j0(2 * x)


def test_an_operation_without_onnx_form_is_refused_with_its_line():
    program = hermesc.compile(Wave(), (torch.randn(4, 6),))
    with pytest.raises(UnsupportedOpError, match=r"test_write.py:\d+: aten.special_bessel_j0") as e:
        onnx_model(program.artifact)
    assert "2 operations of the model can not be written as ONNX" in str(e.value)


def test_complex_ends_are_refused():
    program = hermesc.compile(nn.Identity(), (torch.randn(4, 6, dtype=torch.complex64),))
    with pytest.raises(ModelError, match="ONNX has no complex numbers"):
        onnx_model(program.artifact)


def test_functions_of_layers_of_one_name_are_told_apart():
    bodies = [Body(m, False, b, False, None, False) for m in "pq" for b in (False, True)]
    named = function_names([(body, "a.b") for body in bodies] + [(bodies[0], "a.b")])
    assert sorted(named.values()) == ["a_b", "a_b_2", "a_b_3", "a_b_4"]
    assert function_names([(bodies[0], "→")]) == {bodies[0]: "layer"}


def test_another_suffix_is_refused(tmp_path):
    program = hermesc.compile(nn.Linear(3, 2), (torch.randn(2, 3),))
    with pytest.raises(OptionError, match=r"exported to an \.onnx file"):
        hermesc.export(program, tmp_path / "m.txt")
    assert not any(tmp_path.iterdir())


def test_an_lstm_with_a_projection_is_refused_with_what_to_do():
    layer = Layers(lambda m, x: m.a(x)[0], a=nn.LSTM(6, 5, proj_size=3, batch_first=True))
    program = hermesc.compile(layer, (torch.randn(2, 4, 6),))
    with pytest.raises(ModelError, match=r"partition\.digital=a\.l0, or leave proj_size out"):
        onnx_model(program.artifact)
