"""What README.md, docs/ and the other texts say of the tree exists there."""

import pydoc
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hermesc.cli import hermesc

ROOT = Path(__file__).parents[2]
TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGES = [page for page in TEXTS if page.name != "CHANGELOG.md"]  # which tells of the past
LINK = re.compile(r"\]\(([^)\s]+)\)")
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PATH = re.compile(r"`((?:compiler|runtime|targets|tests|tools|docs|examples)/[\w./-]+)`")
NAME = re.compile(r"`(herm\w+(?:\.\w+)+)`")


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each line of shell that calls hermesc, without its comment."""
    for block in SHELL.findall(text):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["hermesc"]:
                yield words[1:]


def unknown_word(words: list[str]) -> str | None:
    """The first command or option that hermesc does not have."""
    command: click.Command | None = hermesc
    context = click.Context(hermesc)
    while isinstance(command, click.Group):
        word, words = words[0], words[1:]
        command = command.get_command(context, word)
        if command is None:
            return word
    assert command is not None
    options = {name for parameter in command.params for name in parameter.opts}
    used = [word.partition("=")[0] for word in words if word.startswith("-")]
    return next((word for word in used if word not in options), None)


def heading_anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_the_readme_has_at_most_160_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160


@pytest.mark.parametrize("page", TEXTS, ids=names(TEXTS))
def test_each_link_leads_to_a_file_or_a_heading(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in heading_anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_each_path_and_each_module_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    assert not missing
    assert not [name for name in NAME.findall(text) if pydoc.locate(name) is None]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_each_command_in_a_page_exists_with_its_options(page: Path) -> None:
    found = [(w, unknown_word(w)) for w in commands(page.read_text(encoding="utf-8"))]
    assert not [(" ".join(words), word) for words, word in found if word is not None]


def test_a_command_that_does_not_exist_is_found() -> None:
    text = "```sh\nhermesc compile m.py --sset a=b  # no such option\nhermesc bake x\n```"
    assert [unknown_word(words) for words in commands(text)] == ["--sset", "bake"]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_each_page_of_the_site_is_in_its_menu(page: Path) -> None:
    assert f": {page.name}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
