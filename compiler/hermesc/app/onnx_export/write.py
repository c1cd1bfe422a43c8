"""The ONNX model of a program: what torch's exporter makes of the digital steps, with our functions
for the analog ones.

Torch and onnxscript translate the host's operations, so none is written twice here. Sizes that are
free in the program stay free. A program that ONNX cannot hold is refused with the step at fault.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import ModelProto, NodeProto, ValueInfoProto, helper
from torch.export import ExportedProgram

from hermesc.analysis.time_steps_in_torch import takes_every_cell
from hermesc.app.onnx_export.functions import Body, function, function_names, step_facts
from hermesc.app.onnx_export.module import DOMAIN, captured, node_type, tensors_of
from hermesc.frontend.describe import describe
from hermesc.frontend.quiet import quiet
from hermesrt.artifact.schema import Artifact, HostStep, MvmStep
from hermesrt.errors import ModelError, Refusal, UnsupportedOpError
from hermesrt.ops.recurrent_shapes import NAMES as RECURRENT
from hermesrt.ops.table import base_name, is_loop

_MOST_BYTES = 2**31 - 2**20  # that one protobuf message may hold
_SCOPES = "pkg.torch.onnx.name_scopes"
_UNTRANSLATED = re.compile(r"<OpOverload\(op='([\w.]+)', overload='(\w+)'\)>")
_STEP = re.compile(r"\bstep(\d+)\b")
_ADVICE = "Move these operations out of the model, or write them with others."


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX model that was made from a program.

    proto: the model.
    functions: how many analog functions it has.
    analog_nodes: how many of its nodes call one.
    digital_nodes: how many others there are.
    opset: of the standard's operators.
    """

    proto: ModelProto
    functions: int
    analog_nodes: int
    digital_nodes: int
    opset: int


def onnx_model(artifact: Artifact) -> OnnxModel:
    """The partitioned graph as an ONNX model that the checker accepts.

    Raises: ModelError for numbers or sizes that ONNX cannot hold; UnsupportedOpError for an
    operation that torch does not export.
    """
    _check_size(artifact)
    _check_layers(artifact)
    _check_loops(artifact)
    with quiet():
        exported = _captured(artifact)
        _check_numbers(exported)
        made = _translated(artifact, exported)
        _rename_tensors(made, list(tensors_of(artifact)))
        proto: ModelProto = made.model_proto
    _check_free_sizes(artifact, proto)
    _with_functions(artifact, proto)
    _forget_lengths(artifact, proto)
    helper.set_metadata_props(proto, _facts(artifact))
    proto.producer_name, _, proto.producer_version = artifact.manifest.generator.partition(" ")
    proto.graph.name = artifact.manifest.name
    onnx.checker.check_model(proto, full_check=True)
    nodes = len(proto.graph.node)
    analog = sum(node.domain == DOMAIN for node in proto.graph.node)
    return OnnxModel(proto, len(proto.functions), analog, nodes - analog, _opset(proto))


def _check_layers(artifact: Artifact) -> None:
    calls = [s.call for s in artifact.manifest.steps if isinstance(s, HostStep)]
    for step in artifact.mvms:
        recurrence, label = step.recurrence, artifact.matrices[step.matrix].label
        if recurrence is None or recurrence.kind != "lstm":
            continue
        if recurrence.cells and takes_every_cell(step.name, calls):
            raise ModelError(
                f"{step.location}: {label} is an LSTM whose cells are taken at each sequence's own "
                "end, which is not exported; take the last h, or sequences of one length"
            )
        if recurrence.projection is not None or step.second is not None:
            raise ModelError(
                f"{step.location}: {label} is an LSTM with a projection, which ONNX does not have; "
                f"keep it digital with --set partition.digital={label}, or leave proj_size out"
            )


def _check_loops(artifact: Artifact) -> None:
    for step in artifact.manifest.steps:
        if isinstance(step, HostStep) and is_loop(step.op):
            raise ModelError(
                f"{step.location}: a loop whose number of steps the data or a free size say, which "
                "`hermesc export` does not write; give it a number of steps that is known at the "
                "compilation, or move it out of the model"
            )


