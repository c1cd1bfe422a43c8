"""The page: whole in itself, safe against hostile names, and alive in a browser."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from hermesc.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.program import Chip, Program
from hermesrt.programming.error import mvm_errors
from hermesrt.report.page import page_html
from hermesrt.report.run import RunReport

Load = Callable[..., Any]  # the fixture `load` of conftest.py


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


def _with_script(html: str, script: str) -> str:
    assert html.count("</body>") == 1
    return html.replace("</body>", f"<script>{script}</script></body>")


def test_it_asks_nothing_of_a_network(artifact: Artifact, cost: Cost, run: RunReport) -> None:
    html = page_html(artifact, cost, run)
    page = _Reader(html)
    links = list(page.attributes("src", "href", "action", "srcset", "xlink:href"))
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert set(re.findall(r"https?://[^\s\"'<]*", html)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in html
    policy = [a["content"] for _, a in page.tags if "http-equiv" in a]
    assert policy[0].startswith("default-src 'none'")


def test_every_tile_can_take_the_focus_and_has_a_name(artifact: Artifact, cost: Cost) -> None:
    tiles = _Reader(page_html(artifact, cost)).marked("tile")
    assert len(tiles) == artifact.tiles
    assert {t["tabindex"] for t in tiles} == {"0"}
    assert tiles[0]["aria-label"].startswith("first: rows 0–256, columns 0–40, core ")


def test_its_data_parses_and_describes_every_tile(
    artifact: Artifact, cost: Cost, chip: Chip
) -> None:
    errors = mvm_errors(chip.device, artifact)
    scripts = _Reader(page_html(artifact, cost, None, errors)).scripts
    assert "<" not in scripts[0]
    data = json.loads(scripts[0])
    assert [layer["label"] for layer in data["layers"]] == ["first", "head"]
    assert len(data["tiles"]) == artifact.tiles
    second = {f["name"]: f["value"] for f in data["tiles"][1]["facts"]}
    tile = artifact.manifest.matrices[0].tiles[1]
    assert second["Cascade stage"] == "2 of 2"
    assert second["Core"] == str(tile.core)
    assert second["Block"] == "rows 256–512, columns 0–40"
    assert second["g_max"].endswith(" µS")
    assert second["MVM error"] == f"{100 * errors[tile.core]:.1f} %"
    layer = {f["name"]: f["value"] for f in data["layers"][0]["facts"]}
    assert layer["Source"].startswith("conftest.py:") or layer["Source"] == "first"
    assert layer["Matrix"] == "512 × 40, in 2 tiles"


def test_without_errors_no_tile_has_one(artifact: Artifact, cost: Cost) -> None:
    assert "MVM error" not in page_html(artifact, cost)


def test_the_header_shows_a_run_and_only_then(
    artifact: Artifact, cost: Cost, run: RunReport
) -> None:
    known = replace(run, accuracy=0.875, reference_accuracy=0.9)
    words = _Reader(page_html(artifact, known.cost, known)).words()
    assert "Accuracy on the chip 87.5 % -2.5 points" in words
    assert "Accuracy in FP32 90.0 %" in words
    assert f"Relative error of output_0 {run.outputs['output_0'].relative_error:.3g}" in words
    bare = _Reader(page_html(artifact, cost)).words()
    assert "Accuracy" not in bare
    assert "Relative error" not in bare


def test_assumed_causes_are_marked_and_shares_add_up(artifact: Artifact, cost: Cost) -> None:
    page = _Reader(page_html(artifact, cost))
    bars = page.marked("bar")
    causes = [*cost.latency_by, *cost.energy_by]
    assumed = [c in cost.assumed_latency for c in cost.latency_by]
    assumed += [c in cost.assumed_energy for c in cost.energy_by]
    assert len(bars) == len(causes)
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


def test_every_constant_of_the_chip_stands_with_its_source(artifact: Artifact, cost: Cost) -> None:
    words = _Reader(page_html(artifact, cost)).words()
    tables = {k: t for k, t in artifact.manifest.chip.items() if isinstance(t, dict)}
    for name, table in tables.items():
        assert f"{name} {table['kind']} " in words
        assert " ".join(table["source"].split()) in words
        assert all(f"{k} = " in words for k in table if k not in ("kind", "source", "note"))


def test_hostile_names_are_not_injected(hostile: Artifact, cost: Cost, run: RunReport) -> None:
    html = page_html(hostile, cost, run)
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
    assert "Cores used 0 of 64" in words


@pytest.mark.browser
def test_the_script_runs_and_the_console_stays_empty(
    artifact: Artifact, cost: Cost, run: RunReport, load: Load
) -> None:
    loaded = load(page_html(artifact, cost, run))
    assert loaded.console == ()
    assert 'data-ready="yes"' in loaded.dom
    assert _Reader(loaded.dom).marked("on") == []


@pytest.mark.browser
def test_an_address_with_a_layer_selects_its_tiles_and_its_row(
    artifact: Artifact, cost: Cost, load: Load
) -> None:
    loaded = load(page_html(artifact, cost), fragment="#layer-0")
    marked = _Reader(loaded.dom).marked("on")
    assert loaded.console == ()
    assert {a["data-layer"] for a in marked} == {"0"}
    assert sum("tile" in a["class"].split() for a in marked) == 2
    assert sum("tile" not in a["class"] and "route" not in a["class"] for a in marked) == 1
    assert "512 × 40, in 2 tiles" in _Reader(loaded.dom).words()


@pytest.mark.browser
@pytest.mark.parametrize("fragment", ["#layer-99", "#layer-x", "#<b>"])
def test_an_address_with_no_such_layer_selects_nothing(
    artifact: Artifact, cost: Cost, load: Load, fragment: str
) -> None:
    loaded = load(page_html(artifact, cost), fragment=fragment)
    assert loaded.console == ()
    assert _Reader(loaded.dom).marked("on") == []


@pytest.mark.browser
def test_pointing_and_focusing_highlight_both_ways_and_escape_lets_go(
    artifact: Artifact, cost: Cost, load: Load
) -> None:
    script = """
    const seen = () => [...document.querySelectorAll(".on")].map(
      (e) => e.tagName.toLowerCase() + e.dataset.layer).sort().join();
    const root = document.documentElement.dataset;
    const rows = document.querySelectorAll("tr[data-layer]");
    rows[1].dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
    root.row = seen();
    const tile = document.querySelectorAll(".tile")[1];
    tile.dispatchEvent(new FocusEvent("focusin", {bubbles: true}));
    root.focus = seen();
    root.detail = document.getElementById("detail-facts").textContent;
    rows[1].querySelector("a").click();
    document.body.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
    root.kept = seen() + location.hash;
    document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
    root.free = seen() + location.hash;
    """
    loaded = load(_with_script(page_html(artifact, cost), script))
    root = _Reader(loaded.dom).tags[0][1]
    assert loaded.console == ()
    assert root["data-row"] == "rect1,tr1"
    assert root["data-focus"] == "path0,rect0,rect0,tr0"
    assert "2 of 2" in root["data-detail"]
    assert root["data-kept"] == "rect1,tr1#layer-1"
    assert root["data-free"] == ""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 700])
def test_the_body_does_not_scroll_sideways(
    hostile: Artifact, cost: Cost, run: RunReport, load: Load, width: int
) -> None:
    script = """const root = document.documentElement;
    root.dataset.width = innerWidth; root.dataset.over = root.scrollWidth - innerWidth;"""
    loaded = load(_with_script(page_html(hostile, cost, run), script), width=width)
    root = _Reader(loaded.dom).tags[0][1]
    assert int(root["data-width"]) == width
    assert int(root["data-over"]) <= 0


@pytest.mark.browser
def test_hostile_names_do_nothing_in_a_browser(hostile: Artifact, cost: Cost, load: Load) -> None:
    loaded = load(page_html(hostile, cost), fragment="#layer-1")
    root = _Reader(loaded.dom).tags[0][1]
    assert loaded.console == ()
    assert root["data-ready"] == "yes"
    assert "data-injected" not in root


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<script>throw new Error('deliberate')</script>", "deliberate"),
        ("<img src='https://127.0.0.1:9/x.png'>", "Content Security Policy"),
    ],
)
def test_the_console_check_can_fail(
    artifact: Artifact, cost: Cost, load: Load, body: str, words: str
) -> None:
    html = page_html(artifact, cost).replace("</body>", f"{body}</body>")
    assert any(words in line for line in load(html).console)
