"""Packages that only some features need. Each comes with an extra: pip install 'hermesc[EXTRA]'."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from hermesrt.errors import InputError

_EXTRAS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {  # by the module's name: the package and the extra
        "sklearn": ("scikit-learn", "sklearn"),
        "scipy": ("scipy", "sklearn"),
        "onnx": ("onnx", "onnx"),
        "onnxscript": ("onnxscript", "onnx"),
        "matplotlib": ("matplotlib", "plots"),
        "pandas": ("pandas", "frames"),
        "pyarrow": ("pyarrow", "frames"),
        "distributed": ("distributed", "cluster"),
        "optuna": ("optuna", "tune"),
        "aihwkit": ("aihwkit", "aihwkit"),
    }
)


def require(module: str, purpose: str) -> None:
    """Nothing, if the module is installed; it is not imported.

    `purpose` is what the user gave, such as "--plot".
    Raises: InputError with the command that installs it.
    """
    if find_spec(module) is None:
        package, extra = _EXTRAS[module]
        raise InputError(
            f"{purpose} needs the package {package}, which is not installed; "
            f"pip install 'hermesc[{extra}]'"
        )
