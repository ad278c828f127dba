"""Decide whether one schema accepts everything that another describes.

Only certain answers count as yes. A schema does not accept fields that it does not describe, even
though JSON Schema does, unless it accepts any object.
"""

from .keywords import is_stricter, is_wider_format, is_within
from .shapes import Schema, Shape, Shapes


class Covering:
    """Comparison of the values that the schemas of two documents accept.

    Args:
        wide: The shapes of the document with the covering schemas.
        narrow: The shapes of the document with the covered schemas.
    """

    def __init__(self, wide: Shapes, narrow: Shapes) -> None:
        self._wide = wide
        self._narrow = narrow
        self._known = dict[tuple[Schema, Schema], bool]()
        self._open = set[tuple[int, int]]()

    def covers(self, wide: Schema, narrow: Schema) -> bool:
        """Tell whether a schema accepts everything that another describes."""
        key = self._wide.entry(wide), self._narrow.entry(narrow)
        if key not in self._known:
            self._known[key] = True  # while comparing schemas that contain themselves
            self._known[key] = self.shape_covers(self._wide.of(key[0]), self._narrow.of(key[1]))
        return self._known[key]

    def shape_covers(self, wide: Shape, narrow: Shape) -> bool:
        """Tell whether a shape accepts everything that another describes."""
        key = id(wide), id(narrow)
        if key in self._open:  # an alternative of itself
            return True
        self._open.add(key)
        try:
            return self._shape_covers(wide, narrow)
        finally:
            self._open.remove(key)

    def _shape_covers(self, wide: Shape, narrow: Shape) -> bool:
        if narrow.is_union and narrow.unions[0].members:
            members = (member for member in narrow.unions[0].members)
            return self._null(wide, narrow) and all(
                self._member(wide, self._narrow.of(member)) for member in members
            )
        return (
            self._member(wide, narrow)
            and self._null(wide, narrow)
            and all(
                self._member(wide, self._whole(narrow, member))
                for union in narrow.unions
                if not union.are_heirs
                for member in union.members
            )
        )

    def _whole(self, narrow: Shape, member: Schema) -> Shape:
        """Return an alternative together with the fields described outside the union."""
        inner = self._narrow.of(member)
        return narrow.among(inner, dict.fromkeys((*narrow.properties, *inner.properties)))

    def _member(self, wide: Shape, narrow: Shape) -> bool:
        if wide.types == frozenset() or not is_within(narrow.types, wide.types):
            return narrow.types == frozenset()
        return (
            self._values(wide, narrow)
            and self._fields(wide, narrow)
            and self._items(wide, narrow)
            and self._rules(wide, narrow)
            and all(
                any(self.shape_covers(self._wide.of(one), narrow) for one in union.members)
                for union in wide.unions
                if not union.are_heirs
            )
        )

    def _null(self, wide: Shape, narrow: Shape) -> bool:
        may_be = narrow.nullable or (narrow.types is None and not narrow.unions)
        return not may_be or wide.nullable or wide.types is None or wide.are_implied

    def _values(self, wide: Shape, narrow: Shape) -> bool:
        if wide.enum is not None and (narrow.enum is None or narrow.enum.keys() - wide.enum.keys()):
            return False
        if narrow.enum is not None and wide.enum is not None:
            return True
        formats = wide.format == narrow.format or is_wider_format(wide.format, narrow.format)
        bounds = all(
            keyword in narrow.limits and not is_stricter(keyword, limit, narrow.limits[keyword])
            for keyword, limit in wide.limits.items()
        )
        multiples = all(
            any(one % multiple == 0 for one in narrow.multiples) for multiple in wide.multiples
        )
        return (
            formats
            and bounds
            and multiples
            and set(wide.patterns) <= set(narrow.patterns)
            and wide.unique <= narrow.unique
            and wide.other.items() <= narrow.other.items()
        )

    def _fields(self, wide: Shape, narrow: Shape) -> bool:
        if not wide.required <= narrow.required:
            return False
        described = bool(wide.properties or wide.patterned or wide.unions)
        for name, schema in narrow.properties.items():
            taken = wide.member(name)
            if taken is None:
                if wide.additional is None or (described and not wide.additional):
                    return False
                taken = wide.additional
            if taken and not self.covers(taken, schema):
                return False
        if wide.additional is None:
            return narrow.additional is None or not (narrow.types is None or _is_object(narrow))
        if not wide.additional:
            return True
        if narrow.additional is None:
            return True
        return bool(narrow.additional) and self.covers(wide.additional, narrow.additional)

    def _items(self, wide: Shape, narrow: Shape) -> bool:
        for index in range(max(len(wide.prefix), len(narrow.prefix))):
            taken, given = item(wide, index), item(narrow, index)
            if given is None:
                continue
            if taken is None or (taken and not (given and self.covers(taken, given))):
                return False
        if narrow.items is None or (narrow.types is not None and "array" not in narrow.types):
            return True
        if wide.items is None:
            return False
        return not wide.items or (bool(narrow.items) and self.covers(wide.items, narrow.items))

    def _rules(self, wide: Shape, narrow: Shape) -> bool:
        """Compare rules that are only equal or different."""
        return _rules(self._wide, wide) <= _rules(self._narrow, narrow)


def item(shape: Shape, index: int) -> Schema | None:
    """Return the schema of an item by position: () for anything, None if no item is allowed."""
    return shape.prefix[index] if index < len(shape.prefix) else shape.items


def _rules(shapes: Shapes, shape: Shape) -> set[tuple[str, ...]]:
    """Return the rules that are only equal or different, each as texts."""

    def written(*schemas: Schema) -> list[str]:
        return [shapes.fingerprint(schema) if schema else "" for schema in schemas]

    rules = {("not", *written(one)) for one in shape.forbidden}
    rules |= {
        ("if", branch.trigger or "", *written(branch.condition, branch.then, branch.otherwise))
        for branch in shape.branches
    }
    rules |= {("names", *written(one)) for one in (shape.names,) if one}
    return rules | {("contains", *written(one)) for one in (shape.contains,) if one}


def _is_object(shape: Shape) -> bool:
    return shape.types is not None and "object" in shape.types
