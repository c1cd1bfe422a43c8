"""The kernel for 64-bit Arm processors, under emulation, has the bits of torch."""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes_sim.integers import TorchLayer, integer_layer
from hermes_sim.kernel import pcm, pulses
from hermes_sim.kernel.layer import KernelLayer
from hermes_sim.kernel.load import SOURCE, Kernel
from hermes_sim.kernel.pcm import CurveFields
from hermes_sim.noise import ReadNoise, normals, row_keys
from hermes_sim.torch_pulses import TorchPulses
from hermesrt.chip.spec import ChipSpec
from hermesrt.ops.unfold import unfolded
from hermesrt.ops.window import Window
from hermesrt.reads import mix, numbered

from ..emulated import SETS, Emulated, Piece, kernel_of
from .test_integers import CASES, FREE, STOPPED, STREAMS, arrays, inputs, torch_run
from .test_pcm import equations
from .test_pulses import COLUMNS, ROWS, ChipWith, cells_of, converters, send

SHAPES = (((256, 130, 77), 50), ((5,), 3), ((31, 1), 16), ((516,), 33))
NOISES: tuple[dict[str, Any], ...] = (
    {"variance": None, "white": None},
    {"white": None},
    {"variance": None},
    {},
)
BATCH = 131  # more than a block


@pytest.fixture(scope="module", params=SETS)
def kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    with Emulated(SOURCE, request.param, tmp_path_factory.mktemp("layer")) as run:
        yield kernel_of(run, request.param)


def bits(values: Tensor) -> Tensor:
    """With one NaN and one zero."""
    return torch.where(values.isnan(), torch.nan, values + 0.0).view(torch.int32)


