"""What one more token costs a causal model whose keys and values are kept.

In: the work of a model without a cache for S, S - 1 and S - 2 tokens. Out: the work of token S
alone. Method: each count of a step (vectors, elements, multiply-adds) is a polynomial of S, of
degree two where tokens meet tokens; a S^2 + b S + c. Of that the last token's row is a S + b, with
the differences d1 = w(S) - w(S - 1) and d2 = d1 - (w(S - 1) - w(S - 2)): d1 - (S - 1) d2 / 2. What
does not grow with S is done again for each token.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.errors import OptionError
from hermesrt.workload import HostWork, MvmWork, Needs, Workload, workload

Sizes = Mapping[str, tuple[int, ...]]
_FEWEST = 4


@dataclass(frozen=True, slots=True)
class TokenCost:
    """Time and energy of tokens, of one sequence alone on its chips.

    tokens: that are made or read.
    context: the tokens that the last of them looks at, itself included.
    cost: of all of them.
    """

    tokens: int
    context: int
    cost: Cost

    @property
    def tokens_per_s(self) -> float:
        """Of one sequence."""
        return self.tokens / (self.cost.latency_ps * 1e-12) if self.cost.latency_ps else 0.0

    @property
    def joules_per_token(self) -> float:
        """Idle power while it runs included."""
        return self.cost.energy_pj * 1e-12 / self.tokens


def token_dim(artifact: Artifact) -> str:
    """The name of the one size, beside the batch, that the program leaves free.

    Raises: OptionError where there is none, or more than one.
    """
    inputs = artifact.manifest.inputs
    batches = {spec.dims[0] for spec in inputs if spec.dims}
    free = {d for spec in inputs for d in spec.dims[1:] if isinstance(d, str)} - batches
    if len(free) != 1:
        raise OptionError(
            f"--tokens: the inputs have {len(free)} free sizes beside the batch; mark the "
            "sequence, and it alone, in the model's dynamic_shapes"
        )
    return str(free.pop())


def token_works(artifact: Artifact, sizes: Sizes) -> tuple[int, Workload, Workload]:
    """The tokens in these sizes, the work of all of them, and that of the last alone.

    Raises: OptionError, InputError.
    """
    name = token_dim(artifact)
    found = {
        size
        for spec in artifact.manifest.inputs
        for dim, size in zip(spec.dims, sizes[spec.name], strict=True)
        if dim == name
    }
    tokens = found.pop()
    if found or tokens < _FEWEST:
        raise OptionError(f"--tokens: give one length for all inputs, of {_FEWEST} or more")
    works = [workload(artifact, _shorter(artifact, sizes, name, less)) for less in range(3)]
    steps = [[w.step.name for w in found.work] for found in works]
    if steps[1:] != steps[:-1] or any(found.samples != 1 for found in works):
        raise OptionError("--tokens: the model does other work for another length, or not for one")
    return tokens, works[0], replace(works[0], work=tuple(_last(works, tokens)))


def _shorter(artifact: Artifact, sizes: Sizes, name: str, less: int) -> Sizes:
    return {
        spec.name: tuple(
            size - less if dim == name else size
            for dim, size in zip(spec.dims, sizes[spec.name], strict=True)
        )
        for spec in artifact.manifest.inputs
    }


def _last(works: Sequence[Workload], tokens: int) -> Iterator[MvmWork | HostWork]:
    for of in zip(*(found.work for found in works), strict=True):
        step = of[0]
        once = Needs(1, (), step.needs.names)
        if isinstance(step, MvmWork):
            mvms = [w for w in of if isinstance(w, MvmWork)]
            vectors = last_row([w.vectors for w in mvms], tokens)
            steps = last_row([w.steps for w in mvms], tokens)
            second = step.second and replace(step.second, vectors=vectors, steps=steps)
            yield replace(step, vectors=vectors, steps=steps, needs=once, second=second)
        else:
            hosts = [w for w in of if isinstance(w, HostWork)]
            yield replace(
                step,
                taken=last_row([w.taken for w in hosts], tokens),
                elements=last_row([w.elements for w in hosts], tokens),
                macs=last_row([w.macs for w in hosts], tokens),
                needs=once,
            )


def last_row(counts: Sequence[int], tokens: int) -> int:
    """The last token's share of a count for S, S - 1 and S - 2 tokens."""
    if len(set(counts)) == 1:
        return counts[0]
    first, second = counts[0] - counts[1], counts[0] - 2 * counts[1] + counts[2]
    return max(0, first - (tokens - 1) * second // 2)
