"""Why a captured node can run neither on the chip nor on the host."""

import torch
from torch import Tensor
from torch.fx import Node

from hermesc.frontend.torch.calls import EMPTY, is_check, is_move, is_overwritten
from hermesc.frontend.torch.expand import op_name
from hermesc.ir.ops import UNKNOWN_TO_TORCH
from hermesrt.ops.absent import REASONS, absence_of
from hermesrt.ops.call import resolve

SIZED = REASONS["sized"]
REFUSED_LOOP = "refused: "  # what the text of a loop that no program holds begins with
_LOOPS = ("loop.while", "loop.scan")


def shown_name(node: Node) -> str:
    """The name that a user knows it by."""
    name = op_name(node)
    if name == "loop.scan":
        return "torch.scan" if node.args[0] else "torch.map"
    if name == "loop.while":
        return "torch.while_loop"
    control = name.startswith("python.")
    return f"torch.{name.removeprefix('python.')}" if control else name


def why_refused(node: Node, name: str) -> str | None:
    """The reason, or None for a node that runs, or computes nothing."""
    fine = is_check(name) or is_move(name)
    fine = fine or (name in EMPTY and is_overwritten(node)) or name in UNKNOWN_TO_TORCH
    return None if fine else _why_not(node, name)


def _why_not(node: Node, name: str) -> str | None:
    if name in _LOOPS:
        text = str(node.args[-1])
        refused = text.startswith(REFUSED_LOOP)
        return text.removeprefix(REFUSED_LOOP) if refused else None
    if isinstance(node.target, torch._ops.HigherOrderOperator):
        return _why_no_control(name)
    if isinstance(node.target, torch._ops.OpOverload):
        if torch.Tag.nondeterministic_seeded in node.target.tags and not _draws_nothing(node):
            return REASONS["random"]
        if torch.Tag.data_dependent_output in node.target.tags or _unbacked(node):
            return SIZED
    if resolve(name) is None:
        known = isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "aten"
        absence = absence_of(node.target) if known else None
        return REASONS[absence] if absence else "not among the operations that the host runs"
    if any(isinstance(a, complex) for a in node.args):
        return "complex numbers are not supported"
    return None


def _why_no_control(name: str) -> str:
    """A cond is written as a selection before, and a loop is one of ours."""
    if name == "python.associative_scan":
        return (
            "a loop inside the model, which a program does not hold; write it as a Python loop "
            "of a fixed number of steps, or move it out of the model"
        )
    return "control flow inside the model is not supported"


def _unbacked(node: Node) -> bool:
    value = node.meta.get("val")
    sizes = value.shape if isinstance(value, Tensor) else [value]
    return any(
        str(symbol).startswith("u")
        for size in sizes
        if isinstance(size, torch.SymInt)
        for symbol in size.node.expr.free_symbols
    )


def _draws_nothing(node: Node) -> bool:
    """Attention without dropout and recurrent layers in evaluation, whatever their tags say."""
    assert isinstance(node.target, torch._ops.OpOverload)
    arguments = {a.name: a.default_value for a in node.target._schema.arguments}
    arguments |= dict(zip(arguments, node.args, strict=False)) | dict(node.kwargs)
    if node.target._opname in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return arguments["train"] is False or arguments["dropout"] == 0.0
    return arguments.get("dropout_p") == 0.0
