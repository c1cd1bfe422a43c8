"""A hardened model is the user's own, with the chip in it and nothing else changed."""

import copy
import io
import pickle
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

import hermesc
from hermesc.training import (
    CHIP,
    JOSHI,
    InputCode,
    OutputCode,
    Recipe,
    WeightNoise,
    harden,
    learned_ranges,
    program_of,
    set_chip,
)
from hermesrt.errors import HermescError, InputError, ModelError, OptionError

SILENT = Recipe("silent", weights=WeightNoise(size=0.0))  # the captured graph, and no noise


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.drop = nn.Conv2d(8, 8, 3, stride=2, bias=False), nn.Dropout(0.0)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        return self.head(self.drop(self.second(x).mean((2, 3))))


class Features(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("omega", torch.randn(20, 300))
        self.register_buffer("phase", torch.rand(300))
        self.width, self.head = nn.Parameter(torch.tensor(0.5)), nn.Linear(300, 3)

    def forward(self, x):
        return self.head(torch.cos(x @ (self.omega * self.width) + self.phase))


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.out = nn.Parameter(torch.randn(4, 16, 8) / 4), nn.Linear(32, 5)

    def forward(self, x):
        return self.out(torch.einsum("bhd,hde->bhe", x, self.weight).flatten(1))


class Spread(nn.Module):
    """One projection, repeated over batch and heads, as public Performers write it."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(32, 32), nn.Linear(24, 4)
        self.projection = nn.Parameter(torch.randn(24, 16))

    def forward(self, x):
        x = self.inner(x).unflatten(-1, (2, 16)).transpose(1, 2)
        spread = self.projection[None, None].expand(*x.shape[:2], -1, -1)
        return self.out(torch.einsum("...id,...jd->...ij", x, spread).mean((1, 2)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 32, batch_first=True, dropout=0.0)

    def forward(self, x):
        return self.layer(x).mean(1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


class Tied(nn.Module):
    """One layer twice, tied weights, and control flow on `self.training`."""

    def __init__(self):
        super().__init__()
        self.embed, self.inner = nn.Embedding(50, 32), nn.Linear(32, 32)
        self.out = nn.Linear(32, 50, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens):
        x = self.inner(self.inner(self.embed(tokens)).relu())
        return self.out(x * 2 if self.training else x)


CASES = {
    Convolutions: lambda: torch.randn(4, 3, 8, 8),
    Features: lambda: torch.randn(6, 20),
    Heads: lambda: torch.randn(6, 4, 16),
    Spread: lambda: torch.randn(3, 5, 32),
    Attention: lambda: torch.randn(3, 5, 32),
    Recurrent: lambda: torch.randn(3, 7, 8),
    Tied: lambda: torch.randint(0, 50, (4, 6)),
}


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(300, 24), nn.ReLU(), nn.Linear(24, 5)), torch.randn(16, 300)


@pytest.fixture
def ranks(tmp_path):
    """A process group of one."""
    if not dist.is_available():
        pytest.skip("this torch has no torch.distributed")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_without_noise_it_is_torch_bit_for_bit(kind):
    torch.manual_seed(0)
    model, x = kind(), CASES[kind]()
    hardened = harden(model, x, recipe=SILENT)
    y, wanted = hardened(x), model(x)
    assert torch.equal(y, wanted)
    y.square().sum().backward()
    wanted.square().sum().backward()
    for (name, parameter), own in zip(hardened.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(parameter.grad, own.grad), name
    for own, other in zip(model.buffers(), hardened.buffers(), strict=False):
        assert torch.equal(own, other)


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_with_the_chips_noise_everything_gets_a_gradient(kind):
    torch.manual_seed(0)
    model, x = kind(), CASES[kind]()
    hardened = harden(model, x, recipe="rasch")
    y = hardened(x)
    y.square().sum().backward()
    assert 0.001 < float(((y - model(x)).std() / y.std()).detach()) < 0.6
    assert all(p.grad is not None for p in hardened.parameters())
    assert hardened.state_dict().keys() == model.state_dict().keys()
    model.load_state_dict(hardened.state_dict())


def test_in_evaluation_it_is_the_program_on_that_chip():
    model, x = small()
    hardened = harden(model, x, recipe="chip").eval()
    for seed, age in ((0, 0.0), (5, 86400.0)):
        set_chip(hardened, seed=seed, age=age)
        chip = hermesc.compile(model, x).deploy(hermesc.simulate(seed=seed)).configure(age_s=age)
        assert torch.equal(hardened(x), chip(x))


def test_evaluation_follows_the_weights():
    model, x = small()
    hardened = harden(model, x, recipe="none")
    assert torch.equal(hardened.eval()(x), model.eval()(x))
    hardened = harden(model, x, recipe="joshi").eval()
    before = hardened(x)
    with torch.no_grad():
        hardened[0].weight.mul_(2)
        model[0].weight.mul_(2)
    chip = hermesc.compile(model, x).deploy(hermesc.simulate(seed=0))
    assert torch.equal(hardened(x), chip(x))
    assert not torch.equal(hardened(x), before)


def test_training_has_the_errors_of_chips():
    """Over many draws the errors of the training graph have the size of simulated chips'."""
    model, x = small()
    exact = model(x).detach()
    hardened = harden(model, x, recipe=CHIP)
    drawn = torch.stack([hardened(x).detach() - exact for _ in range(40)]).std()
    program = hermesc.compile(model, x)
    chips = [program.deploy(hermesc.simulate(seed=s))(x) - exact for s in range(40)]
    assert float(drawn / torch.stack(chips).std()) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("kind", [Features, Heads, Convolutions], ids=lambda kind: kind.__name__)
def test_read_noise_by_rows_and_columns_is_that_of_all_weights(kind, monkeypatch):
    torch.manual_seed(0)
    model, x = kind().eval(), CASES[kind]()
    hardened = harden(model, x, recipe=Recipe("reads", read_noise=True))

    def deviation():
        hardened._hermesc.step.zero_()
        return torch.stack([hardened(x).detach() for _ in range(12)]).std(0)

    found = deviation()
    monkeypatch.setattr("hermesc.training.product.own_dims", lambda *_: ())
    whole = deviation()
    assert not torch.equal(found, whole)  # the same draws
    assert float(found.mean() / whole.mean()) == pytest.approx(1.0, abs=0.03)
    assert float((found / whole).std()) < 0.15


def test_noise_is_of_seed_and_step():
    model, x = small()
    first, second = (harden(model, x, recipe=JOSHI, seed=3) for _ in range(2))
    one = first(x)
    assert torch.equal(one, second(x))
    assert not torch.equal(one, first(x))
    assert not torch.equal(one, harden(model, x, recipe=JOSHI, seed=4)(x))


def test_partial_sums_take_codes_where_a_matrix_has_several_blocks():
    model, x = small()
    coded = Recipe("coded", outputs=OutputCode(partial_sums=True))
    whole = Recipe("whole", outputs=OutputCode())
    exact = model(x).detach()
    errors = [(harden(model, x, recipe=r)(x).detach() - exact).std() for r in (whole, coded)]
    assert 0 < float(errors[0]) < float(errors[1])


def test_copies_and_pickles_go_on_alike():
    model, x = small()
    hardened = harden(model, x, recipe="rasch")
    hardened(x)
    for other in (copy.deepcopy(hardened), pickle.loads(pickle.dumps(hardened))):
        assert isinstance(other, nn.Sequential)
        assert learned_ranges(other) == pytest.approx(learned_ranges(hardened))
        assert torch.equal(copy.deepcopy(hardened)(x), other(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, while it traces
def test_it_compiles_to_one_graph_with_the_same_numbers():
    model, x = small()
    hardened = harden(model, x, recipe="rasch")
    compiled = torch.compile(copy.deepcopy(hardened), fullgraph=True, backend="aot_eager")
    for _ in range(2):
        assert torch.allclose(hardened(x), compiled(x), atol=1e-6)
    hardened.eval(), compiled.eval()
    assert torch.equal(hardened(x), compiled(x))


def test_it_moves_to_another_type():
    model, x = small()
    hardened = harden(model, x, recipe="rasch").double()
    assert hardened(x.double()).dtype == torch.float64


def test_ddp_and_fsdp_on_the_root_train_it(ranks):
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    from torch.distributed.device_mesh import init_device_mesh

    model, x = small()
    wanted = harden(model, x, recipe="rasch")(x)
    wrapped = nn.parallel.DistributedDataParallel(harden(model, x, recipe="rasch"))
    y = wrapped(x)
    y.sum().backward()
    assert torch.equal(y, wanted)
    mesh = init_device_mesh("cpu", (1,))
    sharded = harden(model, x, recipe=replace(JOSHI, inputs=InputCode(learned=True)))
    fsdp.fully_shard(sharded, mesh=mesh)
    optimizer = torch.optim.SGD(sharded.parameters(), lr=1e-6)
    sharded(x).sum().backward()
    optimizer.step()
    assert float(sharded[0].weight.full_tensor().detach().abs().max()) <= 2.0 * float(
        model[0].weight.detach().std()
    )
    assert sharded.eval()(x).shape == wanted.shape
    assert sharded.state_dict().keys() == model.state_dict().keys()


def test_fsdp_on_a_part_is_refused(ranks):
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    from torch.distributed.device_mesh import init_device_mesh

    model, x = small()
    nested = harden(model, x, recipe="rasch")
    mesh = init_device_mesh("cpu", (1,))
    fsdp.fully_shard(nested[0], mesh=mesh)
    fsdp.fully_shard(nested, mesh=mesh)
    with pytest.raises(InputError, match="call fully_shard on the hardened model alone"):
        nested(x)


def test_learned_ranges_travel_with_the_weights_and_into_the_program():
    model, x = small()
    hardened = harden(model, x, recipe="rasch")
    with torch.no_grad():
        hardened._hermesc.limits[0].fill_(1.25)
    stream = io.BytesIO()
    torch.save(hardened.state_dict(), stream)
    stream.seek(0)
    other = harden(model, x, recipe="rasch")
    other.load_state_dict(torch.load(stream, weights_only=True))
    assert learned_ranges(other)["0"] == 1.25
    steps = [s for s in program_of(other).artifact.manifest.steps if s.tag == "mvm"]
    assert steps[0].input_max == 1.25
    again = hermesc.compile(other, x)
    given = hermesc.compile(model, x, input_ranges=learned_ranges(other))
    for program in (again, given):
        assert next(s for s in program.artifact.manifest.steps if s.tag == "mvm").input_max == 1.25


def test_a_frozen_norm_stays_frozen():
    torch.manual_seed(0)
    model, x = Convolutions(), torch.randn(4, 3, 8, 8)
    model.norm.eval()
    hardened = harden(model, x, recipe=SILENT)
    before = hardened.norm.running_mean.clone()
    assert torch.equal(hardened(x), model(x))
    assert torch.equal(hardened.norm.running_mean, before)
    for other in (hardened.eval(), copy.deepcopy(hardened), pickle.loads(pickle.dumps(hardened))):
        other.train()(x)  # as loops do after a test
        assert torch.equal(other.norm.running_mean, before)
    hardened.norm.train()
    hardened(x)
    assert not torch.equal(hardened.norm.running_mean, before)


def test_the_users_model_is_left_alone():
    model, x = small()
    before = copy.deepcopy(model.state_dict())
    hardened = harden(model, x, recipe="joshi")
    optimizer = torch.optim.SGD(hardened.parameters(), lr=0.1)
    hardened(x).sum().backward()
    optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert type(model) is nn.Sequential and isinstance(hardened, nn.Sequential)


def test_keywords_are_taken_as_the_model_takes_them():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, a, b):
            return self.layer(a) - self.layer(b)

    model, a, b = Two(), torch.randn(4, 8), torch.randn(4, 8)
    for examples in ((a, b), {"a": a, "b": b}):
        hardened = harden(model, examples, recipe=SILENT)
        assert torch.equal(hardened(a, b=b), model(a, b))
        assert torch.equal(hardened(b=b, a=a), model(a, b))
        with pytest.raises(InputError, match="hardened for 2 inputs and is called with 1"):
            hardened(a)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"recipe": "rash"}, OptionError, "recipe 'rash': must be one of chip, joshi"),
        ({"recipe": replace(JOSHI, weights=WeightNoise(size=-1.0))}, OptionError, "size is -1.0"),
        ({"seed": -1}, OptionError, "seed -1"),
        ({"example_inputs": [1.0]}, HermescError, "example_inputs"),
        ({"model": "model.py"}, ModelError, "only an nn.Module can be trained"),
    ],
)
def test_what_cannot_be_hardened_is_refused(change, error, words):
    model, x = small()
    given = {"model": model, "example_inputs": x, "recipe": "joshi", **change}
    with pytest.raises(error, match=words):
        harden(given.pop("model"), given.pop("example_inputs"), **given)


