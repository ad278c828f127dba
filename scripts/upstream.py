"""Compare the vendor's published document with the specifications in openapi/.

`nox -s upstream` runs this file. The published document covers all of Voice; operations that we do
not vendor are listed and otherwise ignored. openapi/specs.lock declares known absences, and
openapi/upstream.yaml the other accepted differences.
"""

import argparse
import sys
import traceback
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import attrs
import specs_lock
from letter import Findings, printable, report
from published import (
    LIMITS,
    Limits,
    Operation,
    PublishedError,
    counterparts,
    fetch,
    of_same_name,
    operations,
    reduced,
    text,
    without,
)
from spec_diff import Change, Document, Level, SpecDiffError, compare, parse
from spec_diff.findings import quoted
from spec_diff.kinds import Kind
from spec_diff.operations import WEBHOOKS, paired_events, webhooks
from spec_diff.overrides import Override, override, read_overrides
from spec_diff.report import show

OPENAPI = Path(__file__).resolve().parent.parent / "openapi"
OVERRIDES = "upstream.yaml"

# Schema names and versions are our own, and the overlays belong to our documents.
_MEANINGLESS = {"api-schema-removed", "info-version-changed", "overlay-action-obsolete"}
_ABSENT = Kind("known-absence", Level.INFO, "not published, as declared")
_RETURNED = Kind("known-absence-ended", Level.WARN, "published, although declared absent")
_MOST_NAMES = 6
_LONGEST = 1000


def obtain(source: str, limits: Limits = LIMITS) -> Document:
    """Read the published document.

    Args:
        source: An https URL, or a file.
        limits: The limits for fetching and reading.

    Raises:
        PublishedError: If the source is not available or not a document.
        SpecDiffError: If the document is not OpenAPI, or is crafted to exhaust memory or time.
    """
    if "://" in source:
        content = fetch(source, limits)
    else:
        try:
            with Path(source).open("rb") as file:
                content = file.read(limits.size + 1)
        except OSError as error:
            raise PublishedError(f"{source}: {error.strerror or error}") from error
    return parse(text(content, source, limits), source)


def examine(theirs: Document, folder: Path) -> Findings:
    """Compare the published document with all vendored specifications.

    Args:
        theirs: The published document.
        folder: openapi/.

    Raises:
        LockError: If the lock is unusable.
        PublishedError: If the document has none of our operations or webhooks.
        SpecDiffError: If a document is malformed.
    """
    overrides = [
        attrs.evolve(one, file=f"openapi/{OVERRIDES}")
        for one in read_overrides(str(folder / OVERRIDES))
    ]
    found, published = dict[str, list[Change]](), operations(theirs)
    aside = {one.name for one in published}
    events = dict.fromkeys(
        f"webhook {name}" for key in WEBHOOKS for name in _object(theirs.data.get(key))
    )
    wanted, met = list[str](), list[str]()
    for name, spec in specs_lock.read(folder).specs.items():
        ours = parse((folder / f"{name}.yaml").read_text("utf-8"), f"openapi/{name}.yaml")
        pairs = counterparts(operations(ours), published)
        sent = _events(ours, theirs)
        names = [operation.name for operation in pairs] + [*sent]
        if unknown := spec.absent.keys() - set(names):
            raise specs_lock.LockError(
                f"openapi/{specs_lock.NAME}: {', '.join(sorted(unknown))} is not in {ours.name}"
            )
        wanted += [one for one in names if one not in spec.absent]
        aside -= {operation.name for operation in pairs.values() if operation is not None}
        events = {one: None for one in events if one not in sent.values()}
        met += filter(None, sent.values())
        found[ours.name] = differences(ours, theirs, pairs, sent, spec.absent)
    if len(aside) == len(published) and not met:
        raise PublishedError(
            f"{theirs.name}: has no operation or webhook of ours: is it the right document? "
            f"Expected {_some(wanted)}; found {_some(sorted(aside)) or 'none'}"
        )
    changes = {name: _decided(some, overrides) for name, some in found.items()}
    unused = [one for one in overrides if not any(map(one.fits, chain(*found.values())))]
    accepted = sum(map(len, found.values())) - sum(len(changes[name]) for name in found)
    return Findings(
        source=theirs.name,
        version=str(_object(theirs.data.get("info")).get("version")),
        changes=changes,
        accepted=accepted,
        overrides=f"openapi/{OVERRIDES}",
        unused=[one.line or 0 for one in unused],
        aside=[*sorted(aside), *events],
        notes=theirs.notes,
    )


def _events(ours: Document, theirs: Document) -> dict[str, str | None]:
    """Return the published webhook for each of ours, by name; None if there is none."""
    if not (known := webhooks(ours)):
        return {}
    pairs, gone, _ = paired_events(known, webhooks(theirs))
    there = {one.name: other.name for one, other in pairs}
    return {one.name: None for one in gone} | there


