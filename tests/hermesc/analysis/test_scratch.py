"""Memory that is used again."""

import torch

from hermesc.analysis.scratch import Scratch


def test_the_same_name_gives_the_same_memory_as_long_as_it_is_enough():
    scratch = Scratch()
    large = scratch.of("a", 4, 8)
    small = scratch.of("a", 5)
    assert (large.shape, small.shape) == ((4, 8), (5,))
    assert small.data_ptr() == large.data_ptr()
    assert scratch.of("a", 100).shape == (100,)


def test_another_name_gives_other_memory_of_its_own_type():
    scratch = Scratch()
    cells, places = scratch.of("cells", 8).zero_(), scratch.of("places", 8, dtype=torch.int32)
    places.fill_(7)
    assert cells.tolist() == [0.0] * 8
    assert places.dtype == torch.int32
