"""Random streams are known by name alone."""

import torch

from hermesrt.seeds import generator


def test_a_name_and_a_seed_make_a_stream() -> None:
    def numbers(*name: object) -> list[float]:
        return torch.randn(4, generator=generator(*name)).tolist()  # type: ignore[arg-type]

    assert numbers(1, "read", 2) == numbers(1, "read", 2)
    different = [
        numbers(*n) for n in ((1, "read", 2), (2, "read", 2), (1, "pulse", 2), (1, "read", 3))
    ]
    assert len({tuple(d) for d in different}) == 4
