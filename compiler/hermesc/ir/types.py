"""What a value of the graph is: a tensor with symbolic sizes, a size, or several of these."""

from dataclasses import dataclass

Dim = int | str  # a number, or a symbolic expression such as `s0` or `2*s0`


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor.

    dims: its sizes; a symbolic one is its expression's text.
    dtype: such as `float32`.
    """

    dims: tuple[Dim, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.dims))}]"


@dataclass(frozen=True, slots=True)
class SizeType:
    """A number computed from the inputs' sizes."""

    def __str__(self) -> str:
        return "size"


@dataclass(frozen=True, slots=True)
class TupleType:
    """Several values, as `chunk` or `split` give.

    items: what each is.
    """

    items: tuple["ValueType", ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


ValueType = TensorType | SizeType | TupleType
