"""The command `sinchvoice`, and `python -m sinchvoice`."""

from __future__ import annotations

import gc
import sys

from .cli import main


def command() -> int:
    """Run the command of this process, and return its exit code."""
    code = main()
    gc.freeze()  # the process ends: a last search for garbage would take 0.1 to 0.3 s
    return code


if __name__ == "__main__":
    sys.exit(command())
