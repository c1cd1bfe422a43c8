"""The public Performer's attention compiles as it is, its projection on crossbars."""

import warnings

import pytest
import torch

import hermesc

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what is deprecated
    pp = pytest.importorskip("performer_pytorch", reason="performer-pytorch is not installed")


def self_attention(**settings):
    return pp.SelfAttention(dim=32, heads=4, dim_head=8, nb_features=16, **settings)


X = torch.randn(2, 6, 32)
HEADS = torch.randn(2, 4, 6, 8)
IDS = torch.randint(0, 50, (2, 6))
# name: module, inputs, products with a fixed matrix, labels of its projections
MODULES = {
    "SelfAttention": (self_attention, (X,), 6, 1),
    "SelfAttention, ReLU features": (
        lambda: self_attention(generalized_attention=True),
        (X,),
        6,
        1,
    ),
    "SelfAttention, causal": (lambda: self_attention(causal=True), (X,), 6, 1),
    "SelfAttention, no projection": (lambda: self_attention(no_projection=True), (X,), 4, 0),
    "FastAttention": (lambda: pp.FastAttention(8, 16), (HEADS, HEADS + 1, HEADS * 2), 2, 1),
    "CrossAttention": (
        lambda: Crossed(pp.CrossAttention(dim=32, heads=4, dim_head=8, nb_features=16)),
        (X, X[:, :4]),
        6,
        1,
    ),
    "Performer": (
        lambda: pp.Performer(dim=32, depth=2, heads=4, dim_head=8, nb_features=16),
        (X,),
        16,
        2,
    ),
    "Performer, redrawn in training": (
        lambda: pp.Performer(
            dim=32, depth=1, heads=4, dim_head=8, nb_features=16, feature_redraw_interval=1
        ).train(),
        (X,),
        8,
        1,
    ),
    "PerformerLM": (
        lambda: pp.PerformerLM(num_tokens=50, max_seq_len=16, dim=32, depth=1, heads=4),
        (IDS,),
        9,
        1,
    ),
}


class Crossed(torch.nn.Module):
    """Attention from x to another sequence, by position."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x, context):
        return self.attention(x, context=context)


@pytest.mark.parametrize("name", MODULES)
def test_public_performer_has_its_projection_on_crossbars(name, capsys):
    build, inputs, mvms, projections = MODULES[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build()
    program = hermesc.compile(model, inputs)
    labels = [m.label for m in program.artifact.manifest.matrices]
    assert program.artifact.count("analog") == mvms
    assert sum("projection_matrix" in label for label in labels) == projections
    larger = tuple(torch.cat([x, x[:1]]) for x in inputs)
    chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
    with torch.no_grad():
        wanted = model.eval()(*larger)
    torch.testing.assert_close(chip(*larger), wanted, rtol=1e-4, atol=1e-5)
    capsys.readouterr()