def _check_size(artifact: Artifact) -> None:
    size = sum(t.nbytes for t in _stored(artifact))
    if size > _MOST_BYTES:
        raise ModelError(
            f"{artifact.manifest.name}: its weights take {size / 2**30:.1f} GiB, and an .onnx file "
            "holds at most 2; export a smaller part of the model"
        )


def _stored(artifact: Artifact) -> Iterator[Any]:
    """The stored tensors, without calibration data."""
    codes = {step.calibration for step in artifact.mvms}
    return (array for name, array in artifact.tensors.items() if name not in codes)


def _captured(artifact: Artifact) -> ExportedProgram:
    try:
        return captured(artifact)
    except Exception as error:
        raise ModelError(
            f"{artifact.manifest.name}: torch.export cannot capture its steps with free sizes: "
            f"{describe(error)}; compile the model for fixed sizes, without dynamic_shapes"
        ) from error


def _check_numbers(exported: ExportedProgram) -> None:
    """ONNX has no complex numbers at a model's ends (within, pairs of real ones stand for them)."""
    for node in exported.graph.nodes:
        ends = [node] if node.op == "placeholder" else node.all_input_nodes
        values = [n.meta.get("val") for n in ends] if node.op in ("placeholder", "output") else []
        if any(isinstance(v, torch.Tensor) and v.is_complex() for v in values):
            raise ModelError(
                "an input, an output or a constant of the program is complex, and ONNX has no "
                "complex numbers; give out torch.view_as_real of it"
            )


def _translated(artifact: Artifact, exported: ExportedProgram) -> Any:
    """Torch's ONNXProgram.

    Raises: UnsupportedOpError.
    """
    names = [spec.name for spec in artifact.manifest.inputs]
    outputs = [f"output_{i}" for i in range(len(artifact.manifest.outputs))]
    try:
        return torch.onnx.export(
            exported, dynamo=True, verbose=False, input_names=names, output_names=outputs
        )
    except Exception as error:
        raise _untranslated(artifact, exported, error) from error


def _untranslated(artifact: Artifact, exported: ExportedProgram, error: Exception) -> ModelError:
    names = set(_UNTRANSLATED.findall(" ".join(_texts(error))))
    holding = _holding(exported, names) if names else set()
    refusals = [
        Refusal(step.op, step.location, "torch's exporter has no ONNX form of it")
        for number, step in enumerate(artifact.manifest.steps)
        if isinstance(step, HostStep) and (number in holding or _is_like(step, names))
    ]
    if refusals:
        return UnsupportedOpError(refusals, advice=_ADVICE, fault="not be written as ONNX")
    return ModelError(
        f"{artifact.manifest.name}: torch's exporter fails on it: {describe(error)}; compile a "
        "part of the model, or report it with the program"
    )


def _holding(exported: ExportedProgram, names: Collection[tuple[str, str]]) -> set[int]:
    """Steps that such an operation is a part of."""
    return {
        int(found[1])
        for graph in (exported.graph, exported.run_decompositions().graph)
        for node in graph.nodes
        if isinstance(node.target, torch._ops.OpOverload) and _overload(node.target) in names
        for path, _ in (node.meta.get("nn_module_stack") or {}).values()
        if (found := _STEP.search(path))
    }


def _is_like(step: HostStep, names: Collection[tuple[str, str]]) -> bool:
    """Whether one of them is what torch makes of a step's operation, by the name."""
    return any(base_name(step.op).endswith(base_name(name)) for name, _ in names)


def _overload(target: "torch._ops.OpOverload") -> tuple[str, str]:
    """As torch writes it in its errors."""
    return f"{target.namespace}.{target._opname}", target._overloadname


