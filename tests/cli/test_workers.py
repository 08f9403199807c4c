"""`watchbuddy worker`, and a server that leaves the work to others."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest

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
