"""Whatever a model takes and returns becomes named tensors and back."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.frontend.arguments import read_arguments, read_results
from hermesrt.errors import InputError, ModelError
from hermesrt.executor import execute, reference_mvm
from hermesrt.program import Program

GENERATOR = torch.Generator().manual_seed(0)
Pair = namedtuple("Pair", "left right")


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=GENERATOR)


class Output(OrderedDict):
    """As transformers' ModelOutput: a mapping with attributes."""

    def __getattr__(self, name: str):
        return self[name]


@dataclass
class Answer:
    logits: Tensor
    loss: Tensor | None = None
    cache: object = None


class Cache:
    """Keys of the tokens so far, as decoders keep them."""

    def __init__(self, *keys: Tensor) -> None:
        self.keys = list(keys)
        self.seen = 0

    def update(self, new: Tensor) -> Tensor:
        self.keys = [torch.cat([self.keys[0], new], 1)] if self.keys else [new]
        return self.keys[0]


class Decoder(nn.Module):
    """A causal language model of one layer, its embedding tied to its head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.query = nn.Linear(16, 16)
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, input_ids, attention_mask=None, cache=None, use_cache=True):
        x = self.embed(input_ids)
        if cache is None and use_cache:
            cache = Cache()
        keys = cache.update(x) if cache is not None else x
        scores = self.query(x) @ keys.mT / 4
        new, all_ = scores.shape[-2:]
        causal = torch.ones(new, all_, dtype=torch.bool).tril(all_ - new)
        scores = scores.masked_fill(~causal, float("-inf"))
        if attention_mask is not None:
            scores = scores + (1.0 - attention_mask[:, None, :]) * -1e9
        return Answer(self.head(scores.softmax(-1) @ keys + x), cache=cache)


def reference(program: Program, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The program in FP32."""
    names = [i.name for i in program.artifact.manifest.inputs]
    given = dict(zip(names, inputs, strict=True))
    return execute(program.artifact, given, reference_mvm(program.artifact))


def same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.fixture
def decoder() -> Decoder:
    torch.manual_seed(0)
    return Decoder().eval()


@pytest.fixture
def ids() -> Tensor:
    return torch.randint(0, 20, (3, 7), generator=GENERATOR)


def names_of(program: Program) -> list[str]:
    return [i.name for i in program.artifact.manifest.inputs]


def notes_of(program: Program) -> str:
    return "\n".join(program.artifact.manifest.notes)


def test_a_causal_model_compiles_without_its_cache_and_says_so(decoder, ids):
    program = hermesc.compile(decoder, ids)
    assert "cache (Cache)" in notes_of(program)
    assert "output_0 is logits" in notes_of(program)
    more = torch.cat([ids, ids])
    with torch.no_grad():
        assert same(reference(program, more)[0], decoder(more).logits)


def test_keywords_are_inputs_by_name_and_no_cache_is_made_for_them(decoder, ids):
    mask = torch.ones(3, 7)
    mask[1, 4:] = 0
    program = hermesc.compile(decoder, {"input_ids": ids, "attention_mask": mask})
    assert names_of(program) == ["input_ids", "attention_mask"]
    assert "use_cache=False" in notes_of(program)
    with torch.no_grad():
        wanted = decoder(ids, mask).logits
    assert same(reference(program, ids, mask)[0], wanted)


def test_a_cache_goes_in_and_comes_out_and_may_grow(decoder, ids):
    marks = {"cache_keys_0": {1: torch.export.Dim.AUTO}}
    given = {"input_ids": ids[:, :1], "cache": Cache(random(3, 5, 16))}
    program = hermesc.compile(decoder, given, dynamic_shapes=marks)
    assert names_of(program) == ["input_ids", "cache_keys_0"]
    assert "output_1 is cache.keys.0" in notes_of(program)
    before, new = random(4, 9, 16), torch.randint(0, 20, (4, 1), generator=GENERATOR)
    logits, after = reference(program, new, before)
    with torch.no_grad():
        wanted = decoder(new, cache=Cache(before))
    assert same(logits, wanted.logits)
    assert torch.equal(after, wanted.cache.keys[0])


def test_compiling_leaves_the_users_cache_and_model_as_they_were(decoder, ids):
    cache = Cache(random(3, 5, 16))
    hermesc.compile(decoder, {"input_ids": ids, "cache": cache})
    assert cache.keys[0].shape == (3, 5, 16)
    assert "forward" not in vars(decoder)
    assert isinstance(decoder(ids), Answer)


def test_none_beside_a_result_is_left_out_with_a_note():
    attention = nn.MultiheadAttention(16, 2, batch_first=True)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)

    program = hermesc.compile(Block(), random(2, 5, 16))
    assert len(program.artifact.manifest.outputs) == 1
    assert "1 (None)" in notes_of(program)