def differences(
    ours: Document,
    theirs: Document,
    pairs: Mapping[Operation, Operation | None],
    sent: Mapping[str, str | None],
    absent: Mapping[str, str],
) -> list[Change]:
    """Compare one of our specifications with its part of the published document.

    Args:
        ours: The specification.
        theirs: The published document.
        pairs: The published operation for each of ours.
        sent: The published webhook for each of ours, such as `webhook ice`.
        absent: Our operations and webhooks that are known to be unpublished, with reasons.

    Raises:
        SpecDiffError: If a document is malformed.
    """
    changes = list[Change]()
    there = {one.name: other is not None for one, other in pairs.items()}
    there |= {name: other is not None for name, other in sent.items()}
    for name, is_there in there.items():
        if (reason := absent.get(name)) is not None:
            kind = _RETURNED if is_there else _ABSENT
            message = f"{kind.meaning} (openapi/{specs_lock.NAME}: {reason})"
            changes.append(
                Change(id=kind.id, level=kind.level, message=message, operations=(name,))
            )
    gone = [one for one, other in pairs.items() if other is None and one.name in absent]
    lost = [name for name, other in sent.items() if other is None and name in absent]
    if len(gone) + len(lost) < len(there):
        before = without(ours, gone, lost)
        bases = {other: one.base for one, other in pairs.items() if other}
        after = reduced(theirs, bases, [*filter(None, sent.values())])
        changes += compare(before, after)
        # Schemas of the same name partly repeat the comparison of operations.
        known = {_place(change) for change in changes}
        others = compare(*of_same_name(before, after, theirs))
        changes += [change for change in others if _place(change) not in known]
    meant = [change for change in changes if change.id not in _MEANINGLESS]
    return sorted(meant, key=lambda change: -change.level)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and write a report.

    Args:
        arguments: The arguments; None for those of the command line.

    Returns:
        The exit code: 0 if no difference is at `--fail-on` or above, 1 if there is one, 2 if
        nothing could be compared.
    """
    options = _parser().parse_args(arguments)
    try:
        written, code = _outcome(options)
        if options.output:
            Path(options.output).write_text(f"{written}\n", encoding="utf-8")
    except OSError as error:
        written, code = f"The report cannot be written: {error}", 2
    if code == 2:
        print(written, file=sys.stderr)
    else:
        show(written)
    return code


def _outcome(options: argparse.Namespace) -> tuple[str, int]:
    """Return the report or the reason for its absence, and the exit code."""
    try:
        fail_on, limits = Level[options.fail_on], attrs.evolve(LIMITS, seconds=options.timeout)
        findings = examine(obtain(options.source or specs_lock.read(OPENAPI).url, limits), OPENAPI)
        written = report(findings, fail_on, options.format)
        return written, int(findings.worst is not None and findings.worst >= fail_on)
    except (PublishedError, SpecDiffError, specs_lock.LockError) as error:
        reason = printable(str(error), _LONGEST)
    except Exception as error:  # noqa: BLE001 (Python would exit with 1, the code for differences)
        traceback.print_exc()
        reason = printable(repr(error))
    return f"Nothing was compared: {quoted(reason) if options.format == 'markdown' else reason}", 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="upstream",
        description="Compare the vendor's published document with openapi/.",
        epilog="Exit code: 0 no difference at --fail-on or above, 1 differences, 2 not compared.",
    )
    parser.add_argument(
        "source",
        metavar="URL|FILE",
        nargs="?",
        help="the published document; default: the url in openapi/specs.lock",
    )
    parser.add_argument(
        "--fail-on", choices=Level.__members__, default="WARN", help="default: WARN"
    )
    parser.add_argument("--format", choices=("text", "markdown"), default="text")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=LIMITS.seconds,
        help=f"the longest time for fetching; default: {LIMITS.seconds:g}",
    )
    parser.add_argument("--output", metavar="FILE", help="write the report to a file as well")
    return parser


def _place(change: Change) -> tuple[str, str | None, str | None]:
    return change.id, change.old_pointer, change.new_pointer


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _decided(changes: Sequence[Change], overrides: Sequence[Override]) -> list[Change]:
    """Remove accepted changes and apply the overrides to the rest."""
    fitting = [next((one for one in overrides if one.fits(change)), None) for change in changes]
    rest = [
        change
        for change, one in zip(changes, fitting, strict=True)
        if one is None or one.level > Level.INFO
    ]
    return override(rest, [one for one in overrides if any(map(one.fits, rest))])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


if __name__ == "__main__":
    sys.exit(main())
