"""Models of images: torchvision, timm, vit-pytorch."""

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from zoo.case import Case, Row, image


def torchvision_models() -> Any:
    """`torchvision.models`, also where its compiled operations do not fit this torch.

    None of the models here calls such an operation; only their names must be known to torch.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'torchvision'")
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError:
        text = Path(found.origin).with_name("_meta_registrations.py").read_text(encoding="utf-8")
        names = re.findall(r'register_(?:meta\(|fake\("torchvision::)"?(\w+)"', text)
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in names:
            if not hasattr(torch.ops.torchvision, name):
                library.define(f"{name}(Tensor x) -> Tensor")
        _KEPT.append(library)
        return importlib.import_module("torchvision.models")


_KEPT: list[Any] = []  # a library's operations go with it


def _vision(name: str, size: int = 64, other: int | None = 96, **options: Any) -> Row:
    def make() -> Case:
        models = torchvision_models()
        options.setdefault("num_classes", 10)
        return image(models.get_model(name, weights=None, **options), size, other)

    return Row("torchvision", name, make)


def _vision_parts() -> Iterator[Row]:
    def vit() -> Case:
        made = torchvision_models().VisionTransformer(32, 8, 2, 4, 64, 128, num_classes=10)
        return image(made, 32)

    def swin(version: str = "SwinTransformerBlock") -> Case:
        models = torchvision_models()
        block = getattr(models.swin_transformer, version)
        merge = getattr(models.swin_transformer, "PatchMerging" + ("V2" if "V2" in version else ""))
        made = models.SwinTransformer(
            [4, 4], 32, [2, 2], [2, 4], [4, 4], num_classes=10, block=block, downsample_layer=merge
        )
        return image(made, 64)

    def convnext() -> Case:
        models = torchvision_models()
        setting = models.convnext.CNBlockConfig
        return image(
            models.ConvNeXt([setting(32, 64, 2), setting(64, None, 2)], num_classes=10), 64, 96
        )

    def maxvit() -> Case:
        made = torchvision_models().MaxVit(
            (64, 64), 16, 2, [16, 32], [1, 1], 8, 0.0, num_classes=10
        )
        return image(made, 64)

    def video(name: str) -> Case:
        made = torchvision_models().get_model(name, weights=None, num_classes=5)
        pair = [torch.randn(n, 3, t, 32, 32) for n, t in ((2, 8), (3, 8))]
        return Case(made, (pair[0],), (pair[1],))

    yield Row("torchvision", "VisionTransformer", vit)
    yield Row("torchvision", "SwinTransformer", swin)
    yield Row("torchvision", "SwinTransformer V2", lambda: swin("SwinTransformerBlockV2"))
    yield Row("torchvision", "ConvNeXt", convnext)
    yield Row("torchvision", "MaxVit", maxvit)
    yield Row("torchvision", "mc3_18 (video)", lambda: video("mc3_18"))


def _timm(name: str, size: int = 64, other: int | None = None, **options: Any) -> Row:
    def make() -> Case:
        torchvision_models()
        timm = importlib.import_module("timm")
        return image(timm.create_model(name, num_classes=10, **options), size, other)

    return Row("timm", name, make)


def _vits() -> Iterator[Row]:
    small: dict[str, Any] = {"dim": 64, "depth": 2, "heads": 4, "mlp_dim": 128}
    whole: dict[str, Any] = {"image_size": 32, "patch_size": 8, "num_classes": 10} | small

    def row(module: str, name: str, size: int = 32, **options: Any) -> Row:
        def make() -> Case:
            torchvision_models()
            found = importlib.import_module(f"vit_pytorch.{module}")
            return image(getattr(found, name)(**options), size)

        return Row("vit-pytorch", f"{module}.{name}", make)

    yield row("vit", "ViT", **whole)
    yield row("simple_vit", "SimpleViT", **whole)
    yield row("simple_vit_with_register_tokens", "SimpleViT", **whole)
    yield row("simple_vit_with_qk_norm", "SimpleViT", **whole)
    yield row("simple_vit_with_fft", "SimpleViT", freq_patch_size=8, **whole)
    yield row("deepvit", "DeepViT", **whole)
    yield row("cait", "CaiT", cls_depth=1, **whole)
    yield row("parallel_vit", "ViT", num_parallel_branches=2, **whole)
    yield row("vit_for_small_dataset", "ViT", **whole)
    yield row(
        "vit_with_patch_merger", "ViT", patch_merge_layer=1, patch_merge_num_tokens=4, **whole
    )
    yield row("learnable_memory_vit", "ViT", **whole)
    yield row("rvt", "RvT", **whole)
    yield row(
        "cct", "CCT", img_size=32, embedding_dim=64, n_conv_layers=2, kernel_size=3, stride=1,
        padding=1, num_layers=2, num_heads=4, mlp_ratio=2.0, num_classes=10,
        positional_embedding="learnable",
    )  # fmt: skip
    yield row(
        "pit", "PiT", image_size=32, patch_size=4, dim=32, num_classes=10, depth=(1, 1), heads=4,
        mlp_dim=64,
    )  # fmt: skip
    yield row(
        "levit", "LeViT", 64, image_size=64, num_classes=10, stages=2, dim=(32, 64), depth=1,
        heads=(2, 4), mlp_mult=2,
    )  # fmt: skip
    yield row(
        "cvt", "CvT", 64, num_classes=10, s1_emb_dim=16, s1_depth=1, s2_emb_dim=32, s2_heads=2,
        s2_depth=1, s3_emb_dim=64, s3_heads=4, s3_depth=1,
    )  # fmt: skip
    yield row(
        "twins_svt", "TwinsSVT", 64, num_classes=10, s1_emb_dim=16, s1_local_patch_size=4,
        s1_global_k=4, s2_emb_dim=32, s2_local_patch_size=4, s2_global_k=4, s3_emb_dim=32,
        s3_local_patch_size=2, s3_global_k=2, s3_depth=1, s4_emb_dim=64, s4_local_patch_size=2,
        s4_global_k=2, s4_depth=1,
    )  # fmt: skip
    yield row(
        "crossformer", "CrossFormer", 64, num_classes=10, dim=(32, 32, 64, 64), depth=(1, 1, 1, 1),
        global_window_size=(2, 2, 2, 1), local_window_size=2,
    )  # fmt: skip
    yield row(
        "nest", "NesT", image_size=32, patch_size=4, dim=32, heads=2, num_hierarchies=2,
        block_repeats=(1, 1), num_classes=10,
    )  # fmt: skip
    yield row(
        "mobile_vit", "MobileViT", 64, image_size=(64, 64), dims=[32, 32, 32],
        channels=[16, 16, 24, 24, 32, 32, 32, 32, 32, 32, 64], num_classes=10,
    )  # fmt: skip
    yield row("xcit", "XCiT", cls_depth=1, **whole)
    yield row(
        "max_vit", "MaxViT", 64, num_classes=10, dim_conv_stem=16, dim=16, dim_head=8,
        depth=(1, 1), window_size=4, mbconv_expansion_rate=2, mbconv_shrinkage_rate=0.25,
    )  # fmt: skip
    yield row(
        "regionvit", "RegionViT", 64, dim=(16, 32, 32, 32), depth=(1, 1, 1, 1), window_size=4,
        num_classes=10,
    )  # fmt: skip
    yield row(
        "scalable_vit", "ScalableViT", 64, num_classes=10, dim=16, heads=(2, 4), depth=(1, 1),
        ssa_dim_key=(8, 8), reduction_factor=(2, 1), window_size=(4, 4),
    )  # fmt: skip
    yield row(
        "sep_vit", "SepViT", 56, num_classes=10, dim=16, dim_head=8, heads=(2, 4), depth=(1, 1),
        window_size=7,
    )  # fmt: skip
    yield row(
        "cross_vit", "CrossViT", 64, image_size=64, num_classes=10, depth=1, sm_dim=32,
        sm_patch_size=8, sm_enc_depth=1, sm_enc_heads=2, sm_enc_mlp_dim=64, lg_dim=48,
        lg_patch_size=16, lg_enc_depth=1, lg_enc_heads=2, lg_enc_mlp_dim=64, cross_attn_depth=1,
        cross_attn_heads=2,
    )  # fmt: skip
    yield row(
        "look_vit", "LookViT", 64, dim=32, image_size=64, num_classes=10, depth=1, patch_size=8,
        heads=2, mlp_factor=2, dim_head=16, highres_patch_size=4, highres_mlp_factor=2,
        cross_attn_heads=2, cross_attn_dim_head=16,
    )  # fmt: skip
    yield row(
        "t2t", "T2TViT", 64, dim=32, image_size=64, depth=1, heads=2, mlp_dim=64, num_classes=10,
        t2t_layers=((7, 4), (3, 2)),
    )  # fmt: skip


def rows() -> Iterator[Row]:
    """All of them, each package in the order of its table."""
    yield from (
        _vision("resnet18"),
        _vision("mobilenet_v2"),
        _vision("mobilenet_v3_small"),
        _vision("efficientnet_b0"),
        _vision("squeezenet1_1"),
        _vision("shufflenet_v2_x0_5"),
        _vision("densenet121"),
        _vision("googlenet", aux_logits=False, init_weights=False),
        _vision("regnet_y_400mf"),
        _vision("mnasnet0_5"),
        _vision("lraspp_mobilenet_v3_large", weights_backbone=None),
    )
    yield from _vision_parts()
    yield from (
        _timm("resnet10t", other=96),
        _timm("resnet18d"),
        _timm("seresnet18"),
        _timm("mobilenetv3_small_050"),
        _timm("mobilenetv4_conv_small_035"),
        _timm("efficientnet_lite0"),
        _timm("tf_efficientnet_b0"),
        _timm("convnext_atto", other=96),
        _timm("convnextv2_atto"),
        _timm("vit_tiny_patch16_224", img_size=64, depth=2),
        _timm("deit_tiny_distilled_patch16_224", img_size=64, depth=2),
        _timm(
            "swin_tiny_patch4_window7_224",
            img_size=64,
            embed_dim=32,
            depths=(2, 2),
            num_heads=(2, 4),
            window_size=4,
        ),
        _timm("mixer_s32_224", 224),
        _timm("resmlp_12_224", 224),
        _timm("gmlp_ti16_224", 224),
        _timm("eva02_tiny_patch14_224", 56, img_size=56, depth=2),
        _timm("beit_base_patch16_224", img_size=64, embed_dim=64, depth=2, num_heads=4),
        _timm("xcit_nano_12_p16_224", embed_dim=64, depth=2),
        _timm("poolformer_s12"),
        _timm("mobilevit_xxs", 64),
        _timm("levit_128s", 224),
        _timm("pvt_v2_b0"),
        _timm("ghostnet_050"),
        _timm("repvgg_a0"),
        _timm("regnetx_002"),
        _timm("edgenext_xx_small"),
        _timm("fastvit_t8"),
        _timm("efficientformerv2_s0", 224),
        _timm("repvit_m0_9"),
        _timm("starnet_s1"),
        _timm("inception_next_atto"),
        _timm("mambaout_femto"),
        _timm("tiny_vit_5m_224", 224),
        _timm(
            "sequencer2d_s",
            224,
            layers=(1, 1, 1, 1),
            embed_dims=(48, 48, 48, 48),
            hidden_sizes=(16, 16, 16, 16),
        ),
        _timm("hrnet_w18_small"),
        _timm("coat_lite_tiny", 64, img_size=64),
        _timm("cait_xxs24_224", img_size=64, depth=2),
        _timm("dla34"),
        _timm("hardcorenas_a"),
        _timm("nfnet_l0"),
        _timm("test_vit"),
        _timm("test_byobnet"),
        _timm("test_efficientnet"),
        _timm(
            "twins_svt_small",
            64,
            img_size=64,
            embed_dims=(16, 16, 16, 16),
            num_heads=(1, 1, 1, 1),
            depths=(1, 1, 1, 1),
            wss=(4, 4, 4, 2),
        ),
        _timm(
            "vit_tiny_patch16_224", 64, img_size=64, depth=2, global_pool="map", class_token=False
        ),
        _timm("hiera_tiny_224", 224, stages=(1, 1, 1, 1), embed_dim=32, num_heads=1),
        _timm("visformer_tiny", 224),
        _timm("volo_d1_224", 224),
    )
    yield from _vits()
