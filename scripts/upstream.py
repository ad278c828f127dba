"""Compares what the vendor publishes today with the specifications in openapi/.

`nox -s upstream` runs this file. The published document is one for all of Voice: what we do not
vendor of it is counted and left aside. What is known to be absent from it is in openapi/specs.lock,
and which other differences are accepted is in openapi/upstream.yaml.
"""

import argparse
import json
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import specs_lock
from published import LIMITS, Operation, PublishedError, counterparts, fetch, of_same_name
from published import operations, reduced, text
from spec_diff import Change, Document, Level, SpecDiffError, compare, parse, worst
from spec_diff.kinds import KINDS
from spec_diff.overrides import Override, override, read_overrides
from spec_diff.report import FORMATS, summary

OPENAPI = Path(__file__).resolve().parent.parent / "openapi"
OVERRIDES = "upstream.yaml"

# Schemas have names of our own, and the overlays are for our documents.
_MEANINGLESS = {"api-schema-removed", "overlay-action-obsolete"}

# An issue on GitHub has at most 65536 characters.
_MOST_CHANGES = 80
_MOST_NAMES = 20
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Comparison:
    """How what is published differs from one of our files.

    Attributes:
        name: The file, as `openapi/calling.yaml`.
        changes: The differences, those that matter most first.
    """

    name: str
    changes: Sequence[Change]


def obtain(source: str) -> Document:
    """Read what is published.

    Args:
        source: An https URL, or a file.

    Raises:
        PublishedError: If it cannot be had, or cannot be a document.
        SpecDiffError: If it is no OpenAPI document, or one that is made to do harm.
    """
    if "://" in source:
        content = fetch(source)
    else:
        try:
            with Path(source).open("rb") as file:
                content = file.read(LIMITS.size + 1)
        except OSError as error:
            raise PublishedError(f"{source}: {error.strerror or error}") from error
    return parse(text(content, source), source)


def compare_all(theirs: Document, folder: Path) -> list[Comparison]:
    """Compare the published document with all that we vendor.

    Args:
        theirs: The published document.
        folder: openapi/.

    Returns:
        A comparison for each specification, and one for the accepted differences.

    Raises:
        LockError: If the lock cannot be used.
        PublishedError: If the document has nothing of what we vendor.
        SpecDiffError: If a document cannot be understood.
    """
    found, overrides = dict[str, list[Change]](), read_overrides(str(folder / OVERRIDES))
    published, has_any = operations(theirs), False
    for name, spec in specs_lock.read(folder).specs.items():
        ours = parse((folder / f"{name}.yaml").read_text("utf-8"), f"openapi/{name}.yaml")
        pairs = counterparts(operations(ours), published)
        has_any = has_any or any(pairs.values())
        if unknown := spec.absent.keys() - {operation.name for operation in pairs}:
            raise specs_lock.LockError(
                f"openapi/{specs_lock.NAME}: {', '.join(sorted(unknown))} is not in {ours.name}"
            )
        found[ours.name] = differences(ours, theirs, pairs, spec.absent)
    if not has_any:
        raise PublishedError(f"{theirs.name}: has no operation of ours: is it the right document?")
    comparisons = [
        Comparison(name, override(changes, [one for one in overrides if _fits(one, changes)]))
        for name, changes in found.items()
    ]
    everything = [change for changes in found.values() for change in changes]
    unused = override([], [one for one in overrides if not _fits(one, everything)])
    return [*comparisons, Comparison(f"openapi/{OVERRIDES}", unused)]


def differences(
    ours: Document,
    theirs: Document,
    pairs: Mapping[Operation, Operation | None],
    absent: Mapping[str, str],
) -> list[Change]:
    """Compare one of our specifications with its part of the published document.

    Args:
        ours: The specification.
        theirs: The published document.
        pairs: The published operation for each of ours.
        absent: Our operations that are known not to be published, each with the reason.

    Raises:
        SpecDiffError: If a document cannot be understood.
    """
    changes, old, new = list[Change](), dict[Operation, str](), dict[Operation, str]()
    for our, their in pairs.items():
        if their is not None:
            old[our] = new[their] = our.base
        elif our.name not in absent:
            old[our] = our.base
        if our.name in absent:
            kind = KINDS["known-absence" if their is None else "known-absence-ended"]
            message = f"{kind.meaning} (openapi/{specs_lock.NAME}: {absent[our.name]})"
            changes.append(Change(id=kind.id, level=kind.level, message=message, operations=(our.name,)))
    if old:
        before, after = reduced(ours, old), reduced(theirs, new)
        changes += compare(before, after)
        changes += compare(*of_same_name(before, after, theirs))
    meant = [change for change in changes if change.id not in _MEANINGLESS]
    return sorted(meant, key=lambda change: -change.level)


