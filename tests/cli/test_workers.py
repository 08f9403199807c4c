"""`watchbuddy worker`, and a server that leaves the work to others."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from patience import PATIENCE, until
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from redis_server import redis_server

from watchbuddy_core.entries import Ready
from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.session.saq_jobs import SaqJobs
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_server.numbers import Numbers
from watchbuddy_server.serving import AddressTaken
from watchbuddy_server.worker_numbers import readable


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


def test_what_a_worker_does_can_be_read_where_it_is_told_to_say_it(
    start: Any, tmp_path: Path
) -> None:
    (tmp_path / "film.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nHello.\n")
    with redis_server() as server:
        worker = start(
            *("worker", "--store", server.url, "--library", tmp_path, "--data-dir", tmp_path),
            *("--metrics-port", 0),
        )
        told = worker.stdout.readline()
        assert told.startswith("Numbers are at http://127.0.0.1:"), told
        url = told.split()[-1]

        async def scenario() -> None:
            async with (
                RedisStore(server.url) as store,
                SaqJobs(store=store, url=server.url) as jobs,
            ):
                for number, video in enumerate(("film.srt", "none.srt")):
                    record = SessionRecord(
                        session_id=f"ses_{number:016x}",
                        video_url=f"library:{video}",
                        character_id="miao",
                        created_at=time.time(),
                    )
                    await store.put(record)
                    await jobs.submit(record.session_id)
                done = [
                    ("watchbuddy_session_failures_total", ("code", "VIDEO_UNAVAILABLE")),
                    ("watchbuddy_stage_seconds_count", ("stage", "generating")),
                ]
                await until(lambda: all(numbers_at(url)[one] == 1 for one in done))

        asyncio.run(scenario())
        told = numbers_at(url)
        assert told["watchbuddy_windows_total", ("outcome", "written")] == 1
        assert told["watchbuddy_worker_work_waiting",] == 0
        assert told["watchbuddy_tasks",] > 0
        assert not any("ses_" in text for key in told for label in key[1:] for text in label)


def test_a_worker_with_jobs_ends_in_order_where_its_redis_hangs(start: Any, tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nHello.\n")
    settings = tmp_path / "settings.toml"
    settings.write_text(f"[limits]\nshutdown_seconds = {PATIENCE}\n")
    with redis_server() as server:
        worker = start(
            *("worker", "--store", server.url, "--library", tmp_path, "--data-dir", tmp_path),
            *("--config", settings),
        )

        async def scenario() -> None:
            async with (
                RedisStore(server.url) as store,
                SaqJobs(store=store, url=server.url) as jobs,
            ):
                record = SessionRecord(
                    session_id="ses_00000000000000aa",
                    video_url="library:film.srt",
                    character_id="miao",
                    created_at=time.time(),
                )
                await store.put(record)
                await jobs.submit(record.session_id)
                async for logged in store.follow(record.session_id):
                    if isinstance(logged.entry, Ready):  # its job waits for a viewer now
                        break

        asyncio.run(asyncio.wait_for(scenario(), PATIENCE))
        with server.silent():
            worker.send_signal(signal.SIGTERM)
            _, errors = worker.communicate(timeout=2 * PATIENCE)
        assert (worker.returncode, errors) == (0, "")


def numbers_at(url: str) -> dict[tuple[Any, ...], float]:
    """By name and labels."""
    families = text_string_to_metric_families(httpx.get(url, timeout=PATIENCE).text)
    return {
        (sample.name, *sample.labels.items()): sample.value
        for family in families
        for sample in family.samples
    }


def test_numbers_that_nobody_can_be_given_are_told_at_the_start() -> None:
    registry = CollectorRegistry()
    Numbers(registry).counter("windows", "Windows.").inc()
    with readable(registry, "127.0.0.1", 0) as url:
        port = int(url.split(":")[2].removesuffix("/metrics"))
        answer = httpx.get(url, params={"name[]": "watchbuddy_windows_total"}, timeout=PATIENCE)
        assert answer.text.splitlines()[2:] == ["watchbuddy_windows_total 1.0"]
        with (
            pytest.raises(AddressTaken, match="--metrics-port"),
            readable(registry, "127.0.0.1", port),
        ):
            pass
