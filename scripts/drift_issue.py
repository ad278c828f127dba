"""Compares what the vendor publishes, and keeps one issue on GitHub that says what was found.

`nox -s drift_issue` runs this file, every night by .github/workflows/drift.yml. A difference is
written into the open issue with the label `upstream`, which is opened if there is none; without a
difference it is closed. Exits with 0 if the issue tells what is. If nothing could be compared, or
the issue could not be written, it exits with 2 and leaves the issue as it is.
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
TITLE = "What the vendor publishes has changed"
SAME = "What the vendor publishes is what is vendored again."
MOST = 60_000  # GitHub takes issues of 65,536 characters
WHAT_TO_DO = """
---
Written by `nox -s drift_issue`, which updates it every night and closes it once nothing differs.
`nox -s upstream` shows the same. What to do is in openapi/README.md, under "How to update a
specification".
"""


def main(
    arguments: Sequence[str], environ: Mapping[str, str], command: Sequence[str | Path]
) -> int:
    """Compare, tell, and return the exit code.

    Args:
        arguments: For upstream.py.
        environ: The variables that `github` needs.
        command: What runs upstream.py.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.md")
        code = subprocess.call([*command, "--format=markdown", f"--output={report}", *arguments])
        text = report.read_text(encoding="utf-8").strip() if report.exists() else ""
    if code not in (0, 1) or not text:
        print(f"nothing was compared (exit code {code}): the issue is as it was", file=sys.stderr)
        return 2
    try:
        repository = GitHub(environ)
        if code == 0:
            done = repository.close_issue(LABEL, SAME)
        else:
            cut = "" if len(text) <= MOST else "\n\n… and more than an issue can hold."
            done = repository.keep_issue(LABEL, TITLE, f"{text[:MOST]}{cut}\n{WHAT_TO_DO}")
    except GitHubError as error:
        print(f"the issue could not be written: {error}", file=sys.stderr)
        return 2
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, [sys.executable, UPSTREAM]))
