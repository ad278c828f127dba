"""Read YAML documents and apply OpenAPI Overlays to them.

`parse` accepts only YAML that means the same as JSON. `apply` follows the Overlay Specification 1.0
and is stricter in one point: an action that selects nothing is an error, because the document has
outgrown the overlay.

Source: https://spec.openapis.org/overlay/v1.0.0.html, and version 1.1.0 for details of merging that
1.0 leaves open.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import attrs
import jsonpath
import yaml

# python-jsonpath rather than jsonpath-rfc9535 of the same author: equally strict with this option,
# released more often, typed, and free of compiled dependencies, so it installs everywhere.
_RFC_9535 = jsonpath.JSONPathEnvironment(strict=True)

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # written in C, if PyYAML has it
_YAML = "tag:yaml.org,2002:"
_JSON = {_YAML + name for name in ("map", "seq", "str", "bool", "int", "float", "null")}
_ACTION_FIELDS = {"target", "description", "update", "remove"}


class DocumentError(ValueError):
    """A YAML document is invalid or means something else in JSON."""


class OverlayError(ValueError):
    """An overlay is malformed or does not fit the document."""


@attrs.frozen
class Action:
    """One step of an overlay.

    Attributes:
        target: JSONPath of the objects and arrays to change.
        description: The reason.
        update: The value to merge into each object or append to each array, unless `remove` is
            true.
        remove: Whether to remove the selected objects and arrays instead.
        matches: The required number of selected nodes (`x-matches`); None for one or more.
    """

    target: str
    description: str
    update: Any
    remove: bool
    matches: int | None


def parse(text: str, name: str) -> dict[str, Any]:
    """Read a YAML document that means the same in JSON.

    YAML 1.1 reads an unquoted `no` as false, `204` as a number and `2014-04-28` as a date. Such
    words are frequent in specifications. They are refused as keys and wherever their type would
    change unnoticed.

    Args:
        text: The YAML text.
        name: The name of the document in errors.

    Returns:
        The document as plain JSON values.

    Raises:
        DocumentError: If the text is not YAML or not a mapping, or has a duplicate key, a key that
            is not a string, or a value unknown to JSON. The message names every such place.
    """
    try:
        node = yaml.compose(text, _LOADER)
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError(f"{name}: the top level is not a mapping")
    if problems := [f"{name}, line {line}: {problem}" for line, problem in _problems(node)]:
        raise DocumentError("\n".join(problems))
    document: dict[str, Any] = yaml.SafeLoader("").construct_document(node)
    return document


def apply(document: dict[str, Any], overlay: dict[str, Any], name: str) -> dict[str, Any]:
    """Apply every action of an overlay, in order.

    Args:
        document: The document, which is not modified.
        overlay: The overlay document.
        name: The name of the overlay in errors.

    Returns:
        A modified copy.

    Raises:
        OverlayError: If the overlay is malformed, or an action selects nothing, selects a number of
            nodes other than its `x-matches`, selects a plain value, or cannot be merged. The
            message names the overlay, the action, its target and its description.
    """
    result: dict[str, Any] = copied(document)
    for number, action in enumerate(_actions(overlay, name), start=1):
        try:
            _perform(action, result)
        except OverlayError as error:
            place = f"{name}, action {number}, target {action.target}"
            raise OverlayError(
                f"{place}: {error}. Its description: {action.description}"
            ) from error
    return result


def copied(value: Any) -> Any:
    """Return a deep copy of a JSON value, in a fifth of the time of `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [copied(each) for each in value]
    return value


def locate(
    document: dict[str, Any], overlay: dict[str, Any], name: str
) -> Iterator[tuple[Action, list[tuple[int | str, ...]] | OverlayError]]:
    """Find the nodes that each action of an overlay selects after the actions before it.

    Args:
        document: The document, which is not modified.
        overlay: The overlay document.
        name: The name of the overlay in errors.

    Yields:
        Each action with the path of each of its nodes, or with the error if it does not fit. An
        action with an error is applied as far as possible, so that later ones do not fail with it.

    Raises:
        OverlayError: If the overlay is malformed.
    """
    result: dict[str, Any] = copied(document)
    for action in _actions(overlay, name):
        try:
            nodes = _select(action, result)
            ways = [node.parts for node in nodes]
            _change(nodes, action, result)
        except OverlayError as error:
            with suppress(OverlayError):
                _perform(attrs.evolve(action, matches=None), result)
            yield action, error
        else:
            yield action, ways


def merge(target: Any, update: Any, where: str = "$") -> Any:
    """Merge two JSON values: objects by member, arrays by concatenation, others by replacement.

    Args:
        target: The first value, which is not modified.
        update: The value to merge into it.
        where: The name of the target in errors.

    Returns:
        The merged value.

    Raises:
        OverlayError: If an object or an array would be merged with a value of another kind.
    """
    if isinstance(target, dict) and isinstance(update, dict):
        return target | {
            key: merge(target[key], value, f"{where}.{key}") if key in target else copied(value)
            for key, value in update.items()
        }
    if isinstance(target, list) and isinstance(update, list):
        return [*target, *copied(update)]
    if isinstance(target, dict | list) or isinstance(update, dict | list):
        kinds = f"{_kind(update)} into {_kind(target)}"
        raise OverlayError(f"cannot merge {kinds} at {where}: remove the old value first")
    return update


def _problems(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield the line and a description of each value that means something else in JSON."""
    line, tag = node.start_mark.line + 1, node.tag
    if tag not in _JSON:
        yield line, f"{node.value} is a {tag.removeprefix(_YAML)} to YAML: quote it, '{node.value}'"
    elif isinstance(node, yaml.MappingNode):
        seen = set[str]()
        for key, value in node.value:
            key_line = key.start_mark.line + 1
            if key.tag != _YAML + "str":
                yield key_line, f"key {key.value} is not a string: quote it, '{key.value}'"
            elif key.value in seen:
                yield key_line, f"key {key.value} is a duplicate"
            else:
                seen.add(key.value)
            yield from _problems(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _problems(item)
    elif tag == _YAML + "bool" and node.value.lower() not in {"true", "false"}:
        yield line, f"{node.value} is a boolean to YAML: quote it, '{node.value}'"


def _actions(overlay: dict[str, Any], name: str) -> list[Action]:
    version, actions = overlay.get("overlay"), overlay.get("actions")
    if not isinstance(version, str) or not version.startswith("1.0."):
        raise OverlayError(f"{name}: overlay is {version!r}, not version 1.0.x")
    if not isinstance(actions, list) or not actions:
        raise OverlayError(f"{name}: actions is not a list with at least one action")
    return [_action(fields, f"{name}, action {n}") for n, fields in enumerate(actions, start=1)]


def _action(fields: Any, name: str) -> Action:
    if not isinstance(fields, dict) or not isinstance(fields.get("target"), str):
        raise OverlayError(f"{name}: not an object with a target")
    if unknown := {key for key in fields if not key.startswith("x-")} - _ACTION_FIELDS:
        raise OverlayError(f"{name}: unknown field {', '.join(sorted(unknown))}")
    remove, matches = fields.get("remove", False), fields.get("x-matches")
    if not isinstance(remove, bool) or remove is ("update" in fields):
        raise OverlayError(f"{name}: an action needs either update or remove: true")
    if matches is not None and not isinstance(matches, int):
        raise OverlayError(f"{name}: x-matches is not a number of nodes")
    description = str(fields.get("description", "none")).strip()
    return Action(fields["target"], description, fields.get("update"), remove, matches)


def _perform(action: Action, document: dict[str, Any]) -> None:
    """Apply an action in place."""
    _change(_select(action, document), action, document)


def _change(nodes: list[jsonpath.JSONPathMatch], action: Action, document: dict[str, Any]) -> None:
    if action.remove:
        # In reverse: removing one node must not move another that is still to be removed.
        for location in sorted((node.parts for node in nodes), reverse=True):
            if not location:
                raise OverlayError("the whole document cannot be removed")
            del _at(document, location[:-1])[location[-1]]
        return
    for node in nodes:
        selected = node.obj
        if isinstance(selected, list):
            selected.append(copied(action.update))
        elif isinstance(selected, dict):
            selected.update(merge(selected, action.update, node.path))


@cache
def _compiled(target: str) -> jsonpath.JSONPath | jsonpath.CompoundJSONPath:
    return _RFC_9535.compile(target)


def _select(action: Action, document: dict[str, Any]) -> list[jsonpath.JSONPathMatch]:
    """Return the nodes that an action selects, each once."""
    try:
        found = list(_compiled(action.target).finditer(document))
    except jsonpath.JSONPathError as error:
        raise OverlayError(f"not a JSONPath query ({str(error).splitlines()[0]})") from error
    nodes = list({node.parts: node for node in found}.values())
    if not nodes:
        raise OverlayError(
            "nothing matches: delete the action if the document no longer needs it, or correct the "
            "target if its node has moved"
        )
    if action.matches is not None and len(nodes) != action.matches:
        raise OverlayError(
            f"{len(nodes)} nodes match, but x-matches is {action.matches}: check each of them, "
            "then correct the target or the number"
        )
    for node in nodes:
        if not isinstance(node.obj, dict | list):
            raise OverlayError(f"{node.path} is {_kind(node.obj)}: target its parent")
    return nodes


def _at(document: Any, location: tuple[int | str, ...]) -> Any:
    for step in location:
        document = document[step]
    return document


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list) else "a plain value"
