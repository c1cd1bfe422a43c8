"""Where torch computes: the processor, or a graphics processor."""

import torch
from torch import Tensor

from hermesrt.errors import OptionError

CPU = torch.device("cpu")


def place_of(name: str | torch.device) -> torch.device:
    """The device of that name, such as `cuda` or `cuda:1`, if this torch can use it.

    Raises: OptionError.
    """
    try:
        place = torch.device(name)
    except RuntimeError:
        raise OptionError(f"device {str(name)!r}: must be cpu, cuda or cuda:N") from None
    if place.type == "cpu":
        return CPU
    if place.type != "cuda":
        raise OptionError(f"device {str(name)!r}: must be cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise OptionError(
            f"device {str(name)!r}: torch {torch.__version__} finds no CUDA device here; install a "
            "torch with CUDA and its driver, or leave the device out to run on the processor"
        )
    if (place.index or 0) >= count:
        raise OptionError(f"device {str(name)!r}: there are {count}, from cuda:0 on")
    return torch.device("cuda", place.index or 0)


def at(tensors: tuple[Tensor, ...], place: torch.device) -> tuple[Tensor, ...]:
    """The tensors there; without a copy where they are there already."""
    return tuple(t.to(place) for t in tensors)
