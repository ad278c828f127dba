"""Signed requests from the generated clients, or from any other httpx client.

    from sinchvoice_calling import Client
    from sinchvoice_calling.api.calls import calling_get_call_result

    auth = SignedAuth(Credentials(application_key, application_secret))
    with Client("https://calling.api.sinch.com", httpx_args={"auth": auth}) as client:
        call = calling_get_call_result.sync("4398599d1ba84ef3bde0a82dfb61abed", client=client)

`VoiceClient` does not need it. It adds retries, redirects, typed errors, and recovery from a wrong
clock or another form of the URL.
"""

from __future__ import annotations

from collections.abc import Generator
from time import time

import httpx

from . import signing
from .errors import ConfigurationError
from .signing import CanonicalResource, Credentials

__all__ = ["SignedAuth"]


class SignedAuth(httpx.Auth):
    """Signs each request as an application.

    Args:
        credentials: Key and secret of the application.
        canonical_resource: Form of the URL to sign, see `CanonicalResource`.

    Raises:
        ConfigurationError: `credentials` is something else.

    Source: "Using REST" page.
    """

    requires_request_body = True

    def __init__(
        self,
        credentials: Credentials,
        *,
        canonical_resource: CanonicalResource = CanonicalResource.PATH,
    ) -> None:
        if not isinstance(credentials, Credentials):
            raise ConfigurationError(
                f"credentials is of type {type(credentials).__name__}",
                parameter="credentials",
                remedy="give Credentials(application_key, application_secret)",
            )
        self._credentials = credentials
        self._form = CanonicalResource(canonical_resource)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the two headers of a signed request. httpx calls this."""
        headers = signing.signed_headers(
            self._credentials,
            method=request.method,
            resource=signing.canonical_resource(request.url.raw_path.decode("ascii"), self._form),
            timestamp=signing.format_timestamp(time()),
            content_type=request.headers.get("Content-Type", ""),
            body=request.content,
        )
        request.headers.update(headers)
        yield request
