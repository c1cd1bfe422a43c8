"""What one core needs, which MVMs run beside each other, and how a size is cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hermesc.ir.stages import Dependence
from hermesc.placement.cost_model import (
    CostModel,
    Cut,
    Item,
    MatrixWork,
    busiest_ps,
    equal_parts,
    full_parts,
    load_bound_ps,
)

ITEMS = st.builds(Item, st.just(1), st.integers(0, 50), st.integers(1, 20), st.integers(0, 50))


@settings(max_examples=50)
@given(st.lists(ITEMS, min_size=1, max_size=20))
def test_a_core_needs_what_its_worst_set_of_items_needs(items):
    wanted = max(
        head + sum(i.load for i in late) + tail
        for head in {i.head for i in items}
        for tail in {i.tail for i in items}
        if (late := [i for i in items if i.head >= head and i.tail >= tail])
    )
    assert busiest_ps(items) == wanted
    assert load_bound_ps(items, 1) <= wanted


def test_mvms_are_beside_each_other_unless_one_is_over_before(chip):
    """Two stream into a third, which is needed whole by a fourth."""
    cut = Cut(((0, 4),), ((0, 4),), 1, "4-phase")
    works = (
        MatrixWork(0, 5, ()), MatrixWork(0, 5, ()),
        MatrixWork(0, 5, (Dependence(0, False), Dependence(1, False))),
        MatrixWork(0, 1, (Dependence(2, True),)),
    )  # fmt: skip
    model = CostModel(chip, works, (cut,))
    assert [bin(mask) for mask in model.beside] == ["0b111", "0b111", "0b111", "0b1000"]


def test_parts_cover_a_size():
    assert equal_parts(10, 3) == ((0, 3), (3, 6), (6, 10))
    assert full_parts(10, 4) == ((0, 4), (4, 8), (8, 10))
