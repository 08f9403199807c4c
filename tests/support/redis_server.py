"""A real Redis of a test's own, that can be killed and come back with what it had.

with redis_server() as server:
    connect(server.url)
    server.kill()
    server.start()
"""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

_STARTING_SECONDS = 30.0


@dataclass
class RedisServer:
    """Listens on a port of this machine, the same one whenever it is started."""

    folder: Path
    """What it keeps, and its log."""
    options: Sequence[str] = ()
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it, with what it has kept, and wait until it answers. Blocks for some 50 ms."""
        assert self._process is None
        is_first = not self.port
        deadline = time.monotonic() + _STARTING_SECONDS
        while time.monotonic() < deadline:
            if is_first:
                self.port = _free_port()
            command = [
                *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self.folder), "--logfile", str(self.folder / "redis.log")),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                *("--maxmemory-policy", "noeviction", *self.options),
            ]
            before = self._times_ready()
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            while self._process.poll() is None and time.monotonic() < deadline:
                # Somebody else's may answer there as long as this one has not given up.
                if self._times_ready() > before and _answers(self.port):
                    return
                time.sleep(0.01)
            # Somebody else may have taken the port meanwhile.
            self.kill()
        raise AssertionError(f"redis-server does not start: {self._log()}")

    def _times_ready(self) -> int:
        """How often it was, by what it says itself."""
        return self._log().count("Ready to accept connections")

    def _log(self) -> str:
        log = self.folder / "redis.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def kill(self) -> None:
        """End it at once, as `kill -9` does. What it has confirmed is on the disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections and commands, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def tell(self, *command: str | bytes | int) -> Any:
        """Give it a command, and return what it answers. Blocks."""
        with redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10) as client:
            return client.execute_command(*command)


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """A server that ends with the context.

    Args:
        options: of its command line, such as `--requirepass`, `secret`.
    """
    with tempfile.TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as folder:
        server = RedisServer(Path(folder), options)
        try:
            server.start()
            yield server
        finally:
            server.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _answers(port: int) -> bool:
    """Whether it has read what it kept, and serves; it may want a password first."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False
