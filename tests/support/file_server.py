"""A file server on this machine. The first part of a path selects how well or badly it behaves."""

import gzip
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class FileServer:
    """Serves `files` correctly below /whole, /chunked and /redirected.

    Below the names of _Handler's other serve_ methods it behaves as these methods say.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.requested: list[str] = []
        self.on_request: Callable[[], None] = lambda: None
        self.stopped = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: FileServer

    def do_GET(self) -> None:
        _, manner, name = self.path.split("/")
        self.owner.requested.append(self.path)
        self.owner.on_request()
        content = self.owner.files.get(name)
        serve = getattr(self, f"serve_{manner}", None)
        if content is None or serve is None:
            self.send_error(404)
            return
        with suppress(OSError):  # the client may have closed the connection
            serve(content)

    def serve_whole(self, content: bytes) -> None:
        self._announce(len(content))
        self.wfile.write(content)

    def serve_chunked(self, content: bytes) -> None:
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n")

    def serve_packing(self, content: bytes) -> None:
        # Some servers compress everything for clients that accept it.
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self.serve_packed(gzip.compress(content))
        else:
            self.serve_whole(content)

    def serve_packed(self, content: bytes) -> None:
        # Some servers declare a .gz file as the compressed form of another file.
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def serve_redirected(self, content: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", self.path.replace("redirected", "whole"))
        self.end_headers()

    def serve_circular(self, content: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    def serve_truncated(self, content: bytes) -> None:
        self._announce(len(content))
        self.wfile.write(content[: len(content) // 2])

    def serve_corrupt(self, content: bytes) -> None:
        self._announce(len(content))
        self.wfile.write(content[::-1])

    def serve_dripping(self, content: bytes) -> None:
        self._announce(1_000_000)
        while not self.owner.stopped.wait(0.02):
            self.wfile.write(b"x")

    def serve_silent(self, content: bytes) -> None:
        self.owner.stopped.wait()

    def serve_stalled(self, content: bytes) -> None:
        self._announce(len(content))
        self.wfile.write(content[: len(content) // 2])
        self.owner.stopped.wait()

    def serve_closed(self, content: bytes) -> None:
        pass

    def _announce(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
