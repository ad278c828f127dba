"""Match the alternatives of two unions, and name them."""

from collections.abc import Hashable, Sequence

import attrs

from .documents import Node
from .shapes import Schema, Shape, Shapes, Union

# Members of unions with a smaller share of common features do not match.
_ALIKE = 0.5


@attrs.frozen
class Matched:
    """The alternatives of two unions, by index.

    Attributes:
        pairs: Matching alternatives.
        gone: Alternatives only in the old union.
        fresh: Alternatives only in the new union.
    """

    pairs: list[tuple[int, int]]
    gone: list[int]
    fresh: list[int]


def match(
    sides: tuple[Shapes, Shapes],
    unions: tuple[Union, Union],
    names: tuple[dict[str, int], dict[str, int]],
) -> Matched:
    """Match members by meaning, then by name, then by common features."""
    (olds, news), (old, new) = sides, unions
    pairs = list[tuple[int, int]]()
    left, right = list(range(len(old.members))), list(range(len(new.members)))

    def settle(keys: Sequence[Hashable], others: Sequence[Hashable]) -> None:
        for i in list(left):
            for j in right:
                if keys[i] == others[j]:
                    pairs.append((i, j))
                    left.remove(i)
                    right.remove(j)
                    break

    settle(
        [olds.fingerprint(member) for member in old.members],
        [news.fingerprint(member) for member in new.members],
    )
    settle(
        [name_of(member) or ("old", i) for i, member in enumerate(old.members)],
        [name_of(member) or ("new", j) for j, member in enumerate(new.members)],
    )
    features = [olds.features(m) | _keys(i, names[0]) for i, m in enumerate(old.members)]
    others = [news.features(m) | _keys(j, names[1]) for j, m in enumerate(new.members)]
    scores = [(_share(features[i], others[j]), i, j) for i in left for j in right]
    for score, i, j in sorted(scores, key=lambda one: (-one[0], one[1:])):
        if score >= _ALIKE and i in left and j in right:
            pairs.append((i, j))
            left.remove(i)
            right.remove(j)
    return Matched(sorted(pairs), left, right)


def joined(shape: Shape, alone: Schema | None = None) -> Union:
    """Return all alternatives of a schema; without any, `alone` is the only one, if given."""
    if not shape.unions:
        return Union("", shape.node, [alone] if alone else [])
    first = shape.unions[0]
    members = [member for union in shape.unions for member in union.members]
    return Union(first.keyword, first.node, members, first.are_heirs)


def are_grouped_alike(old: Shape, new: Shape, pairs: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the alternatives of each old union are exactly those of one new union."""
    here, there = _groups(old), _groups(new)
    met = {(here[i], there[j]) for i, j in pairs}
    return len(met) == len({i for i, _ in met}) == len({j for _, j in met})


def tell(union: Union) -> str | None:
    """Return a description of a union; None if it has no members."""
    names = (label(member, i, {}) for i, member in enumerate(union.members))
    return f"{union.keyword} of {', '.join(names)}" if union.members else None


def tell_all(shape: Shape) -> str:
    """Return a description of all unions of a schema."""
    return " and ".join(tell(union) or "" for union in shape.unions)


def mapping(shapes: Shapes, shape: Shape, union: Union) -> dict[str, int]:
    """Return the member for each value of the discriminator, explicit or implied."""
    if shape.discriminator is None:
        return {}
    said = shape.discriminator.value.get("mapping")
    members = [shapes.entry(member) for member in union.members]
    prints = [shapes.fingerprint(member) for member in members]
    found = dict[str, int]()
    for name, value in (said if isinstance(said, dict) else {}).items():
        target = shapes.named(shape.discriminator, value)
        if target is None:
            continue
        if (target,) in members:
            found[name] = members.index((target,))
        elif (meaning := shapes.fingerprint((target,))) in prints:
            found[name] = prints.index(meaning)
    for index, member in enumerate(union.members):
        reference = _reference(member)
        if reference and index not in found.values():
            found.setdefault(reference, index)
    return found


def label(member: Schema, index: int, names: dict[str, int]) -> str:
    """Return the label of a member: its discriminator value, its name, or its position."""
    called = next((name for name, i in names.items() if i == index), None)
    return called or name_of(member) or f"alternative {index + 1}"


def name_of(member: Schema) -> str | None:
    """Return the name of the referenced schema of a member, or its title."""
    value = member[0].value
    title = value.get("title") if isinstance(value, dict) else None
    return _reference(member) or (title if isinstance(title, str) else None)


def tag(discriminator: Node) -> str:
    """Return the field of a discriminator."""
    return str(discriminator.value.get("propertyName"))


def _reference(member: Schema) -> str | None:
    value = member[0].value
    reference = value.get("$ref") if isinstance(value, dict) else None
    return reference.rpartition("/")[2] if isinstance(reference, str) else None


def _groups(shape: Shape) -> list[int]:
    """Return the index of the union of each member."""
    return [index for index, union in enumerate(shape.unions) for _ in union.members]


def _keys(index: int, names: dict[str, int]) -> set[str]:
    return {f"called {name}" for name, i in names.items() if i == index}


def _share(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0
