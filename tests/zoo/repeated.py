"""Products with a fixed matrix that is repeated along the batch or the heads."""

import torch

from .case import X3, fn

REPEATED = tuple(
    fn(f"repeated by {name}", 1, forward, *inputs, w=(5, 16))
    for name, inputs, forward in (
        ("expand", X3, lambda m, x: x @ m.w.T.expand(x.shape[0], -1, -1)),
        ("repeat", X3, lambda m, x: torch.bmm(x, m.w.t().repeat(x.shape[0], 1, 1))),
        ("unsqueeze", X3, lambda m, x: x @ (m.w[None].expand(x.shape[0], 5, 16) * 2).mT),
        ("expand_as", X3, lambda m, x: (x * m.w[0].expand_as(x)) @ m.w.T),
        (
            "batch and heads",
            ((8, 2, 3, 16),),
            lambda m, x: torch.einsum(
                "...id,...jd->...ij", x, m.w[None, None].expand(*x.shape[:2], -1, -1).type_as(x)
            ),
        ),
        (
            "batch and heads in one, as decomposed",
            ((8, 2, 3, 16),),
            lambda m, x: torch.bmm(
                x.reshape(x.shape[0] * 2, 3, 16),
                m.w.expand(x.shape[0], 2, -1, -1)[..., None]
                .permute(0, 1, 3, 2, 4)
                .reshape(x.shape[0] * 2, 16, 5),
            ),
        ),
        (
            "heads alone",
            ((8, 2, 3, 16),),
            lambda m, x: torch.einsum("bhid,hjd->bhij", x, m.w.expand(2, -1, -1)),
        ),
        (
            "batch and heads in one",
            ((8, 2, 3, 16),),
            lambda m, x: x.flatten(0, 1) @ m.w.mT.expand(x.shape[0], 2, 16, 5).reshape(-1, 16, 5),
        ),
    )
)
