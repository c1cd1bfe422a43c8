"""The study of attention: the error of random-feature attention against s/d, FP32 and chip.

Features are s = n d - 1 projections with both signs, as published; the error is that of the
attention's result, ||A - A'|| / ||A||, averaged over ten samples of queries, keys and values. The
published samples (a BERT layer on tweets) are not public: without a file they are normal draws, so
sizes of errors differ from the published ones and only their course can be compared. Calibration
inputs are other samples.
Source: Büchel et al., Nature Machine Intelligence 6, 1605 (2024), and its code (hardware_attn).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from hermesc.kernels import FavorAttention, draw
from hermesc.kernels.attention import FavorForm
from hermesc.studies.data.measurements import Scores
from hermesc.studies.experiment import published
from hermesc.studies.experiment.measure import Setup, deployed, prepared
from hermesc.studies.jobs.result_cache import software
from hermesc.studies.jobs.runner import JobKind
from hermesc.studies.statistics import Spread, spread
from hermesrt.errors import InputError
from hermesrt.files.npz import read_arrays

_SAMPLES, _TOKENS, _SIZE = 10, 64, 64  # of drawn tokens; the size is the published one
_NAMES = ("Q", "K", "V")

Triple = tuple[Float[Tensor, "samples tokens size"], ...]


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Queries, keys and values: an .npz file with Q, K, V (samples, tokens, size), of which the
    first half is measured and the rest calibrates; or, without, normal draws with that deviation.
    `digest` is that of what was read once: another process must find the same.
    """

    path: Path | None = None
    deviation: float = 1.0
    digest: str = ""

    def read(self) -> tuple[Triple, Triple]:
        """Those to measure, those to calibrate with.

        Raises: InputError that names the file and the array.
        """
        found = self._drawn() if self.path is None else self._read(self.path)
        if self.digest and _digest(found) != self.digest:
            raise InputError(
                f"{self.path}: other tokens than where the study was started; give all machines "
                "the same file"
            )
        half = (len(found[0]) + 1) // 2
        return tuple(t[:half] for t in found), tuple(t[half:] for t in found)

    def with_digest(self) -> "TokenSource":
        """The same, with the digest of what it reads."""
        measured, other = self.read()
        whole = tuple(torch.cat(pair) for pair in zip(measured, other, strict=True))
        return replace(self, digest=_digest(whole))

    def _drawn(self) -> Triple:
        generator = torch.Generator().manual_seed(0)
        size = (2 * _SAMPLES, _TOKENS, _SIZE)
        return tuple(self.deviation * torch.randn(size, generator=generator) for _ in _NAMES)

    def _read(self, path: Path) -> Triple:
        arrays = read_arrays(path)
        for name in _NAMES:
            if name not in arrays:
                raise InputError(f"{path}: there is no array {name}; it needs Q, K and V")
        shapes = {tuple(arrays[name].shape) for name in _NAMES}
        shape = shapes.pop()
        kinds = {arrays[name].dtype.kind for name in _NAMES}
        if shapes or len(shape) != 3 or shape[0] < 2 or min(shape) < 1 or kinds - set("fiu"):
            raise InputError(
                f"{path}: Q, K and V must hold numbers of one shape (samples, tokens, size), two "
                f"samples or more; Q has {tuple(arrays['Q'].shape)}"
            )
        found = tuple(torch.from_numpy(arrays[name]).float() for name in _NAMES)
        if not all(bool(t.isfinite().all()) for t in found):
            raise InputError(f"{path}: Q, K or V holds NaN or infinity; clean the data first")
        return found


