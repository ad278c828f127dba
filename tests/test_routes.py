"""routes.py: each operation is declared once, and known to everything that needs it."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import Counter
from typing import Any

import pytest
import regenerate
from samples import SAMPLES, SURFACES
from sinchvoice.client import AsyncVoiceClient, VoiceClient
from sinchvoice.routes import ROUTES, Route

#: Operations declared harmless to repeat although they are not a GET.
REPLAYABLE = {
    "conferences.kick_all",
    "conferences.kick_participant",
    "conferences.manage_participant",
    "applications.assign_numbers",
    "applications.unassign_number",
    "applications.update_callback_urls",
}
by_name = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


def published() -> dict[str, tuple[str, str, str]]:
    """Return API, method and path of each operation of the specifications, by its id."""
    return {
        operation["operationId"]: (
            "configuration" if "servers" in item else specification,
            method.upper(),
            path,
        )
        for specification in ("calling", "reporting")
        for path, item in regenerate.published(specification)["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    }


def test_the_operations_of_the_specifications_are_declared_and_no_others():
    declared = {route.operation_id for route in ROUTES}
    missing, unknown = published().keys() - declared, declared - published().keys()
    assert not missing, "declare them in facade/sinchvoice/routes.py, also in ROUTES at its end"
    assert not unknown, "openapi/ does not specify them: delete them from routes.py"
    assert max(Counter(route.name for route in ROUTES).values()) == 1


@by_name
def test_method_and_path_are_those_of_the_specification(route: Route):
    api, method, path = published()[route.operation_id]
    assert (route.api, route.method) == (api, method)
    assert re.sub(r"{[^}]*}", "{}", route.path) == re.sub(r"{[^}]*}", "{}", path)


@by_name
def test_the_generated_module_is_that_of_the_operation(route: Route):
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", route.operation_id).lower()
    assert route.generated.__name__.startswith(f"sinchvoice_{route.specification}.api.")  # type: ignore[attr-defined]
    assert route.module.rpartition(".")[2] == snake
    assert callable(route.generated._get_kwargs)


@by_name
def test_only_harmless_operations_are_repeated_after_an_unknown_outcome(route: Route):
    assert route.replayable is (route.method == "GET" or route.name in REPLAYABLE), (
        f"correct `replayable` in routes.py, or REPLAYABLE in {__file__}"
    )


@by_name
def test_its_methods_are_on_both_surfaces(route: Route):
    for name in route.methods:
        surface, _, method = name.partition(".")
        missing = [one.__name__ for one in SURFACES[surface] if not hasattr(one, method)]
        assert not missing, f"write the method {method} of these classes"
        for kind, client in zip(SURFACES[surface], (VoiceClient, AsyncVoiceClient), strict=True):
            assert inspect.isfunction(getattr(kind, method))
            assert isinstance(inspect.getattr_static(client, surface), property)


def test_every_method_of_a_surface_is_declared():
    methods = {
        f"{surface}.{name}"
        for surface, kinds in SURFACES.items()
        for kind in kinds
        for name in vars(kind)
        if not name.startswith("_")
    }
    declared = {name for route in ROUTES for name in route.methods}
    assert not methods - declared, "name them in a Route of routes.py, as `name` or in `also`"
    assert not declared - methods, "write these methods"


def test_every_declared_method_has_a_sample():
    missing = {name for route in ROUTES for name in route.methods} - SAMPLES.keys()
    assert not missing, "add a sample for each of them to tests/samples.py"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_method_sends_what_is_declared(scripted: Any, name: str, is_async: bool):
    voice = scripted(SAMPLES[name].response(), is_async=is_async)
    result = SAMPLES[name].run(voice)
    if is_async:
        asyncio.run(result)
    paths = {
        f"{route.method} {base}{route.path}"
        for route in ROUTES
        for base in ["/v1" if route.api == "reporting" else ""]
        if name in route.methods
    }
    for request in voice.requests:
        sent = f"{request.method} {request.url.raw_path.decode().partition('?')[0]}"
        assert any(re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", path), sent) for path in paths)
    assert voice.requests
