"""Terminal, page and JSON tell the same facts of a run and of a programmed chip."""

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from torch import nn

import hermesc
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import Mode
from hermesrt.program import Chip, Program
from hermesrt.programming.mvm_error import mvm_errors
from hermesrt.programming_report import ProgrammingReport
from hermesrt.report.page.render import page_html
from hermesrt.run_report import RunReport
from hermesrt.snapshot import snapshot
from hermesrt.units import percent, si

Pairs = list[tuple[str, str]]


class _Facts(HTMLParser):
    """The names and the texts of a page's facts, list by list."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.lists: dict[str, Pairs] = {}
        self._list = self._tag = ""
        self._words = ["", ""]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "dl" and "facts" in (found.get("class") or "").split():
            self._list = found["aria-label"] or ""
            self.lists[self._list] = []
        if tag in ("dt", "dd"):
            self._tag = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "dd" and self._list:
            self.lists[self._list].append((self._words[0], self._words[1]))
            self._words = ["", ""]
        if tag in ("dt", "dd"):
            self._tag = ""
        if tag == "dl":
            self._list = ""

    def handle_data(self, data: str) -> None:
        if self._list and self._tag:
            self._words[["dt", "dd"].index(self._tag)] += data


def _lines(text: str) -> Pairs:
    """The names and the texts of a terminal's summary; a page shows commands without quotes."""
    return [(line[:13].rstrip(), line[13:].replace("`", "")) for line in text.splitlines()]


def _with_modes(program: Program, *modes: Mode) -> Program:
    """The same program with a read mode for each matrix."""
    manifest = program.artifact.manifest
    pairs = zip(manifest.matrices, modes, strict=True)
    matrices = tuple(replace(matrix, mode=mode) for matrix, mode in pairs)
    return Program.of(replace(program.artifact, manifest=replace(manifest, matrices=matrices)))


def _chip(program: Program) -> Chip:
    return program.deploy(hermesc.simulate(program.artifact.chip, seed=3))


def _unlabelled(small: Program) -> RunReport:
    return _chip(small).report()


def _labelled(small: Program) -> RunReport:
    return _chip(small).report(torch.randn(8, 512), labels=torch.arange(8))


def _one_mode_for_all(small: Program) -> RunReport:
    return _chip(small).configure(age_s=3600, mode="1-phase").report()


def _mixed_modes(small: Program) -> RunReport:
    return _chip(_with_modes(small, "1-phase", "4-phase")).report()


def _ideal(small: Program) -> RunReport:
    return _chip(small).configure(ideal=True).report()


def _several_chips(_: Program) -> RunReport:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(512, 256), nn.Tanh(), nn.Linear(256, 8))
    options = Options(place=PlaceOptions(chips=2))
    chip = load_chip("hermes", [("grid.rows", "1"), ("grid.columns", "2")])
    return _chip(hermesc.compile(model, torch.randn(16, 512), chip=chip, options=options)).report()


def _one_number(_: Program) -> RunReport:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 4), nn.Flatten(0))
    return _chip(hermesc.compile(model, torch.randn(16, 16))).report()


def _no_matrix(_: Program) -> RunReport:
    return _chip(hermesc.compile(nn.Tanh(), torch.randn(16, 16))).report()


RUNS = (
    _unlabelled,
    _labelled,
    _one_mode_for_all,
    _mixed_modes,
    _ideal,
    _several_chips,
    _one_number,
    _no_matrix,
)


@pytest.fixture(scope="module", params=RUNS, ids=lambda make: make.__name__.strip("_"))
def report(request: pytest.FixtureRequest, small: Program) -> RunReport:
    make: Callable[[Program], RunReport] = request.param
    torch.manual_seed(1)
    return make(small)


def test_the_page_of_a_run_tells_the_facts_of_the_terminal(report: RunReport) -> None:
    page = _Facts(page_html(report.artifact, report.cost, report)).lists
    told = _lines(str(report))
    assert page["Results of the run"] + page["Summary"] == told
    assert not [text for _, text in told if "None" in text]


