"""A server of files on loopback; requests wait until its gate is opened."""

from __future__ import annotations

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Semaphore, Thread
from types import TracebackType
from typing import Self


class GatedFiles:
    """Serves files by name, and denies all others.

    Attributes:
        arrived: Released by each request for content.
        gate: Requests for content wait until it is set.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.arrived = Semaphore(0)
        self.gate = Event()
        gated = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                if self.path[1:] not in files:
                    self.send_error(403)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(files[self.path[1:]])))
                self.end_headers()

            def do_GET(self) -> None:
                if self.path[1:] not in files:
                    self.send_error(403)
                    return
                gated.arrived.release()
                gated.gate.wait()
                content = files[self.path[1:]]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(ConnectionError):  # the reader was killed
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