def _texts(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        error = error.__cause__


def _rename_tensors(made: Any, names: list[str]) -> None:
    """Weights are called as in the program, stored matrices as their layers."""
    graph = made.model.graph
    taken = {value.name for node in graph for value in node.outputs} | set(graph.initializers)
    for value in list(graph.initializers.values()):
        number = re.fullmatch(r"t(\d+)", value.name)
        name = names[int(number[1])].removeprefix("mvm:") if number else value.name
        if name not in taken:
            taken.add(name)
            value.name = name


def _check_free_sizes(artifact: Artifact, proto: ModelProto) -> None:
    """A size that torch had to fix is not free any more, and that is not what was compiled."""
    for spec, found in zip(artifact.manifest.inputs, proto.graph.input, strict=True):
        sizes = found.type.tensor_type.shape.dim
        for dim, size in zip(spec.dims, sizes, strict=True):
            if isinstance(dim, str) and size.HasField("dim_value"):
                raise ModelError(
                    f"{artifact.manifest.name}: its input {spec.name} has a free size, {dim}, that "
                    f"ONNX's operators would fix to {size.dim_value}; compile the model for a "
                    "fixed size, without dynamic_shapes"
                )


def _with_functions(artifact: Artifact, proto: ModelProto) -> None:
    """Say of each analog node which function it calls, of each digital one where it was written."""
    steps = {
        node_type(step, number): step
        for number, step in enumerate(artifact.manifest.steps)
        if isinstance(step, MvmStep)
    }
    types = _element_types(proto)
    calls = [(n, steps[n.op_type]) for n in proto.graph.node if n.domain == DOMAIN]
    bodies = {n.output[0]: Body.of(step, types[n.output[0]]) for n, step in calls}
    labels = {name: m.label for name, m in artifact.matrices.items()}
    names = function_names((bodies[n.output[0]], labels[s.matrix]) for n, s in calls)
    for node in proto.graph.node:
        facts = _host_facts(artifact, node)
        if node.domain == DOMAIN:
            facts = step_facts(artifact, steps[node.op_type])
            node.op_type = names[bodies[node.output[0]]]
        del node.metadata_props[:]
        helper.set_metadata_props(node, dict(facts))
    for value in proto.graph.value_info:
        del value.metadata_props[:]
    for body, name in names.items():
        matrix = artifact.matrices[body.matrix]
        proto.functions.append(function(body, name, matrix, _opset(proto)))


def _forget_lengths(artifact: Artifact, proto: ModelProto) -> None:
    """Torch's shapes behind a recurrent layer hold the example's length; where that is free, they
    are left out."""
    steps = (s for s in artifact.manifest.steps if isinstance(s, HostStep))
    free = any(isinstance(d, str) for spec in artifact.manifest.inputs for d in spec.dims[1:])
    if free and any(step.op in RECURRENT for step in steps):
        del proto.graph.value_info[:]
        for output in proto.graph.output:
            for size in output.type.tensor_type.shape.dim:
                size.Clear()


def _element_types(proto: ModelProto) -> dict[str, int]:
    values: list[ValueInfoProto] = [*proto.graph.value_info, *proto.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}


def _host_facts(artifact: Artifact, node: NodeProto) -> Mapping[str, str]:
    """Where a digital node comes from, as far as torch says it."""
    scopes = next((p.value for p in node.metadata_props if p.key == _SCOPES), "")
    numbers = _STEP.findall(scopes)
    step = artifact.manifest.steps[int(numbers[-1])] if numbers else None
    if not isinstance(step, HostStep):
        return {"ai.hermesc.unit": "digital"}
    return {
        "ai.hermesc.unit": "digital",
        "ai.hermesc.step": step.name,
        "ai.hermesc.location": str(step.location),
    }


def _facts(artifact: Artifact) -> dict[str, str]:
    return {
        "ai.hermesc.program": artifact.manifest.name,
        "ai.hermesc.chip": artifact.chip.name,
        "ai.hermesc.cores": str(len(artifact.cores)),
        "ai.hermesc.tiles": str(artifact.tiles),
    }


def _opset(proto: ModelProto) -> int:
    return int(next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")))
