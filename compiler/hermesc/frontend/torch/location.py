"""Where in the user's code a captured node was written."""

import re
import site
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.fx import Node

from hermesrt.errors import Location

# A file's name may hold anything, line breaks too; not every frame has its line of code.
_FRAME = re.compile(
    r'^ *File "([\s\S]*?)", line (\d+), in [^\n]*(?:\n(?! *File ")([^\n]*))?', re.MULTILINE
)


def location_of(node: Node, folder: Path | None) -> Location:
    """The innermost line of the node's stack that is neither torch's nor this front end's."""
    return location(node.meta, folder)


def location(meta: Mapping[str, Any], folder: Path | None) -> Location:
    """The same of what tracing noted at a node."""
    stack = meta.get("nn_module_stack") or {}
    module = str(next(reversed(stack.values()))[0]) if stack else ""
    module = "" if module.startswith("_empty_nn_module_stack") else module  # torch's own mark
    found = _FRAME.finditer(meta.get("stack_trace") or "")
    frames = [(frame[1], frame[2], (frame[3] or "").strip()) for frame in found]
    not_theirs = (str(Path(torch.__file__).parent), "torch/", str(Path(__file__).parents[1]))
    own = [f for f in frames if not f[0].startswith(not_theirs)]
    if not own:
        return Location(module=module)
    file, line, code = own[-1]
    return Location(module, _short_path(file, folder), int(line), code)


def _short_path(file: str, folder: Path | None) -> str:
    """A path that says the same on every machine."""
    path = Path(file)
    roots = [folder.resolve()] if folder else []
    roots += [Path(p) for p in (*site.getsitepackages(), site.getusersitepackages(), sys.prefix)]
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name
