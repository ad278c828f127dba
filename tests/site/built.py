"""The built documentation site: links, anchors, requests, names. `nox -s docs` runs this file."""

from __future__ import annotations

import importlib
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from api_dump import PUBLIC

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
# What a browser loads by itself; a link (`a`) waits for a reader.
LOADED = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("video", "src"),
}
# What the theme's script names, and what makes it ask for it: nothing that the pages have.
LAZY = {
    "https://unpkg.com/mermaid@": "mermaid",
    "https://unpkg.com/glightbox@": "glightbox",
    "https://unpkg.com/resize-observer-polyfill": None,  # browsers before 2020
    "https://unpkg.com/pyodide@": "pyodide",
    "https://unpkg.com/ace-builds@": "pyodide",
    "https://cdn.jsdelivr.net/pyodide/": "pyodide",
    "https://api.github.com/": 'data-md-component="source"',
    "https://gitlab.com/": 'data-md-component="source"',
}
# Names of formats and licences, which nobody asks for anything.
NAMES = ("http://www.w3.org/", "https://fontawesome.com", "https://github.com/", "https://$")


class Reader(HTMLParser):
    """Collects what a page loads, where it leads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag."""
        for name, value in attrs:
            if not value:
                continue
            if (tag, name) in LOADED and not (tag == "link" and dict(attrs)["rel"] == "canonical"):
                self.loaded.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)
            elif name == "id":
                self.anchors.append(value)
            if name == "style" and "url(" in value:
                self.loaded += re.findall(r"url\(['\"]?(.*?)['\"]?\)", value)


@cache
def read(page: Path) -> Reader:
    """Return what is in a page."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


PAGES = sorted(SITE.rglob("*.html"))


def test_the_site_has_its_pages():
    names = {page.relative_to(SITE).as_posix() for page in PAGES}
    assert names >= {"index.html", "tutorial.html", "changelog.html", "reference/commands.html"}
    assert len(names) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(SITE).as_posix())
def test_a_page_loads_nothing_from_another_host(page: Path):
    assert read(page).loaded
    for address in read(page).loaded:
        assert not urlsplit(address).scheme or address.startswith("data:"), address
        assert not address.startswith("//"), address


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(SITE).as_posix())
def test_every_link_and_anchor_of_a_page_exists(page: Path):
    broken = []
    for link in [*read(page).links, *read(page).loaded]:
        parts = urlsplit(link)
        if parts.scheme or (page.name == "404.html" and link.startswith("/")):
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if target.is_dir():
            target /= "index.html"
        if not target.exists() or (
            parts.fragment
            and target.suffix == ".html"
            and unquote(parts.fragment) not in read(target).anchors
        ):
            broken.append(link)
    assert not broken


def test_styles_load_nothing_from_another_host():
    styles = list(SITE.rglob("*.css"))
    assert styles
    for style in styles:
        text = style.read_text(encoding="utf-8")
        assert not re.findall(r"@import[^;]*//|url\(['\"]?(?:https?:)?//[^)]*", text), style


def test_scripts_name_no_other_host_but_for_what_no_page_uses():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    scripts = [file for file in SITE.rglob("*.js") if file.name != "search.js"]
    assert scripts
    for script in scripts:
        for address in re.findall(r"https?://[^\s\"'`)<>]*", script.read_text(encoding="utf-8")):
            lazy = [trigger for start, trigger in LAZY.items() if address.startswith(start)]
            assert lazy or address.startswith(NAMES), (script.name, address)
            for trigger in lazy:
                assert trigger is None or trigger not in pages, trigger


def test_the_search_works_without_a_server_and_finds_every_page():
    index = json.loads((SITE / "search.json").read_text(encoding="utf-8"))
    found = {item["location"].partition("#")[0] or "index.html" for item in index["items"]}
    pages = {page.relative_to(SITE).as_posix() for page in PAGES} - {"404.html"}
    assert pages <= found
    assert "__index" in (SITE / "search.js").read_text(encoding="utf-8")
    for page in PAGES:
        assert any(name.endswith("assets/iframe-worker.js") for name in read(page).loaded)


def anchors_of(thing: Any, name: str) -> set[str]:
    """Return the anchors that document a name: under the module that is public, or its own."""
    return {
        f"{module}.{name}"
        for module in PUBLIC
        if getattr(importlib.import_module(module), name, None) is thing
    }


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_on_a_page(module: str):
    anchors = {anchor for page in PAGES for anchor in read(page).anchors}
    members = importlib.import_module(module)
    missing = [
        name
        for name in members.__all__
        if not isinstance(getattr(members, name), type(json))  # a module has a page of its own
        and not anchors & anchors_of(getattr(members, name), name)
    ]
    assert not missing, f"give {missing} to a page of docs/reference/api"
