"""The page: whole in itself, safe against hostile names, and complete without its script."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.pricing import function_prices
from hermesrt.program import Chip, Program
from hermesrt.programming.mvm_error import mvm_errors
from hermesrt.report.page import render as page_module
from hermesrt.report.page.render import page_html
from hermesrt.report.text.terminal import account_table
from hermesrt.run_report import RunReport
from hermesrt.snapshot import ProgrammingSnapshot, snapshot
from hermesrt.units import si


class _Reader(HTMLParser):
    """Tags with their attributes, text, and the content of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.text += " "
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def attributes(self, *names: str) -> Iterator[str]:
        return (a[n] for _, a in self.tags for n in names if n in a)

    def words(self) -> str:
        return " ".join(self.text.split())

    def marked(self, kind: str) -> list[dict[str, str]]:
        return [a for _, a in self.tags if kind in a.get("class", "").split()]


def test_it_asks_nothing_of_a_network(
    artifact: Artifact, cost: Cost, run: RunReport, held: ProgrammingSnapshot
) -> None:
    html = page_html(artifact, cost, run, held)
    page = _Reader(html)
    links = list(page.attributes("src", "href", "action", "srcset", "xlink:href"))
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert set(re.findall(r"https?://[^\s\"'<]*", html)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in html
    policy = [a["content"] for _, a in page.tags if "http-equiv" in a]
    assert policy[0].startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy[0]
    assert "'unsafe-inline'" not in policy[0].partition("script-src")[2]


def test_the_template_style_and_scripts_are_files_of_their_own() -> None:
    names = {path.name for path in (Path(page_module.__file__).parent / "web").iterdir()}
    assert {"page.html.j2", "page.css", "page.js", "select.js", "core.js"} <= names


def test_every_core_in_use_says_what_it_holds(artifact: Artifact, cost: Cost) -> None:
    holders = _Reader(page_html(artifact, cost)).marked("holder")
    assert [int(h["data-core"]) for h in holders] == list(artifact.cores)
    assert any(re.fullmatch(r"core \d+: 1 tile of first", h["aria-label"]) for h in holders)


def test_its_data_parses_and_describes_layers_cores_and_tiles(
    artifact: Artifact, cost: Cost, held: ProgrammingSnapshot
) -> None:
    scripts = _Reader(page_html(artifact, cost, None, held)).scripts
    assert "<" not in scripts[0]
    data = json.loads(scripts[0])
    assert [layer["label"] for layer in data["layers"]] == ["first", "head"]
    layer = {f["name"]: f["value"] for f in data["layers"][0]["facts"]}
    assert layer["Source"].startswith("conftest.py:") or layer["Source"] == "first"
    assert layer["Matrix"] == "512 × 40, in 2 tiles"
    tile = artifact.manifest.matrices[0].tiles[1]
    core = data["cores"][str(tile.core)]
    facts = {f["name"]: f["value"] for f in core["facts"]}
    assert facts["MVM error"] == f"{100 * held.outcome.errors[tile.core]:.1f} %"
    assert facts["Rms error of the cells"].endswith(" µS")
    (drawn,) = core["tiles"]
    assert drawn["rect"] == [*tile.core_rows, *tile.core_columns]
    assert drawn["cells"][0] == "rows 256–512, columns 0–40"
    assert drawn["cells"][2] == "2 of 2"
    assert data["maps"]["stride"] == 1


def test_digital_steps_are_described_with_reason_time_and_energy(
    artifact: Artifact, cost: Cost
) -> None:
    data = json.loads(_Reader(page_html(artifact, cost)).scripts[0])
    steps = {
        s["label"]: {f["name"]: f["value"] for f in s["facts"]} for s in data["steps"].values()
    }
    assert {"cos", "sin"} <= steps.keys()
    assert steps["cos"]["Digital"].startswith("no crossbar and no LDPU has such a function")
    assert steps["cos"]["Latency"].endswith("s")


def test_without_a_chip_no_core_has_an_error_or_maps(artifact: Artifact, cost: Cost) -> None:
    html = page_html(artifact, cost)
    data = json.loads(_Reader(html).scripts[0])
    assert data["maps"] is None
    assert all(core["map"] is None for core in data["cores"].values())
    assert "MVM error" not in _Reader(html).words()


def test_the_errors_are_those_of_the_chip(artifact: Artifact, chip: Chip) -> None:
    assert snapshot(chip).outcome.errors == mvm_errors(chip.device, artifact)


def test_the_header_shows_a_run_and_only_then(
    artifact: Artifact, cost: Cost, run: RunReport
) -> None:
    known = replace(run, accuracy=0.875, reference_accuracy=0.9)
    words = _Reader(page_html(artifact, known.cost, known)).words()
    assert "Accuracy 87.5 % on the chip, 90.0 % in FP32 (-2.5 points)" in words
    error = f"{run.outputs['output_0'].relative_error:.3g}"
    assert f"output_0 8x10, relative error {error} against FP32" in words
    bare = _Reader(page_html(artifact, cost)).words()
    assert "Accuracy" not in bare
    assert "relative error" not in bare


def test_assumed_causes_are_marked_and_shares_add_up(artifact: Artifact, cost: Cost) -> None:
    page = _Reader(page_html(artifact, cost))
    causes = [*cost.latency_by, *cost.energy_by]
    bars = page.marked("bar")[: len(causes)]
    assumed = [c in cost.assumed_latency for c in cost.latency_by]
    assumed += [c in cost.assumed_energy for c in cost.energy_by]
    assert ["open" in b["class"].split() for b in bars] == assumed
    widths = [float(b["style"].removeprefix("width:").rstrip("%")) for b in bars]
    assert sum(widths) == pytest.approx(200, abs=0.1)


def test_what_is_digital_is_listed_with_its_reason(artifact: Artifact, cost: Cost) -> None:
    words = _Reader(page_html(artifact, cost)).words()
    digital = [a for a in artifact.manifest.account if a.unit == "digital"]
    assert {a.op.split(".")[1] for a in digital} >= {"cos", "sin", "cat"}
    for entry in digital:
        assert entry.reason in words
    assert "Operations that only move or rename data: 1" in words
    assert "not drawn" not in words  # it is a box, for it takes two of them
    assert "1 more only move or rename data" in account_table(artifact)  # the terminal's count


def test_every_constant_of_the_chip_stands_with_its_source(artifact: Artifact, cost: Cost) -> None:
    words = _Reader(page_html(artifact, cost)).words()
    tables = {k: t for k, t in artifact.manifest.chip.items() if isinstance(t, dict)}
    for name, table in tables.items():
        assert f"{name} {table['kind']} " in words
        assert " ".join(table["source"].split()) in words
        assert all(f"{k} = " in words for k in table if k not in ("kind", "source", "note"))


def test_programming_has_a_section_with_a_chip_and_only_then(
    artifact: Artifact, cost: Cost, held: ProgrammingSnapshot
) -> None:
    words = _Reader(page_html(artifact, cost, None, held)).words()
    assert "Weights 2 cores, published weights, seed 0" in words
    assert 'id="programming"' not in page_html(artifact, cost)


def test_hostile_names_are_not_injected(
    hostile: Artifact, cost: Cost, run: RunReport, held: ProgrammingSnapshot
) -> None:
    html = page_html(hostile, cost, run, held)
    page = _Reader(html)
    assert len(page.scripts) == 2
    assert not [a for tag, a in page.tags if tag == "img"]
    assert not [k for _, a in page.tags for k in a if k.startswith("on")]
    assert "<img" in json.loads(page.scripts[0])["layers"][0]["label"]
    html.encode("utf-8")


def test_a_program_without_matrices_has_a_page(digital: Program, chip: Chip) -> None:
    cost = chip.device.cost(digital.workload(), "4-phase")
    words = _Reader(page_html(digital.artifact, cost)).words()
    assert "Nothing on the chip" in words
    assert "Cores 0 of 64" in words


def test_the_page_shows_both_bounds_and_says_why_a_cosine_differs(
    artifact: Artifact, cost: Cost
) -> None:
    words = _Reader(page_html(artifact, cost)).words()
    for bound in cost.bounds:
        assert si(bound.latency_ps * 1e-12, "s") in words
        assert si(bound.energy_pj * 1e-12, "J") in words
    host, _, unit = function_prices(artifact.chip)
    assert f"{host.pj / unit.pj:,.0f} times more energy on the host" in words
    bare = replace(cost, bounds=())
    assert "times more energy on the host" not in _Reader(page_html(artifact, bare)).words()
