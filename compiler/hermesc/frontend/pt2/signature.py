"""Whether a graph's inputs and outputs are those that its signature lists, weights included."""

from collections.abc import Collection, Mapping
from typing import Any

from hermesc.frontend.pt2.archive import RefusedPart


def check_signature(
    graph_module: Mapping[str, Any], weights: Collection[str], constants: Collection[str]
) -> None:
    """Each input and output stands in both, in the same order, and each weight has its bytes.

    Raises: RefusedPart.
    """
    graph, signature = graph_module["graph"], graph_module["signature"]
    inputs, specs = graph["inputs"], signature["input_specs"]
    if len(inputs) != len(specs):
        raise RefusedPart(f"the graph takes {len(inputs)} inputs, its signature {len(specs)}")
    names = [_check_input(*pair, weights, constants) for pair in zip(inputs, specs, strict=True)]
    if len(set(names)) != len(names):
        raise RefusedPart("two inputs of the graph have one name")
    results = [spec["arg"] for (spec,) in map(dict.values, signature["output_specs"])]
    outputs = [_bare(output) for output in graph["outputs"]]
    if [_bare(result) for result in results] != outputs:
        raise RefusedPart("the graph returns other outputs than its signature lists")


def _check_input(
    given: Mapping[str, Any],
    spec: Mapping[str, Any],
    weights: Collection[str],
    constants: Collection[str],
) -> str:
    """The name of the input."""
    ((kind, listed),) = spec.items()
    held = {
        "parameter": ("parameter_name", weights),
        "buffer": ("buffer_name", weights if listed.get("persistent") else constants),
        "tensor_constant": ("tensor_constant_name", constants),
    }.get(kind)
    if held and listed[held[0]] not in held[1]:
        raise RefusedPart(f"the archive holds no bytes of the {kind} {listed[held[0]]}")
    if kind == "constant_input":
        return str(listed["name"])
    if _bare(listed["arg"]) != _bare(given):
        raise RefusedPart("the graph takes other inputs than its signature lists")
    return str(_bare(given))


def _bare(argument: Mapping[str, Any]) -> Any:
    """The name of a tensor or of a size, else the argument."""
    match argument:
        case {"as_tensor": {"name": name}} | {"name": name}:
            return name
        case {"as_sym_int": {"as_name": name}} | {"as_sym_float": {"as_name": name}}:
            return name
        case _:
            return dict(argument)
