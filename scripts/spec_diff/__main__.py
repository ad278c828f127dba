"""The command: `nox -s spec_diff -- OLD NEW`, or `python -m spec_diff` beside this package."""

import argparse
import sys
from collections.abc import Sequence

from . import Level, SpecDiffError, compare, read, worst
from .findings import printable
from .overrides import override, read_overrides
from .report import FORMATS, show


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two documents and print the changes.

    Args:
        arguments: The arguments; None for those of the command line.

    Returns:
        The exit code: 0 if no change is at `--fail-on` or above, 1 if there is one, 2 if the
        documents could not be compared.
    """
    options = _parser().parse_args(arguments)
    try:
        old, new = read(options.old), read(options.new)
        changes = compare(old, new)
        if options.overrides:
            changes = override(changes, read_overrides(options.overrides))
    except SpecDiffError as error:
        print(f"{printable(str(error))}\nNothing was compared.", file=sys.stderr)
        return 2
    notes = [*old.notes, *new.notes]
    show(FORMATS[options.format](changes, old.name, new.name, notes))
    level = worst(changes)
    return 1 if level is not None and level >= Level[options.fail_on] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spec_diff",
        description="Compare two OpenAPI documents by meaning, for callers of the API.",
        epilog="Exit code: 0 no change at --fail-on or above, 1 changes, 2 nothing was compared.",
    )
    parser.add_argument("old", metavar="OLD", help="the old document: a file, or git:REV:path")
    parser.add_argument("new", metavar="NEW", help="the new document: a file, or git:REV:path")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument(
        "--fail-on", choices=Level.__members__, default="ERROR", help="default: ERROR"
    )
    parser.add_argument("--overrides", metavar="FILE", help="a file of other levels, with reasons")
    return parser


if __name__ == "__main__":
    sys.exit(main())
