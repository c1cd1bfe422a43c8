"""Programs as files of other tools."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermesrt.errors import OptionError
from hermesrt.extras import require
from hermesrt.files.atomic import check_writable, write_atomically

if TYPE_CHECKING:
    from hermesc.api.given import GivenProgram


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported program; `str()` of it is the terminal's text.

    output: the file.
    functions: how many analog layers are functions of it.
    analog_nodes: how many nodes call one.
    digital_nodes: how many others there are.
    opset: of ONNX's operators.
    """

    output: Path
    functions: int
    analog_nodes: int
    digital_nodes: int
    opset: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "output": str(self.output),
            "functions": self.functions,
            "analog_nodes": self.analog_nodes,
            "digital_nodes": self.digital_nodes,
            "opset": self.opset,
        }

    def __str__(self) -> str:
        return (
            f"wrote {self.output}: opset {self.opset}, {self.analog_nodes} analog nodes that call "
            f"{self.functions} functions, {self.digital_nodes} digital nodes"
        )


def export(program: "GivenProgram", output: str | Path | None = None) -> Exported:
    """Write a program as an ONNX model: digital operations as the standard has them, analog layers
    as functions of the domain `ai.hermesc` that hold the exact product, their tiles and cores in
    the metadata.

    output: P.onnx if not given, P the program's name.
    Raises: OptionError, InputError, ArtifactError; ModelError and UnsupportedOpError for what ONNX
    cannot hold.
    """
    file = Path(program) if isinstance(program, str | Path) else None
    name = file.stem if file else program.artifact.manifest.name  # type: ignore[union-attr]
    target = Path(output) if output is not None else Path(f"{name}.onnx")
    if target.suffix.lower() != ".onnx":
        raise OptionError(f"-o {target}: a program is exported to an .onnx file; name it so")
    check_writable(target, program=file)
    require("onnx", "export")
    require("onnxscript", "export")
    from hermesc.api.given import program_of
    from hermesc.app.onnx_export.write import onnx_model

    made = onnx_model(program_of(program).artifact)
    write_atomically(target, made.proto.SerializeToString())
    return Exported(target, made.functions, made.analog_nodes, made.digital_nodes, made.opset)