@pytest.mark.parametrize("case", CASES)
def test_the_kernel_has_the_bits_of_torch(kernel: Kernel, case: str) -> None:
    """Each case with all sizes, and each size with all noises over the cases."""
    turn = list(CASES).index(case)
    for index, (sizes, columns) in enumerate(SHAPES):
        noise = NOISES[(index + turn) % len(NOISES)]
        layer = replace(
            arrays(CASES[case], sizes, columns, **noise), relu=(index + turn // 2) % 2 == 1
        )
        x, reads = inputs(BATCH, sum(sizes)), mix(numbered(BATCH))
        x[9, 0], x[10, -1], x[11, 0] = torch.nan, torch.nan, torch.inf
        run = KernelLayer(kernel, integer_layer(layer), STREAMS[: len(sizes)])
        wanted = torch_run(layer, x, reads)
        assert torch.equal(bits(run(x, reads)), bits(wanted)), sizes
        for row in (8, 9, 10):
            assert torch.equal(
                bits(run(x[row : row + 1], reads[row : row + 1])), bits(wanted[row : row + 1])
            )


def test_windows_have_the_bits_of_their_vectors(kernel: Kernel) -> None:
    window = Window((2, 3), (1, 1), (1, 2), (1, 1), (0, 1), (1, 1))
    x = torch.randn(5, 3, 4, 7, generator=torch.Generator().manual_seed(0))
    x[2, 1, 1, 1] = torch.nan
    vectors = unfolded(window, x, [slice(0, n) for n in window.outputs((4, 7))])
    layer, reads = arrays(STOPPED, (11, 7), 19), mix(numbered(len(vectors)))
    run = KernelLayer(kernel, integer_layer(layer), STREAMS[:2])
    found = run.windows(window, x.movedim(1, -1), reads).view(-1, 19)
    assert torch.equal(bits(found), bits(torch_run(layer, vectors, reads)))


@pytest.mark.parametrize("counting", ["round", None])
def test_what_lies_halfway_goes_to_the_even_neighbour(kernel: Kernel, counting: Any) -> None:
    """Inputs halfway between codes; then counts, or output codes, halfway between whole ones."""
    converters = replace(FREE, counting=counting, rounding="nearest")
    layer = arrays(converters, (16,), 16, variance=None, white=None)
    block, flat = integer_layer(layer).blocks[0], torch.ones(16)
    cells = torch.eye(16, dtype=torch.int16)
    none = torch.zeros_like(cells)
    block = replace(block, plus=cells, minus=none, zero=0 * flat, offset=0 * flat)
    block = replace(block, count=flat / 4, scale=flat)
    whole = replace(integer_layer(layer), input_scale=64.0, blocks=(block,), output_step=flat)
    x = (torch.arange(-80, 80).view(10, 16) + 0.5) / 64
    reads = numbered(10)
    found = KernelLayer(kernel, whole, STREAMS[:1])(x, reads)
    wanted = torch.round(torch.round(x * 64) / 4)
    assert torch.equal(found, wanted)
    assert torch.equal(TorchLayer.of(whole)(x, ReadNoise(STREAMS[:1], reads)), wanted)


def test_normal_numbers_are_those_of_torch(kernel: Kernel) -> None:
    reads = mix(numbered(40))
    for columns in (1, 4, 16, 77):
        wanted = normals(*row_keys(5, reads), torch.empty(40, columns))
        assert torch.equal(kernel.normals(5, reads, torch.empty(40, columns)), wanted)


class EmulatedPulses(ctypes.CDLL):
    """The functions of pulses.c."""

    def __init__(self, run: Emulated) -> None:
        self._run = run

    def hermes_pulse(self, core: int, kind: int, *more: int) -> None:
        count = more[-1]
        widths = (8, 8, 4, 4)
        pieces = [Piece(p, count * w) for p, w in zip(more, widths, strict=False)]
        self._run("hermes_pulse", core, kind, *more, reach=[*core_pieces(core), *pieces])

    def hermes_lines(self, core: int, limit: int, lines: int, worst: int, most: int) -> None:
        panels = -(-COLUMNS // 16)
        sizes = (4 * COLUMNS, 256 * panels, 16 * panels, 8)
        places = (limit, lines, worst, most)
        pieces = [Piece(p, s) for p, s in zip(places, sizes, strict=True)]
        self._run("hermes_lines", core, *places, reach=[*core_pieces(core), *pieces])

    def hermes_variances(self, core: int) -> None:
        self._run("hermes_variances", core, reach=core_pieces(core))

    def hermes_steps(self, core: int) -> None:
        self._run("hermes_steps", core, reach=core_pieces(core))

    def hermes_verify(self, core: int, floor: float, count: float, noise: int) -> None:
        pieces = [*core_pieces(core), Piece(noise, 8 * ROWS * COLUMNS)]
        self._run("hermes_verify", core, floor, count, noise, reach=pieces)


def core_pieces(address: int) -> list[Piece]:
    """What a core's fields reach, no more than there is."""
    fields = pulses.CoreFields.from_address(address)
    cells, lines, panels = ROWS * COLUMNS, 2 * COLUMNS, -(-COLUMNS // 16)
    sizes = {
        "cell": 32 * cells, "stuck": 16 * cells,
        "step": 4 * COLUMNS, "read_step": 4 * COLUMNS, "added": 4 * ROWS,
        "table": 4 * (int(fields.table_end) + 2), "line": 2 * lines * fields.length,
        "weight": panels * -(-ROWS // 2) * 64, "read": panels * -(-ROWS // 4) * 64,
        "sum": 8 * lines, "square": 8 * lines,
    }  # fmt: skip
    places = [(getattr(fields, name), size) for name, size in sizes.items()]
    core = Piece(address, ctypes.sizeof(pulses.CoreFields), pointers=True)
    return [core, *(Piece(place, size) for place, size in places if place)]


@pytest.mark.parametrize(("mode", "stuck"), [("4-phase", True), ("1-phase", False)])
def test_a_core_under_programming_has_the_bits_of_torch(
    kernel: Kernel, chip_with: ChipWith, tmp_path: Path, mode: str, stuck: bool
) -> None:
    chip = chip_with({})
    ours, theirs = cells_of(chip, stuck=stuck), cells_of(chip, stuck=stuck)
    source = SOURCE.with_name("pulses.c")
    read_with = converters(chip, mode)
    x = torch.rand(9, ROWS, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with Emulated(source, kernel.instructions, tmp_path) as run:
        first = TorchPulses(ours)
        second = pulses.KernelPulses(kernel, EmulatedPulses(run), theirs)
        for number in range(8):
            send(first, number)
            send(second, number)
            assert torch.equal(ours.devices, theirs.devices)
            noise = torch.randn(2, ROWS, COLUMNS, generator=torch.Generator().manual_seed(number))
            read, wanted = (p.verify(1e-14, 3e-7, noise.clone()) for p in (second, first))
            assert torch.equal(read, wanted)
            if number > 3:
                counts = (p.counts(read_with, x, 5 + number, numbered(9)) for p in (first, second))
                assert torch.equal(*counts)
                assert torch.equal(first.variance, second.variance)


class EmulatedPcm(ctypes.CDLL):
    """The equations of pcm.c; how many devices each call was for is in `calls`."""

    def __init__(self, run: Emulated) -> None:
        self._run, self.calls = run, list[int]()

    def hermes_read_noise(
        self, curve: int, most: float, root: float, aged: int, written: int, count: int, out: int
    ) -> None:
        arguments = curve, most, root, aged, written, count, out
        self._call("hermes_read_noise", *arguments, curves=(curve,), tensors=(aged, written, out))

    def hermes_exponents(
        self, mean: int, spread: int, most: float, g: int, count: int, normal: int
    ) -> None:
        arguments = mean, spread, most, g, count, normal
        self._call("hermes_exponents", *arguments, curves=(mean, spread), tensors=(g, normal))

    def hermes_programmed(
        self, powers: Any, many: int, most: float, target: int, read: int, count: int, normal: int
    ) -> None:
        place, tensors = ctypes.addressof(powers), [t for t in (target, read, normal) if t]
        reach, arguments = (
            [Piece(place, 4 * many)],
            (place, many, most, target, read, count, normal),
        )
        self._call("hermes_programmed", *arguments, tensors=tensors, reach=reach)

    def hermes_drift(self, g: int, nu: int, power: float, count: int, out: int) -> None:
        self._call("hermes_drift", g, nu, power, count, out, tensors=(g, nu, out))

    def _call(
        self,
        name: str,
        *arguments: float,
        tensors: Sequence[int],
        curves: Sequence[int] = (),
        reach: Sequence[Piece] = (),
    ) -> None:
        count = int(arguments[-2])
        pieces = [*reach, *(Piece(t, 4 * count) for t in tensors)]
        for curve in curves:
            fields = CurveFields.from_address(curve)
            pieces.append(Piece(curve, ctypes.sizeof(CurveFields), pointers=True))
            pieces.append(Piece(fields.polynomial, 4 * fields.powers))
        self._run(name, *arguments, reach=pieces)
        self.calls.append(count)


def test_equations_of_the_devices_have_the_bits_of_torch(
    chip: ChipSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulated(SOURCE.with_name("pcm.c"), SETS[-1], tmp_path) as run:
        library = EmulatedPcm(run)
        monkeypatch.setattr(pcm, "functions", lambda: library)
        found = equations(chip.pcm)
    monkeypatch.setattr(pcm, "functions", lambda: None)
    assert len(library.calls) >= len(found)
    for ours, theirs in zip(found, equations(chip.pcm), strict=True):
        assert torch.equal(ours, theirs)
