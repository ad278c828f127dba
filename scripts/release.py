"""Print the notes of a release, or publish it on GitHub.

    python scripts/release.py notes v1.2.3
    python scripts/release.py publish v1.2.3     with the files in dist/ and sbom/

A tag can be released if it matches the version of the package and has a section in CHANGELOG.md.
Only a version that may break the promise can have a part Breaking there. On
GitHub, pyproject.toml must name the repository of the release.
"""

import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from github import GitHub, GitHubError

ROOT = Path(__file__).resolve().parent.parent


class ReleaseError(Exception):
    """A tag cannot be released; the message says why and what to do."""


def notes(tag: str, root: Path) -> str:
    """Return the section of CHANGELOG.md for a tag.

    Raises:
        ReleaseError: If the tag does not match the version, has no section, or has a part Breaking
            that its version does not allow.
    """
    version = version_of(root)
    if tag != f"v{version}":
        raise ReleaseError(
            f"the tag is {tag}, but facade/sinchvoice/_version.py has {version}: "
            f"tag v{version}, or change the version there"
        )
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^## \[?{re.escape(version)}(?![\w.+-]).*\n((?:(?!## ).*\n?)*)", changelog, re.MULTILINE
    )
    if section is None or not section[1].strip():
        raise ReleaseError(
            f"CHANGELOG.md has no section for {version}: change its heading Unreleased to "
            f"'## {version} - YYYY-MM-DD'"
        )
    if re.search(r"^### Breaking$", section[1], re.MULTILINE) and not may_break(version):
        raise ReleaseError(
            f"CHANGELOG.md has a part Breaking for {version}, which may not break the promise: "
            "release a major version, or before 1.0 a minor one"
        )
    return section[1].strip()


def version_of(root: Path) -> str:
    """Return the version of the package in a tree, or `nothing`."""
    source = (root / "facade" / "sinchvoice" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    return found[1] if found else "nothing"


def check_repository(environ: Mapping[str, str], root: Path) -> None:
    """Check that the metadata name the repository of the workflow that runs this, if one does.

    Raises:
        ReleaseError: They name none or another one.
    """
    if not environ.get("GITHUB_REPOSITORY"):
        return
    server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    url = f"{server}/{environ['GITHUB_REPOSITORY']}"
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    named = tomllib.loads(text)["project"].get("urls", {}).get("Repository")
    if named != url:
        raise ReleaseError(
            f"pyproject.toml has {named or 'no URL'} as Repository in [project.urls], and the "
            f'release is made by {url}: write Repository = "{url}" there'
        )


def may_break(version: str) -> bool:
    """Tell whether a version may break the promise: 2.0.0 or 0.3.0, not 0.3.1 or 1.1.0."""
    major, minor, patch = [*map(int, re.findall(r"\d+", version)), 0, 0][:3]
    return patch == 0 and (major == 0 or minor == 0)


def main(arguments: Sequence[str], environ: Mapping[str, str], root: Path) -> int:
    """Print or publish the notes, and return the exit code."""
    if len(arguments) != 2 or arguments[0] not in ("notes", "publish"):
        print("usage: release.py notes|publish TAG", file=sys.stderr)
        return 2
    verb, tag = arguments
    try:
        text = notes(tag, root)
        check_repository(environ, root)
        files = sorted((root / "dist").glob("sinchvoice-*"))
        bills = sorted((root / "sbom").glob("*.cdx.json"))
        if verb == "notes":
            print(text)
            return 0
        if len(files) != 2:
            raise ReleaseError(f"dist/ has {len(files)} files, not two: run `nox -s build`")
        if len(bills) != 1:
            raise ReleaseError(f"sbom/ has {len(bills)} files, not one: run `nox -s sbom`")
        print(GitHub(environ).release(tag, text, [*files, *bills]))
    except (ReleaseError, GitHubError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, ROOT))
