"""The job of the studies of kernels: one projection on one dataset, and the kernels that use it.

rff, orf and sorf are the published draws, whose FP32 errors repeat seed by seed, wherever a kernel
takes standard normal projections; one serves all such kernels, for they differ by what follows the
product. Other samplers and kernels are those of `hermesc.kernels`, cut at three standard deviations
as published where that can be. The chip's seed is the draw's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from hermesc.kernels import (
    ArcCosine,
    Kernel,
    Laplacian,
    Ntk,
    Polynomial,
    Rbf,
    Softmax,
    feature_map,
    samplers_of,
)
from hermesc.kernels.samplers import CUT_SAMPLERS, NORMAL_SAMPLERS
from hermesc.studies.data.datasets import RULES, SCALINGS, Dataset, Prepared, prepare
from hermesc.studies.data.measurements import Cell, Scores
from hermesc.studies.data.sources import DataSource
from hermesc.studies.experiment.measure import (
    Function,
    KernelEstimate,
    ProjectionModule,
    Setup,
    deployed,
    prepared,
    scores,
)
from hermesc.studies.experiment.published import GAMMA, SAMPLERS, draw, feature_count
from hermesc.studies.jobs.result_cache import software
from hermesc.studies.jobs.runner import JobKind

KERNEL_NAMES = (
    "rbf", "arccos0", "arccos1", "arccos2", "laplacian", "polynomial", "softmax", "ntk",
)  # fmt: skip
DRAWN_SAMPLERS = tuple(name for name in NORMAL_SAMPLERS if name != "grid")
SAMPLER_NAMES = (*DRAWN_SAMPLERS, "leverage", "nystroem", "rademacher", "spherical")
_SHARING = ("rbf", "arccos0", "arccos1", "arccos2")  # one standard normal projection
_DEGREE = 3
_CUT = 3.0


@dataclass(frozen=True, slots=True)
class KernelJob:
    """One projection to simulate, and the kernels that use it.

    `gamma` is the width of the RBF and Laplacian kernels, and the scale of products in the
    polynomial and softmax ones. Without `accuracy` only kernel errors are computed.
    """

    source: DataSource
    sampler: str
    log2_ratio: int
    seed: int
    kernels: tuple[str, ...]
    setup: Setup
    gamma: float = GAMMA
    scaling: str = SCALINGS[0]
    accuracy: bool = True

    @property
    def dataset(self) -> str:
        """Its name."""
        return self.source.name

    @property
    def cells(self) -> tuple[Cell, ...]:
        """One for each kernel."""
        return tuple(Cell(self.dataset, k, self.sampler, self.log2_ratio) for k in self.kernels)


def kernel_named(name: str, gamma: float) -> Kernel:
    """One of KERNEL_NAMES."""
    match name:
        case "rbf":
            return Rbf(gamma)
        case "laplacian":
            return Laplacian(gamma)
        case "polynomial":
            return Polynomial(_DEGREE, gamma=gamma)
        case "softmax":
            return Softmax(gamma)
        case "ntk":
            return Ntk(1)
    return ArcCosine(int(name.removeprefix("arccos")))


def default_gamma(dataset: str, inputs: int) -> float:
    """The published one for a published dataset; one by the number of inputs for any other."""
    return GAMMA if dataset in RULES else 1 / inputs


def sharing(kernel: str, sampler: str) -> bool:
    """Whether a kernel takes the published draws of a sampler, which others may share."""
    return sampler in SAMPLERS and kernel in _SHARING


def exists(kernel: str, sampler: str) -> bool:
    """Whether there are features of a kernel by a sampler."""
    return sampler in samplers_of(kernel_named(kernel, 1.0))


def simulate(job: KernelJob) -> tuple[Scores, ...]:
    """The scores of a job's cells, by its kernels."""
    data = _prepared(job.source, job.seed, job.scaling)
    module, in_fp32, estimates = _features(job, data)
    chip = deployed(module, (data.train,), job.setup, job.seed)
    return scores(in_fp32, chip, estimates, data, accuracy=job.accuracy)


def share(jobs: Sequence[KernelJob]) -> None:
    """Capture what jobs compile, one module of each shape; the first is put on a chip, so that all
    that takes is loaded."""
    alike = {(j.dataset, _drawn_alike(j), j.log2_ratio, j.kernels): j for j in jobs}
    for number, job in enumerate(alike.values()):
        data = _prepared(job.source, job.seed, job.scaling)
        module, inputs = _features(job, data)[0], (data.train,)
        if number:
            prepared(module, inputs)
        else:
            deployed(module, inputs, job.setup, job.seed)


def _drawn_alike(job: KernelJob) -> str:
    """What tells the shape of a job's module, but for its sizes."""
    return "" if sharing(job.kernels[0], job.sampler) else job.sampler


def _features(
    job: KernelJob, data: Prepared
) -> tuple[nn.Module, Function, Sequence[KernelEstimate]]:
    """What runs on the chip, the same in FP32, and what follows it for each kernel."""
    inputs = data.train.shape[1]
    features = feature_count(inputs, job.log2_ratio)
    kernels = [kernel_named(name, job.gamma) for name in job.kernels]
    if sharing(job.kernels[0], job.sampler):
        omega = draw(job.sampler, inputs, features, job.seed).T
        shared = [k for k in kernels if isinstance(k, Rbf | ArcCosine)]
        estimates = [KernelEstimate(k.features, k.exact) for k in shared]
        return ProjectionModule(omega.contiguous()), lambda x: x @ omega, estimates
    (kernel,) = kernels
    cut = _CUT if job.sampler in (*CUT_SAMPLERS, "leverage") else None
    phi = feature_map(
        kernel, inputs, features, job.sampler, seed=job.seed, cut=cut, data=data.train
    )
    return phi, phi, [KernelEstimate(_itself, phi.exact)]


def by_cell(
    results: Mapping[KernelJob, tuple[Scores, ...]], order: Iterable[Cell] = ()
) -> dict[Cell, dict[int, Scores]]:
    """Scores by cell and seed; cells in the given order first, seeds in order."""
    found: dict[Cell, dict[int, Scores]] = {cell: {} for cell in order}
    for job, scores_of_job in results.items():
        for cell, one in zip(job.cells, scores_of_job, strict=True):
            found.setdefault(cell, {})[job.seed] = one
    return {cell: dict(sorted(seeds.items())) for cell, seeds in found.items() if seeds}


def identity(job: KernelJob) -> Mapping[str, Any]:
    """All that determines a job's scores."""
    return (
        software()
        | {
            "study": "ridge",
            "data": job.source.digest,
            "sampler": job.sampler,
            "log2_ratio": job.log2_ratio,
            "seed": job.seed,
            "kernels": list(job.kernels),
            "gamma": job.gamma,
            "scaling": job.scaling,
            "accuracy": job.accuracy,
        }
        | job.setup.identity()
    )


def _to_json(found: tuple[Scores, ...]) -> Any:
    return [asdict(one) for one in found]


def _from_json(data: Any) -> tuple[Scores, ...]:
    return tuple(Scores(**one) for one in data)


WORK = JobKind(simulate, identity, _to_json, _from_json, share=share)


def _itself(x: Tensor) -> Tensor:
    return x


@lru_cache(maxsize=1)
def _read(source: DataSource) -> Dataset:
    return source.read()


@lru_cache(maxsize=2)
def _prepared_for(source: DataSource, seed: int, scaling: str) -> Prepared:
    return prepare(_read(source), seed, scaling)


def _prepared(source: DataSource, seed: int, scaling: str) -> Prepared:
    return _prepared_for(source, 0 if _read(source).parts is not None else seed, scaling)
