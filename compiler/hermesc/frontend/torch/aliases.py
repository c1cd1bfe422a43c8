"""What a weight is called that several modules hold: by the module that first uses it."""

from collections import defaultdict
from collections.abc import Mapping

from torch.export import ExportedProgram

from hermesc.frontend.torch.location import location_of


def names_by_use(exported: ExportedProgram) -> Mapping[str, str]:
    """The name of each weight within the module that runs first with it, by the name that export
    gave, where a weight has several names and one of them is of that module."""
    held = exported.state_dict | exported.constants
    same: dict[int, list[str]] = defaultdict(list)
    for name, value in held.items():
        same[id(value)].append(name)
    specs = {s.arg.name: str(s.target) for s in exported.graph_signature.input_specs}
    found: dict[str, str] = {}
    for node in exported.graph.nodes:
        names = same.get(id(held.get(specs.get(node.name, ""))), [])
        if node.op != "placeholder" or len(names) < 2 or not node.users:
            continue
        module = location_of(next(iter(node.users)), None).module
        here = [name for name in names if name.rpartition(".")[0] == module]
        if here:
            found[specs[node.name]] = here[0]
    return found
