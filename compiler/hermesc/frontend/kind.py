"""What kind of model an object is. Nothing is imported for it that is not there already."""

import sys
from typing import Any, Literal

from torch import nn
from torch.export import ExportedProgram

ModelKind = Literal["module", "sklearn", "onnx", "exported"]


def kind_of(model: Any) -> ModelKind | None:
    """The kind of a model; None for what is no model.

    A scikit-learn estimator or an onnx.ModelProto that exists has imported its package.
    """
    if isinstance(model, nn.Module):
        return "module"
    if isinstance(model, ExportedProgram):
        return "exported"
    if isinstance(model, _class_of("sklearn.base", "BaseEstimator")):
        return "sklearn" if not isinstance(model, type) else None
    if isinstance(model, _class_of("onnx", "ModelProto")):
        return "onnx"
    return None


def _class_of(module: str, name: str) -> tuple[type, ...]:
    found = getattr(sys.modules.get(module), name, None)
    return () if found is None else (found,)
