"""A line between s3fs and a bucket that can be cut, stalled and tampered with."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sinchvoice.sandbox import cdr_generator

NAME = "bucket"


def made(seed: int = 0, records: int = 300) -> bytes:
    """Return a file of call detail records."""
    target = io.BytesIO()
    cdr_generator.write(target, records, seed=seed)
    return target.getvalue()


class Line(ThreadingHTTPServer):
    """Forwards requests to the bucket, and applies faults to the answers.

    Attributes:
        cut_after: Bytes of an object before the connection is closed.
        stall_after: Bytes of an object before the answer stalls.
        on_get: Called for each request for a part of an object, before it is fetched.
        dropped: Names of headers withheld from the bucket.
        on_put: Called for each upload of an object or of a part, with the path of the object;
            returns False to close the connection instead.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Between)
        self.target = port
        self.released = threading.Event()
        self.straight()

    def straight(self) -> None:
        """Remove all faults."""
        self.cut_after: int | None = None
        self.stall_after: int | None = None
        self.on_get: Callable[[], object] = lambda: None
        self.dropped: tuple[str, ...] = ()
        self.on_put: Callable[[str], object] = lambda path: None

    @property
    def url(self) -> str:
        """Return the URL of the endpoint."""
        return f"http://127.0.0.1:{self.server_port}"


class Between(BaseHTTPRequestHandler):
    """One connection to the line."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Line

    def do_GET(self) -> None:
        is_part = self.command == "GET" and "Range" in self.headers
        if is_part:
            self.server.on_get()
        if self.command == "PUT" and self.server.on_put(self.path) is False:
            self.close_connection = True
            return
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {
            name: value for name, value in self.headers.items() if name not in self.server.dropped
        }
        connection = HTTPConnection("127.0.0.1", self.server.target, timeout=10)
        try:
            connection.request(self.command, self.path, sent, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name not in ("Connection", "Content-Length", "Transfer-Encoding"):
                self.send_header(name, value)
        length = str(len(content))
        self.send_header("Content-Length", response.headers.get("Content-Length", length))
        self.end_headers()
        if is_part and self.server.cut_after is not None:
            self.wfile.write(content[: self.server.cut_after])
            self.close_connection = True
        elif is_part and self.server.stall_after is not None:
            self.wfile.write(content[: self.server.stall_after])
            self.server.released.wait(30)
            self.close_connection = True
        else:
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: Any) -> None:
        pass
