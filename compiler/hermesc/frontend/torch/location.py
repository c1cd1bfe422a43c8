"""Where in the user's code a captured node was written."""

import re
import site
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from hermesrt.errors import Location

_GENERATED = re.compile(r'File "<eval_with_key>[^"]*".*\n\s*(\w+) = ')
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
    own = user_frames(meta)
    if not own:
        return Location(module=module)
    file, line, code = own[-1]
    return Location(module, _short_path(file, folder), int(line), code)


def user_frames(meta: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """File, line and text of each line of the user's in a node's stack, the innermost last."""
    found = _FRAME.finditer(meta.get("stack_trace") or "")
    frames = [(frame[1], frame[2], (frame[3] or "").strip()) for frame in found]
    not_theirs = (str(Path(torch.__file__).parent), "torch/", str(Path(__file__).parents[1]), "<")
    return [f for f in frames if not f[0].startswith(not_theirs)]


def places_in(module: GraphModule) -> dict[str, Mapping[str, Any]]:
    """What tracing noted at the nodes of the graphs within a graph, by name; torch cut these out of
    one graph, so no name comes twice."""
    inner = (m for m in module.modules() if isinstance(m, GraphModule) and m is not module)
    return {n.name: n.meta for part in inner for n in part.graph.nodes if user_frames(n.meta)}


def restore_places(graph: Graph, places: Mapping[str, Mapping[str, Any]]) -> None:
    """Give nodes that were traced through such graphs the places of the nodes there, in place."""
    for node in graph.nodes:
        if node.op != "call_function" or user_frames(node.meta):
            continue
        names = _GENERATED.findall(node.meta.get("stack_trace") or "")
        for known in (places[name] for name in names if name in places):
            node.meta |= {k: known[k] for k in ("stack_trace", "nn_module_stack") if k in known}


def _short_path(file: str, folder: Path | None) -> str:
    """A path that says the same on every machine."""
    path = Path(file)
    roots = [folder.resolve()] if folder else []
    roots += [Path(p) for p in (*site.getsitepackages(), site.getusersitepackages(), sys.prefix)]
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name