def test_what_does_not_compile_is_refused_for_the_same_reason():
    class Sorts(nn.Module):
        def forward(self, x):
            return x[x > 0]

    with pytest.raises(ModelError) as refused:
        hermesc.compile(Sorts(), torch.randn(4, 8))
    with pytest.raises(type(refused.value)) as again:
        harden(Sorts(), torch.randn(4, 8))
    assert str(again.value) == str(refused.value)


@pytest.mark.parametrize(
    ("kind", "more"),
    [(nn.LSTM, {}), (nn.GRU, {}), (nn.RNN, {}), (nn.LSTM, {"proj_size": 10})],
    ids=["lstm", "gru", "rnn", "projected"],
)
def test_recurrent_layers_see_noise_of_their_weights(kind, more):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = (
                kind(8, 12, batch_first=True, bidirectional=True, **more),
                nn.Linear(2 * more.get("proj_size", 12), 4),
            )

        def forward(self, x):
            return self.head(self.layer(x)[0][:, -1])

    torch.manual_seed(0)
    model, x = Net(), torch.randn(4, 6, 8)
    noise = WeightNoise("largest", 0.05)
    hardened = harden(model, x, recipe=Recipe("weights", weights=noise))
    with torch.no_grad():  # so that only the recurrent layer's noise is seen
        hardened.head.weight.zero_()
        hardened.head.weight[:, 0] = 1.0
    assert any("noise of weights alone" in note for note in hardened.hermesc_notes)
    y = hardened(x)
    y.sum().backward()
    assert all(p.grad is not None for p in hardened.parameters())
    errors = torch.stack([hardened(x).detach() - y.detach() for _ in range(5)])
    assert 1e-3 < errors.std().item() < 0.5
    assert hardened.eval()(x).shape == (4, 4)
