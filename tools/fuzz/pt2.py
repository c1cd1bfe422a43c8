"""Compile mutants of `.pt2` files: each ends in a program or in one sentence, and no code runs.

python tools/fuzz/pt2.py --seconds 60 --seed 0
python tools/fuzz/pt2.py --seconds 60 --seed 0 --keep FOLDER     keeps the mutants with findings
"""

import io
import zipfile

from compiling import Mutants, compile_mutants, compile_once

_HANG_S = 3.0  # of processor time, of one mutant


def _mutants() -> Mutants:
    from canary import Canary
    from pt2_mutants import mutant

    return Mutants("pt2", _seeds(), mutant, Canary())


def _seeds() -> list[list[tuple[str, bytes]]]:
    """The parts of some ordinary files."""
    import torch
    from pt2_models import models

    found = []
    for model, inputs, dynamic in models():
        stream = io.BytesIO()
        shapes = ({0: torch.export.Dim.DYNAMIC},) if dynamic else None
        torch.export.save(torch.export.export(model, inputs, dynamic_shapes=shapes), stream)
        compile_once(stream.getvalue(), "pt2")
        with zipfile.ZipFile(stream) as archive:
            found.append([(name, archive.read(name)) for name in archive.namelist()])
    return found


if __name__ == "__main__":
    raise SystemExit(compile_mutants(__file__, __doc__ or "", _HANG_S, _mutants))
