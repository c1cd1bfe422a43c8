"""The page alive in a browser: quiet console, linked views, zoom, keys, colours, paper."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.program import Program
from hermesrt.report.page.render import page_html
from hermesrt.run_report import RunReport
from hermesrt.snapshot import ProgrammingSnapshot

pytestmark = pytest.mark.browser

Open = Callable[..., Any]  # the fixture `open_page` of conftest.py


@pytest.fixture(scope="module")
def html(artifact: Artifact, cost: Cost, run: RunReport, held: ProgrammingSnapshot) -> str:
    return page_html(artifact, cost, run, held)


@pytest.fixture(scope="module")
def deep_html(deep: Program) -> str:
    import hermesc

    chip = deep.deploy(hermesc.simulate("hermes", seed=0))
    return page_html(deep.artifact, chip.device.cost(deep.workload(), "4-phase"))


@pytest.fixture(scope="module")
def long_names(artifact: Artifact) -> Artifact:
    """The same program with names as real models have them."""
    manifest = artifact.manifest
    matrices = tuple(
        replace(m, label=f"encoder.net.of_a_long_name.layers.{i}.{m.label}")
        for i, m in enumerate(manifest.matrices)
    )
    return replace(artifact, manifest=replace(manifest, matrices=matrices))


def test_the_script_runs_and_the_console_stays_empty(html: str, open_page: Open) -> None:
    opened = open_page(html)
    assert opened.page.evaluate("document.documentElement.dataset.ready") == "yes"
    assert opened.page.locator(".on").count() == 0
    assert opened.console == []


def test_an_address_with_a_layer_selects_it_everywhere(html: str, open_page: Open) -> None:
    page = open_page(html, fragment="#layer-0").page
    assert page.locator(".tile.on").count() == 2
    assert page.locator(".plan .route.on").count() == 1
    assert page.locator(".layers tr.on").count() == 1
    assert page.locator(".span.on").count() >= 6
    assert page.locator(".graph .node.on").count() == 1
    assert set(page.eval_on_selector_all(".on", "n => n.map(e => e.dataset.layer)")) == {"0"}
    assert "512 × 40, in 2 tiles" in page.locator("#inspector").inner_text()


@pytest.mark.parametrize("fragment", ["#layer-99", "#layer-x", "#core-9999", "#<b>"])
def test_an_address_with_no_such_place_selects_nothing(
    html: str, open_page: Open, fragment: str
) -> None:
    opened = open_page(html, fragment=fragment)
    assert opened.page.locator(".on").count() == 0
    assert not opened.page.locator("dialog").is_visible()
    assert opened.console == []


@pytest.mark.parametrize("where", [".tile", ".span", ".graph .node", ".layers tr", ".bars tr"])
def test_pointing_at_a_layer_anywhere_lights_its_tiles_time_and_energy(
    html: str, open_page: Open, where: str
) -> None:
    page = open_page(html).page
    page.locator(f'{where}[data-layer="1"]').first.hover()
    for kind in (".tile.on", ".span.on", ".node.on", ".layers tr.on", ".bars tr.on"):
        assert page.locator(kind).count() >= 1, kind
    text = page.locator("#inspector").inner_text()
    assert "head" in text and "Latency" in text and "Energy" in text
    page.locator("h1").hover()
    assert page.locator(".on").count() == 0
    assert not page.locator("#inspector").is_visible()


def test_a_digital_operation_lights_its_time_and_says_why(html: str, open_page: Open) -> None:
    page = open_page(html).page
    page.locator(".graph .node.digital", has_text="cos").hover()
    assert page.locator(".span.on").count() == 1
    assert page.locator(".tile.on").count() == 0
    assert "no crossbar and no LDPU has such a function" in page.locator("#inspector").inner_text()


def test_a_click_keeps_a_layer_and_escape_lets_go(html: str, open_page: Open) -> None:
    page = open_page(html).page
    page.click('.layers tr[data-layer="1"] a')
    page.locator("h1").hover()
    assert page.locator(".tile.on").count() >= 1
    assert page.evaluate("location.hash") == "#layer-1"
    page.keyboard.press("Escape")
    assert page.locator(".on").count() == 0
    assert page.evaluate("location.hash") == ""


def test_a_click_zooms_into_a_core_down_to_its_cells(
    html: str, open_page: Open, artifact: Artifact, held: ProgrammingSnapshot
) -> None:
    opened = open_page(html)
    page, core = opened.page, artifact.manifest.matrices[0].tiles[0].core
    page.click(f'.holder[data-core="{core}"]')
    page.wait_for_selector("dialog[open]")
    assert page.locator("#core-title").inner_text() == f"Core {core}"
    tiles = [t for m in artifact.manifest.matrices for t in m.tiles if t.core == core]
    assert page.locator("#core-tiles tbody tr").count() == len(tiles)
    cells = next(c for c in held.cells() if c.core == core)
    page.locator('[data-map="error"] .map').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    text = page.locator("#cell").inner_text().replace("−", "-")
    assert text.startswith("row 1, column 0, first: target ")
    shown = [float(v) for v in re.findall(r"(-?[\d.]+) µS", text)]
    exact = [float(v[1, 0]) * 1e6 for v in (cells.target, cells.programmed, cells.error)]
    steps = page.evaluate("JSON.parse(document.getElementById('data').textContent).maps")
    half = (steps["target_step"] + steps["error_step"]) / 2 + 0.01
    assert shown == pytest.approx(exact, abs=half)
    pixels = page.evaluate(
        """() => [...document.querySelectorAll("#maps canvas")].map((c) => new Set(
        c.getContext("2d").getImageData(0, 0, c.width, c.height).data).size)"""
    )
    assert min(pixels) > 20
    assert opened.console == []


def test_a_core_opens_by_keys_alone_and_gives_the_focus_back(
    html: str, open_page: Open, artifact: Artifact
) -> None:
    page = open_page(html).page
    page.locator('.holder[tabindex="0"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    first = page.locator("#core-title").inner_text()
    page.keyboard.press("PageDown")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    sync.expect(page.locator("#core-title")).not_to_have_text(first)
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")
    focused = page.evaluate("document.activeElement.dataset.core")
    assert int(focused) == artifact.cores[1]


def test_arrow_keys_move_between_cores_and_the_plan_is_one_stop(
    html: str, open_page: Open, artifact: Artifact
) -> None:
    page = open_page(html).page
    assert page.locator('.holder[tabindex="0"]').count() == 1
    page.locator('.holder[tabindex="0"]').focus()
    seen = {page.evaluate("document.activeElement.dataset.core")}
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
        seen.add(page.evaluate("document.activeElement.dataset.core"))
    assert len(seen) >= 2
    assert {int(core) for core in seen} <= set(artifact.cores)


def test_modules_open_and_close_by_click_and_by_keys(deep_html: str, open_page: Open) -> None:
    opened = open_page(deep_html)
    page = opened.page
    assert page.locator(".graph").count() == 1  # the others are drawn when they are asked for
    assert page.locator(".graph:visible").get_attribute("data-view") == "stack"
    page.locator('.graph:visible [data-open="stack.1"]').click()
    page.wait_for_selector('.graph[data-view="stack.1"]:not([hidden])')
    assert page.locator(".graph:visible").count() == 1
    assert page.locator(".graph:visible .node", has_text="tanh").count() == 1
    page.locator('.graph:visible .node[data-layer="2"]').hover()
    assert set(page.eval_on_selector_all(".tile.on", "n => n.map(e => e.dataset.layer)")) == {"2"}
    assert page.locator(".graph:visible .node.on").count() == 1
    page.locator('.graph:visible [data-close="stack.1"]').focus()
    page.keyboard.press("Escape")
    page.wait_for_selector('.graph[data-view="stack"]:not([hidden])')
    page.locator('.graph:visible [data-open="stack.0"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('.graph[data-view="stack.0"]:not([hidden])')
    page.locator('.graph:visible [data-close="stack"] .grip').click()
    page.wait_for_selector('.graph[data-view=""]:not([hidden])')
    assert opened.console == []


def test_a_closed_module_stands_for_its_layers(deep_html: str, open_page: Open) -> None:
    page = open_page(deep_html).page
    page.locator('.graph:visible [data-open="stack.1"]').hover()
    lit = set(page.eval_on_selector_all(".tile.on", "n => n.map(e => e.dataset.layer)"))
    assert lit == {"2", "3"}


def test_the_timeline_zooms_with_finer_ticks(html: str, open_page: Open) -> None:
    page = open_page(html).page
    shown = """() => [...document.querySelectorAll(".tick")].filter(
      (tick) => getComputedStyle(tick).visibility === "visible").length"""
    wide = "() => document.querySelector('.tracks').scrollWidth"
    few, narrow = page.evaluate(shown), page.evaluate(wide)
    page.click('#timeline [data-zoom="1"]')
    assert page.evaluate(wide) == pytest.approx(5 * narrow, rel=0.01)
    assert page.evaluate(shown) > few
    page.locator(".tracks").focus()
    page.keyboard.press("-")
    assert page.evaluate(wide) == narrow
    assert page.evaluate(shown) == few


def test_the_button_turns_the_colours_and_the_system_chooses_at_first(
    html: str, open_page: Open
) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    page = open_page(html, scheme="dark").page
    dark = page.evaluate(background)
    page.click("#theme")
    light = page.evaluate(background)
    assert light == "rgb(255, 255, 255)" != dark
    page.click("#theme")
    assert page.evaluate(background) == dark


def test_the_navigation_marks_the_section_in_view(html: str, open_page: Open) -> None:
    page = open_page(html).page
    marked = "() => document.querySelector('nav [aria-current]').hash"
    assert page.evaluate(marked) == "#chip"
    for section in ("timeline", "costs", "constants", "chip"):
        page.evaluate("(id) => document.getElementById(id).scrollIntoView()", section)
        page.wait_for_selector(f"nav a[href='#{section}'][aria-current]")
    assert page.locator("nav [aria-current]").count() == 1


@pytest.mark.parametrize("width", [1400, 420])
def test_numbers_stay_in_view_and_bars_long_beside_long_names(
    long_names: Artifact, cost: Cost, open_page: Open, width: int
) -> None:
    page = open_page(page_html(long_names, cost), width=width).page
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".layers .number, .bars .number")].filter((n) => {
          const [own, pane] = [n, n.closest(".layers, .scroll")].map(
            (e) => e.getBoundingClientRect());
          return own.right > pane.right + 1 || own.left < pane.left - 1
            || n.scrollWidth > n.clientWidth + 1;
        }).length"""
    )
    assert outside == 0
    tracks = page.eval_on_selector_all(".track", "n => n.map(e => e.getBoundingClientRect().width)")
    assert min(tracks) > 100
    name = page.locator('.layers tr[data-layer="0"] .name')
    assert name.get_attribute("title") == long_names.manifest.matrices[0].label
    assert name.inner_text() == "layers.0.first"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(html: str, open_page: Open, scheme: str) -> None:
    page = open_page(html, scheme=scheme).page
    worst = page.evaluate(
        """() => {
      const style = getComputedStyle(document.documentElement);
      const light = (name) => {
        const hex = style.getPropertyValue(name).trim();
        const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
      };
      const pairs = [["--ink", "--paper"], ["--muted", "--paper"], ["--muted", "--panel"],
        ["--assumed", "--paper"], ["--quoted", "--paper"], ["--ink", "--panel"]];
      return Math.min(...pairs.map(([a, b]) => {
        const [x, y] = [light(a), light(b)];
        return Math.max(x, y) / Math.min(x, y);
      }));
    }"""
    )
    assert worst >= 4.5


