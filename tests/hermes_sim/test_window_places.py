"""The rule of what a window waits for against its list."""

from unittest.mock import patch

from hypothesis import assume, given
from hypothesis import strategies as st

from hermes_sim import window_places
from hermes_sim.window_places import last_places
from hermesrt.ops.tokens import Windowed
from hermesrt.ops.window import Window, last_inputs


@st.composite
def windows(draw: st.DrawFn) -> Windowed:
    """Any window over one to three dimensions."""
    rank = draw(st.integers(1, 3))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    window = Window(
        numbers(1, 4), numbers(1, 3), numbers(1, 2), numbers(-1, 5), numbers(-1, 5), numbers(1, 2),
    )  # fmt: skip
    sizes = numbers(1, 9)
    try:
        outputs = window.outputs(sizes)
    except ValueError:
        assume(False)
    return Windowed("x", window, sizes, outputs, 1)


@given(windows())
def test_a_rule_of_rows_names_the_last_input_that_each_output_sees(windowed: Windowed) -> None:
    wanted = last_inputs(windowed.window, windowed.sizes, windowed.outputs)
    with patch.object(window_places, "FEW", 0):
        assert last_places(windowed).tolist() == wanted.tolist()


def test_rows_of_a_large_image_are_a_few_runs() -> None:
    same = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1))
    found = last_places(Windowed("x", same, (224, 224), (224, 224), 1))
    assert len(found.runs) < 5 and not found.is_list


def test_rows_of_a_transposed_convolution_are_a_few_runs_too() -> None:
    wider = Window((3, 3), (1, 1), (1, 1), (2, 2), (2, 2), (2, 2))
    outputs = wider.outputs((100, 100))
    found = last_places(Windowed("x", wider, (100, 100), outputs, 1))
    assert len(found.runs) < 8 and not found.is_list
