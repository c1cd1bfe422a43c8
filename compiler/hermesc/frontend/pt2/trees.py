"""How arguments and results nest, as torch.utils._pytree writes it: tuples, lists and dicts.

Torch would import the classes that other kinds of nodes name. Here a tree is parsed and written
anew, and holds nothing else.
"""

import json
from typing import Any

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.json_text import read_json

_SEQUENCES = (
    "builtins.tuple", "builtins.list", "torch.fx.immutable_collections.immutable_list",
)  # fmt: skip
_MAPPINGS = (
    "builtins.dict", "collections.OrderedDict", "torch.fx.immutable_collections.immutable_dict",
)  # fmt: skip
_DEEPEST = 16
_MOST_CHARACTERS = 2**20
_PROTOCOL = 1


def read_tree(text: object) -> str:
    """The tree, written anew.

    Raises: RefusedPart for a tree of other things.
    """
    if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
        raise RefusedPart("the nesting of arguments or results is no text")
    match read_json(text, "the nesting of arguments or results"):
        case [1, node]:
            return json.dumps([_PROTOCOL, _node(node, 0)])
    raise RefusedPart("the nesting of arguments or results is of another protocol")


def _node(node: Any, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise RefusedPart(f"arguments or results nest deeper than {_DEEPEST}")
    match node:
        case {"type": None, "context": None, "children_spec": []} if len(node) == 3:
            return {"type": None, "context": None, "children_spec": []}
        case {"type": str(kind), "context": context, "children_spec": list(below)} if (
            len(node) == 3
        ):
            children = [_node(child, depth + 1) for child in below]
            written = _context(kind, context, len(children))
            return {"type": kind, "context": written, "children_spec": children}
    raise RefusedPart(f"arguments or results nest in {str(node)[:60]!r}")


def _context(kind: str, context: Any, count: int) -> str:
    """What a node says of its children: the keys of a dict."""
    if kind in _SEQUENCES and context == "null":
        return "null"
    if kind in _MAPPINGS and isinstance(context, str):
        keys = read_json(context, "the keys of a dict")
        if _are_keys(keys) and len(keys) == count:
            return json.dumps(keys)
    raise RefusedPart(
        f"arguments or results nest in a {kind[:60]}; take and return tensors, alone or in tuples, "
        "lists or dicts"
    )


def _are_keys(keys: Any) -> bool:
    """Numbers and short texts, each once."""
    return (
        isinstance(keys, list)
        and len({str(k) for k in keys}) == len(keys)
        and all(
            type(k) is int or (isinstance(k, str) and len(k) <= 200 and k.isprintable())
            for k in keys
        )
    )
