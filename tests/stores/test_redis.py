"""The Redis that tests have is a real one."""

from __future__ import annotations

from redis_server import redis_server


def test_the_redis_of_tests_comes_back_with_what_it_had() -> None:
    with redis_server() as server:
        url = server.url
        server.tell("SET", "film", "noir")
        server.kill()
        server.start()
        assert (server.url, server.tell("GET", "film")) == (url, b"noir")
