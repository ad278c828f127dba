"""Find schemas written alike in two documents, which need no comparison."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from .documents import NAMED, Document, Node
from .keywords import PROSE, UNIONS, schema_reference
from .model import SpecDiffError

_MOST_REFERENCES = 100  # in a chain


class _Two(NamedTuple):
    """A pair of values, one from each document; `named` if the keys of objects are names."""

    old: Any
    new: Any
    named: bool = False

    @property
    def key(self) -> tuple[int, int, bool]:
        return id(self.old), id(self.new), self.named


class Sameness:
    """Test for schemas that are written alike, including everything they refer to.

    A reference equals its target: names of schemas do not matter. Prose and extensions do not
    count, except `x-sunset`.

    Args:
        old: One document.
        new: The other document.
    """

    def __init__(self, old: Document, new: Document) -> None:
        self._documents = old, new
        self._speak_alike = old.is_3_0 == new.is_3_0
        # By identity; the values are kept, so that no other object gets the same id.
        self._known = dict[tuple[int, int, bool], bool]()
        self._kept = dict[int, Any]()

    def __call__(self, old: Node, new: Node) -> bool:
        """Tell whether two schemas are alike; False if uncertain."""
        if not self._speak_alike or (old.document, new.document) != self._documents:
            return False
        two = _Two(self._behind(0, old.value), self._behind(1, new.value))
        if not _are_containers(two):
            return _are_equal(two)
        self._kept[id(two.old)], self._kept[id(two.new)] = two.old, two.new
        if two.key not in self._known:
            self._find_out(two)
        return self._known[two.key]

    def _find_out(self, start: _Two) -> None:
        """Compare everything that two values contain and refer to.

        They are alike unless a difference is found, also if they contain themselves.
        """
        above = dict[tuple[int, int, bool], list[tuple[int, int, bool]]]({start.key: []})
        different, todo = list[tuple[int, int, bool]](), [start]
        while todo:
            two = todo.pop()
            inner = list(self._inner(two))
            if not all(map(_are_containers, inner)) and not all(
                _are_containers(one) or _are_equal(one) for one in inner
            ):
                different.append(two.key)
                continue
            for one in filter(_are_containers, inner):
                if (known := self._known.get(one.key)) is False:
                    different.append(two.key)
                elif known is None and one.key in above:
                    above[one.key].append(two.key)
                elif known is None:
                    above[one.key] = [two.key]
                    todo.append(one)
        self._known |= dict.fromkeys(above, True)
        while different:
            key = different.pop()
            if self._known[key]:
                self._known[key] = False
                different += above[key]

    def _inner(self, two: _Two) -> Iterator[_Two]:
        """Yield the pairs that must be alike for two values to be; `_DIFFERENT` if they differ."""
        old, new, named = two
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                yield self._two(one, other)
        elif isinstance(old, dict) and isinstance(new, dict):
            keys = old.keys() if named else _said(old)
            others = new.keys() if named else _said(new)
            if keys != others or (not named and "$dynamicRef" in keys):
                yield _DIFFERENT
                return
            for name in keys:
                if not named and name == "$ref" and isinstance(old[name], str):
                    yield self._referred(old[name], new[name])
                elif named:
                    yield self._two(old[name], new[name])
                else:
                    yield self._two(old[name], new[name], named=name in NAMED)
            if not named and isinstance(old.get("discriminator"), dict):
                yield from self._told(old, new)
        else:
            yield _DIFFERENT

    def _told(self, old: dict[str, Any], new: dict[str, Any]) -> Iterator[_Two]:
        """Yield the targets of a discriminator's names, explicit and implied."""
        for word in UNIONS:
            for one, other in zip(old.get(word, ()), new.get(word, ()), strict=False):
                if isinstance(one, dict) and isinstance(other, dict):
                    yield _Two(one.get("$ref"), other.get("$ref"))
        mapping = old["discriminator"].get("mapping")
        for name in mapping.values() if isinstance(mapping, dict) else ():
            reference = schema_reference(str(name))
            yield self._referred(reference, reference)

    def _referred(self, one: str, other: Any) -> _Two:
        sides = [self._target(side, name) for side, name in enumerate((one, other))]
        return _DIFFERENT if None in sides else self._two(*(side.value for side in sides if side))

    def _two(self, old: Any, new: Any, *, named: bool = False) -> _Two:
        if named:
            return _Two(old, new, named=True)
        return _Two(self._behind(0, old), self._behind(1, new))

    def _behind(self, side: int, value: Any) -> Any:
        """Return the final target of a reference without siblings; other values unchanged."""
        for _ in range(_MOST_REFERENCES):
            if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
                break
            alone = self._documents[side].is_3_0 or _said(value) == {"$ref"}
            target = self._target(side, value["$ref"]) if alone else None
            if target is None:
                break
            value = target.value
        return value

    def _target(self, side: int, reference: Any) -> Node | None:
        """Return the target of a reference; None if it is outside the document or ambiguous."""
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        try:
            return self._documents[side].resolve(reference)
        except SpecDiffError:
            return None


_DIFFERENT = _Two(0, 1)


def _said(value: dict[str, Any]) -> set[str]:
    return {
        name
        for name in value
        if name not in PROSE and (not name.startswith("x-") or name == "x-sunset")
    }


def _are_containers(two: _Two) -> bool:
    return isinstance(two.old, dict | list) and isinstance(two.new, dict | list)


def _are_equal(two: _Two) -> bool:
    return bool(two.old == two.new) and isinstance(two.old, bool) is isinstance(two.new, bool)
