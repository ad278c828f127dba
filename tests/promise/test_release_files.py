"""What a release says of itself is the same everywhere: version, day, licence, addresses."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import yaml
from release import version_of

ROOT = Path(__file__).parents[2]
VERSION = version_of(ROOT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_has_version_day_and_licence_of_the_release():
    assert (CITATION["version"], CITATION["license"]) == (VERSION, PROJECT["license"])
    heading = re.search(
        rf"^## {re.escape(VERSION)} - (\S+)$", text_of("CHANGELOG.md"), re.MULTILINE
    )
    if heading is not None:  # until then the next version has no day
        assert CITATION["date-released"] == date.fromisoformat(heading[1])


def test_the_citation_has_what_its_format_needs():
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    assert all(set(author) == {"name"} for author in CITATION["authors"])
    assert CITATION["authors"][0]["name"] in text_of("LICENSE")


def test_security_supports_the_version_that_is_released():
    minor = ".".join(VERSION.split(".")[:2])
    assert f"newest minor version only, {minor}." in text_of("SECURITY.md")


def test_the_address_of_the_repository_is_in_one_place():
    names = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "pyproject.toml"]
    found = [name for name in names if "github.com/" in text_of(name)]
    assert found in ([], ["pyproject.toml"])
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())
