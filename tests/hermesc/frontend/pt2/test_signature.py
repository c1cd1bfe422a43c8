"""A graph and its signature tell the same story."""

import pytest

from hermesc.frontend.pt2.rewrite import rewrite
from hermesrt.errors import ModelError


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("input_specs", lambda s: s.pop(), "takes 4 inputs, its signature 3"),
        ("input_specs", lambda s: s.reverse(), "takes other inputs than its signature lists"),
        ("output_specs", lambda s: s.clear(), "returns other outputs than its signature lists"),
        (
            "input_specs",
            lambda s: s[0]["parameter"].update(parameter_name="other"),
            "holds no bytes of the parameter other",
        ),
        (
            "input_specs",
            lambda s: s[2]["buffer"].update(persistent=False),
            "holds no bytes of the buffer omega",
        ),
    ],
)
def test_what_differs_is_refused(part, change, message, path, edit_json):
    edit_json(lambda program: change(program["graph_module"]["signature"][part]))
    with pytest.raises(ModelError, match=message):
        rewrite(path)


def test_two_inputs_of_one_name_are_refused(path, edit_text):
    edit_text('"p_head_bias"', '"x"')
    with pytest.raises(ModelError, match=r"the same key twice|two inputs of the graph"):
        rewrite(path)
