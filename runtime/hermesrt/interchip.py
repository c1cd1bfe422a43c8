"""What crosses between chips: inputs of MVMs that are made of another chip's results.

What is digital is done where its operands are: the columns of a layer that a chip holds are that
chip's share of the layer's result, and of all that is made of it. A chip lacks the rest of what its
MVMs take, which crosses once, however many of its layers take it. A result that is made of several
layers counts as shared like all their columns together. Windows cross unfolded. What comes from
outside, and operands of digital work, are not counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hermesrt.artifact.schema import Artifact
from hermesrt.workload import MvmWork, Workload


@dataclass(frozen=True, slots=True)
class ChipInput:
    """What one chip takes for one MVM.

    step: the MVM's name.
    label: its layer.
    value: the name of the result that it takes.
    chip: the chip's number.
    values: how many numbers its vectors hold, a byte each.
    made: columns of the layers that it is made of, by the chips that hold them.
    """

    step: str
    label: str
    value: str
    chip: int
    values: int
    made: Mapping[int, int]

    @property
    def share(self) -> float:
        """Of what it takes, what other chips made, 0 to 1."""
        return _lacking(2**32, self.made, self.chip) / 2**32

    @property
    def count(self) -> int:
        """Bytes of it that other chips made."""
        return _lacking(self.values, self.made, self.chip)


def _lacking(values: int, made: Mapping[int, int], chip: int) -> int:
    """Of so many values those that a chip has to get from others, which made so many columns of the
    layers that they come from; rounded up."""
    total = sum(made.values())
    return -(-values * (total - made.get(chip, 0)) // total) if total else 0


@dataclass(frozen=True, slots=True)
class InterchipTransfer:
    """What one layer's inputs bring from other chips for a sample.

    step: the MVM's name.
    label: the layer.
    sources: the numbers of the chips that it comes from.
    chip: where it goes.
    count: bytes.
    """

    step: str
    label: str
    sources: tuple[int, ...]
    chip: int
    count: int


@dataclass(frozen=True, slots=True)
class MatrixShare:
    """Some columns of a copy of a matrix, on one chip.

    chip: the chip's number.
    copy: the copy's number.
    columns: how many.
    """

    chip: int
    copy: int
    columns: int


def interchip_transfers(work: Workload) -> tuple[InterchipTransfer, ...]:
    """What crosses, by layer and chip, in the order of the program."""
    found = []
    for taken, count in crossing(chip_inputs(work)):
        sources = tuple(sorted(set(taken.made) - {taken.chip}))
        each = -(-count // work.samples)
        found.append(InterchipTransfer(taken.step, taken.label, sources, taken.chip, each))
    return tuple(found)


def crossing(inputs: Iterable[ChipInput]) -> Iterator[tuple[ChipInput, int]]:
    """What crosses for each input, in bytes; what is there already for an earlier layer of the chip
    does not cross again."""
    there: Counter[tuple[str, int]] = Counter()
    for taken in inputs:
        key = taken.value, taken.chip
        more = taken.count - there[key]
        if more > 0:
            there[key] = taken.count
            yield taken, more


def columns_by_chip(shares: Iterable[MatrixShare]) -> Counter[int]:
    """Columns of a matrix that each chip holds, those of all copies."""
    found: Counter[int] = Counter()
    for share in shares:
        found[share.chip] += share.columns
    return found


def vectors_by_chip(
    shares: Iterable[MatrixShare], vectors: int, copies: int
) -> Iterator[tuple[int, int]]:
    """Each chip that holds a part of a matrix, with how many of the vectors its copies serve."""
    found: Counter[int] = Counter()
    for chip, copy in {(share.chip, share.copy) for share in shares}:
        found[chip] += len(range(copy, vectors, copies))
    yield from sorted(found.items())


def chip_inputs(work: Workload) -> Iterator[ChipInput]:
    """For each MVM, what each chip that holds a part of its matrix takes."""
    made_of: dict[str, frozenset[str]] = {}
    columns: dict[str, Counter[int]] = {}
    for step in work.work:
        name = step.step.name
        sources = frozenset[str]().union(*(made_of.get(n, ()) for n in step.needs.names))
        made_of[name] = sources
        if not isinstance(step, MvmWork):
            continue
        columns |= {w.step.name: columns_by_chip(_shares(w, work.artifact)) for w in step.products}
        last = step.products[-1].step.name  # of which h is made
        made_of[name] = frozenset({last})
        taken = sources | made_of[name] if step.steps else sources
        yield from _taken(step, step.step.input, taken, columns, work.artifact)
        if step.second is not None:
            beside = frozenset[str]() if _is_projection(step) else sources
            yield from _taken(step.second, last, beside | {name}, columns, work.artifact)


def _is_projection(work: MvmWork) -> bool:
    """Whether the second product takes nothing of the layer's input."""
    return work.step.recurrence is not None and work.step.recurrence.kind == "lstm"


def _taken(
    work: MvmWork,
    value: str,
    sources: frozenset[str],
    columns: Mapping[str, Counter[int]],
    artifact: Artifact,
) -> Iterator[ChipInput]:
    """What each chip takes for a product of a value that is made of other products."""
    matrix, shares = artifact.matrices[work.step.matrix], _shares(work, artifact)
    made = sum((columns[source] for source in sources), Counter[int]())
    for chip, count in vectors_by_chip(shares, work.vectors, matrix.copies):
        yield ChipInput(work.step.name, matrix.label, value, chip, count * matrix.rows, made)


def _shares(work: MvmWork, artifact: Artifact) -> list[MatrixShare]:
    """A product's matrix on the chips; the row blocks of a column make it together."""
    cores = artifact.chip.cores
    return [
        MatrixShare(t.core // cores, t.copy, 0 if t.stage else t.columns[1] - t.columns[0])
        for t in artifact.matrices[work.step.matrix].tiles
    ]
