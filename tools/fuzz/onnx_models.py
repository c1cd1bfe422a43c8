"""Compile mutants of ONNX models: each ends in a program or in one sentence, and no code runs.

python tools/fuzz/onnx_models.py --seconds 60 --seed 0
python tools/fuzz/onnx_models.py --seconds 60 --keep FOLDER   keeps the mutants with findings
"""

from compiling import Mutants, compile_mutants, compile_once

_HANG_S = 5.0  # of processor time, of one mutant


def _mutants() -> Mutants:
    from canary import Canary
    from onnx_mutants import mutant, seeds

    models = seeds()
    for data in models:
        compile_once(data, "onnx")
    return Mutants("onnx", models, mutant, Canary(names=True))


if __name__ == "__main__":
    raise SystemExit(compile_mutants(__file__, __doc__ or "", _HANG_S, _mutants))
