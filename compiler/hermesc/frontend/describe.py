"""A user's exception in one line."""

import traceback
from pathlib import Path

import torch


def describe(error: BaseException, path: Path | None = None) -> str:
    """One line on a user's exception: its type and text, and the last line of theirs it passed."""
    text = str(error).strip().split("\n\n")[0].strip() or "no message"
    text = " ".join(text.split())
    text = text if len(text) <= 300 else text[:297] + "..."
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if is_users(f.filename)]
    if path is not None:
        own = [f for f in own if Path(f.filename).resolve() == path.resolve()] or own
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    place = f" (line {line}{': ' + own[-1].line if own and own[-1].line else ''})" if line else ""
    return f"{type(error).__name__}: {text}{place}"


def is_users(filename: str) -> bool:
    """Whether a line of that file is neither torch's nor this front end's."""
    hidden = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]), "<frozen")
    return not filename.startswith(hidden)
