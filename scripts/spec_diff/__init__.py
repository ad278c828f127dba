"""What changed in an API, compared by meaning and graded for those who call it."""

from .comparison import differences
from .documents import Document, Node, parse, read
from .model import Change, Level, OverlayAction, SpecDiffError, worst

__all__ = [
    "Change",
    "Document",
    "Level",
    "Node",
    "OverlayAction",
    "SpecDiffError",
    "compare",
    "parse",
    "read",
    "worst",
]


def compare(old: Document, new: Document) -> list[Change]:
    """Compare two documents.

    Args:
        old: What was known, as a vendored document.
        new: What is there now.

    Returns:
        The changes, those that matter most first. Empty if both mean the same.

    Raises:
        SpecDiffError: If a reference in one of them cannot be followed.
    """
    return [change for change, _ in differences(old, new)]
