"""YAML documents, and OpenAPI Overlays applied to them.

`parse` accepts only what YAML and JSON agree on. `apply` follows the Overlay Specification 1.0 and
is stricter in one point: an action that selects nothing is an error, because it says that the
document has outgrown the overlay.

Source: https://spec.openapis.org/overlay/v1.0.0.html, and version 1.1.0 for the details of merging
that 1.0 leaves open.
"""

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import attrs
import jsonpath
import yaml

# python-jsonpath rather than its sister jsonpath-rfc9535: as strict once asked to, released more
# often, typed, and without compiled dependencies, so that it installs wherever Python does.
_RFC_9535 = jsonpath.JSONPathEnvironment(strict=True)

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML has it
_YAML = "tag:yaml.org,2002:"
_JSON = {_YAML + name for name in ("map", "seq", "str", "bool", "int", "float", "null")}
_ACTION_FIELDS = {"target", "description", "update", "remove"}


class DocumentError(ValueError):
    """A YAML document that does not mean what it seems to mean."""


class OverlayError(ValueError):
    """An overlay that is malformed or does not fit the document."""


@attrs.frozen
class Action:
    """One step of an overlay.

    Attributes:
        target: JSONPath of the objects and arrays to change.
        description: Why.
        update: What to merge into each object or append to each array, unless `remove` is true.
        remove: Whether to remove the selected objects and arrays instead.
        matches: How many nodes the target has to select (`x-matches`); None for one or more.
    """

    target: str
    description: str
    update: Any
    remove: bool
    matches: int | None


def parse(text: str, name: str) -> dict[str, Any]:
    """Read a YAML document that says the same thing in JSON.

    YAML 1.1 takes an unquoted `no` for false, `204` for a number and `2014-04-28` for a date. A
    specification is full of such words, so they are refused as keys and wherever their type would
    change unnoticed.

    Args:
        text: The YAML text.
        name: What to call the document in errors.

    Returns:
        The document, as plain JSON values.

    Raises:
        DocumentError: If the text is not YAML, is no mapping, has a key twice, has a key that is
            not a string, or has a value that JSON does not know. Names every such place.
    """
    try:
        node = yaml.compose(text, _LOADER)
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError(f"{name}: a mapping is expected at the top")
    if problems := [f"{name}, line {line}: {problem}" for line, problem in _problems(node)]:
        raise DocumentError("\n".join(problems))
    document: dict[str, Any] = yaml.SafeLoader("").construct_document(node)
    return document


def apply(document: dict[str, Any], overlay: dict[str, Any], name: str) -> dict[str, Any]:
    """Apply every action of an overlay, in order.

    Args:
        document: What to change; it is left as it is.
        overlay: The overlay document.
        name: What to call the overlay in errors.

    Returns:
        The changed copy.

    Raises:
        OverlayError: If the overlay is malformed, or an action selects nothing, selects another
            number of nodes than its `x-matches` says, selects neither objects nor arrays, or
            cannot be merged. Names the overlay, the action, its target and its description.
    """
    result = deepcopy(document)
    for number, action in enumerate(_actions(overlay, name), start=1):
        try:
            _perform(action, result)
        except OverlayError as error:
            place = f"{name}, action {number}, target {action.target}"
            raise OverlayError(
                f"{place}: {error}. Its description: {action.description}"
            ) from error
    return result


def locate(
    document: dict[str, Any], overlay: dict[str, Any], name: str
) -> Iterator[tuple[Action, list[tuple[int | str, ...]] | OverlayError]]:
    """Tell what every action of an overlay selects, each after those before it were carried out.

    Args:
        document: What the overlay is for; it is left as it is.
        overlay: The overlay document.
        name: What to call the overlay in errors.

    Yields:
        Each action with the way to each of its nodes, or with why it does not fit. Such a one is
        carried out where it can be, so that those after it are not blamed as well.

    Raises:
        OverlayError: If the overlay is malformed.
    """
    result = deepcopy(document)
    for action in _actions(overlay, name):
        try:
            ways = [node.parts for node in _select(action, result)]
            _perform(action, result)
        except OverlayError as error:
            with suppress(OverlayError):
                _perform(attrs.evolve(action, matches=None), result)
            yield action, error
        else:
            yield action, ways


