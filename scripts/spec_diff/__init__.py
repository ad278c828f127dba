"""What changed in an API, compared by meaning and graded for those who call it.

`read` or `parse` documents, `compare` them, and write the changes down with `report`. The command
is in `__main__`.
"""

from collections.abc import Sequence

from .comparison import differences
from .documents import Document, Node, parse, read
from .impact import assess, overlays_of
from .model import Change, Level, OverlayAction, SpecDiffError, worst
from .reading import Note

__all__ = [
    "Change",
    "Document",
    "Level",
    "Node",
    "Note",
    "OverlayAction",
    "SpecDiffError",
    "compare",
    "parse",
    "read",
    "worst",
]


def compare(
    old: Document, new: Document, *, overlays: Sequence[Document] | None = None
) -> list[Change]:
    """Compare two documents.

    Args:
        old: What was known, as a vendored document.
        new: What is there now.
        overlays: Overlays that are applied to these documents; None for those of this repository
            that extend a document of the same file name.

    Returns:
        The changes, those that matter most first. Empty if both mean the same.

    Raises:
        SpecDiffError: If a reference cannot be followed, something is not what it has to be in
            OpenAPI, or an overlay is malformed.
    """
    overlays = overlays_of(old, new) if overlays is None else overlays
    try:
        return assess(differences(old, new), old, new, overlays)
    except RecursionError as error:
        raise SpecDiffError(f"{old.name} or {new.name}: references go too deep") from error
