"""How far a programmed chip's products are from the exact ones, core by core."""

import torch

from hermesc.artifact.schema import Artifact
from hermesrt.device import Device
from hermesrt.executor import tensor_of

_VECTORS = 256
_SEED = 0


def mvm_errors(device: Device, artifact: Artifact) -> dict[int, float]:
    """||y - W x|| / ||W x|| of each core over its tiles, for inputs uniform in [-1, 1].

    Measured with MVMs of the device as it is read now: programming error, drift, read noise and
    converters together (eps_total of Le Gallo 2023, Fig. 2).
    """
    draw = torch.Generator().manual_seed(_SEED)
    wrong = dict.fromkeys(artifact.cores, 0.0)
    whole = dict.fromkeys(artifact.cores, 0.0)
    for matrix in artifact.manifest.matrices:
        exact = tensor_of(artifact, matrix.name).float()
        largest = exact.abs().amax(0)
        scale = torch.where(largest > 0, 1 / largest, 0.0)  # each column counts alike
        for tile in matrix.tiles:
            x = torch.rand(_VECTORS, tile.rows[1] - tile.rows[0], generator=draw) * 2 - 1
            part = slice(*tile.rows), slice(*tile.columns)
            y = device.mvm_tile(matrix.name, tile, x) * scale[part[1]]
            wanted = x @ exact[part] * scale[part[1]]
            wrong[tile.core] += float((y - wanted).square().sum())
            whole[tile.core] += float(wanted.square().sum())
    return {c: (wrong[c] / whole[c]) ** 0.5 if whole[c] else 0.0 for c in artifact.cores}
