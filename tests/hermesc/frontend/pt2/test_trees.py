"""Trees of arguments and results: tuples, lists and dicts, and nothing that torch would import."""

import json

import pytest
import torch
from torch.utils import _pytree as pytree

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.trees import read_tree

LEAF = {"type": None, "context": None, "children_spec": []}


def test_trees_of_torch_mean_the_same():
    value = ((torch.ones(1), {"a b": [1, 2], "c": ()}), {3: (1,)})
    text = pytree.treespec_dumps(pytree.tree_structure(value))
    assert pytree.treespec_loads(read_tree(text)) == pytree.tree_structure(value)


def node(kind, context, *children):
    return json.dumps([1, {"type": kind, "context": context, "children_spec": list(children)}])


def deep(levels):
    tree = LEAF
    for _ in range(levels):
        tree = {"type": "builtins.list", "context": "null", "children_spec": [tree]}
    return json.dumps([1, tree])


@pytest.mark.parametrize(
    "text",
    [
        node("builtins.dict", '{"__enum__": true, "fqn": "antigravity:X", "name": "Y"}'),
        node("builtins.dict", '["a"]'),
        node("builtins.dict", '["a", "a"]', LEAF, LEAF),
        node("builtins.dict", '["\\n"]', LEAF),
        node("builtins.tuple", '{"__enum__": true}'),
        node("collections.namedtuple", "os.system"),
        node("collections.defaultdict", "{}"),
        node("pwned", "null"),
        json.dumps([2, LEAF]),
        json.dumps([1, LEAF | {"more": 1}]),
        "{}",
        deep(100),
        "[1," * 20_000 + "]" * 20_000,
        None,
    ],
)
def test_other_trees_are_refused(text):
    with pytest.raises(RefusedPart):
        read_tree(text)
