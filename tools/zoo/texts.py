"""Models of texts, images and sounds: transformers."""

import importlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.export import Dim
from zoo.case import Case, Row, image, text

_WORDS = 97
_MASK = "attention_mask"
_SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
}  # fmt: skip


def _hugging(
    config: str, model: str, mask: str = "", lengths: tuple[int, int] = (10, 14), **options: Any
) -> Row:
    def make() -> Case:
        package = importlib.import_module("transformers")
        found = getattr(package, config)(vocab_size=_WORDS, **options)
        return text(getattr(package, model)(found), _WORDS, mask, lengths)

    return Row("transformers", model + (" +mask" if mask else ""), make)


def _encoder(name: str, model: str, mask: str = _MASK, **options: Any) -> Row:
    return _hugging(name, model, mask, **(_SMALL | options))


def _decoder(name: str, mask: str = "", **options: Any) -> Row:
    small = _SMALL | {
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return _hugging(f"{name}Config", f"{name}ForCausalLM", mask, **(small | options))


def _vision(
    config: str, model: str, size: int = 32, other: int | None = None, **options: Any
) -> Row:
    def make() -> Case:
        package = importlib.import_module("transformers")
        made = getattr(package, model)(getattr(package, config)(**options))
        case = image(made, size, other)
        return Case(
            made,
            {"pixel_values": case.inputs[0]},
            {"pixel_values": case.others[0]},
            None if case.shapes is None else {"pixel_values": case.shapes[0]},
        )

    return Row("transformers", model, make)


def _with_cache(config: str, model: str, **options: Any) -> Row:
    """One step of a decoder: the cache of the words before goes in, the longer one comes out."""

    def inputs(package: Any, rows: int, past: int) -> dict[str, Any]:
        heads, size = options["num_key_value_heads"], 16
        cache = package.DynamicCache()
        for layer in range(2):
            cache.update(*(torch.randn(rows, heads, past, size) for _ in "kv"), layer)
        return {
            "input_ids": torch.randint(3, _WORDS, (rows, 1)),
            "past_key_values": cache,
            "use_cache": True,
        }

    def make() -> Case:
        package = importlib.import_module("transformers")
        found = getattr(package, config)(vocab_size=_WORDS, **options)
        made = getattr(package, model)(found)
        return Case(made, inputs(package, 2, 6), inputs(package, 3, 6))

    return Row("transformers", f"{model}, a step with its cache", make)


def _two_texts(config: str, model: str, **options: Any) -> Row:
    def make() -> Case:
        package = importlib.import_module("transformers")
        made = getattr(package, model)(getattr(package, config)(vocab_size=_WORDS, **options))
        pairs = [
            {
                "input_ids": torch.randint(3, _WORDS, (n, a)),
                "decoder_input_ids": torch.randint(3, _WORDS, (n, b)),
            }
            for n, a, b in ((2, 10, 6), (3, 13, 8))
        ]
        shapes = {name: {1: Dim.AUTO} for name in pairs[0]}
        return Case(made, pairs[0], pairs[1], shapes)

    return Row("transformers", model, make)


def _whisper() -> Case:
    package = importlib.import_module("transformers")
    config = package.WhisperConfig(
        vocab_size=_WORDS, num_mel_bins=16, encoder_layers=2, encoder_attention_heads=4,
        decoder_layers=2, decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128,
        d_model=64, max_source_positions=50, max_target_positions=32, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    pairs = [
        {
            "input_features": torch.randn(n, 16, 100),
            "decoder_input_ids": torch.randint(3, _WORDS, (n, 6)),
        }
        for n in (2, 3)
    ]
    return Case(package.WhisperForConditionalGeneration(config), *pairs)


def _wave() -> Case:
    package = importlib.import_module("transformers")
    config = package.Wav2Vec2Config(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        conv_dim=(16, 16, 16), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 3),
        num_feat_extract_layers=3, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        vocab_size=20,
    )  # fmt: skip
    pair = [{"input_values": torch.randn(n, length)} for n, length in ((2, 800), (3, 1000))]
    return Case(package.Wav2Vec2ForCTC(config), *pair, {"input_values": {1: Dim.AUTO}})


def _clip() -> Case:
    package = importlib.import_module("transformers")
    config = package.CLIPConfig(
        text_config=_SMALL
        | {
            "vocab_size": _WORDS,
            "max_position_embeddings": 16,
            "eos_token_id": 2,
            "bos_token_id": 1,
            "pad_token_id": 0,
        },
        vision_config=_SMALL | {"image_size": 32, "patch_size": 8},
        projection_dim=32,
    )
    pairs = [
        {"input_ids": torch.randint(3, _WORDS, (n, 10)), "pixel_values": torch.randn(n, 3, 32, 32)}
        for n in (2, 3)
    ]
    return Case(package.CLIPModel(config), *pairs)


def rows() -> Iterator[Row]:
    """All of them."""
    yield _encoder("BertConfig", "BertModel")
    yield _encoder("BertConfig", "BertForSequenceClassification")
    yield _encoder("BertConfig", "BertForMaskedLM")
    yield _encoder("RobertaConfig", "RobertaModel", pad_token_id=1)
    yield _hugging(
        "DistilBertConfig", "DistilBertForMaskedLM", _MASK, dim=64, n_layers=2, n_heads=4,
        hidden_dim=128,
    )  # fmt: skip
    yield _encoder("AlbertConfig", "AlbertModel", embedding_size=32)
    yield _encoder("ElectraConfig", "ElectraForTokenClassification", embedding_size=32)
    yield _encoder(
        "DebertaV2Config", "DebertaV2Model", relative_attention=True, pos_att_type="c2p|p2c",
        max_relative_positions=16,
    )  # fmt: skip
    yield _encoder("MPNetConfig", "MPNetModel")
    yield _encoder(
        "ModernBertConfig", "ModernBertForMaskedLM", pad_token_id=0, local_attention=8,
        global_attn_every_n_layers=2,
    )  # fmt: skip
    yield _encoder(
        "NystromformerConfig", "NystromformerModel", num_landmarks=4, segment_means_seq_len=16
    )
    yield _encoder("FNetConfig", "FNetModel", "")
    yield _hugging(
        "GPT2Config", "GPT2LMHeadModel", n_embd=64, n_layer=2, n_head=4, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    yield _hugging(
        "GPT2Config", "GPT2LMHeadModel", _MASK, n_embd=64, n_layer=2, n_head=4, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    yield _hugging(
        "GPTNeoConfig", "GPTNeoForCausalLM", hidden_size=64, num_layers=2, num_heads=4,
        attention_types=[[["global", "local"], 1]], window_size=8, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    yield _decoder("GPTNeoX")
    yield _hugging(
        "OPTConfig", "OPTForCausalLM", _MASK, hidden_size=64, num_hidden_layers=2,
        num_attention_heads=4, ffn_dim=128, word_embed_proj_dim=64, max_position_embeddings=64,
    )  # fmt: skip
    yield _hugging("BloomConfig", "BloomForCausalLM", hidden_size=64, n_layer=2, n_head=4)
    yield _decoder("Llama")
    yield _decoder("Llama", _MASK)
    yield _decoder(
        "Llama", tie_word_embeddings=True, rope_scaling={"rope_type": "linear", "factor": 2.0}
    )
    yield _decoder("Mistral", sliding_window=8)
    yield _decoder("Qwen2")
    yield _decoder("Qwen3", head_dim=16)
    yield _decoder("Phi3")
    yield _decoder("Phi")
    yield _decoder("Gemma", head_dim=16)
    yield _decoder("Gemma2", head_dim=16, sliding_window=8)
    yield _decoder("Olmo2")
    yield _decoder("StableLm")
    yield _decoder("Starcoder2")
    yield _decoder("Mixtral", num_local_experts=4, num_experts_per_tok=2)
    yield _decoder(
        "Qwen2Moe", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=64,
        shared_expert_intermediate_size=64,
    )  # fmt: skip
    yield _decoder(
        "Qwen3Moe", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=64, head_dim=16
    )
    yield _hugging(
        "FalconConfig", "FalconForCausalLM", hidden_size=64, num_hidden_layers=2,
        num_attention_heads=4, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    yield _hugging(
        "MambaConfig", "MambaForCausalLM", hidden_size=32, num_hidden_layers=1, state_size=4,
        lengths=(6, 6),
    )  # fmt: skip
    yield _with_cache(
        "LlamaConfig", "LlamaForCausalLM", hidden_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, intermediate_size=128,
        max_position_embeddings=64,
    )  # fmt: skip
    yield _two_texts(
        "T5Config", "T5ForConditionalGeneration", d_model=64, d_kv=16, d_ff=128, num_layers=2,
        num_heads=4, pad_token_id=0, decoder_start_token_id=0,
    )  # fmt: skip
    yield _two_texts(
        "BartConfig", "BartForConditionalGeneration", d_model=64, encoder_layers=2,
        decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=128, decoder_ffn_dim=128, max_position_embeddings=64, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2,
    )  # fmt: skip
    small = _SMALL | {"image_size": 32, "patch_size": 8}
    yield _vision("ViTConfig", "ViTForImageClassification", **small)
    yield _vision("DeiTConfig", "DeiTForImageClassification", **small)
    yield _vision("BeitConfig", "BeitForImageClassification", **small)
    yield _vision("Dinov2Config", "Dinov2ForImageClassification", **small)
    yield _vision(
        "SwinConfig", "SwinForImageClassification", 64, image_size=64, embed_dim=32, depths=[2, 2],
        num_heads=[2, 4], window_size=4,
    )  # fmt: skip
    yield _vision(
        "ConvNextConfig", "ConvNextForImageClassification", 64, 96, depths=[1, 1],
        hidden_sizes=[32, 64], num_stages=2,
    )  # fmt: skip
    yield _vision(
        "ResNetConfig", "ResNetForImageClassification", 64, 96, depths=[1, 1],
        hidden_sizes=[32, 64], embedding_size=16,
    )  # fmt: skip
    yield _vision(
        "MobileViTConfig", "MobileViTForImageClassification", 64, image_size=64,
        hidden_sizes=[32, 48, 64], neck_hidden_sizes=[8, 16, 24, 32, 32, 32, 64],
        num_attention_heads=4,
    )  # fmt: skip
    yield _vision(
        "SegformerConfig", "SegformerForSemanticSegmentation", 64, hidden_sizes=[16, 32, 32, 32],
        depths=[1, 1, 1, 1], decoder_hidden_size=32,
    )  # fmt: skip
    yield Row("transformers", "WhisperForConditionalGeneration", _whisper)
    yield Row("transformers", "Wav2Vec2ForCTC", _wave)
    yield Row("transformers", "CLIPModel", _clip)
