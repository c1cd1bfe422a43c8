"""Models of sequences: x-transformers, performer-pytorch."""

import importlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.export import Dim
from zoo.case import Case, Row, image

_WORDS = 97


def _x_transformers() -> Iterator[Row]:
    def row(
        name: str,
        layers: str = "Decoder",
        lengths: tuple[int, int] = (10, 14),
        wrapper: Any = None,
        **options: Any,
    ) -> Row:
        def make() -> Case:
            package = importlib.import_module("x_transformers")
            inner = getattr(package, layers)(dim=64, depth=2, heads=4, attn_dim_head=16, **options)
            made = package.TransformerWrapper(
                num_tokens=_WORDS, max_seq_len=32, attn_layers=inner, **(wrapper or {})
            )
            pair = [
                (torch.randint(0, _WORDS, (n, k)),) for n, k in zip((2, 3), lengths, strict=True)
            ]
            return Case(made, *pair, ({1: Dim.AUTO},))

        return Row("x-transformers", name, make)

    yield row("Decoder")
    yield row("Encoder", "Encoder")
    yield row("Decoder rotary", rotary_pos_emb=True)
    yield row("Decoder alibi", alibi_pos_bias=True)
    yield row("Decoder T5 bias", rel_pos_bias=True)
    yield row("Decoder rmsnorm, glu", use_rmsnorm=True, ff_glu=True, ff_swish=True)
    yield row("Decoder grouped queries", attn_kv_heads=2)
    yield row("Decoder one key head", attn_one_kv_head=True)
    yield row("Decoder flash", attn_flash=True)
    yield row("Decoder talking heads", attn_pre_talking_heads=True, attn_post_talking_heads=True)
    yield row("Decoder qk norm", attn_qk_norm=True)
    yield row(
        "Encoder dynamic positions", "Encoder", dynamic_pos_bias=True,
        dynamic_pos_bias_log_distance=False,
    )  # fmt: skip
    yield row("Decoder sandwich norm, shift", sandwich_norm=True, shift_tokens=1)
    yield row("Decoder residual gate", gate_residual=True)
    yield row("Decoder memory tokens", wrapper={"num_memory_tokens": 4})
    yield row("Decoder top-k attention", attn_sparse_topk=4)

    def masked() -> Case:
        package = importlib.import_module("x_transformers")
        made = package.TransformerWrapper(
            num_tokens=_WORDS, max_seq_len=32, attn_layers=package.Encoder(dim=64, depth=2, heads=4)
        )
        pair = [
            {
                "x": torch.randint(0, _WORDS, (n, k)),
                "mask": torch.arange(k) < torch.tensor([[k]] + [[k - 2]] * (n - 1)),
            }
            for n, k in ((2, 10), (3, 14))
        ]
        return Case(made, *pair, {"x": {1: Dim.AUTO}, "mask": {1: Dim.AUTO}})

    def vit() -> Case:
        package = importlib.import_module("x_transformers")
        made = package.ViTransformerWrapper(
            image_size=32,
            patch_size=8,
            num_classes=10,
            attn_layers=package.Encoder(dim=64, depth=2, heads=4),
        )
        return image(made, 32)

    def continuous() -> Case:
        package = importlib.import_module("x_transformers")
        made = package.ContinuousTransformerWrapper(
            dim_in=12,
            dim_out=5,
            max_seq_len=32,
            attn_layers=package.Encoder(dim=64, depth=2, heads=4),
        )
        pair = [(torch.randn(n, k, 12),) for n, k in ((2, 10), (3, 14))]
        return Case(made, *pair, ({1: Dim.AUTO},))

    def crossed() -> Case:
        package = importlib.import_module("x_transformers")

        class Crossed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.encoder = package.TransformerWrapper(
                    num_tokens=_WORDS,
                    max_seq_len=32,
                    attn_layers=package.Encoder(dim=64, depth=1, heads=4),
                )
                self.decoder = package.TransformerWrapper(
                    num_tokens=_WORDS,
                    max_seq_len=32,
                    attn_layers=package.Decoder(dim=64, depth=1, heads=4, cross_attend=True),
                )

            def forward(self, source: torch.Tensor, target: torch.Tensor) -> Any:
                return self.decoder(target, context=self.encoder(source, return_embeddings=True))

        pair = [
            (torch.randint(0, _WORDS, (n, a)), torch.randint(0, _WORDS, (n, b)))
            for n, a, b in ((2, 10, 6), (3, 14, 9))
        ]
        return Case(Crossed(), *pair, ({1: Dim.AUTO}, {1: Dim.AUTO}))

    yield Row("x-transformers", "Encoder +mask", masked)
    yield Row("x-transformers", "ViTransformerWrapper", vit)
    yield Row("x-transformers", "ContinuousTransformerWrapper", continuous)
    yield Row("x-transformers", "encoder and decoder", crossed)


def _performers() -> Iterator[Row]:
    def lm(name: str, lengths: tuple[int, int] = (10, 14), **options: Any) -> Row:
        def make() -> Case:
            package = importlib.import_module("performer_pytorch")
            made = package.PerformerLM(
                num_tokens=_WORDS, max_seq_len=32, dim=64, depth=2, heads=4, dim_head=16, **options
            )
            pair = [
                (torch.randint(0, _WORDS, (n, k)),) for n, k in zip((2, 3), lengths, strict=True)
            ]
            return Case(made, *pair, ({1: Dim.AUTO},) if lengths[0] != lengths[1] else None)

        return Row("performer-pytorch", name, make)

    def plain(name: str, **options: Any) -> Row:
        def make() -> Case:
            package = importlib.import_module("performer_pytorch")
            made = getattr(package, name)(dim=64, heads=4, dim_head=16, **options)
            pair = [(torch.randn(n, k, 64),) for n, k in ((2, 10), (3, 14))]
            return Case(made, *pair, ({1: Dim.AUTO},))

        return Row("performer-pytorch", name, make)

    yield lm("PerformerLM")
    yield lm("PerformerLM causal", (10, 10), causal=True)
    yield lm("PerformerLM generalized", generalized_attention=True)
    yield lm("PerformerLM relu, rotary off", generalized_attention=True, rotary_position_emb=False)
    yield lm("PerformerLM reversible", reversible=True)
    yield lm("PerformerLM rezero, glu", use_rezero=True, ff_glu=True)
    yield lm("PerformerLM local heads", (16, 16), local_attn_heads=2, local_window_size=8)
    yield plain("Performer", depth=2)
    yield plain("SelfAttention")


def rows() -> Iterator[Row]:
    """All of them."""
    yield from _x_transformers()
    yield from _performers()
