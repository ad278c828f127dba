"""A wrapper for secrets, which keeps them from being shown by accident."""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

__all__ = ["Hidden"]

T_co = TypeVar("T_co", covariant=True)


class Hidden(Generic[T_co]):
    """A value that no repr, pickle or traceback with local variables shows."""

    __slots__ = ("_content",)

    def __init__(self, content: T_co) -> None:
        self._content = content

    def reveal(self) -> T_co:
        """Return the content. Use it within an expression: tracebacks may show variables."""
        return self._content

    def __repr__(self) -> str:
        return "<hidden>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and bool(self._content == other._content)

    def __hash__(self) -> int:
        return hash(self._content)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Hidden cannot be pickled")
