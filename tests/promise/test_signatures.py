"""No public signature mentions generated or httpx types, so that both can be replaced."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Iterator
from typing import Any

import api_dump
import attrs
import httpx
import pytest
from sinchvoice import VoiceClient
from sinchvoice_calling.models import CallResult

INNER = {
    "click",
    "h11",
    "httpcore",
    "httpx",
    "sinchvoice_calling",
    "sinchvoice_reporting",
    "starlette",
    "typer",
    "uvicorn",
}


def public_objects() -> Iterator[tuple[str, Any]]:
    """Yield the exports of every public module."""
    for module_name, module in api_dump.public_modules():
        for name in module.__all__:
            if not inspect.ismodule(thing := getattr(module, name)):
                yield f"{module_name}.{name}", thing


def mentioned(thing: Any) -> Iterator[Any]:
    """Yield the types, defaults and bases of an object; unresolved annotations as text."""
    if inspect.isclass(thing):
        yield from thing.__mro__
        for owner in thing.__mro__:
            if api_dump.is_ours(owner):
                hints = api_dump.resolved(owner)
                yield from (hint for name, hint in hints.items() if not name.startswith("_"))
                for name, member in vars(owner).items():
                    if name in api_dump.PROTOCOLS or not name.startswith("_"):
                        yield from mentioned_by_member(member)
    elif inspect.isfunction(thing):
        yield from mentioned_by_member(thing)
    else:
        yield getattr(thing, "__wrapped__", thing)


def mentioned_by_member(member: Any) -> Iterator[Any]:
    function = getattr(member, "__func__", getattr(member, "fget", member))
    if inspect.isfunction(function) and api_dump.is_ours(function):
        yield from api_dump.resolved(function).values()
        for parameter in inspect.signature(function).parameters.values():
            yield type(parameter.default)


def modules_of(hint: Any) -> Iterator[str]:
    """Yield the packages of a type and of its arguments."""
    if isinstance(hint, str | typing.ForwardRef):
        yield from (word for word in INNER if word in str(hint))
    if inspect.isclass(hint) or not isinstance(hint, enum.Enum):
        yield str(getattr(hint, "__module__", "")).partition(".")[0]
    for part in typing.get_args(hint):
        for inner in part if isinstance(part, list) else [part]:
            yield from modules_of(inner)


def inner_packages(thing: Any) -> set[str]:
    return {name for hint in mentioned(thing) for name in modules_of(hint)} & INNER


@pytest.mark.parametrize(
    ("name", "thing"), [pytest.param(*item, id=item[0]) for item in public_objects()]
)
def test_no_public_signature_mentions_an_internal_type(name: str, thing: Any):
    assert inner_packages(thing) == set()


def test_the_escape_hatch_has_no_type():
    parameters = inspect.signature(VoiceClient).parameters
    assert api_dump.resolved(VoiceClient.__init__)["transport"] == object | None
    assert parameters["transport"].default is None


class ByAttribute:
    client: httpx.Client


@attrs.frozen
class ByConstructor:
    timeout: float | httpx.Timeout = 5.0


class ByProperty:
    @property
    def body(self) -> list[CallResult | None]:
        return []


class ByBase(httpx.HTTPError):
    pass


TIMEOUT = httpx.Timeout(5.0)


def by_default(timeout: Any = TIMEOUT) -> None: ...


def by_result() -> dict[str, tuple[httpx.Response, ...]]:
    return {}


def by_text(client: httpx.Nonsense) -> None: ...  # type: ignore[name-defined]


@pytest.mark.parametrize(
    "thing", [ByAttribute, ByConstructor, ByProperty, ByBase, by_default, by_result, by_text]
)
def test_a_signature_with_an_internal_type_is_found(thing: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api_dump, "is_ours", lambda other: other.__module__ == __name__)
    assert inner_packages(thing) in ({"httpx"}, {"sinchvoice_calling"}, {"httpx", "httpcore"})
