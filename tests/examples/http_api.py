"""An HTTP API that a service calls, and that may be down: what it has taken is what the service has done."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Api:
    """Takes payments on a port of this machine, until it is down.

    :ivar taken: the partition and offset of each payment.
    :ivar refused: how many requests came while it was down.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []
        self.refused = 0
        self.is_down = False
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(api.take(json.loads(body)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep the output of tests free of requests."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 200
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Api:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, payment: dict[str, int]) -> int:
        with self._lock:
            if self.is_down:
                self.refused += 1
                return 503
            self.taken.append((payment["partition"], payment["offset"]))
            return 200
