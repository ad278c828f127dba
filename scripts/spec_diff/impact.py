"""Find the facade functions and overlay actions that a change in the API affects."""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import overlay

from .documents import Document, load
from .findings import Traced
from .kinds import KINDS
from .model import Change, OverlayAction, SpecDiffError
from .reading import escape, unescape

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "facade"))  # the maintainers' sessions do not install the package
from sinchvoice.routes import ROUTES  # noqa: E402

OVERLAYS = ROOT / "openapi" / "overlays"

# The functions that call an operation, in the user's notation.
FACADE = {
    route.operation_id: tuple(f"voice.{method}" for method in route.methods) for route in ROUTES
}
# Answers that no operation lists are failures in the published document; this class reads them.
FAILURES = ("ApiStatusError",)

Way: TypeAlias = tuple[str, ...]


@attrs.frozen
class _Placed:
    """An overlay action and the nodes it selects in both documents."""

    action: OverlayAction
    update: Any
    remove: bool
    old: tuple[Way, ...]
    new: tuple[Way, ...]

    def touches(self, traced: Traced) -> bool:
        """Tell whether the action selects or changes the changed part or a reference to it."""
        change = traced.change
        added = change.old is None and change.new is not None
        removed = change.new is None and change.old is not None
        olds = () if added else traced.old_pointers
        news = () if removed else traced.new_pointers
        return any(
            self._meets(way, _way(pointer))
            for pointers, ways in ((olds, self.old), (news, self.new))
            for pointer in pointers
            for way in ways
        )

    def _meets(self, selected: Way, changed: Way) -> bool:
        if selected[: len(changed)] == changed:  # at the change, or below
            return bool(changed)
        if changed[: len(selected)] != selected:
            return False
        if self.remove:
            return True
        # Above the change, an update affects only the members it names.
        update = self.update
        for step in changed[len(selected) :]:
            if not isinstance(update, dict):
                return True
            if step not in update:
                return False
            update = update[step]
        return True


def overlays_of(*documents: Document) -> list[Document]:
    """Return the overlays of this repository that extend one of the documents, by file name.

    Raises:
        SpecDiffError: If an overlay cannot be read.
    """
    names = {_file(document.name) for document in documents}
    paths = sorted(OVERLAYS.glob("*.yaml"))
    found = (_overlay(path, path.exists() and path.stat().st_mtime_ns) for path in paths)
    return [one for one in found if _file(str(one.data.get("extends"))) in names]


@cache
def _overlay(path: Path, changed: int) -> Document:
    """Read an overlay, once for each time at which it was changed."""
    del changed
    return load(str(path))


def assess(
    changes: Sequence[Traced],
    old: Document,
    new: Document,
    overlays: Sequence[Document],
) -> list[Change]:
    """Add facade functions and overlay actions to each change, and report obsolete actions.

    Args:
        changes: The changes, with the places that lead to them.
        old: The old document.
        new: The new document.
        overlays: The overlays for these documents.

    Returns:
        All changes, and one more for each action that no longer fits, most important first.

    Raises:
        SpecDiffError: If an overlay is malformed.
    """
    placed, obsolete = list[_Placed](), list[Change]()
    for one in overlays:
        for action, broken in _place(one, old, new):
            placed.append(action)
            if broken:
                obsolete.append(_obsolete(action, broken, old))
    assessed = [
        attrs.evolve(
            traced.change,
            facade=_facade(traced),
            overlays=tuple(one.action for one in placed if one.touches(traced)),
        )
        for traced in changes
    ]
    return sorted([*obsolete, *assessed], key=lambda change: -change.level)


def _facade(traced: Traced) -> tuple[str, ...]:
    if not (traced.ids or traced.change.operations) and traced.change.id.startswith("response-"):
        return FAILURES
    functions = (name for id_, names in FACADE.items() if id_ in traced.ids for name in names)
    return tuple(dict.fromkeys(functions))


def _place(
    one: Document, old: Document, new: Document
) -> Iterator[tuple[_Placed, overlay.OverlayError | None]]:
    try:
        pairs = zip(
            overlay.locate(old.data, one.data, one.name),
            overlay.locate(new.data, one.data, one.name),
            strict=True,
        )
        for index, ((action, before), (_, after)) in enumerate(pairs):
            line = one.line(f"/actions/{index}")
            reference = OverlayAction(_relative(one.name), line, action.target)
            placed = _Placed(reference, action.update, action.remove, _ways(before), _ways(after))
            fitted = not isinstance(before, overlay.OverlayError)
            yield placed, after if fitted and isinstance(after, overlay.OverlayError) else None
    except overlay.OverlayError as error:
        raise SpecDiffError(str(error)) from error


def _ways(found: list[tuple[int | str, ...]] | overlay.OverlayError) -> tuple[Way, ...]:
    if isinstance(found, overlay.OverlayError):
        return ()
    return tuple(tuple(str(step) for step in way) for way in found)


def _obsolete(placed: _Placed, error: overlay.OverlayError, old: Document) -> Change:
    kind, action = KINDS["overlay-action-obsolete"], placed.action
    pointer = "".join(f"/{escape(step)}" for step in placed.old[0])
    return Change(
        id=kind.id,
        level=kind.level,
        message=f"{action.file} `{action.target}`: {kind.meaning} ({error})",
        old_pointer=pointer,
        old_line=old.line(pointer),
        overlays=(action,),
    )


@cache
def _way(pointer: str) -> Way:
    steps = pointer.split("/")[1:]
    return tuple(map(unescape, steps))


def _file(name: str) -> str:
    return re.split(r"[/\\:]", name)[-1]


def _relative(name: str) -> str:
    path = Path(name)
    return (path.relative_to(ROOT) if path.is_relative_to(ROOT) else path).as_posix()
