"""What is counted, and that nobody outside can make the numbers many."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from patience import until
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from watchbuddy_core.actions import Action
from watchbuddy_core.entries import (
    Cancelled,
    Delivered,
    Drop,
    Entry,
    Failed,
    Fence,
    LeftOut,
    Placed,
    Ready,
    Scripted,
    Spent,
    Stage,
    Usage,
)
from watchbuddy_core.errors import StaleFence, StorageFull
from watchbuddy_core.events import Playhead, Skipped
from watchbuddy_core.session import LocalJobs, Parts, Sessions
from watchbuddy_core.storage import SessionRecord, Store
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_core.stores.observed import observed
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.video import Window
from watchbuddy_server import program_numbers
from watchbuddy_server.metrics import Metrics
from watchbuddy_server.numbers import Numbers
from watchbuddy_server.plugin import WatchBuddyPlugin
from watchbuddy_server.session_numbers import SessionNumbers


class Clock:
    """Monotonic seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Onlooking:
    """A store that is looked on at, and what was counted."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.store: Store = observed(store or MemoryStore(), self.metrics.sessions, now=self.clock)

    def create(self, session_id: str) -> None:
        asyncio.run(self.store.put(record(session_id)))

    def say(self, session_id: str, *entries: Entry, after: float = 0.0) -> None:
        self.clock.now += after
        asyncio.run(self.store.append(session_id, entries, None))

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"watchbuddy_{name}", labels)

    def series(self) -> int:
        return sum(len(family.samples) for family in self.metrics.registry.collect())


def record(session_id: str) -> SessionRecord:
    return SessionRecord(
        session_id=session_id, video_url="library:a.mp4", character_id="miao", created_at=0.0
    )


@pytest.fixture
def seen() -> Onlooking:
    return Onlooking()


def scripted(index: int = 0, **facts: object) -> Scripted:
    window = Window(index=index, start=0.0, end=45.0)
    return Scripted(window=window, drafts=(), generator="g", **facts)  # type: ignore[arg-type]


def dropped(*reasons: str) -> tuple[Drop, ...]:
    return tuple(Drop(reason=one, trigger_timestamp=1.0, action_type="SPEAK") for one in reasons)


def test_sessions_are_counted_by_how_far_they_are(seen: Onlooking) -> None:
    for name in "abcd":
        seen.create(name)
    seen.say("b", Ready())
    seen.say("c", Failed(code="VIDEO_UNREADABLE", message="It is no video."))
    seen.say("d", Cancelled())
    states = ("preparing", "ready", "failed", "cancelled")
    assert [seen.value("sessions", state=state) for state in states] == [1, 1, 1, 1]
    asyncio.run(seen.store.delete("b"))
    assert [seen.value("sessions", state=state) for state in states] == [1, 0, 1, 1]
    assert seen.value("sessions_created_total") == 4
    assert seen.value("session_failures_total", code="VIDEO_UNREADABLE") == 1


def test_sessions_of_an_earlier_run_are_counted_as_well(parts: Parts) -> None:
    kept = MemoryStore()
    before = Onlooking(kept)
    before.create("a")
    before.say("a", Ready())
    after = Onlooking(kept)
    jobs = LocalJobs(store=after.store, parts=parts)
    sessions = Sessions(store=after.store, parts=parts, jobs=jobs)
    asyncio.run(sessions.resume(after.metrics.sessions.found))
    assert after.value("sessions", state="ready") == 1
    assert after.value("sessions_created_total") == 0


def test_stages_take_as_long_as_until_the_next_one(seen: Onlooking) -> None:
    seen.create("a")
    seen.say("a", Stage(stage="fetching"), after=1.0)
    seen.say("a", Stage(stage="understanding"), after=7.0)
    seen.say("a", Stage(stage="generating"), after=2.0)
    seen.say("a", scripted(), Placed(window=0, actions=()), after=20.0)
    seen.say("a", scripted(1), Placed(window=1, actions=()), after=20.0)
    seen.say("a", Ready(), after=5.0)
    for stage, seconds in {"fetching": 7.0, "understanding": 2.0, "generating": 45.0}.items():
        assert seen.value("stage_seconds_count", stage=stage) == 1
        assert seen.value("stage_seconds_sum", stage=stage) == seconds
    assert seen.value("first_window_seconds_count") == 1
    assert seen.value("first_window_seconds_sum") == 30.0


def test_what_was_kept_to_itself_is_counted_by_reason(seen: Onlooking) -> None:
    seen.say("a", Placed(window=0, actions=(), dropped=dropped("no_gap", "no_gap", "spoiler")))
    seen.say("a", LeftOut(ids=("1", "2"), reason="answering"))
    assert seen.value("drops_total", reason="no_gap") == 2
    assert seen.value("drops_total", reason="spoiler") == 1
    assert seen.value("drops_total", reason="answering") == 2


def test_windows_are_counted_by_how_they_were_done(seen: Onlooking) -> None:
    seen.say("a", scripted(), scripted(cached=True), scripted(problem="The model is gone."))
    outcomes = ("written", "cached", "failed")
    assert [seen.value("windows_total", outcome=one) for one in outcomes] == [1, 1, 1]


def test_tokens_and_money_are_counted_by_model(seen: Onlooking) -> None:
    usage = Usage(calls=1, prompt_tokens=700, completion_tokens=80, cost=0.25)
    seen.say("a", Spent(model="one", usage=usage), Spent(model="one", usage=usage))
    unpriced = usage.model_copy(update={"cost": None})
    seen.say("a", Spent(model="two", purpose="reply", usage=unpriced))
    one = {"model": "one", "purpose": "window"}
    two = {"model": "two", "purpose": "reply"}
    assert seen.value("model_calls_total", **one) == 2
    assert seen.value("model_tokens_total", **one, kind="prompt") == 1400
    assert seen.value("model_tokens_total", **one, kind="completion") == 160
    assert seen.value("model_cost_dollars_total", **one) == 0.5
    assert seen.value("model_unpriced_calls_total", **two) == 1
    assert seen.value("model_cost_dollars_total", **two) is None


def test_actions_are_counted_as_they_are_sent(seen: Onlooking) -> None:
    seen.say("a", Delivered(ids=("1", "2"), redelivered=("0",), playhead=Playhead()))
    assert seen.value("actions_delivered_total", **{"pass": "first"}) == 2
    assert seen.value("actions_delivered_total", **{"pass": "again"}) == 1


class _Full(MemoryStore):
    async def append(self, session_id: str, entries: Sequence[Entry], fence: Fence | None) -> int:
        raise StorageFull("The server has no room to keep sessions.")


def test_what_cannot_be_kept_is_counted_and_still_told() -> None:
    seen = Onlooking(_Full())
    with pytest.raises(StorageFull):
        seen.say("a", Ready())
    assert seen.value("store_errors_total", reason="full") == 1
    assert seen.value("sessions", state="ready") == 0


def test_who_was_replaced_is_no_failure_of_the_store(seen: Onlooking) -> None:
    with pytest.raises(StaleFence):
        asyncio.run(seen.store.append("a", [Ready()], Fence("producer", 7)))
    assert seen.value("store_errors_total", reason="other") == 0


@pytest.mark.parametrize(
    "store", [MemoryStore(), SQLiteStore(Path("unopened")), RedisStore("redis://127.0.0.1:1/0")]
)
def test_whether_a_store_can_do_more_does_not_depend_on_who_looks_on(store: Store) -> None:
    """As Python sees it from 3.12 on, which asks the class and not `__getattr__`."""
    seen = observed(store, SessionNumbers(Numbers(CollectorRegistry())))
    for name in ("commons", "whereabouts", "check", "size_bytes"):
        there = [hasattr_static(one, name) for one in (store, seen)]
        assert there in ([True, True], [False, False]), name


def hasattr_static(one: object, name: str) -> bool:
    return inspect.getattr_static(one, name, None) is not None


def test_an_onlooker_that_fails_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SessionNumbers):
        def appended(self, appended: object) -> None:
            raise RuntimeError("looked away")

    store = observed(MemoryStore(), Broken(Numbers(CollectorRegistry())))
    assert asyncio.run(store.append("a", [Ready()], None)) == 1
    assert "looked away" in caplog.text


def test_where_others_have_the_sessions_too_nothing_is_counted_twice() -> None:
    store = MemoryStore()
    registries = [CollectorRegistry() for _ in range(2)]
    one, other = (
        observed(store, SessionNumbers(Numbers(registry), shared=True)) for registry in registries
    )

    def kept() -> list[float | None]:
        return [one.get_sample_value("watchbuddy_sessions_kept") for one in registries]

    async def main() -> None:
        await one.put(record("a"))
        await other.put(record("b"))
        await store.put(record("c"))
        for process in (one, other):
            await process.list()
        assert kept() == [3, 3]
        await one.delete("b")
        await other.list()
        assert kept()[1] == 2
        await one.list()
        assert kept() == [2, 2]
        for registry in registries:
            assert registry.get_sample_value("watchbuddy_sessions", {"state": "preparing"}) is None

    asyncio.run(main())


def test_what_another_process_has_forgotten_is_remembered_by_none() -> None:
    numbers = SessionNumbers(Numbers(CollectorRegistry()), shared=True)
    store = MemoryStore()

    async def main() -> None:
        process = observed(store, numbers)
        for number in range(10):
            await process.put(record(str(number)))
            await store.delete(str(number))
        await process.list()
        assert not numbers._sessions

    asyncio.run(main())


def test_a_loop_that_is_held_up_is_seen(seen: Onlooking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_numbers, "_LOOK_SECONDS", 0.02)

    async def main() -> None:
        looking = asyncio.create_task(seen.metrics.program.look())
        await asyncio.sleep(0.005)
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)
        await until(lambda: (seen.value("event_loop_lag_seconds_sum") or 0.0) > 0.05)
        looking.cancel()

    asyncio.run(main())


def test_no_text_of_anybodys_makes_new_series(seen: Onlooking) -> None:
    def hostile(round: int) -> None:
        for n in range(round * 100, round * 100 + 100):
            name = f'evil"{{}}\n{n}'
            seen.create(name)
            usage = Usage(calls=1)
            seen.say(
                name,
                Placed(window=0, actions=(), dropped=dropped(name)),
                LeftOut(ids=("1",), reason=name),
                Spent(model=name, usage=usage),
                Failed(code=name, message="no"),
            )

    hostile(0)
    once = seen.series()
    hostile(1)
    assert seen.series() == once
    assert seen.value("drops_total", reason="other") == 400
    assert seen.value("session_failures_total", code="other") == 200


def numbers(client: TestClient[Litestar]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_are_counted_by_the_template_of_their_route(client: TestClient[Litestar]) -> None:
    for n in range(3):
        client.get(f"/api/v1/sessions/ses_{n:016x}")
    found = numbers(client)
    route = "/api/v1/sessions/{session_id}"
    labels = (("method", "GET"), ("route", route), ("status", "404"))
    assert found["watchbuddy_http_requests_total", labels] == 3
    assert found["watchbuddy_http_request_seconds_count", (("route", route),)] == 3
    assert found["watchbuddy_http_errors_total", (("code", "SESSION_NOT_FOUND"),)] == 3


def test_no_request_makes_new_series(client: TestClient[Litestar]) -> None:
    def hostile(round: int) -> None:
        for n in range(30):
            name = f"{round}-{n}"
            client.get(f"/{name}")
            client.get(f"/api/v1/sessions/{name}")
            client.get(f"/api/v1/sessions/{name}/script?format={name}")
            client.get(f"/media/{name}", headers={"Origin": f"https://{name}.example"})
            client.request(f"M{round}{n}", "/api/v1/sessions")
            client.request(f"M{round}{n}", f"/{name}")
            client.post("/api/v1/sessions", content=name, headers={"Content-Type": name})

    hostile(0)
    numbers(client)
    once = set(numbers(client))
    hostile(1)
    assert set(numbers(client)) == once
    assert not any("1-7" in str(key) for key in once)


def test_a_second_series_for_each_that_tells_when_it_began_is_left_out(
    client: TestClient[Litestar],
) -> None:
    assert not [name for name, _ in numbers(client) if name.endswith("_created")]


def test_an_application_counts_for_itself_alone(client: TestClient[Litestar]) -> None:
    other = Onlooking()
    other.create("a")
    assert numbers(client)["watchbuddy_sessions_created_total", ()] == 0


def test_skips_are_counted_by_reason(seen: Onlooking) -> None:
    seen.metrics.server.passed_over([Skipped("1", "late"), Skipped("2", "late")])
    assert seen.value("actions_skipped_total", reason="late") == 2


def test_a_connection_is_counted_with_what_it_was_sent_and_how_it_ended(
    watching: Callable[..., None], backstage: Any, app: Litestar, speak: Callable[..., Action]
) -> None:
    metrics = next(one for one in app.plugins.init if isinstance(one, WatchBuddyPlugin)).metrics

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"watchbuddy_{name}", labels)

    async def test(viewer: Any) -> None:
        async with viewer(await backstage.ready(speak(2.0), speak(8.0))) as one:
            assert await one.hear() == {"type": "session_ready"}
            assert value("connections") == 1
            await one.say(type="timestamp_update", timestamp=0.0)
            await one.say(type="timestamp_update", timestamp=2.25)
            await one.hear()
            await one.say(type="seek_update", timestamp=20.0)
            await one.socket.send("no message")
            await one.hear()
            await one.socket.close(1001)
        async with viewer("ses_0") as nobody:
            assert await nobody.end() == (4404, "SESSION_NOT_FOUND")
        while value("connections"):
            await asyncio.sleep(0.01)

    watching(test)
    assert value("actions_delivered_total", **{"pass": "first"}) == 1
    assert value("delivery_lateness_seconds_sum") == 0.25
    assert value("delivery_seconds_count") == 1
    assert value("actions_skipped_total", reason="jumped_over") == 1
    assert value("invalid_messages_total") == 1
    assert value("websocket_closes_total", code="1001") == 1
    assert value("websocket_closes_total", code="4404") == 1


def test_no_close_code_of_a_client_makes_a_new_series(seen: Onlooking) -> None:
    before = seen.series()
    for code in range(3000, 3100):
        with seen.metrics.server.connected() as closing:
            closing.code = code
    assert seen.series() == before
    assert seen.value("websocket_closes_total", code="other") == 100


def test_what_is_to_do_is_told(seen: Onlooking, parts: Parts) -> None:
    seen.create("a")

    async def scenario() -> None:
        async with LocalJobs(store=seen.store, parts=parts, preparing=1) as jobs:
            seen.metrics.server.look_at(jobs)
            await jobs.submit("a")
            while not jobs.busy:
                await asyncio.sleep(0)
            assert seen.value("jobs", state="busy") == 1
            assert seen.value("jobs", state="idle") == 0
            assert seen.value("work_waiting") == 0

    asyncio.run(scenario())
