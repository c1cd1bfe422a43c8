"""The arena's Performers."""

import pytest
import torch

import hermesc
from hermesc.kernels import FavorAttention
from hermesc.studies.lra.model import Attention, PerformerShape
from hermesc.studies.lra.parts import network

SHAPE = PerformerShape(1, 16, 2, 16, 16, 64)


def test_attention_is_favor_attention_of_both_signs() -> None:
    torch.manual_seed(0)
    attention, x = Attention(SHAPE, 0), torch.randn(2, 12, 16)
    favor = FavorAttention(8, 64, form="hyperbolic")
    favor.map.get_buffer("omega").copy_(attention.omega)
    heads = [part(x).unflatten(-1, (2, -1)).transpose(1, 2)
             for part in (attention.query, attention.key, attention.value)]  # fmt: skip
    with torch.no_grad():
        wanted = attention.output(favor(*heads).transpose(1, 2).flatten(-2))
        torch.testing.assert_close(attention(x, None), wanted, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing() -> None:
    model = network("text", 20, 1, 0).eval()
    tokens = torch.randint(1, 256, (3, 20))
    tokens[:, 14:] = 0
    other = network("text", 20, 1, 0).eval()
    with torch.no_grad():
        other.get_submodule("encoder").embedding.weight[0] = 5.0
        torch.testing.assert_close(model(tokens), other(tokens), rtol=1e-5, atol=1e-6)
        assert not torch.equal(model(tokens), model(tokens.clamp(min=1)))


def test_both_papers_are_read_by_one_encoder() -> None:
    model = network("retrieval", 12, 1, 0).eval()
    one, other = torch.randint(1, 256, (2, 3, 12))
    with torch.no_grad():
        torch.testing.assert_close(model(one, other), model(other, one))


def test_an_image_starts_with_attention_to_neighbours() -> None:
    encoder = network("images", 64, 1, 0).get_submodule("encoder")
    attention = encoder.get_submodule("layers.0.attention")
    places = encoder.get_submodule("layers.0.first")(encoder.get_parameter("position"))
    with torch.no_grad():
        scores = attention.query(places) @ attention.key(places).T
    side = torch.arange(64).reshape(8, 8)
    near, far = scores[side[3, 3], side[3, 4]], scores[side[3, 3], side[7, 7]]
    assert near > far + 1


@pytest.mark.parametrize(("scope", "layers"), [("projections", 1), ("all", 9)])
def test_the_scope_of_projections_puts_the_random_features_alone_on_crossbars(
    scope: str, layers: int
) -> None:
    model = network("pathfinder", 25, 2, 0).eval()
    tokens = torch.randint(0, 1024, (2, 25, 4))
    program = hermesc.compile(model, tokens, options={"partition.scope": scope})
    labels = [matrix.label for matrix in program.artifact.manifest.matrices]
    assert len(labels) == layers
    assert "encoder.layers.0.attention.omega" in labels
