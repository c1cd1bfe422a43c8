"""The user's own model within a hardened one."""

from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from hermesc.training.hardening import hardening_of
from hermesrt.errors import InputError

_OWN = ("_hermesc", "_hardening", "_graphs", "_evaluation")


def plain_of(model: Any) -> nn.Module:
    """The user's own model around the same parameters and modules, as they are set."""
    cls = model._plain_class
    plain: nn.Module = cls.__new__(cls)
    kept = {k: v for k, v in model.__dict__.items() if k not in _OWN and "composable" not in k}
    copies = {k: type(v)(v) for k, v in kept.items() if isinstance(v, dict)}
    plain.__dict__.update({**kept, **copies})
    plain._modules.pop("_hermesc", None)
    first = hardening_of(model).source.model  # with the user's hooks, and not those of FSDP2
    plain.__dict__.update({k: v for k, v in first.__dict__.items() if k.endswith("_hooks")})
    return plain


def stored_names(model: Any) -> tuple[str, ...]:
    """Names of the parameters that the chip stores."""
    known = dict(model.named_parameters())
    plan = hardening_of(model).plan
    sources = set().union(*(p.sources for p in (*plan.products, *plan.recurrent)))
    return tuple(sorted(name for name in sources if name in known))


def tensor_named(model: nn.Module, name: str) -> Tensor:
    """A parameter or buffer as it is now."""
    *path, last = name.split(".")
    owner: Any = model
    for part in path:
        owner = getattr(owner, part)
    value: Tensor = getattr(owner, last)
    if isinstance(value, DTensor):
        raise InputError(
            f"{name} is sharded while the model runs: fully_shard was called on a part of it, "
            "whose forward a captured graph never calls; call fully_shard on the hardened model "
            "alone"
        )
    return value
