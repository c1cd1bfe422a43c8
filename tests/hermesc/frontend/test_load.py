"""A model file is run as a script would be, and what it defines is checked."""

import sys

import pytest
import torch

from hermesc.frontend.load import load_model
from hermesrt.errors import ModelError

GOOD = """
import torch
model = torch.nn.Linear(4, 2)
example_inputs = (torch.randn(3, 4),)
"""


def _refusal(path):
    with pytest.raises(ModelError) as caught:
        load_model(str(path))
    text = str(caught.value)
    assert "Traceback" not in text
    assert "\n" not in text
    return text


def test_model_and_inputs_are_taken(model_file):
    found = load_model(str(model_file(GOOD)))
    assert isinstance(found.model, torch.nn.Linear)
    assert [tuple(t.shape) for t in found.example_inputs] == [(3, 4)]
    assert found.calibration is None
    assert found.labels is None
    assert found.dynamic_shapes is None


def test_the_same_file_gives_the_same_random_numbers(model_file):
    path = str(model_file(GOOD))
    first, second = load_model(path), load_model(path)
    assert torch.equal(first.model.weight, second.model.weight)
    assert torch.equal(first.example_inputs[0], second.example_inputs[0])


def test_a_model_of_another_name_is_taken_by_it(model_file):
    path = model_file(GOOD.replace("model =", "net ="))
    assert isinstance(load_model(f"{path}:net").model, torch.nn.Linear)


@pytest.mark.parametrize(
    "inputs", ["torch.randn(3, 4)", "[torch.randn(3, 4)]", "lambda: torch.randn(3, 4)"]
)
def test_inputs_may_be_a_tensor_a_list_or_a_function(inputs, model_file):
    found = load_model(str(model_file(GOOD + f"example_inputs = {inputs}\n")))
    assert [tuple(t.shape) for t in found.example_inputs] == [(3, 4)]


def test_model_may_be_a_function(model_file):
    path = model_file(GOOD + "def make():\n    return torch.nn.Linear(4, 7)\nmodel = make\n")
    assert load_model(str(path)).model.out_features == 7


def test_calibration_and_labels_are_taken(model_file):
    extra = "calibration_inputs = lambda: torch.ones(9, 4)\nlabels = [0, 1, 0]\n"
    found = load_model(str(model_file(GOOD + extra)))
    assert found.calibration[0].shape == (9, 4)
    assert found.labels.tolist() == [0, 1, 0]


def test_dynamic_shapes_are_taken(model_file):
    found = load_model(str(model_file(GOOD + "dynamic_shapes = ({0: None},)\n")))
    assert found.dynamic_shapes == ({0: None},)


def test_inputs_lose_their_gradient(model_file):
    path = model_file(GOOD + "example_inputs = torch.randn(3, 4, requires_grad=True)\n")
    assert not load_model(str(path)).example_inputs[0].requires_grad


def test_the_folder_of_the_file_is_on_the_path_only_meanwhile(model_file, tmp_path):
    model_file("width = 4\n", "hermesc_test_neighbour.py")
    path = model_file(
        "import hermesc_test_neighbour as n\n" + GOOD.replace("(4, 2)", "(n.width, 2)")
    )
    before = list(sys.path)
    assert load_model(str(path)).model.in_features == 4
    assert sys.path == before
    assert str(tmp_path) not in sys.path


def test_what_the_file_prints_goes_to_standard_error(model_file, capsys):
    load_model(str(model_file(GOOD + "print('hello')\n")))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


def test_missing_file_is_named(tmp_path):
    assert "none.py: there is no such file" in _refusal(tmp_path / "none.py")


def test_other_suffix_is_refused(tmp_path):
    assert "a model is a .py file" in _refusal(tmp_path / "model.txt")


def test_syntax_error_has_its_line(model_file):
    text = _refusal(model_file("import torch\nmodel = (\n"))
    assert "SyntaxError" in text
    assert "line 2" in text


def test_syntax_error_of_an_imported_file_is_not_blamed_on_the_model(model_file):
    model_file("x = 1\n" * 40 + "y = (\n", "hermesc_test_broken.py")
    text = _refusal(model_file("import hermesc_test_broken\n" + GOOD))
    assert "SyntaxError" in text
    assert "hermesc_test_broken.py" in text


def test_raising_file_has_its_line(model_file):
    text = _refusal(model_file("import torch\n\nmodel = torch.nn.Linear(4, 'two')\n"))
    assert "model.py: the file failed" in text
    assert "line 3: model = torch.nn.Linear(4, 'two')" in text


def test_exit_of_the_file_is_an_error_of_ours(model_file):
    text = _refusal(model_file("import sys\nsys.exit(3)\n"))
    assert "SystemExit: 3" in text
    assert "line 2" in text


def test_interrupt_is_not_swallowed(model_file):
    with pytest.raises(KeyboardInterrupt):
        load_model(str(model_file("raise KeyboardInterrupt\n")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("model =", "net ="), "defines no `model`.*it has the models net: add :NAME"),
        ("", "defines no `model`; set it to an nn.Module"),
        (GOOD + "model = 3\n", "`model` is a int, not an nn.Module"),
        (GOOD + "model = torch.nn.ReLU\n", "`model` is a class; make it: model = ReLU"),
        (GOOD + "model = lambda: 3\n", "`model` is a int, not an nn.Module"),
        (GOOD + "model = lambda: 1 / 0\n", r"model\(\) failed: ZeroDivisionError.*line 5"),
        (GOOD + "del example_inputs\n", "defines no `example_inputs`"),
        (
            GOOD + "example_inputs = None\n",
            "`example_inputs` must be a tuple of tensors, not NoneT",
        ),
        (GOOD + "example_inputs = ()\n", "`example_inputs` must be a tuple of tensors"),
        (GOOD + "example_inputs = 3\n", "`example_inputs` must be a tuple of tensors, not int"),
        (GOOD + "example_inputs = 'x'\n", "`example_inputs` must be a tuple of tensors, not str"),
        (GOOD + "example_inputs = (1,)\n", r"`example_inputs\[0\]` is a int, not a tensor"),
        (GOOD + "example_inputs = {'x': 1}\n", "must be a tuple of tensors, not dict"),
        (GOOD + "example_inputs = lambda: 1 / 0\n", r"example_inputs\(\) failed: ZeroDivision"),
        (GOOD + "example_inputs = lambda n: n\n", r"`example_inputs` is a function with arguments"),
        (GOOD + "calibration_inputs = 3\n", "`calibration_inputs` must be a tuple of tensors"),
        (GOOD + "labels = 'abc'\n", "`labels`"),
        (GOOD + "labels = [[1], [2, 3]]\n", "`labels`"),
        (GOOD + "labels = object()\n", "`labels`"),
    ],
)
def test_wrong_definition_is_refused(text, message, model_file):
    with pytest.raises(ModelError, match=message):
        load_model(str(model_file(text)))


def test_unknown_name_is_refused(model_file):
    with pytest.raises(ModelError, match=r"defines no `net`.*it has the models model"):
        load_model(f"{model_file(GOOD)}:net")


def test_a_long_message_is_cut(model_file):
    assert len(_refusal(model_file("raise ValueError('x' * 5000)\n"))) < 700
