"""The rules of a program read from a file: it may come from anywhere, so nothing is believed."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermesrt.artifact.line_map import fault_of
from hermesrt.artifact.schema import (
    Artifact,
    ConstantStep,
    HostStep,
    InputSpec,
    Manifest,
    Matrix,
    MvmStep,
)
from hermesrt.chip.cells import with_devices
from hermesrt.chip.fabric import linked
from hermesrt.errors import ArtifactError
from hermesrt.ops.call import dtype_names
from hermesrt.ops.loop_rules import fault_of_loop
from hermesrt.ops.recurrence import GATES
from hermesrt.ops.table import is_loop, op_class


def check(artifact: Artifact, where: str, release: Callable[[], None]) -> None:
    """Every name is defined before use, every tensor has its shape, every tile lies inside its
    core's array and overlaps no other, every operation is on the allow-list.

    `release` gives back the memory that looking at a large tensor took.
    Raises: ArtifactError.
    """
    _Checker(artifact, where, release).run()


class _Checker:
    def __init__(self, artifact: Artifact, where: str, release: Callable[[], None]) -> None:
        self._artifact = artifact
        self._where = where
        self._release = release

    def run(self) -> None:
        manifest = self._artifact.manifest
        names = [m.name for m in manifest.matrices]
        self._need(len(set(names)) == len(names), "a matrix is defined twice")
        for matrix in manifest.matrices:
            self._matrix(matrix)
        self._cells()
        self._overlaps()
        self._slices(manifest)
        self._wiring()
        self._steps(manifest)
        self._predicted(manifest)
        self._routes(manifest)
        self._need(manifest.cut is None or manifest.chips > 1, "it is cut over chips, but has one")
        for spec in manifest.inputs:
            self._input(spec)
        self._labels(manifest)

    def _labels(self, manifest: Manifest) -> None:
        labels = self._artifact.labels
        if not manifest.classes or labels is None:
            return
        fits = labels.dtype.kind == "i" and bool(
            ((labels >= 0) & (labels < len(manifest.classes))).all()
        )
        self._need(fits, "its labels are not places in its classes")

    def _input(self, spec: InputSpec) -> None:
        free = all(isinstance(d, str) or d >= 0 for d in spec.dims)
        self._need(free, f"input {spec.name} has a negative size")
        self._need(spec.dtype in dtype_names(), f"input {spec.name} has no dtype {spec.dtype}")
        example = self._artifact.examples.get(spec.name)
        shape = () if example is None else example.shape
        fits = example is not None and len(shape) == len(spec.dims)
        pairs = zip(spec.dims, shape, strict=False)
        fits = fits and all(isinstance(d, str) or d == size for d, size in pairs)
        self._need(fits, f"the example of input {spec.name} has another shape")

    def _matrix(self, m: Matrix) -> None:
        chip = self._artifact.chip
        tensor = self._artifact.tensors.get(m.name)
        fits = tensor is not None and tensor.shape == (m.rows, m.columns)
        self._need(fits, f"matrix {m.name} is not a stored {m.rows}x{m.columns} tensor")
        assert tensor is not None
        self._need(_finite(tensor), f"matrix {m.name} does not hold finite numbers")
        self._release()
        self._covers(m.row_ranges, m.rows, m.name)
        self._need(len(m.g_max_siemens) == len(m.row_ranges), f"{m.name}: g_max of each row block")
        limit = with_devices(chip, m.devices).pcm.g_max_siemens * (1 + 1e-6)
        self._need(all(g <= limit for g in m.g_max_siemens), f"{m.name}: g_max above the devices'")
        self._need(len(m.tiles) > 0, f"{m.name}: tiles missing")
        columns = sorted({t.columns for t in m.tiles})
        self._covers(tuple(columns), m.columns, m.name)
        found = {(t.copy, t.stage, t.columns) for t in m.tiles}
        self._need(m.copies <= len(m.tiles), f"{m.name}: tiles missing")
        blocks = ((s, c) for s in range(len(m.row_ranges)) for c in columns)
        wanted = {(copy, *block) for block in blocks for copy in range(m.copies)}
        self._need(found == wanted and len(m.tiles) == len(wanted), f"{m.name}: tiles missing")
        for t in m.tiles:
            self._need(t.rows == m.row_ranges[t.stage], f"{m.name}: a tile's rows are wrong")
            inside = 0 <= t.core < chip.cores * self._artifact.manifest.chips
            for here, there, size in (
                (t.core_rows, t.rows, chip.crossbar.rows),
                (t.core_columns, t.columns, chip.crossbar.columns),
            ):
                inside = inside and 0 <= here[0] < here[1] <= size
                inside = inside and here[1] - here[0] == there[1] - there[0]
            self._need(inside, f"{m.name}: a tile lies outside core {t.core}")

    def _covers(self, ranges: tuple[tuple[int, int], ...], size: int, name: str) -> None:
        edges = [0, *(e for _, e in ranges)], [*(s for s, _ in ranges), size]
        grows = all(s < e for s, e in ranges) and len(ranges) > 0
        self._need(grows and edges[0] == edges[1], f"{name}: blocks do not cover it once")

    def _cells(self) -> None:
        """A core's cells are of one kind."""
        kinds: dict[int, tuple[int, str]] = {}
        for m in self._artifact.manifest.matrices:
            for t in m.tiles:
                same = kinds.setdefault(t.core, m.cells) == m.cells
                self._need(same, f"core {t.core} holds layers with cells of two kinds")

    def _overlaps(self) -> None:
        by_core: dict[int, list[tuple[int, int, int, int]]] = {}
        for m in self._artifact.manifest.matrices:
            for t in m.tiles:
                by_core.setdefault(t.core, []).append((*t.core_rows, *t.core_columns))
        shape = self._artifact.chip.crossbar.rows, self._artifact.chip.crossbar.columns
        for core, boxes in by_core.items():
            used = np.zeros(shape, dtype=np.bool_)
            for top, bottom, left, right in boxes:
                cells = used[top:bottom, left:right]
                self._need(not cells.any(), f"two tiles overlap on core {core}")
                cells[...] = True

    def _slices(self, manifest: Manifest) -> None:
        """All slices of a weight are there once, of one size, with shares that add up to 1."""
        groups: dict[str, list[Matrix]] = {}
        for m in manifest.matrices:
            if m.slice is not None:
                groups.setdefault(m.slice.of, []).append(m)
        for name, held in groups.items():
            parts = [m.slice for m in held if m.slice is not None]
            numbers = sorted(p.number for p in parts)
            whole = all(p.count == len(parts) for p in parts)
            whole = whole and numbers == list(range(len(parts)))
            alike = len({(m.rows, m.columns, m.slice and m.slice.fill) for m in held}) == 1
            if parts[0].fill == "corrected":
                alike = alike and len({m.copies for m in held}) == 1
            shared = all(p.share > 0 for p in parts) and abs(sum(p.share for p in parts) - 1) < 1e-6
            self._need(
                whole and alike and shared, f"{name}: its slices are not those of one weight"
            )

    def _wiring(self) -> None:
        crossbar = self._artifact.chip.crossbar
        shape = (crossbar.rows, crossbar.columns)
        fault = fault_of(self._artifact.tensors, self._artifact.cores, shape)
        self._need(fault is None, fault or "")
        labels = [layer.label for layer in self._artifact.manifest.defects]
        known = {m.label for m in self._artifact.manifest.matrices}
        self._need(set(labels) <= known, "its defects are those of other layers")

    def _predicted(self, manifest: Manifest) -> None:
        names = tuple(p.mvm for p in manifest.predicted)
        steps = tuple(step.name for step in self._artifact.mvms)
        self._need(names in ((), steps), "its predicted errors are those of other steps")

    def _steps(self, manifest: Manifest) -> None:
        known = {spec.name for spec in manifest.inputs}
        self._need(len(known) == len(manifest.inputs), "an input is defined twice")
        for step in manifest.steps:
            self._need(step.name not in known, f"{step.name} is defined twice")
            match step:
                case ConstantStep():
                    held = step.tensor in self._artifact.tensors
                    self._need(held, f"{step.name}: no tensor {step.tensor}")
                case HostStep():
                    self._host(step)
                case MvmStep():
                    for product in step.products:
                        self._mvm(product)
            for name in step.takes:
                self._need(name in known, f"{step.name} takes {name}, which comes later or never")
            known.add(step.name)
        inner = [s.second.name for s in manifest.steps if isinstance(s, MvmStep) and s.second]
        apart = len(known.union(inner)) == len(known) + len(inner)
        self._need(apart, "a second product is defined twice")
        for name in manifest.outputs:
            self._need(name in known, f"output {name} is not defined")
        self._need(len(manifest.outputs) > 0, "it has no output")

    def _host(self, step: HostStep) -> None:
        allowed = op_class(step.op) is not None
        self._need(allowed, f"{step.name}: {step.op!r} is not an operation a program may hold")
        shaped = isinstance(step.args, list | tuple) and isinstance(step.kwargs, dict)
        self._need(shaped, f"{step.name}: its arguments are not a list and a table")
        try:
            refs = step.call.refs()
        except ValueError as error:
            self._need(False, f"{step.name}: {error}")
        else:
            self._need(all(isinstance(r, str) for r in refs), f"{step.name}: bad reference")
            fault = fault_of_loop(step.call) if is_loop(step.op) else None
            self._need(fault is None, f"{step.name}: {fault}")

    def _mvm(self, step: MvmStep) -> None:
        matrix = self._artifact.matrices.get(step.matrix)
        self._need(matrix is not None, f"{step.name}: no matrix {step.matrix}")
        assert matrix is not None
        for name in (step.scale, step.bias):
            if name is not None:
                tensor = self._artifact.tensors.get(name)
                fits = tensor is not None and tensor.shape == (matrix.columns,)
                fits = fits and tensor is not None and _finite(tensor)
                self._need(fits, f"{step.name}: {name} is not one number for each column")
        if step.window is not None:
            fault = step.window.fault()
            self._need(fault is None, f"{step.name}: {fault}")
            whole = matrix.rows % step.window.taps == 0
            self._need(whole, f"{step.name}: its window has other taps than its matrix has rows")
        if step.recurrence is not None:
            fault = self._recurrence_fault(step, matrix)
            self._need(fault is None, f"{step.name}: {fault}")
        elif step.second is not None:
            self._need(False, f"{step.name}: only a recurrence has a second product")
        codes = self._artifact.tensors.get(step.calibration)
        fits = codes is not None and codes.ndim == 2 and codes.shape[1] == matrix.rows
        fits = fits and codes is not None and codes.dtype == np.int8
        fits = fits and codes is not None and bool((codes >= -127).all())
        self._need(fits, f"{step.name}: {step.calibration} are not input codes of its matrix")
        ranges = (step.input_max, *step.output_max)
        self._need(all(r > 0 for r in ranges), f"{step.name}: a range is not above 0")
        whole = len(step.output_max) == len(matrix.row_ranges)
        self._need(whole, f"{step.name}: one output range for each row block")

    def _recurrence_fault(self, step: MvmStep, matrix: Matrix) -> str | None:
        recurrence = step.recurrence
        assert recurrence is not None
        if step.window is not None:
            return "a recurrence has no window"
        fault = recurrence.fault(second=step.second is not None)
        if fault is not None:
            return fault
        if matrix.columns != recurrence.columns:
            return "its matrix has other columns than its gates"
        outputs = recurrence.hidden
        if recurrence.kind == "lstm" and step.second is not None:
            second = self._artifact.matrices.get(step.second.matrix)
            outputs = second.columns if second else 0
        if recurrence.projection is not None:
            tensor = self._artifact.tensors.get(recurrence.projection)
            sound = tensor is not None and tensor.ndim == 2 and _finite(tensor)
            if tensor is None or not sound or tensor.shape[0] != recurrence.hidden:
                return f"{recurrence.projection} is no projection of its hidden values"
            outputs = tensor.shape[1]
        if matrix.rows <= outputs:
            return "its matrix has no rows for its input"
        if step.second is not None:
            shape = recurrence.second_shape(matrix.rows, outputs)
            fault = self._second_fault(step, step.second, shape)
        if fault is not None:
            return fault
        if matrix.copies > 1:
            return "one time step waits for the other, so copies of its matrix serve nothing"
        return self._gate_fault(matrix) if recurrence.unit == "gdpu" else None

    def _second_fault(self, step: MvmStep, second: MvmStep, shape: tuple[int, int]) -> str | None:
        """What is wrong with a time step's second product, whose matrix should be of that shape."""
        more = second.second or second.window or second.recurrence
        if more is not None or second.relu or second.input != step.name:
            return "its second product is no plain one of what its gates make"
        matrix = self._artifact.matrices.get(second.matrix)
        if matrix is None or (matrix.rows, matrix.columns) != shape:
            return f"the matrix of its second product is not {shape[0]}x{shape[1]}"
        if matrix.copies > 1:
            return "one time step waits for the other, so copies of its matrix serve nothing"
        return None

    def _gate_fault(self, matrix: Matrix) -> str | None:
        """What keeps the chip's gate unit from a layer's results."""
        chip, last = self._artifact.chip, len(matrix.row_ranges) - 1
        if chip.gate_unit is None:
            return "the chip has no gate unit"
        ends = [t for t in matrix.tiles if t.stage == last]
        places = [divmod(t.core % chip.cores, chip.grid.columns) for t in ends]
        unit = chip.gate_unit
        behind = all(row == unit.row - 1 and column < unit.slices for row, column in places)
        if not behind or len(set(places)) < len(places):
            return "it does not end in cores in front of the gate unit"
        widths = [t.columns[1] - t.columns[0] for t in ends]
        if any(t.columns[0] % GATES for t in ends) or max(widths) > unit.inputs:
            return "its tiles are not those of the gate unit's slices"
        return None

    def _routes(self, manifest: Manifest) -> None:
        """One route for each stage after the first of each cascade, over links of the chip."""
        ends = {}
        for m in manifest.matrices:
            at = {(t.copy, t.columns, t.stage): t.core for t in m.tiles}
            for (copy, columns, stage), core in at.items():
                if stage > 0:
                    ends[m.name, copy, columns, stage] = (at[copy, columns, stage - 1], core)
        found = [(r.matrix, r.copy, r.columns, r.stage) for r in manifest.routes]
        whole = len(found) == len(ends) and set(found) == set(ends)
        self._need(whole, "its routes are not those of its cascades")
        for route in manifest.routes:
            start, end = ends[route.matrix, route.copy, route.columns, route.stage]
            cores = route.cores
            real = 0 < len(cores) == len(set(cores)) and (cores[0], cores[-1]) == (start, end)
            real = real and all(linked(self._artifact.chip, a, b) for a, b in pairwise(cores))
            self._need(real, f"{route.matrix}: a route over links that the chip does not have")

    def _need(self, holds: bool, what: str) -> None:
        if not holds:
            raise ArtifactError(f"{self._where}: refused: {what}; compile the model again")


def _finite(tensor: NDArray[Any]) -> bool:
    return tensor.dtype.kind == "f" and bool(np.isfinite(tensor).all())