class Nested(nn.Module):
    """Takes and returns all kinds of containers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, batch, pair, *, scale=2.0):
        y = self.layer(batch["x"][0]) * scale
        return Output(hidden=y, parts=[batch["x"][1] + pair.left, Pair(pair.right, None)])


def test_nested_inputs_and_outputs_keep_their_places():
    torch.manual_seed(1)
    model = Nested()
    x, y, left, right = random(3, 4), random(3, 4), random(3, 4), random(3, 2)
    given = ({"x": [x, y]}, Pair(left, right))
    program = hermesc.compile(model, given)
    assert names_of(program) == ["batch_x_0", "batch_x_1", "pair_left", "pair_right"]
    with torch.no_grad():
        wanted = model(*given)
    found = reference(program, x, y, left, right)
    assert same(found[0], wanted.hidden)
    assert torch.equal(found[1], wanted["parts"][0])
    assert torch.equal(found[2], right)


def test_calibration_data_may_have_the_structure_of_the_examples():
    x = random(3, 4)
    given = ({"x": [x, x + 1]}, Pair(x, x))
    rows = ({"x": [random(9, 4), random(9, 4)]}, Pair(random(9, 4), random(9, 4)))
    program = hermesc.compile(Nested(), given, calibration=rows)
    assert program.artifact.manifest.calibration_rows == 9


def test_numbers_and_flags_among_the_arguments_are_fixed():
    x = random(3, 4)
    given = {"batch": {"x": [x, x]}, "pair": Pair(x, x), "scale": 5.0}
    program = hermesc.compile(model := Nested(), given)
    with torch.no_grad():
        wanted = model(**given).hidden
    assert same(reference(program, x, x, x, x)[0], wanted)


@pytest.mark.parametrize("kind", ["boolean", "additive"])
def test_a_mask_of_the_tokens_is_the_same_for_all_samples(kind):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, x, mask):
            return self.layer(x, src_mask=mask)

    torch.manual_seed(2)
    model = Masked().eval()
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    mask = mask < 0 if kind == "boolean" else mask
    program = hermesc.compile(model, (random(3, 5, 16), mask))
    assert program.workload().samples == 1
    x = random(4, 5, 16)
    with torch.no_grad():
        assert torch.allclose(reference(program, x, mask)[0], model(x, mask), atol=1e-5)


@pytest.mark.parametrize("example", [random(3, 4), -random(3, 4).abs(), torch.zeros(3, 4)])
def test_minus_infinity_is_refused_where_the_examples_were_no_mask(example):
    program = hermesc.compile(nn.Linear(4, 2), example)
    chip = program.deploy(hermesc.simulate())
    wrong = -torch.rand(3, 4)
    wrong[0, 0], wrong[1, 1] = float("-inf"), 0.0
    with pytest.raises(InputError, match="1 values that are NaN or infinite"):
        chip(wrong)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_mask_holds_no_other_infinity(value):
    class Added(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x, mask):
            return (self.layer(x) + mask).softmax(-1)

    mask = torch.zeros(4).masked_fill(torch.tensor([0, 0, 0, 1]).bool(), float("-inf"))
    chip = hermesc.compile(Added(), (random(3, 4), mask)).deploy(hermesc.simulate())
    assert torch.isfinite(chip(random(3, 4), mask)).all()
    with pytest.raises(InputError, match="NaN or infinite"):
        chip(random(3, 4), mask.masked_fill(mask == 0, value))


def test_unknown_keywords_are_refused_by_name():
    with pytest.raises(ModelError, match="tokens, which the model's forward does not take"):
        read_arguments(
            Decoder(), {"input_ids": torch.ones(2, 3), "tokens": torch.ones(2)}, "inputs"
        )


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, r"returns no tensor, but the result \(None\)"),
        ({}, "returns nothing"),
        ({"a": 3}, "returns a int"),
        (("x", torch.ones(1)), "returns a str"),
    ],
)
def test_a_result_without_tensors_is_refused(result, message):
    with pytest.raises(ModelError, match=message):
        read_results(result)


def test_a_batch_that_is_second_is_asked_for():
    torch.manual_seed(3)
    model = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, 32), 1, enable_nested_tensor=False
    )
    x = random(6, 3, 16)
    with pytest.raises(ModelError, match="batch_dim=1"):
        hermesc.compile(model, x)
    program = hermesc.compile(model, x, batch_dim=1)
    assert program.artifact.manifest.inputs[0].dims[1:] == (6, 16)
    assert "in the model it is dimension 1" in notes_of(program)
    wide = random(6, 5, 16)
    with torch.no_grad():
        wanted = model.eval()(wide).movedim(1, 0)
    assert torch.allclose(reference(program, wide.movedim(1, 0))[0], wanted, atol=1e-5)
    beside = hermesc.compile(model, x, batch_dim=0)
    assert beside.workload().digital_macs < program.workload().digital_macs


@pytest.mark.parametrize("batch_dim", [-1, 3])
def test_a_batch_dim_that_is_none_is_refused(batch_dim):
    with pytest.raises(ModelError, match=f"batch_dim is {batch_dim}; .* from 0 to 1"):
        hermesc.compile(nn.Linear(4, 2), random(3, 4), batch_dim=batch_dim)


def test_one_sample_without_a_batch_costs_as_much_as_one_with():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    alone, batched = hermesc.compile(model, random(16)), hermesc.compile(model, random(1, 16))
    assert "one sample without a batch" in notes_of(alone)
    assert alone.workload().analog_macs == batched.workload().analog_macs
    assert alone.workload().samples == batched.workload().samples == 1