def merge(target: Any, update: Any, where: str = "$") -> Any:
    """Merge two JSON values: objects member by member, arrays end to end, anything else replaced.

    Args:
        target: The value to start from; it is left as it is.
        update: The value to merge into it.
        where: What to call the target in errors.

    Returns:
        The merged value.

    Raises:
        OverlayError: If an object or an array would meet something that is not of its kind.
    """
    if isinstance(target, dict) and isinstance(update, dict):
        return target | {
            key: merge(target[key], value, f"{where}.{key}") if key in target else deepcopy(value)
            for key, value in update.items()
        }
    if isinstance(target, list) and isinstance(update, list):
        return [*target, *deepcopy(update)]
    if isinstance(target, dict | list) or isinstance(update, dict | list):
        kinds = f"{_kind(update)} into {_kind(target)}"
        raise OverlayError(f"cannot merge {kinds} at {where}: remove what is there first")
    return update


def _problems(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield line and description of all that YAML and JSON understand differently."""
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
                yield key_line, f"key {key.value} is there twice"
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
        raise OverlayError(f"{name}: overlay is {version!r}; only versions 1.0.x are understood")
    if not isinstance(actions, list) or not actions:
        raise OverlayError(f"{name}: actions must be a list with at least one action")
    return [_action(fields, f"{name}, action {n}") for n, fields in enumerate(actions, start=1)]


def _action(fields: Any, name: str) -> Action:
    if not isinstance(fields, dict) or not isinstance(fields.get("target"), str):
        raise OverlayError(f"{name}: an action is an object with a target")
    if unknown := {key for key in fields if not key.startswith("x-")} - _ACTION_FIELDS:
        raise OverlayError(f"{name}: unknown field {', '.join(sorted(unknown))}")
    remove, matches = fields.get("remove", False), fields.get("x-matches")
    if not isinstance(remove, bool) or remove is ("update" in fields):
        raise OverlayError(f"{name}: an action has either update or remove: true")
    if matches is not None and not isinstance(matches, int):
        raise OverlayError(f"{name}: x-matches is a number of nodes")
    description = str(fields.get("description", "none")).strip()
    return Action(fields["target"], description, fields.get("update"), remove, matches)


def _perform(action: Action, document: dict[str, Any]) -> None:
    """Carry out an action in place."""
    nodes = _select(action, document)
    if action.remove:
        # Last first: no index and no parent changes under a node that is still to be removed.
        for location in sorted((node.parts for node in nodes), reverse=True):
            if not location:
                raise OverlayError("the whole document cannot be removed")
            del _at(document, location[:-1])[location[-1]]
        return
    for node in nodes:
        selected = node.obj
        if isinstance(selected, list):
            selected.append(deepcopy(action.update))
        elif isinstance(selected, dict):
            selected.update(merge(selected, action.update, node.path))


def _select(action: Action, document: dict[str, Any]) -> list[jsonpath.JSONPathMatch]:
    """Return the nodes that an action changes, each once."""
    try:
        found = list(_RFC_9535.finditer(action.target, document))
    except jsonpath.JSONPathError as error:
        raise OverlayError(f"not a JSONPath query ({str(error).splitlines()[0]})") from error
    nodes = list({node.parts: node for node in found}.values())
    if not nodes:
        raise OverlayError(
            "nothing matches: delete the action if the document needs it no longer, or point the "
            "target at what has moved"
        )
    if action.matches is not None and len(nodes) != action.matches:
        raise OverlayError(
            f"{len(nodes)} nodes match where x-matches says {action.matches}: decide for each "
            "whether it is meant, then correct the target or the number"
        )
    for node in nodes:
        if not isinstance(node.obj, dict | list):
            raise OverlayError(f"{node.path} is {_kind(node.obj)}: target what contains it")
    return nodes


def _at(document: Any, location: tuple[int | str, ...]) -> Any:
    for step in location:
        document = document[step]
    return document


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list) else "a plain value"
