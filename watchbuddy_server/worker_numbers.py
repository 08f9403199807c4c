"""What a worker does, in numbers, and where Prometheus reads them: `watchbuddy worker` has no
server of its own otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from watchbuddy_core.session.worker import Worker
from watchbuddy_server.numbers import Numbers, WithoutBirthdays
from watchbuddy_server.program_numbers import ProgramNumbers
from watchbuddy_server.serving import taken
from watchbuddy_server.session_numbers import SessionNumbers


class WorkerNumbers:
    """The numbers of one worker. What it writes to sessions has the names that it has at a server
    which does the work itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        numbers = Numbers(self.registry)
        self.sessions = SessionNumbers(numbers, shared=True)
        self.program = ProgramNumbers(numbers)
        jobs = numbers.gauge(
            "worker_jobs", "Jobs that this worker has, by whether there is work to do.", "state"
        )
        self._busy, self._idle = jobs.labels("busy"), jobs.labels("idle")
        self._waiting = numbers.gauge(
            "worker_work_waiting", "Pieces of its work that wait for a turn."
        )

    def look_at(self, worker: Worker) -> None:
        """From now on, tell how much it has to do."""
        self._busy.set_function(lambda: worker.busy)
        self._idle.set_function(lambda: worker.idle)
        self._waiting.set_function(lambda: worker.waiting)


@contextmanager
def readable(registry: CollectorRegistry, host: str, port: int) -> Iterator[str]:
    """Let the numbers be read as long as the context lasts; gives where, such as
    `http://127.0.0.1:9100/metrics`.

    It is a thread that answers, also while the event loop does not turn.

    Args:
        port: 0 for a free one.

    Raises:
        AddressTaken
    """
    try:
        server, _ = start_http_server(port, addr=host, registry=WithoutBirthdays(registry))
    except OSError as exc:
        raise taken(exc, host, port, "--metrics-host and --metrics-port") from exc
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
