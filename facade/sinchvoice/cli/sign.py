"""The commands of `sinchvoice sign`."""

from __future__ import annotations

import re
import time
from typing import Annotated

import typer

from .. import signing
from ..errors import InvalidRequest
from .explain import SignedRequest, read_signature, read_target, visible
from .input import read_bytes
from .options import AccountOptions, OutputOptions, command, expanded
from .output import SignatureMismatch, write

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback()(expanded(about))
    command(group, explain)


def about(options: AccountOptions) -> None:
    """Find out why the server refuses a signature."""


def explain(
    options: AccountOptions,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="HTTP method.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="URL or path, escaped as sent.")],
    body: Annotated[
        str | None,
        typer.Option("--body", metavar="FILE", help="File with the body; - for standard input."),
    ] = None,
    content_type: Annotated[
        str | None,
        typer.Option(
            "--content-type",
            metavar="TYPE",
            help="Content-Type as sent; by default application/json if there is a body.",
        ),
    ] = None,
    timestamp: Annotated[
        str | None,
        typer.Option("--timestamp", metavar="TIME", help="x-timestamp as sent; by default now."),
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option(
            "--signature",
            metavar="SIGNATURE",
            help="Signature to compare, alone or as an Authorization header.",
        ),
    ] = None,
) -> None:
    """Show how a request is signed, line by line, without sending it.

    With --signature and its --timestamp, show which form of the URL a signature matches, or which
    usual mistake it has. The exit code is 11 if it matches none.
    """
    if not re.fullmatch(r"[A-Za-z]+", method):
        raise InvalidRequest(f"METHOD is {method!r}: give a method like GET or PATCH")
    target, content = read_target(url), b"" if body is None else read_bytes(body)
    for name, value in (("--content-type", content_type), ("--timestamp", timestamp)):
        if value is not None and not re.fullmatch(r"[ -~]*", value):
            raise InvalidRequest(f"{name} is {value!r}: use printable ASCII characters")
    if timestamp is not None and not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", timestamp):
        raise InvalidRequest(
            f"--timestamp is {timestamp!r}: give ISO 8601 in UTC, like 2014-06-04T13:41:58Z"
        )
    request = SignedRequest(
        credentials=options.credentials(),
        method=method.upper(),
        target=target,
        content_type=("application/json" if content else "")
        if content_type is None
        else content_type,
        timestamp=signing.format_timestamp(time.time()) if timestamp is None else timestamp,
        body=content,
    )
    if signature is not None and timestamp is None:
        raise InvalidRequest("--signature is given without its time: give its --timestamp")
    claimed, wanted = (None, None) if signature is None else read_signature(signature)
    if options.as_json:
        options.output.record(request.record(wanted))
    else:
        _show_request(options, request, wanted)
    if wanted is not None and all(found.signature != wanted for found in request.candidates()):
        mismatch = SignatureMismatch("the signature matches no form of this request")
        mistake = request.find_mistake(wanted)
        if claimed and claimed != request.credentials.application_key:
            mistake = f"the application key is {claimed}, not the configured one"
        mismatch.add_note(
            f"this mistake gives that signature: {mistake}"
            if mistake
            else "compare your lines with those above byte by byte, and check the secret"
        )
        raise mismatch


def _show_request(options: OutputOptions, request: SignedRequest, wanted: str | None) -> None:
    size = len(request.body)
    write(f"{request.method} {request.target}, {f'a body of {size} bytes' if size else 'no body'}")
    for candidate in request.candidates():
        write("")
        options.output.heading(candidate.describe())
        remarks = ["", "no body" * (size == 0), "no Content-Type" * (not request.content_type)]
        for number, line in enumerate(candidate.lines, 1):
            remark = "empty: " + remarks[number - 1] if not line else ""
            remark = "no line feed" if number == len(candidate.lines) else remark
            shown = visible(line, last=number == len(candidate.lines))
            write(f"  {number}  {shown}" + (f"   ({remark})" if remark else ""))
        write(
            f"  signature  {candidate.signature}" + "   (yours)" * (candidate.signature == wanted)
        )
        for name, value in request.headers(candidate).items():
            write(f"  {name}: {value}")
