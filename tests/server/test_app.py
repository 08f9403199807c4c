"""How the server is put together and run."""

from __future__ import annotations

import asyncio
import http.client
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from litestar import Litestar
from patience import PATIENCE

from watchbuddy_server.app import base_url, listen, server_config
from watchbuddy_server.connections import WebSocketProtocol


def status_of(url: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    connection.request("GET", "/schema/openapi.json")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_settings_are_those_that_were_measured(app: Litestar) -> None:
    config = server_config(app, host="127.0.0.1", port=1234, shutdown_seconds=3)
    assert (config.host, config.port) == ("127.0.0.1", 1234)
    assert config.ws is WebSocketProtocol
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (20, 20)
    assert config.ws_max_size == 65536
    assert config.ws_per_message_deflate is False
    assert config.timeout_graceful_shutdown == 3


def test_making_the_configuration_leaves_logging_to_the_program(app: Litestar) -> None:
    import logging

    before = {name: list(logging.getLogger(name).handlers) for name in ("", "uvicorn")}
    server_config(app)
    assert {name: logging.getLogger(name).handlers for name in ("", "uvicorn")} == before


def test_port_0_is_any_free_port(app: Litestar) -> None:
    async def main() -> None:
        server = uvicorn.Server(server_config(app, port=0))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        url = base_url(server.servers[0].sockets[0])  # type: ignore[arg-type]
        assert await asyncio.to_thread(status_of, url) == 200
        server.should_exit = True
        await task

    asyncio.run(main())


def test_a_socket_that_listens_already_is_served(app: Litestar, serve: Any) -> None:
    async def main() -> None:
        async with serve(app) as (_, url):
            assert await asyncio.to_thread(status_of, url) == 200

    asyncio.run(main())


def test_an_address_that_is_taken_is_an_error_at_once() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert base_url(listening) == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", port)


def test_the_address_is_one_that_a_client_here_can_use() -> None:
    with listen("0.0.0.0", 0) as listening:
        assert base_url(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"
    if socket.has_ipv6:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
            assert base_url(listening) == f"http://[::1]:{listening.getsockname()[1]}"


def test_a_frame_never_waits_for_the_one_before_it_to_be_acknowledged() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
