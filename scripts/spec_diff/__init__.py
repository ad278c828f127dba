"""Compare OpenAPI documents by meaning, and grade the changes for callers of the API.

`read` or `parse` documents, `compare` them, and print the changes with `report`. The command is in
`__main__`.
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
        old: The old document, for instance a vendored one.
        new: The new document.
        overlays: The overlays for these documents; None for those of this repository that extend a
            document of the same file name.

    Returns:
        The changes, most important first. Empty if both documents mean the same.

    Raises:
        SpecDiffError: If a reference cannot be followed, a value is invalid in OpenAPI, or an
            overlay is malformed.
    """
    overlays = overlays_of(old, new) if overlays is None else overlays
    try:
        return assess(differences(old, new), old, new, overlays)
    except RecursionError as error:
        raise SpecDiffError(f"{old.name} or {new.name}: references are nested too deep") from error
