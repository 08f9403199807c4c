"""`watchbuddy worker`, and a server that leaves the work to others."""

from __future__ import annotations

import signal
import sys
from typing import Any, cast

import pytest
from patience import PATIENCE
from redis_server import redis_server

from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.session.saq_jobs import SaqJobs


def test_without_a_redis_in_common_nobody_can_work_for_another(run):
    for command in (("worker",), ("serve", "--port", 0, "--jobs", "saq", "--store", "memory")):
        ran = run(*command)
        assert ran.returncode == 2, ran.stderr
        assert ran.stdout == ""
        (line,) = ran.stderr.splitlines()
        assert "--store redis://HOST:PORT/0" in line


def test_how_much_a_worker_does_at_a_time_is_a_setting_like_any_other(run):
    ran = run("worker", "--concurrency", 3, "--print-settings")
    assert ran.returncode == 0, ran.stderr
    assert "preparing = 3  # --concurrency" in ran.stdout.splitlines()


def test_what_it_takes_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, Any]", sys.modules), "saq.queue.redis", None)
    with pytest.raises(MissingExtra, match="scale"):
        SaqJobs(store=cast(Any, None), url="redis://127.0.0.1:1/0")


def test_a_user_of_the_redis_who_may_have_no_queue_there_is_told_at_the_start(run):
    """Else a worker would wait for jobs without a word, and sessions for a worker."""
    most = ("on", ">s3cret", "~watchbuddy:*", "+@all", "-@dangerous", "+info", "resetchannels")
    cases = [
        ("ann", ("&watchbuddy:*", "&saq:*"), ("worker",)),
        ("ben", ("&watchbuddy:*", "~saq:*"), ("serve", "--port", 0, "--jobs", "saq")),
    ]
    with redis_server() as server:
        for user, more, command in cases:
            server.tell("ACL", "SETUSER", user, *most, *more)
            url = f"redis://{user}:s3cret@127.0.0.1:{server.port}/0"
            ran = run(*command, WATCHBUDDY_STORE=url)
            assert (ran.returncode, ran.stdout) == (1, ""), ran.stderr
            (line,) = ran.stderr.splitlines()
            assert "`~saq:*` and `&saq:*`" in line
            assert "s3cret" not in line


def test_a_worker_says_that_it_is_there_in_words_of_its_own(
    start: Any,
) -> None:
    with redis_server() as server:
        worker = start("worker", "--store", server.url, "-v")
        assert worker.stdout.readline().startswith("Preparing sessions")
        worker.send_signal(signal.SIGTERM)
        told, errors = worker.communicate(timeout=PATIENCE)
        assert (worker.returncode, told) == (0, "")
        assert "Work" not in errors, "nor what SAQ says of it"
