"""C files compiled for a 64-bit Arm processor, run by `qemu-aarch64` and called from here.

A process of emulated.c loads the library. A call sends it all memory that the function reaches, and
takes it back as the function left it.
"""

import ctypes
import shutil
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from hermes_sim.kernel.load import Kernel, LayerFields, StageFields
from hermesrt.native import build
from hermesrt.ops.window_fields import WindowFields

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SYSTEM = Path("/usr/aarch64-linux-gnu")  # the C library that the compiler comes with
SETS = tuple(build.SETS["aarch64"])


@dataclass(frozen=True)
class Piece:
    """Memory that a function reaches; whether it holds addresses of other memory."""

    address: int
    size: int
    pointers: bool = False


class Emulated:
    """The functions of a C file for some instructions of 64-bit Arm processors."""

    def __init__(self, source: Path, instructions: str, room: Path) -> None:
        tools = all(shutil.which(name) for name in (COMPILER, EMULATOR)) and SYSTEM.is_dir()
        if not tools:
            pytest.skip(f"there is no {COMPILER} or no {EMULATOR}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(build, "compilers", lambda: iter([[COMPILER]]))
            library = build.library(source, instructions)
        assert library is not None, f"{source.name} does not compile for {instructions}"
        program = room / "emulated"
        text = Path(__file__).with_suffix(".c")
        subprocess.run([COMPILER, "-O1", str(text), "-o", str(program), "-ldl"], check=True)
        command = [EMULATOR, "-L", str(SYSTEM), str(program), str(library)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> "Emulated":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self, name: str, *arguments: Any, reach: Iterable[Piece] = ()) -> int:
        """Call a function with numbers, tensors, arrays and structures; `reach` is what else it
        reaches. Returns the result as a whole number."""
        real = [a for a in arguments if isinstance(a, float)]
        whole = [a for a in arguments if not isinstance(a, float)]
        pieces = [*reach, *(_piece(a) for a in whole if not isinstance(a, int))]
        pieces = list(dict.fromkeys(pieces))
        values = [a if isinstance(a, int) else _piece(a).address for a in whole]
        values += [0] * (8 - len(values))
        real += [0.0] * (8 - len(real))
        sent = struct.pack("<Q", len(name)) + name.encode() + struct.pack("<Q", len(pieces))
        for piece in pieces:
            sent += struct.pack("<3Q", piece.address, piece.size, piece.pointers)
        sent += struct.pack("<8Q8f", *(value % 2**64 for value in values), *real)
        sent += b"".join(ctypes.string_at(p.address, p.size) for p in pieces)
        written, read = self._process.stdin, self._process.stdout
        assert written is not None and read is not None
        written.write(sent)
        written.flush()
        answer = read.read(8 + sum(piece.size for piece in pieces))
        place = 8
        for piece in pieces:
            ctypes.memmove(piece.address, answer[place : place + piece.size], piece.size)
            place += piece.size
        assert place == len(answer), f"{name} did not return"
        result: int = struct.unpack("<q", answer[:8])[0]
        return result


def _piece(argument: Any) -> Piece:
    if isinstance(argument, Piece):
        return argument
    if isinstance(argument, Tensor):
        assert argument.is_contiguous()
        return Piece(argument.data_ptr(), argument.nbytes)
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return Piece(argument.ctypes.data, argument.nbytes)
    return Piece(ctypes.addressof(argument), ctypes.sizeof(argument), pointers=True)


def kernel_of(run: Emulated, instructions: str) -> Kernel:
    """Of the functions of layer.c."""

    def layer(address: int, x: int, reads: int, count: int, out: int) -> int:
        fields = LayerFields.from_address(address)
        inputs, outputs = (4 * count * n for n in (fields.inputs, fields.columns))
        pieces = [Piece(x, inputs), Piece(reads, 8 * count), Piece(out, outputs)]
        pieces += layer_pieces(address)
        return run("hermes_layer", address, x, reads, count, out, reach=pieces) % 2**32

    def fill(stream: int, reads: int, rows: int, columns: int, out: int) -> None:
        pieces = (Piece(reads, 8 * rows), Piece(out, 4 * rows * columns))
        run("hermes_normals", stream, reads, rows, columns, out, reach=pieces)

    def windows(
        address: int, window: int, channels: int, x: int, reads: int, count: int, out: int
    ) -> int:
        held = WindowFields.from_address(window)
        columns = LayerFields.from_address(address).columns
        positions = count * prod(held.outputs)
        pieces = [*layer_pieces(address), *window_pieces(window)]
        pieces += [Piece(x, 4 * count * prod(held.sizes) * channels), Piece(reads, 8 * positions)]
        pieces += [Piece(out, 4 * positions * columns)]
        arguments = (address, window, channels, x, reads, count, out)
        return run("hermes_windows", *arguments, reach=pieces) % 2**32

    return Kernel(instructions, layer, windows, fill)


def window_pieces(address: int) -> list[Piece]:
    """What a window's fields reach."""
    fields = WindowFields.from_address(address)
    tables = zip(fields.taken, fields.outputs, fields.taps, strict=True)
    found = [Piece(address, ctypes.sizeof(WindowFields), pointers=True)]
    return found + [Piece(table, 8 * outputs * taps) for table, outputs, taps in tables]


def layer_pieces(address: int) -> list[Piece]:
    """What a layer's fields reach, no more than there is."""
    fields = LayerFields.from_address(address)
    panels = -(-fields.columns // 16)
    size = ctypes.sizeof(StageFields)
    found = [Piece(address, ctypes.sizeof(LayerFields), pointers=True)]
    found += [Piece(fields.stage, fields.stages * size, pointers=True)]
    found += [Piece(fields.output_step, 64 * panels)]
    for index in range(fields.stages):
        stage = StageFields.from_address(fields.stage + index * size)
        whole = -(-stage.rows // 16) * 16
        sizes = {
            "weight": panels * -(-stage.rows // 2) * 64,
            "read": panels * -(-stage.rows // 4) * 64,
            "dither": 2 * whole,
            "lines": 256 * panels,
            "worst": 16 * panels,
        }
        names = ("count", "zero", "read_step", "scale", "offset", "white", "phase", "counter")
        sizes |= dict.fromkeys(names, 64 * panels)
        places = [(getattr(stage, name), size) for name, size in sizes.items()]
        places += [(cell, 2 * fields.columns * whole) for cell in stage.cells]
        found += [Piece(place, size) for place, size in places if place]
    return found
