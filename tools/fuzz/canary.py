"""Whether code of a hostile file ran: what the interpreter reports while a mutant is read.

Python tells its audit hooks of each process started, socket opened, pickle class looked up, file
opened for writing and text compiled. Nothing of these may come from a file that is data.
"""

import io
import os
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

Tokens = Sequence[tokenize.TokenInfo]
MARK = "pwned"  # every payload of code names it, and none of ours does
_NEVER = (
    "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "subprocess.Popen",
    "socket.connect", "socket.bind", "pickle.find_class", "os.remove", "os.rename", "os.mkdir",
    "os.rmdir", "os.chmod", "os.symlink", "os.link", "shutil.rmtree", "shutil.move",
    "ctypes.dlopen", "webbrowser.open", "urllib.Request",
)  # fmt: skip


class Canary:
    """Collects what must not happen while `watching`.

    With `names`, what is read makes identifiers of the names of a file: one with the mark is no
    finding by itself, but what calls it, looks into it or binds it is.
    """

    def __init__(self, *, names: bool = False) -> None:
        self.seen: list[str] = []
        self._finds = _called if names else _named
        self._active = False
        sys.addaudithook(self._hook)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Collect in here."""
        self._active = True
        try:
            yield
        finally:
            self._active = False

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._active:
            return
        self._active = False  # what this hook does itself is no finding
        try:
            if _is_finding(event, args, self._finds):
                self.seen.append(f"{event} {str(args)[:200]}")
        finally:
            self._active = True


def _is_finding(event: str, args: tuple[Any, ...], finds: Callable[[Tokens], bool]) -> bool:
    if event == "open":
        return _writes(args) or MARK in str(args[0])
    if event == "compile":  # ast.parse, which makes no code, calls its text <unknown>
        return args[1] not in ("<unknown>", b"<unknown>") and _names_mark(args[0], finds)
    return event in _NEVER or (event == "import" and MARK in str(args[0]))


def _writes(args: tuple[Any, ...]) -> bool:
    _, mode, flags = args
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _names_mark(source: Any, finds: Callable[[Tokens], bool]) -> bool:
    """Whether the text has the mark outside of strings and comments, where it would be code."""
    text = source.decode("utf-8", "replace") if isinstance(source, bytes) else source
    if not isinstance(text, str) or MARK not in text:
        return False
    skipped = (tokenize.STRING, tokenize.COMMENT)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return True
    return finds([token for token in tokens if token.type not in skipped])


def _named(tokens: Tokens) -> bool:
    return any(MARK in token.string for token in tokens)


def _called(tokens: Tokens) -> bool:
    pairs = pairwise(token.string for token in tokens)
    return any(
        (MARK in a and b in ("(", ".", ":=", "[")) or (MARK in b and a in (".", "import", "def"))
        for a, b in pairs
    )