def report(
    theirs: Document, comparisons: Sequence[Comparison], fail_on: Level, form: str = "text"
) -> str:
    """Write comparisons down. Equal ones give equal reports.

    Args:
        theirs: The published document.
        comparisons: The comparisons.
        fail_on: What is to be looked at.
        form: `text` or `markdown`.
    """
    quote = "`" if form == "markdown" else ""
    changes = [change for one in comparisons for change in one.changes]
    count = sum(change.level >= fail_on for change in changes)
    verdict = "Nothing new is published."
    if count:
        verdict = (
            f"{count} difference{'s' * (count != 1)} to look at ({fail_on.name} or above): "
            "openapi/README.md says how to update a specification."
        )
    parts = [verdict, _aside(theirs, quote)]
    for one in comparisons:
        shown = [_shown(change, quote) for change in one.changes[:_MOST_CHANGES]]
        if shown or one.name != f"openapi/{OVERRIDES}":
            parts.append(f"## {one.name}" if quote else one.name)
            parts.append(FORMATS[form](shown, one.name, theirs.name))
        if (left_out := len(one.changes) - len(shown)) > 0:
            parts.append(f"... and {left_out} more, of the same level or below.")
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and write a report.

    Args:
        arguments: What was typed; None for the command line.

    Returns:
        The exit code: 0 if no difference is at `--fail-on` or above, 1 if one is, 2 if nothing
        could be compared.
    """
    options = _parser().parse_args(arguments)
    try:
        theirs = obtain(options.source or specs_lock.read(OPENAPI).url)
        comparisons = compare_all(theirs, OPENAPI)
        fail_on = Level[options.fail_on]
        written = report(theirs, comparisons, fail_on, options.format)
        level = worst(change for one in comparisons for change in one.changes)
        code = 1 if level is not None and level >= fail_on else 0
    except (PublishedError, SpecDiffError, specs_lock.LockError) as error:
        written, code = f"Nothing was compared: {_printable(str(error))}", 2
    except Exception as error:  # noqa: BLE001 (Python would exit with 1, which says: compared)
        traceback.print_exc()
        written, code = f"Nothing was compared: {_printable(repr(error))}", 2
    if options.output:
        Path(options.output).write_text(f"{written}\n", encoding="utf-8")
    print(written, file=sys.stderr if code == 2 else sys.stdout)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="upstream",
        description="Compare what the vendor publishes today with openapi/.",
        epilog="Exit code: 0 nothing at --fail-on or above, 1 something, 2 nothing was compared.",
    )
    parser.add_argument(
        "source",
        metavar="URL|FILE",
        nargs="?",
        help="the published document; by default, the url in openapi/specs.lock",
    )
    parser.add_argument(
        "--fail-on", choices=Level.__members__, default="WARN", help="default: WARN"
    )
    parser.add_argument("--format", choices=("text", "markdown"), default="text")
    parser.add_argument("--output", metavar="FILE", help="write the report there, too")
    return parser


def _fits(one: Override, changes: Iterable[Change]) -> bool:
    return any(one.fits(change) for change in changes)


def _aside(theirs: Document, quote: str) -> str:
    """Tell what the document is, and what is in it that we do not vendor."""


def _shown(change: Change, quote: str) -> Change:
    """Make what is foreign in a change fit for a report: on one line, short, and in code spans.

    Nothing in a code span is a link, a picture, or calls anybody.
    """

    def quoted(value: Any) -> str | None:
        if value is None:
            return None
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return f"{quote}{_printable(text)}{quote}"

    return replace(
        change,
        message=f"{quote}{_printable(change.message)}{quote}",
        operations=tuple(_printable(operation) for operation in change.operations),
        old_pointer=change.old_pointer and _printable(change.old_pointer),
        new_pointer=change.new_pointer and _printable(change.new_pointer),
        old=quoted(change.old),
        new=quoted(change.new),
    )


def _printable(text: str) -> str:
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in short
    ).replace("`", "'")


if __name__ == "__main__":
    sys.exit(main())
