"""Writes the software bill of materials of the version in the tree: `nox -s sbom` runs this file.

    python scripts/bill_of_materials.py sbom      writes sbom/sinchvoice.cdx.json

It is CycloneDX 1.5, by uv: what pip would install today with all extras, on every supported Python
and platform, with versions, hashes and markers. Nothing is built or installed for it.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from release import version_of

ROOT = Path(__file__).resolve().parent.parent


def main(folder: Path) -> int:
    """Write the bill of materials into a folder, and return the exit code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = version_of(ROOT)
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "pyproject.toml").write_text(reduced(project, version), encoding="utf-8")
        run = subprocess.run(
            [
                *(sys.executable, "-m", "uv", "export", "--quiet", "--no-config", "--no-build"),
                *("--format", "cyclonedx1.5", "--all-extras"),
            ],
            cwd=scratch,  # uv leaves a lock there
            check=True,
            stdout=subprocess.PIPE,
        )
    bill = json.loads(run.stdout)
    bill["metadata"]["component"] |= {
        "purl": f"pkg:pypi/{project['name']}@{version}",
        "licenses": [{"license": {"id": project["license"]}}],
    }
    bill["components"].append(vendored())
    folder.mkdir(exist_ok=True)
    file = folder / f"{project['name']}.cdx.json"
    file.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    print(f"{file}: {len(bill['components'])} components")
    return 0


def vendored() -> dict[str, Any]:
    """Return the component inside the wheel: htmx, in the sandbox's console."""
    (script,) = (ROOT / "facade/sinchvoice/sandbox/console/static").glob("htmx-*.min.js")
    version = script.name.removeprefix("htmx-").removesuffix(".min.js")
    purl = f"pkg:npm/htmx.org@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": "htmx.org",
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"id": "0BSD"}}],
    }


def reduced(project: dict[str, Any], version: str) -> str:
    """Return a pyproject.toml with what users install: no groups, and a version that is a text."""
    # JSON's texts and lists are TOML's too.
    lines = [
        "[project]",
        f"name = {json.dumps(project['name'])}",
        f"version = {json.dumps(version)}",
    ]
    lines += [f"{key} = {json.dumps(project[key])}" for key in ("requires-python", "dependencies")]
    lines += ["[project.optional-dependencies]"]
    extras = project["optional-dependencies"]
    lines += [f"{name} = {json.dumps(extra)}" for name, extra in extras.items()]
    return "\n".join([*lines, "[tool.uv]", "package = false", ""])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
