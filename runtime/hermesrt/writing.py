"""Write a program's weights into a device pulse by pulse: by one method, or by each layer's own."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import cast

from hermesrt.artifact.schema import AS_RUN, Artifact
from hermesrt.device import DRAWN, Device, Method, ReadSettings
from hermesrt.errors import OptionError
from hermesrt.programming.corrections import deepest_correction
from hermesrt.programming.loop import (
    Iteration,
    ProgrammingOptions,
    ProgrammingProgress,
    phases_of,
    program,
)
from hermesrt.state import ProgrammingJob, load_checkpoint, save_checkpoint
from hermesrt.threads import one_thread

Observe = Callable[[ProgrammingProgress], None]
Pulsed = Mapping[Method, Collection[int]]


def pulsed_cores(artifact: Artifact, method: Method) -> Pulsed:
    """The cores that are programmed pulse by pulse, by their own methods or by that of all."""
    found: dict[Method, list[int]] = {}
    own = {t.core: m.method for m in artifact.manifest.matrices for t in m.tiles}
    for core in artifact.cores:
        said = own[core]
        chosen = method if said == AS_RUN else cast(Method, said)
        if chosen not in DRAWN:
            found.setdefault(chosen, []).append(core)
    return found


def refuse_corrected(artifact: Artifact, pulsed: Pulsed) -> None:
    """Raises: OptionError where slices that correct each other would be written pulse by pulse."""
    if pulsed and deepest_correction(artifact):
        raise OptionError(
            f"method {next(iter(pulsed))!r}: the program has tile.slice_fill=corrected, whose "
            "slices are written one after the other; only published and ideal weights are "
            "drawn so: compile with tile.slice_fill=max or equal"
        )


def write_all(
    device: Device,
    artifact: Artifact,
    job: ProgrammingJob,
    observe: Observe | None,
    checkpoint: Path | None,
) -> tuple[Iteration, ...]:
    """All cores by the job's method; what was done is kept in `checkpoint` until the end."""
    progress = ProgrammingProgress(job.method, phases_of(job.method, device.chip, job.options))

    def keep(progress: ProgrammingProgress) -> None:
        if checkpoint is not None:
            save_checkpoint(device, progress, job, checkpoint)

    if checkpoint is not None and checkpoint.exists():
        load_checkpoint(device, artifact, progress, job, checkpoint)
    device.configure(ReadSettings())
    with one_thread():
        rounds, done = program(device, artifact, progress, job.options, keep), progress.done
        for count, _ in enumerate(rounds, done + 1):
            if observe is not None:
                observe(progress.after(count))
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return tuple(progress.iterations)


def write_by_layer(
    device: Device,
    artifact: Artifact,
    pulsed: Pulsed,
    options: ProgrammingOptions,
    observe: Observe | None,
) -> None:
    """Some cores by one method after some by another; nothing is kept for a stopped run."""
    device.configure(ReadSettings())
    with one_thread():
        for method, cores in pulsed.items():
            progress = ProgrammingProgress(method, phases_of(method, device.chip, options))
            rounds = program(device, artifact, progress, options, cores=cores)
            for count, _ in enumerate(rounds, 1):
                if observe is not None:
                    observe(progress.after(count))