@dataclass(frozen=True, slots=True)
class AttentionJob:
    """One draw of projections for one number of features."""

    tokens: TokenSource
    ratio: int
    seed: int
    form: FavorForm
    sampler: str
    setup: Setup


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean relative error over samples, in FP32 and on the chip."""

    fp: float
    chip: float


@dataclass(frozen=True, slots=True)
class AttentionLine:
    """One number of features: errors over seeds, ours and published (NaN where there are none)."""

    ratio: int
    features: int
    fp: Spread
    chip: Spread
    published: Spread
    measured: Spread


def feature_count(size: int, ratio: int) -> int:
    """Projections of the published experiment: s = n d - 1."""
    return ratio * size - 1


def simulate(job: AttentionJob) -> Errors:
    """The errors of one job."""
    measured, calibration = _tokens(job.tokens)
    attention = _attention(job, measured[0].shape[-1])
    q, k, v = measured
    exact = scaled_dot_product_attention(q, k, v)
    chip = deployed(attention, calibration, job.setup, job.seed)
    with torch.no_grad():
        return Errors(_error(attention(*measured), exact), _error(chip(*measured), exact))


def share(jobs: Sequence[AttentionJob]) -> None:
    """Capture what jobs compile, one module of each shape; the first is put on a chip, so that all
    that takes is loaded."""
    for number, job in enumerate({j.ratio: j for j in jobs}.values()):
        _, calibration = _tokens(job.tokens)
        attention = _attention(job, calibration[0].shape[-1])
        if number:
            prepared(attention, calibration)
        else:
            deployed(attention, calibration, job.setup, job.seed)


def _attention(job: AttentionJob, size: int) -> FavorAttention:
    features = feature_count(size, job.ratio)
    attention = FavorAttention(size, features, form=job.form).eval()
    attention.map.get_buffer("omega").copy_(_projection(job, size, features))
    return attention


def lines(
    found: Mapping[AttentionJob, Errors], theirs: Mapping[int, Mapping[int, Scores]], size: int
) -> tuple[AttentionLine, ...]:
    """A line for each number of features, in order."""
    by_ratio: dict[int, list[Errors]] = {}
    for job, errors in found.items():
        by_ratio.setdefault(job.ratio, []).append(errors)
    return tuple(
        AttentionLine(
            ratio,
            feature_count(size, ratio),
            spread(e.fp for e in errors),
            spread(e.chip for e in errors),
            spread(s.error_fp for s in theirs.get(ratio, {}).values()),
            spread(s.error_chip for s in theirs.get(ratio, {}).values()),
        )
        for ratio, errors in sorted(by_ratio.items())
    )


def plan(
    tokens: TokenSource,
    ratios: Sequence[int],
    seeds: int,
    form: FavorForm,
    sampler: str,
    setup: Setup,
) -> tuple[AttentionJob, ...]:
    """All jobs, the longest first."""
    return tuple(
        AttentionJob(tokens, ratio, seed, form, sampler, setup)
        for ratio in sorted(ratios, reverse=True)
        for seed in range(seeds)
    )


def identity(job: AttentionJob) -> Mapping[str, Any]:
    """All that determines a job's errors."""
    return (
        software()
        | {
            "study": "attention",
            "tokens": job.tokens.digest,
            "ratio": job.ratio,
            "seed": job.seed,
            "form": job.form,
            "sampler": job.sampler,
        }
        | job.setup.identity()
    )


def _from_json(data: Any) -> Errors:
    return Errors(**data)


WORK = JobKind(simulate, identity, asdict, _from_json, share=share)


def _projection(job: AttentionJob, size: int, features: int) -> Float[Tensor, "size features"]:
    """The published draws of the samplers that it has, ours of the others."""
    if job.sampler in published.SAMPLERS:
        return published.draw(job.sampler, size, features, job.seed).T
    return draw(job.sampler, size, features, seed=job.seed)


def _error(found: Tensor, exact: Tensor) -> float:
    gaps = (found - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    return float(gaps.mean())


def _digest(tokens: Sequence[Tensor]) -> str:
    found = hashlib.sha256()
    for tensor in tokens:
        found.update(f"{tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


@lru_cache(maxsize=1)
def _tokens(tokens: TokenSource) -> tuple[Triple, Triple]:
    return tokens.read()