def test_the_page_of_a_program_tells_the_facts_of_its_cost(report: RunReport) -> None:
    page = _Facts(page_html(report.artifact, report.cost)).lists
    assert page == {"Summary": _lines(str(report))[-len(page["Summary"]) :]}


def test_the_numbers_of_the_json_are_those_of_the_facts(report: RunReport) -> None:
    told, facts = json.loads(json.dumps(report.to_json())), dict(_lines(str(report)))
    ns = {key: si(told[key] * 1e-9, "s") for key in ("latency_ns", "interval_ns")}
    share = told["assumed_share"]
    assert facts["Latency"].startswith(f"{ns['latency_ns']} ")
    assert facts["Interval"].startswith(f"{ns['interval_ns']} ")
    assert facts["Energy"].startswith(f"{si(told['energy_nj'] * 1e-9, 'J')} ")
    for name, by, unit in (("Latency", "latency_by", "s"), ("Energy", "energy_by", "J")):
        assert all(si(v * 1e-9, unit) in facts[name] for v in told[by].values() if v)
    assert facts["Cores"].startswith(f"{told['cores_used']} of ")
    assert f", {percent(told['utilisation'])} of their cells; {told['mvms']:,} " in facts["Cores"]
    assert facts["Assumed"].startswith(f"{percent(share['latency'])} of the latency")
    assert f"{percent(share['energy'])} of the energy" in facts["Assumed"]
    assert facts["Samples"] == f"{told['samples']:,}"
    program = facts["Program"].partition("; one chip")[0]
    assert program.endswith(f" on {told['chip']}, seed {told['seed']}")


def test_the_results_of_the_json_are_those_of_the_facts(report: RunReport) -> None:
    told, facts = json.loads(json.dumps(report.to_json())), dict(_lines(str(report)))
    assert told["method"] in facts["Weights"]
    assert told["ideal"] or facts["Weights"].endswith(f", {told['mode']} reads")
    for name, output in told["outputs"].items():
        shape = "x".join(map(str, output["shape"]))
        error = f"{output['relative_error']:.3g}"
        assert facts[name] == f"{shape}, relative error {error} against FP32"
    assert ("Accuracy" in facts) == (told["accuracy"] is not None)
    if told["accuracy"] is not None:
        assert facts["Accuracy"].startswith(f"{percent(told['accuracy'])} on the chip")
        assert f", {percent(told['reference_accuracy'])} in FP32" in facts["Accuracy"]


def test_mixed_read_modes_are_called_so(small: Program) -> None:
    report = _mixed_modes(small)
    assert report.to_json()["mode"] == "mixed"
    assert dict(_lines(str(report)))["Weights"].endswith(", mixed reads")


@pytest.mark.parametrize("method", ["published", "oneshot"])
def test_the_page_of_a_programmed_chip_tells_what_programming_told(
    small: Program, method: str, tmp_path: Path
) -> None:
    chip = _chip(small)
    chip.program(method)  # type: ignore[arg-type]
    told = ProgrammingReport(chip, {}, mvm_errors(chip.device, small.artifact), 1.0)
    chip.save(tmp_path / "chip.state")
    loaded = Chip(small, hermesc.simulate("hermes", seed=3)).load(tmp_path / "chip.state")
    cost = loaded.device.cost(small.workload(), None)
    html = page_html(small.artifact, cost, None, snapshot(loaded))
    page = dict(_Facts(html).lists["Programming"])
    weights, error, *effort = str(told).replace("`", "").splitlines()  # as a page has it
    assert page["Weights"] == weights
    assert f"MVM error {page['MVM error']}; 1.0 s" == error
    assert [f"{name}: {text}" for name, text in page.items()][2:] == effort
    assert "Lifetime" in page
    numbers = told.to_json()
    assert page["MVM error"].startswith(percent(numbers["mvm_error_after"]))
    if "On the chip" in page:
        assert page["On the chip"].startswith(f"{numbers['pulses']:,} pulses and ")
        assert si(numbers["chip_seconds"], "s") in page["On the chip"]
        assert f" in {len(numbers['iterations'])} iterations" in page["On the chip"]
