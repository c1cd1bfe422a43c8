"""Independent random streams by name: the same name and seed give the same bits everywhere."""

import hashlib

import torch


def generator(seed: int, *name: str | int) -> torch.Generator:
    """A generator for the stream of that name, such as (seed, "read", step, stage, block)."""
    text = "/".join(map(str, (seed, *name)))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
