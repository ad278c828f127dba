"""What two documents say in the same words, so that nobody needs to compare it."""

from typing import Any

from .documents import DATA, NAMED, Document, Node
from .keywords import PROSE, schema_reference
from .model import SpecDiffError


class Sameness:
    """Tells whether two parts of two documents are written alike, with all that they refer to.

    Prose and extensions do not count, but for `x-sunset`.

    Args:
        old: One document.
        new: The other one.
    """

    def __init__(self, old: Document, new: Document) -> None:
        self._documents = old, new
        # By identity; each value is kept beside, so that no other one gets its id.
        self._hashes = dict[tuple[int, bool], tuple[int, Any]]()
        self._references = dict[int, tuple[frozenset[str], Any]]()
        self._changed = self._find_changed() if old.is_3_0 == new.is_3_0 else None

    def __call__(self, old: Node, new: Node) -> bool:
        """Tell whether two nodes are alike; False if that is not certain."""
        documents = old.document, new.document
        if self._changed is None or documents != self._documents:
            return False
        return self._hash(old.value, named=False) == self._hash(new.value, named=False) and not (
            self._refers(old.value) & self._changed
        )

    def _find_changed(self) -> set[str]:
        """Return the references that lead to something that has changed, directly or not."""
        old, new = self._documents
        inner, changed = dict[str, frozenset[str]](), set[str]()
        todo = [*self._refers(old.data)]
        while todo:
            reference = todo.pop()
            if reference in inner or reference in changed:
                continue
            try:
                targets = old.resolve(reference), new.resolve(reference)
            except SpecDiffError:
                changed.add(reference)
                continue
            hashes = {self._hash(target.value, named=False) for target in targets}
            if reference.startswith("#/") and len(hashes) == 1:
                inner[reference] = self._refers(targets[0].value)
                todo += inner[reference]
            else:
                changed.add(reference)
        above = dict[str, list[str]]()
        for reference, inside in inner.items():
            for one in inside:
                above.setdefault(one, []).append(reference)
        todo = [*changed]
        while todo:
            for reference in above.get(todo.pop(), ()):
                if reference not in changed:
                    changed.add(reference)
                    todo.append(reference)
        return changed

    def _hash(self, value: Any, *, named: bool) -> int:
        """Return a number that equal values have in common; `named` says whose keys are names."""
        if not isinstance(value, dict | list):
            return hash((isinstance(value, bool), value))
        key = id(value), named
        if key not in self._hashes:
            if isinstance(value, list):
                said: Any = tuple(self._hash(one, named=False) for one in value)
            else:
                said = frozenset(
                    (name, self._hash(one, named=not named and name in NAMED))
                    for name, one in value.items()
                    if named or not (name in PROSE or _is_extension(name))
                )
            self._hashes[key] = hash((isinstance(value, list), said)), value
        return self._hashes[key][0]

    def _refers(self, value: Any) -> frozenset[str]:
        """Return all references in a value; one that depends on where it stands has changed."""
        if not isinstance(value, dict | list):
            return frozenset()
        if (key := id(value)) not in self._references:
            found = set[str]()
            members: Any = value.items() if isinstance(value, dict) else enumerate(value)
            for name, one in members:
                if name in ("$ref", "$dynamicRef") and isinstance(one, str):
                    found.add(one if name == "$ref" else f"dynamic {one}")
                elif name == "mapping" and isinstance(one, dict):
                    found.update(schema_reference(str(schema)) for schema in one.values())
                elif name not in DATA or isinstance(one, dict):
                    found |= self._refers(one)
            self._references[key] = frozenset(found), value
        return self._references[key][0]


def _is_extension(name: str) -> bool:
    return name.startswith("x-") and name != "x-sunset"
