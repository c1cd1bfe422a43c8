"""Bars on a terminal, and nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hermesrt.programming.loop import ProgrammingProgress


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """A function that takes how many are done and how many there are."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # without a thread that redraws, so that the process may be copied
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total, refresh=True)


@contextmanager
def programming(*, resumed: bool) -> "Iterator[Callable[[ProgrammingProgress], None]]":
    """A bar with the mean MVM error; a word when a stopped run is taken up."""
    told = not resumed

    def tell(progress: "ProgrammingProgress") -> None:
        nonlocal told
        if not told and progress.done > 1:
            click.echo(f"went on after iteration {progress.done - 1}", err=True)
        told = True

    if not sys.stderr.isatty():
        yield tell
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("programming")

        def show(progress: "ProgrammingProgress") -> None:
            tell(progress)
            errors = progress.iterations[-1].mvm_errors
            mean = 100 * sum(errors) / max(1, len(errors))
            text = f"programming, MVM error {mean:.1f} %"
            bar.update(task, total=len(progress.phases), completed=progress.done, description=text)

        yield show
