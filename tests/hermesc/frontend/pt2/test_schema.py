"""The closed schema: torch's own fields all known, everything else refused, what is dropped."""

import dataclasses
import json
import zipfile

import pytest
import torch
from torch._export.serde import schema as torchs

import hermesc
from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.checks import record, union
from hermesc.frontend.pt2.rewrite import rewrite
from hermesc.frontend.pt2.schema import PROGRAM
from hermesc.frontend.pt2.source import load_program
from hermesrt.errors import ModelError

CODE = "z=open('pwned','w').write('x')"


def read(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("m/models/model.json"))


def test_what_torch_gets_is_the_same_but_for_marks_of_tracing(path):
    before = read(path)
    after = PROGRAM(before)
    assert (
        after["graph_module"]["graph"]["tensor_values"]
        == (before["graph_module"]["graph"]["tensor_values"])
    )
    assert after["graph_module"]["signature"] == before["graph_module"]["signature"]
    assert [set(n["metadata"]) - {"stack_trace", "nn_module_stack"} for n in nodes(after)] == [
        set() for _ in nodes(after)
    ]


def nodes(program):
    return program["graph_module"]["graph"]["nodes"]


@pytest.mark.parametrize(
    ("part", "ours"),
    [
        (torchs.ExportedProgram, lambda p: p),
        (torchs.GraphModule, lambda p: p["graph_module"]),
        (torchs.Graph, lambda p: p["graph_module"]["graph"]),
        (torchs.Node, lambda p: nodes(p)[0]),
        (
            torchs.ModuleCallSignature,
            lambda p: p["graph_module"]["module_call_graph"][0]["signature"],
        ),
    ],
)
def test_every_field_that_this_torch_writes_is_known(part, ours, path):
    assert set(ours(PROGRAM(read(path)))) == {f.name for f in dataclasses.fields(part)}


def test_guards_are_dropped(path, edit_json, tmp_path):
    edit_json(lambda p: p.update(guards_code=["open('pwned','w').write('x')", "9**9**9**9 > 1"]))
    program, _ = load_program(path)
    assert program._guards_code == []
    program.module()(torch.randn(3, 16))
    assert not (tmp_path / "pwned").exists()


def test_a_model_traced_on_a_gpu_reads_on_the_host(path, edit_text):
    edit_text('"type": "cpu", "index": null', '"type": "cuda", "index": 0')
    program, _ = load_program(path)
    assert {t.device.type for t in program.state_dict.values()} == {"cpu"}
    program.module()(torch.randn(3, 16))


@pytest.mark.parametrize(
    "old",
    ['"x"', '"p_head_weight"', '"b_omega"', '"cos"', '"linear"', '"submod_1"', '"sym_size_int_1"'],
)
@pytest.mark.parametrize("new", [CODE, "*x", "x\n", "import", "__import__", "\uff45val", "", "x.y"])
def test_names_that_become_python_are_identifiers(old, new, path, edit_text, tmp_path):
    edit_text(old, json.dumps(new, ensure_ascii=False))
    with pytest.raises(ModelError, match="is no name of an input, a node or an argument"):
        rewrite(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"head.weight"',
            '"a\\"+open(1)+\\""',
            "is no name of a parameter, a buffer or a constant",
        ),
        ('"head.weight"', '"__class__.weight"', "is no name of a parameter"),
        ('"forward_arg_names": ["x"]', '"forward_arg_names": ["x=open(1)"]', "is no name of an in"),
        ('"s77"', '"s77=open(1)"', "is no name of a size"),
        ('"s77"', '"u99999999999"', "is no name of a size"),
        ('"verifiers": ["TRAINING"]', '"verifiers": ["os"]', "verifiers.0: 'os' is none of"),
        ('"guards_code"', '"guard_code"', "an object with an unknown field 'guard_code'"),
        ('"torch_version"', '"guards_code"', "the same key twice"),
        ('"type": "cpu"', '"type": "meta"', "'meta' is none of cpu, cuda"),
        ('"dtype": 7', '"dtype": 99', "99 is none of 1, 2"),
        ('"dtype": 7', '"dtype": true', "True is none of 1, 2"),
        ('"as_bool": false', '"as_operator": "torch.hub.load"', "is none of as_none, as_tensor"),
        (
            '"as_bool": false',
            '"as_custom_obj": {"name": "x", "class_fqn": "os.system"}',
            "is none of as_none, as_tensor",
        ),
        ('"custom_obj_values": {}', '"custom_obj_values": {"x": 1}', "that torch would load as"),
        ('"as_int": 16', '"as_int": 1e3', "1000.0 is no whole number of 64 bits"),
        ('"as_int": 16', '"as_int": 9223372036854775808', "is no whole number of 64 bits"),
        ('"as_int": 16', '"as_int": "16"', "'16' is no whole number of 64 bits"),
    ],
)
def test_other_values_are_refused(old, new, message, path, edit_text):
    edit_text(old, new)
    with pytest.raises(ModelError, match=message):
        rewrite(path)


@pytest.mark.parametrize("trace", ['File "', 'File "a", line', 'File "a", line x, in f', "\n\n"])
def test_a_trace_that_is_none_tells_no_line(trace, path, edit_json):
    def change(program):
        for node in nodes(program):
            node["metadata"]["stack_trace"] = trace

    edit_json(change)
    made = hermesc.compile(path).artifact
    assert str(made.mvms[-1].location) in ("head", "?")


def test_graphs_nest_to_a_depth(path, edit_json):
    def nest(program):
        node = next(n for n in nodes(program) if "higher_order" in n["target"])
        for _ in range(6):
            inner = node["inputs"][1]["arg"]["as_graph"]["graph"]
            inner["nodes"] = [json.loads(json.dumps(node))]
            node = inner["nodes"][0]

    edit_json(nest)
    with pytest.raises(ModelError, match="graphs nest deeper than 4"):
        rewrite(path)


def test_where_a_value_stands_is_said():
    check = record({"a": record({"b": union(c=record({}))})})
    with pytest.raises(RefusedPart, match=r"^a\.b\.c: an object with an unknown field 'd'"):
        check({"a": {"b": {"c": {"d": 1}}}})
