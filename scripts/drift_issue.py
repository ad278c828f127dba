"""Compare the vendor's published document, and report differences in one issue on GitHub.

`nox -s drift_issue` runs this file, every night from .github/workflows/drift.yml. Differences are
written to the open issue with the label `upstream`, or to a new one; without differences, it is
closed. The exit code is 0 if the issue is up to date. It is 2, with the issue unchanged, if nothing
could be compared or the issue could not be written.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from github import GitHub, GitHubError

UPSTREAM = Path(__file__).resolve().parent / "upstream.py"
LABEL = "upstream"
TITLE = "The vendor's published API has changed"
SAME = "The vendored specifications match the published API again."
MOST = 60_000  # GitHub accepts issues of 65,536 characters
WHAT_TO_DO = """
---
Written by `nox -s drift_issue`, which updates it every night and closes it when nothing differs.
`nox -s upstream` shows the same. "How to update a specification" in openapi/README.md explains
what to do.
"""


def main(
    arguments: Sequence[str], environ: Mapping[str, str], command: Sequence[str | Path]
) -> int:
    """Compare, update the issue, and return the exit code.

    Args:
        arguments: The arguments for upstream.py.
        environ: The environment variables that `github` needs.
        command: The command that runs upstream.py.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.md")
        code = subprocess.call([*command, "--format=markdown", f"--output={report}", *arguments])
        text = report.read_text(encoding="utf-8").strip() if report.exists() else ""
    if code not in (0, 1) or not text:
        print(f"nothing was compared (exit code {code}): issue unchanged", file=sys.stderr)
        return 2
    try:
        repository = GitHub(environ)
        if code == 0:
            done = repository.close_issue(LABEL, SAME)
        else:
            cut = "" if len(text) <= MOST else "\n\n… cut off at the size limit of an issue."
            done = repository.keep_issue(LABEL, TITLE, f"{text[:MOST]}{cut}\n{WHAT_TO_DO}")
    except GitHubError as error:
        print(f"the issue could not be written: {error}", file=sys.stderr)
        return 2
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, [sys.executable, UPSTREAM]))