@pytest.mark.parametrize("width", [1440, 1024, 480])
def test_the_body_does_not_scroll_sideways(
    hostile: Artifact,
    cost: Cost,
    run: RunReport,
    held: ProgrammingSnapshot,
    open_page: Open,
    width: int,
) -> None:
    page = open_page(page_html(hostile, cost, run, held), width=width).page
    assert page.evaluate("innerWidth") == width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_on_paper_without_what_only_a_screen_can_do(html: str, open_page: Open) -> None:
    page = open_page(html, scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    for hidden in ("nav", "#theme", "#timeline .tools"):
        assert not page.locator(hidden).is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_hostile_names_do_nothing_in_a_browser(
    hostile: Artifact, cost: Cost, held: ProgrammingSnapshot, open_page: Open
) -> None:
    opened = open_page(page_html(hostile, cost, None, held), fragment="#layer-1")
    page = opened.page
    page.locator(".graph .node").first.hover()
    page.click(".holder >> nth=0")
    page.wait_for_selector("dialog[open]")
    assert opened.console == []
    root = page.evaluate("({...document.documentElement.dataset})")
    assert root["ready"] == "yes"
    assert "injected" not in root
    assert page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<script>document.documentElement.dataset.other = 1</script>", "Content Security Policy"),
        ("<img src='https://127.0.0.1:9/x.png'>", "Content Security Policy"),
    ],
)
def test_the_policy_stops_other_scripts_and_requests_and_the_console_check_can_fail(
    html: str, open_page: Open, body: str, words: str
) -> None:
    opened = open_page(html.replace("</body>", f"{body}</body>"))
    assert any(words in line for line in opened.console)
    assert "other" not in opened.page.evaluate("({...document.documentElement.dataset})")
