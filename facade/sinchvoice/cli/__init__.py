"""The command `sinchvoice`: reports, calls, signatures and a sandbox from a terminal.

Needs an extra: `pip install 'sinchvoice[cli]'`. docs/reference/cli.md describes the commands, their
JSON and their exit codes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Arguments without the name of the command; None for those of the process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        from .app import run
    except ModuleNotFoundError as error:
        needed = (error.name or "").partition(".")[0]
        if needed not in ("rich", "typer"):
            raise
        sys.stderr.write(f"the command line needs {needed}: pip install 'sinchvoice[cli]'\n")
        return 3
    return run(given)
