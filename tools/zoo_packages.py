"""Compile models of packages that nobody here wrote, and compare with the packages themselves.

    python tools/zoo_packages.py                    a table, one row a model
    python tools/zoo_packages.py timm skl2onnx      these packages
    python tools/zoo_packages.py --only Llama       models whose name holds this
    python tools/zoo_packages.py --why              refusals in full, tracebacks of failures
    python tools/zoo_packages.py --docs             as documentation has it, without times

Models are small and have random weights. A row is right where `--ideal` gives the package's own
results, up to rounding, at another batch size, and at another length or image size where the model
takes one. The packages are not ours to install; what is absent is left out, with the reason.
"""

import argparse
import contextlib
import copy
import gc
import importlib.metadata
import sys
import textwrap
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))

from zoo import images, numbers, sequences, texts
from zoo.case import Case, Row

import hermesc
from hermesc.frontend.arguments import read_arguments, read_results
from hermesrt.errors import HermescError

SAME = 2e-6  # relative, of FP32
_CHIPS = {"place.chips": 256}


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a model.

    row: which one it is.
    kind: right, wrong, refused, absent or failed.
    why: of the last three.
    error: of `--ideal` against the package, relative.
    share: of the multiply-adds on crossbars.
    cores: that it takes.
    seconds: of compiling.
    """

    row: Row
    kind: str
    why: str = ""
    error: float = 0.0
    share: float = 0.0
    cores: int = 0
    seconds: float = 0.0


def tried(row: Row, *, why: bool) -> Found:
    """Make, compile and run one model."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case = row.make()
        except ImportError as error:
            return Found(row, "absent", str(error))
        except Exception as error:
            if why:
                traceback.print_exc()
            return Found(row, "unmade", f"{type(error).__name__}: {error}")
        start = time.perf_counter()
        try:
            return _compiled(row, case, start)
        except HermescError as error:
            text = str(error)
            seconds = time.perf_counter() - start
            return Found(row, "refused", text if why else text.splitlines()[0], seconds=seconds)
        except Exception as error:
            if why:
                traceback.print_exc()
            return Found(row, "failed", f"{type(error).__name__}: {error}")


def _compiled(row: Row, case: Case, start: float) -> Found:
    program = hermesc.compile(
        case.model, case.inputs, dynamic_shapes=case.shapes, options=_CHIPS, name="model"
    )
    seconds = time.perf_counter() - start
    chip = program.deploy(hermesc.simulate("hermes"), "ideal").configure(ideal=True)
    tensors, wanted = _reference(case)
    found = chip(*tensors)
    found = found if isinstance(found, tuple) else (found,)
    error = max(_relative(a, b) for a, b in zip(found, wanted, strict=True))
    work = program.workload()
    kind = "right" if error < SAME or error < 3 * _rounding(case, wanted) else "wrong"
    cores = len(program.artifact.cores)
    return Found(row, kind, "", error, work.analog_mac_share, cores, seconds)


def _rounding(case: Case, found: Sequence[Tensor]) -> float:
    """How far the package's own results are from those that it gives in FP64, relative."""
    if not isinstance(case.model, torch.nn.Module):
        return 0.0
    doubled = copy.deepcopy(case.model).double()
    arguments = read_arguments(doubled, case.others, "others")
    given = [t.double() if t.is_floating_point() else t for t in arguments.tensors]
    with torch.no_grad():
        exact = read_results(arguments.call(doubled, given).tensors).tensors
    return max(_relative(a, b) for a, b in zip(found, exact, strict=True))


def _reference(case: Case) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The other inputs as tensors, and what the package says of them."""
    if not isinstance(case.model, torch.nn.Module):
        return case.others, _onnx(case)
    arguments = read_arguments(case.model, case.others, "others")
    case.model.eval()
    with torch.no_grad():
        found = arguments.call(case.model, [t.clone() for t in arguments.tensors])
    return arguments.tensors, read_results(found.tensors).tensors


def _onnx(case: Case) -> list[Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(case.model.SerializeToString())
    names = [value.name for value in session.get_inputs()]
    feeds = {n: t.numpy() for n, t in zip(names, case.others, strict=True)}
    return [torch.from_numpy(y) for y in session.run(None, feeds) if y.dtype.kind in "fiub"]


def _relative(found: Tensor, wanted: Tensor) -> float:
    if found.shape != wanted.shape:
        return float("inf")
    a, b = found.double(), wanted.double()
    same = a == b  # infinities too
    a, b = a.masked_fill(same, 0.0), b.masked_fill(same & b.isinf(), 0.0)
    size = float(b.norm())
    return float((a - b.masked_fill(same, 0.0)).norm()) / (size or 1.0)


def line(found: Found, *, timed: bool) -> str:
    """One row of the table."""
    name = f"{found.row.package:<18}{found.row.name:<44}"
    if found.kind not in ("right", "wrong"):
        return f"{name}{found.kind}: {found.why}" if timed else f"{name}{_short(found)}"
    seconds = f"{found.seconds:>7.1f}" if timed else ""
    numbers_of = f"{found.error:>9.0e}{found.share:>8.1%}{found.cores:>7}{seconds}"
    return f"{name}{numbers_of}{'' if found.kind == 'right' else '  WRONG'}"


def _short(found: Found) -> str:
    """A refusal in one line of a page."""
    return textwrap.shorten(f"{found.kind}: {found.why}", 100, placeholder=" ...")


def chosen(packages: Sequence[str], only: str) -> Iterator[Row]:
    """The rows asked for."""
    for table in (images, texts, sequences, numbers):
        for row in table.rows():
            if (not packages or row.package in packages) and only.lower() in row.name.lower():
                yield row


def _version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} absent"


def main() -> int:
    """Print the table; exit 1 where a result is wrong or something of ours failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("packages", nargs="*")
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--why", action="store_true")
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    with contextlib.suppress(ImportError):  # transformers and others look whether it is there
        images.torchvision_models()
    rows = list(chosen(given.packages, given.only))
    print(", ".join(map(_version, dict.fromkeys(row.package for row in rows))))
    seconds = "" if given.docs else f"{'s':>7}"
    print(f"{'package':<18}{'model':<44}{'error':>9}{'analog':>8}{'cores':>7}{seconds}")
    results = []
    for row in rows:
        results.append(tried(row, why=given.why))
        print(line(results[-1], timed=not given.docs), flush=True)
        gc.collect()
    kinds: dict[str, int] = {}
    for found in results:
        kinds[found.kind] = kinds.get(found.kind, 0) + 1
    print(", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    return int(any(found.kind in ("wrong", "failed") for found in results))


if __name__ == "__main__":
    raise SystemExit(main())
