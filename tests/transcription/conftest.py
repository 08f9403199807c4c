"""A server on loopback that answers as OpenAI's transcriptions do, and as they should not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Asked:
    """One request, and the means to answer it."""

    handler: BaseHTTPRequestHandler
    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    recording: bytes
    number: int

    def answer(self, body: bytes | str, status: int = 200, **headers: str) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.handler.send_response_only(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(content)


@dataclass
class Endpoint:
    url: str
    respond: Callable[[Asked], None] = lambda asked: asked.answer("{}")
    asked: list[Asked] = field(default_factory=list)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    here: list[Endpoint] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
            form: Any = BytesParser(policy=HTTP).parsebytes(head + body)
            fields, recording = {}, b""
            for part in form.iter_parts():
                name = part.get_param("name", header="content-disposition")
                if name == "file":
                    recording = part.get_payload(decode=True)
                else:
                    fields[name] = part.get_content().strip()
            headers = {name.lower(): value for name, value in self.headers.items()}
            place = here[0]
            asked = Asked(self, self.path, headers, fields, recording, len(place.asked))
            place.asked.append(asked)
            place.respond(asked)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    here.append(Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield here[0]
    server.shutdown()
    server.server_close()
    thread.join()
