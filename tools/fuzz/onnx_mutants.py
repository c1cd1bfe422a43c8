"""Mutations of ONNX models: attributes, constants, types, wires, functions, files and bytes."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from canary import MARK
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

_NUMBERS = (
    0, 1, -1, 2, 3, 7, 64, 255, 2**15, 2**20, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63),
)  # fmt: skip
_FLOATS = (0.0, -0.0, 1.5, 1e-45, 3e38, float("inf"), float("-inf"), float("nan"))
_TEXTS = (
    "", "\0", "\n", "\u202e", f"{MARK}", f"__import__('os').system('{MARK}')", "../../etc/passwd",
    "/etc/passwd", "w\0.bin", "x" * 5000, "9" * 5000, "SAME_UPPER", "ij,jk->ik", "...->", "a" * 60,
    "wrap", "constant", "class", "self",
)  # fmt: skip
_OPS = (
    "Abs", "Add", "And", "ArgMax", "Attention", "AveragePool", "Cast", "Clip", "Concat", "Constant",
    "ConstantOfShape", "Conv", "ConvTranspose", "CumSum", "Div", "Dropout", "Einsum", "Expand",
    "EyeLike", "Flatten", "Gather", "GatherElements", "Gemm", "GroupNormalization", "If", "Loop",
    "LayerNormalization", "LpNormalization", "MatMul", "MaxPool", "Mean", "Mod", "OneHot", "Pad",
    "Pow", "Range", "ReduceMax", "ReduceProd", "Reshape", "ScatterElements", "Shape", "Size",
    "Slice", "Softmax", "Split", "Squeeze", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze",
    "Where", MARK,
)  # fmt: skip
_KINDS = (0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 14, 16, 17, 22, 23, 99, -1)


def seeds() -> list[bytes]:
    """Ordinary models, serialized."""
    rng = np.random.default_rng(0)

    def weight(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    dense = [
        helper.make_node("Gemm", ["x", "w", "b"], ["t"], name="dense"),
        helper.make_node("Clip", ["t", "low"], ["u"]),
        helper.make_node("LayerNormalization", ["u", "s", "s"], ["v"], axis=-1),
        helper.make_node("Softmax", ["v"], ["y"], axis=-1),
    ]
    image = [
        helper.make_node("Pad", ["x", "pads", "low"], ["p"]),
        helper.make_node("Conv", ["p", "k"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c"], ["m"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("AveragePool", ["m"], ["a"], kernel_shape=[2, 2]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("ReduceSum", ["f", "one"], ["y"], keepdims=1),
    ]
    sizes = [
        helper.make_node("Shape", ["x"], ["n"]),
        helper.make_node("Gather", ["n", "zero"], ["rows"]),
        helper.make_node("Concat", ["rows", "minus"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["r"]),
        helper.make_node("Slice", ["r", "zero", "one", "one"], ["cut"]),
        helper.make_node("TopK", ["r", "one"], ["top", "places"]),
        helper.make_node("Tile", ["top", "twice"], ["tiled"]),
        helper.make_node("Expand", ["cut", "twice"], ["wide"]),
        helper.make_node("Twice", ["tiled"], ["z"], domain="mine"),
        helper.make_node("MatMul", ["z", "two"], ["y"]),
    ]
    numbers = {
        "zero": [0], "one": [1], "minus": [4], "twice": [1, 2], "pads": [0, 0, 1, 0, 0, 0, 0, 1],
    }  # fmt: skip
    held = {"w": weight(4, 3), "b": weight(3), "low": np.float32(-1), "s": weight(3)}
    held |= {"k": weight(2, 1, 3, 3), "two": weight(2, 3)}
    held |= {name: np.array(value) for name, value in numbers.items()}
    made = ((dense, ["n", 4]), (image, ["n", 1, 6, 5]), (sizes, ["n", 4]))
    return [_model(nodes, shape, held).SerializeToString() for nodes, shape in made]


def _model(nodes: Sequence[NodeProto], shape: Sequence[Any], held: dict[str, Any]) -> ModelProto:
    taken = {name for node in nodes for name in node.input}
    weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in held.items() if k in taken]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info("y")],
        weights,
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]
    twice = helper.make_function(
        "mine", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], opsets[:1]
    )
    return helper.make_model(graph, opset_imports=opsets, functions=[twice])


def mutant(data: bytes, rng: random.Random) -> bytes:
    """The model with one to three changes; now and then of its bytes alone."""
    if rng.random() < 0.1:
        return _bytes(data, rng)
    model = ModelProto.FromString(data)
    for _ in range(rng.randint(1, 3)):
        rng.choice(_CHANGES)(model, rng)
    return bytes(model.SerializeToString())


def _bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.choice((len(changed), rng.randrange(len(changed))))])


def _attribute(model: ModelProto, rng: random.Random) -> None:
    """Change an attribute, or add one."""
    node = rng.choice(model.graph.node)
    names = [a.name for a in node.attribute] + ["axis", "axes", "kernel_shape", "value", "to", "k"]
    name = rng.choice(names)
    found = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(found)
    lists = [rng.choice(_NUMBERS) for _ in range(rng.randint(1, 4))]
    value: Any = rng.choice((rng.choice(_NUMBERS), rng.choice(_FLOATS), rng.choice(_TEXTS), lists))
    node.attribute.append(helper.make_attribute(name, value, attr_type=_kind(value)))


def _kind(value: Any) -> int:
    kinds = {int: AttributeProto.INT, float: AttributeProto.FLOAT, str: AttributeProto.STRING}
    return kinds.get(type(value), AttributeProto.INTS)


def _constant(model: ModelProto, rng: random.Random) -> None:
    """Other numbers, sizes, type or place of a weight."""
    weight = rng.choice(model.graph.initializer)
    array = rng.choice((np.ones((4, 3), np.float32), np.arange(4)))
    match rng.randrange(6):
        case 0:
            numbers = _NUMBERS if array.dtype.kind == "i" else _FLOATS
            array = np.full_like(array, rng.choice(numbers))
            weight.CopyFrom(numpy_helper.from_array(array, weight.name))
        case 1:
            del weight.dims[:]
            weight.dims.extend(rng.choice(_NUMBERS) for _ in range(rng.randint(0, 4)))
        case 2:
            weight.data_type = max(0, rng.choice(_KINDS))
        case 3:
            weight.raw_data = bytes(rng.randrange(64))
        case 4:
            kind = rng.choice((np.int32, np.int64, np.float64, np.bool_, np.uint8, np.float16))
            shape = [rng.randint(0, 3) for _ in range(rng.randint(0, 3))]
            weight.CopyFrom(numpy_helper.from_array(np.ones(shape, kind), weight.name))
        case 5:
            weight.data_location = TensorProto.EXTERNAL
            del weight.external_data[:]
            for key in ("location", "offset", "length"):
                entry = weight.external_data.add()
                entry.key = key
                entry.value = str(rng.choice((rng.choice(_TEXTS), rng.choice(_NUMBERS))))


def _operation(model: ModelProto, rng: random.Random) -> None:
    rng.choice(model.graph.node).op_type = rng.choice(_OPS)


def _wires(model: ModelProto, rng: random.Random) -> None:
    """Inputs and outputs exchanged, doubled, left out, or turned into a circle."""
    node = rng.choice(model.graph.node)
    names = [n for m in model.graph.node for n in (*m.input, *m.output)] + ["", "nothing"]
    side = node.input if rng.random() < 0.7 else node.output
    match rng.randrange(3):
        case 0 if side:
            side[rng.randrange(len(side))] = rng.choice(names)
        case 1:
            side.append(rng.choice(names))
        case _ if side:
            del side[rng.randrange(len(side))]


def _types(model: ModelProto, rng: random.Random) -> None:
    """Type and sizes of an input or output."""
    value = rng.choice([*model.graph.input, *model.graph.output])
    kind = value.type.tensor_type
    match rng.randrange(4):
        case 0:
            kind.elem_type = max(0, rng.choice(_KINDS))
        case 1:
            kind.shape.dim.add().dim_value = rng.choice(_NUMBERS)
        case 2 if kind.shape.dim:
            kind.shape.dim[0].dim_value = rng.choice(_NUMBERS)
        case _:
            value.ClearField("type")


def _names(model: ModelProto, rng: random.Random) -> None:
    old, new = rng.choice(("x", "y", "t", "w")), rng.choice(_TEXTS)
    for node in model.graph.node:
        node.name = rng.choice((node.name, new))
        for side in (node.input, node.output):
            for i, name in enumerate(side):
                side[i] = new if name == old else name
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.name = new if value.name == old else value.name


def _nodes(model: ModelProto, rng: random.Random) -> None:
    """A node doubled, left out, moved, or repeated many times."""
    nodes = list(model.graph.node)
    at = rng.randrange(len(nodes))
    match rng.randrange(4):
        case 0:
            nodes.insert(rng.randrange(len(nodes) + 1), nodes[at])
        case 1 if len(nodes) > 1:
            nodes.pop(at)
        case 2:
            rng.shuffle(nodes)
        case _:
            for i in range(rng.choice((3, 30, 300))):
                node = NodeProto()
                node.CopyFrom(nodes[-1])
                node.output[:] = [f"{name}_{i}" for name in node.output]
                nodes.append(node)
    copies = [n.SerializeToString() for n in nodes]
    del model.graph.node[:]
    model.graph.node.extend(NodeProto.FromString(c) for c in copies)


def _functions(model: ModelProto, rng: random.Random) -> None:
    """Functions that call each other, many times or in a circle."""
    depth = rng.choice((1, 3, 30, 60))
    first = model.functions[0] if model.functions else None
    if first is None:
        return
    before = list(model.opset_import)
    for i in range(depth):
        called = f"f{i + 1}" if i + 1 < depth else rng.choice(("Twice", "f0", "none"))
        body = [
            helper.make_node(called, ["a"], ["t"], domain="mine"),
            helper.make_node(called, ["t"], ["b"], domain="mine"),
        ]
        model.functions.append(helper.make_function("mine", f"f{i}", ["a"], ["b"], body, before))
    rng.choice(model.graph.node).op_type = "f0"
    model.graph.node[-1].domain = "mine"


def _versions(model: ModelProto, rng: random.Random) -> None:
    opset = rng.choice(model.opset_import)
    if rng.random() < 0.7:
        opset.version = rng.choice((*range(1, 27), *_NUMBERS))
    else:
        opset.domain = rng.choice(_TEXTS)
    model.ir_version = rng.choice((3, 4, 7, 8, 10, 12, 2**40))


_CHANGES: Sequence[Callable[[ModelProto, random.Random], None]] = (
    _attribute, _attribute, _constant, _constant, _constant, _operation, _wires, _wires, _types,
    _names, _nodes, _functions, _versions,
)  # fmt: skip
