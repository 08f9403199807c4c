"""What a server takes from one caller, from one address and in all, and how it refuses more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import uvicorn
from patience import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from watchbuddy_core.actions import Speak
from watchbuddy_core.errors import RateLimited
from watchbuddy_core.session import Parts
from watchbuddy_core.settings import Limits
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.alone import Alone
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server import websocket
from watchbuddy_server.app import create_app, listen, server_config
from watchbuddy_server.doors import Config
from watchbuddy_server.pace import Pace
from watchbuddy_server.plugin import WatchBuddyPlugin
from watchbuddy_server.traffic import Traffic

SESSIONS = "/api/v1/sessions"
READY = {"type": "session_ready"}
REQUEST = {"video_url": "library:clip.mp4", "character_id": "miao"}

Asking = Callable[[str], httpx.AsyncClient]
Test = Callable[[Asking, MemoryStore], Awaitable[None]]


class Minutes:
    """Monotonic time that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    monotonic = __call__


@pytest.fixture
def asking(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Limits, Minutes | None, Test], None]:
    """Runs a test against an application with these limits; it gets clients at addresses."""

    def run(limits: Limits, minutes: Minutes | None, test: Test) -> None:
        store = MemoryStore()
        app = create_app(parts=parts, store=store, limits=limits)
        if minutes is not None:
            rates = app.plugins.get(WatchBuddyPlugin).traffic._rates
            monkeypatch.setattr(rates, "_now", minutes)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Asking]:
            clients: dict[str, httpx.AsyncClient] = {}

            def at(address: str) -> httpx.AsyncClient:
                transport = httpx.ASGITransport(app, client=(address, 1))
                base = "http://127.0.0.1"
                return clients.setdefault(
                    address, httpx.AsyncClient(transport=transport, base_url=base)
                )

            async with app.lifespan():
                yield at

        async def main() -> None:
            async with asyncio.timeout(PATIENCE), opened() as at:
                await test(at, store)

        asyncio.run(main())

    return run


def refusal(answer: httpx.Response) -> tuple[int, str, int]:
    """Status, code and the seconds after which to come back."""
    assert set(answer.json()) == {"detail"}
    code = answer.json()["detail"]["error"]
    return answer.status_code, code, int(answer.headers["Retry-After"])


async def create(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post(SESSIONS, json=REQUEST | fields)


# --- how many --------------------------------------------------------------------------


def test_sessions_in_preparation_are_bounded_for_each_address(asking: Any) -> None:
    async def test(at: Asking, store: MemoryStore) -> None:
        # A site chooses its addresses.
        for host in ("2001:db8::1", "2001:db8::2"):
            assert (await create(at(host))).status_code == 202
        assert refusal(await create(at("2001:db8::3")))[:2] == (429, "RATE_LIMITED")
        assert (await create(at("2001:db8:0:1::1"))).status_code == 202

    asking(Limits(waiting_per_address=2), None, test)


def test_sessions_in_preparation_are_bounded_for_each_caller_whatever_users_they_name(
    asking: Any,
) -> None:
    async def test(at: Asking, store: MemoryStore) -> None:
        here = at("192.0.2.1")
        for user in ("ann", "bob"):
            assert (await create(here, user_id=user)).status_code == 202
        assert refusal(await create(here, user_id="cem"))[:2] == (429, "RATE_LIMITED")
        assert (await create(at("192.0.2.2"), user_id="ann")).status_code == 202

    asking(Limits(waiting_per_caller=2), None, test)


def test_nobody_is_kept_out_by_another_who_uses_their_name(asking: Any) -> None:
    async def test(at: Asking, store: MemoryStore) -> None:
        assert (await create(at("192.0.2.1"), user_id="ann")).status_code == 202
        assert refusal(await create(at("192.0.2.1"), user_id="ann"))[:2] == (429, "RATE_LIMITED")
        assert (await create(at("192.0.2.2"), user_id="ann")).status_code == 202

    asking(Limits(waiting_per_user=1), None, test)


@pytest.mark.parametrize(
    ("limits", "hosts", "refused"),
    [
        (Limits(sessions_per_caller=2), ("192.0.2.1",), (429, "RATE_LIMITED")),
        (Limits(sessions_per_address=2), ("2001:db8::1", "2001:db8::2"), (429, "RATE_LIMITED")),
        (Limits(sessions=2), ("192.0.2.1", "192.0.2.2"), (503, "TOO_MANY_SESSIONS")),
    ],
    ids=["caller", "address", "all"],
)
def test_kept_sessions_are_bounded(
    asking: Any, limits: Limits, hosts: tuple[str, ...], refused: tuple[int, str]
) -> None:
    async def test(at: Asking, store: MemoryStore) -> None:
        made = [await create(at(hosts[number % len(hosts)])) for number in range(2)]
        assert [answer.status_code for answer in made] == [202, 202]
        status, code, seconds = refusal(await create(at(hosts[0])))
        assert (status, code) == refused
        assert seconds > 0
        await at(hosts[0]).delete(f"{SESSIONS}/{made[0].json()['session_id']}")
        await store.delete(made[0].json()["session_id"])  # what is swept a minute later
        assert (await create(at(hosts[0]))).status_code == 202

    asking(limits, None, test)


def test_asking_all_at_once_gets_no_more_than_asking_one_by_one(asking: Any) -> None:
    class Slow(MemoryStore):
        async def put(self, record: SessionRecord) -> None:
            await asyncio.sleep(0.01)
            await super().put(record)

    async def test(at: Asking, store: MemoryStore) -> None:
        store.__class__ = Slow
        answers = await asyncio.gather(*(create(at(f"192.0.2.{n}")) for n in range(12)))
        assert sorted(answer.status_code for answer in answers) == [202] * 5 + [503] * 7
        assert await store.count() == 5

    asking(Limits(sessions=5), None, test)
    asking(Limits(preparing=1, waiting=4), None, test)


# --- how often -------------------------------------------------------------------------


def test_creating_too_fast_is_refused_until_the_told_time_and_no_longer(asking: Any) -> None:
    minutes = Minutes()

    async def test(at: Asking, store: MemoryStore) -> None:
        here = at("192.0.2.1")
        for _ in range(3):
            assert (
                await create(here, video_url="")
            ).status_code == 422  # it is asked, all the same
        status, code, seconds = refusal(await create(here))
        assert (status, code, seconds) == (429, "RATE_LIMITED", 20)
        assert (await create(at("192.0.2.2"))).status_code == 202
        minutes.now += seconds - 1
        assert refusal(await create(here)) == (429, "RATE_LIMITED", 1)
        minutes.now += 1
        assert (await create(here)).status_code == 202
        assert (await create(here)).status_code == 429

    asking(Limits(creations_per_minute=3), minutes, test)


def test_creating_too_fast_from_one_site_is_refused(asking: Any) -> None:
    async def test(at: Asking, store: MemoryStore) -> None:
        for number in range(3):
            assert (await create(at(f"2001:db8::{number}"))).status_code == 202
        assert refusal(await create(at("2001:db8::3"))) == (429, "RATE_LIMITED", 20)

    asking(Limits(creations_per_minute_per_address=3), Minutes(), test)


def test_asking_too_fast_is_refused_and_health_is_told_all_the_same(asking: Any) -> None:
    async def test(at: Asking, store: MemoryStore) -> None:
        here = at("192.0.2.1")
        for _ in range(2):
            assert (await here.get("/api/v1/characters")).status_code == 200
        for path in ("/api/v1/characters", f"{SESSIONS}/ses_0", "/media/ses_0"):
            assert refusal(await here.get(path)) == (429, "RATE_LIMITED", 30), path
        for path in ("/health/live", "/health/ready"):
            assert (await here.get(path)).status_code == 200

    asking(Limits(requests_per_minute=2), Minutes(), test)


def test_a_client_without_an_address_is_not_taken_for_another_without_one() -> None:
    async def main() -> None:
        limits = Limits(requests_per_minute=1, uploads_per_minute=1)
        traffic = Traffic(limits, Alone(now=Minutes()))
        for _ in range(3):
            await traffic.upload(None)

    asyncio.run(main())


# --- connections -----------------------------------------------------------------------

LIMITED = (4429, "RATE_LIMITED")


@pytest.mark.parametrize("limits", [Limits(connections_per_address=2)])
def test_connections_from_one_address_are_bounded(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        sessions = [await backstage.ready() for _ in range(3)]
        async with viewer(sessions[0]) as first, viewer(sessions[1]) as second:
            assert await first.hear() == await second.hear() == READY
            async with viewer(sessions[2]) as third:
                assert await third.end() == LIMITED
            await first.socket.close()
            async with asyncio.timeout(PATIENCE):
                while backstage.connections() > 1:
                    await asyncio.sleep(0.005)
            async with viewer(sessions[2]) as third:
                assert await third.hear() == READY
            await second.say(type="nonsense")
            assert (await second.hear())["error_code"] == "INVALID_MESSAGE"

    watching(test)


@pytest.mark.parametrize("limits", [Limits(connections_per_session=2)])
def test_connections_to_one_session_are_bounded_and_takeovers_are_none(
    watching: Any, backstage: Any
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        for _ in range(6):  # each takes over from the one before it, which is closed
            async with viewer(session_id) as older:
                assert await older.hear() == READY
                async with viewer(session_id) as newer:
                    assert await newer.hear() == READY
                    assert await older.end() == (4409, "REPLACED")

    watching(test)


@pytest.mark.parametrize("limits", [Limits(connects_per_minute=3)])
def test_connecting_too_often_is_refused_also_with_ids_that_are_guessed(
    watching: Any, backstage: Any
) -> None:
    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        for guess in range(3):
            async with viewer(f"ses_{guess}") as client:
                assert await client.end() == (4404, "SESSION_NOT_FOUND")
        async with viewer(session_id) as client:
            assert await client.end() == LIMITED

    watching(test)


def test_what_is_counted_is_given_back_and_nobody_counts_for_another() -> None:
    async def main() -> None:
        alone = Alone(now=Minutes())
        limits = Limits(connections_per_address=2, connections_per_session=2)
        traffic = Traffic(limits, alone)
        for _ in range(10):
            async with (
                traffic.connection("192.0.2.1", "192.0.2.9"),
                traffic.connection("192.0.2.1", "192.0.2.9"),
                traffic.connection("ses_1", "192.0.2.1"),
            ):
                with pytest.raises(RateLimited):
                    async with traffic.connection("192.0.2.1", "192.0.2.2"):
                        pytest.fail("there is no room")
        assert not alone._held

    asyncio.run(main())


# --- messages --------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(messages_per_second=10)])
def test_who_sends_too_fast_is_told_once_and_loses_no_seek(
    watching: Any, backstage: Any, speak: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Minutes()

    async def test(viewer: Any) -> None:
        early, late = speak(98.5, "early"), speak(100.0, "late")
        async with viewer(await backstage.ready(early, late)) as client:
            assert await client.hear() == READY
            monkeypatch.setattr(websocket, "time", clock)
            for _ in range(40):
                await client.say(type="timestamp_update", timestamp=1.0)
            await client.say(type="timestamp_update", timestamp=1.1)
            await client.say(type="seek_update", timestamp=50.0)
            await client.say(type="seek_update", timestamp=99.0)
            await client.say(type="timestamp_update", timestamp=99.1)
            told = await client.hear()
            assert (told["type"], told["error_code"]) == ("error", "RATE_LIMITED")
            assert told["message"]
            await (await client.socket.ping())
            clock.now += 4.0
            # Without the seek, what lies between would have been played, and `early` be said.
            await client.say(type="timestamp_update", timestamp=100.2)
            assert (await client.hear())["id"] == late.id
            await client.say(type="nonsense")  # nothing else was to be said
            assert (await client.hear())["error_code"] == "INVALID_MESSAGE"

    watching(test)


@pytest.mark.parametrize("limits", [Limits(messages_per_second=5)])
def test_who_goes_on_sending_too_fast_is_closed(watching: Any, backstage: Any) -> None:
    async def test(viewer: Any) -> None:
        async with viewer(await backstage.ready()) as client:
            assert await client.hear() == READY
            with suppress(ConnectionClosed):
                for _ in range(5000):
                    await client.say(type="later")
            answers = []
            with suppress(ConnectionClosed):
                while True:
                    answers.append((await client.hear())["error_code"])
            assert answers.count("RATE_LIMITED") == 1
            assert len(answers) <= 21
            assert await client.end() == LIMITED

    watching(test)


@pytest.mark.parametrize("per_second", [4, 60])
def test_a_player_at_its_usual_pace_never_meets_a_limit(per_second: int) -> None:
    """Chromium reports at most 60 times a second; a page of the API document says four."""
    pace = Pace(Limits().messages_per_second)
    assert all(pace.admits(1000.0 + number / per_second) for number in range(per_second * 600))


def test_messages_that_were_held_up_are_no_reason_to_close() -> None:
    pace = Pace(Limits().messages_per_second)
    now = 1000.0
    for _ in range(20):  # ten seconds of a fast player, all at once, and then calm
        admitted = sum(pace.admits(now) for _ in range(600))
        assert admitted == 400
        assert not pace.is_hopeless
        now += 10.0
    assert sum(pace.admits(now) for _ in range(1300)) == 400
    assert pace.is_hopeless


@pytest.mark.parametrize("limits", [Limits(silent_seconds=0.3)])
def test_a_connection_that_says_nothing_is_closed_and_pongs_are_nothing(
    watching: Any, backstage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Minutes()
    monkeypatch.setattr(websocket, "time", clock)

    async def test(viewer: Any) -> None:
        session_id = await backstage.ready()
        async with viewer(session_id) as silent, viewer(await backstage.ready()) as talking:
            assert await silent.hear() == await talking.hear() == READY
            for _ in range(2):
                clock.now += 0.2
                await talking.say(type="nonsense")
                assert (await talking.hear())["error_code"] == "INVALID_MESSAGE"
                if clock.now < 1000.3:
                    await (await silent.socket.ping())
            assert await silent.end() == (4408, "SILENT")
            await talking.say(type="nonsense")
            assert (await talking.hear())["error_code"] == "INVALID_MESSAGE"

    watching(test)


def test_a_client_that_takes_nothing_is_let_go(parts: Parts, backstage: Any, serve: Any) -> None:
    """Also where the server below does not see to it, with pings of its own."""
    limits = Limits(stalled_seconds=0.3)
    app = create_app(parts=parts, store=backstage.store, limits=limits)

    async def main() -> None:
        lines = [Speak(trigger_timestamp=1.0, text="x" * 1000) for _ in range(500)]
        session_id = await backstage.ready(*lines)
        async with serve(app) as (_, url):
            address = f"{url.replace('http', 'ws')}/ws/{session_id}"
            async with connect(address, proxy=None, max_queue=1, ping_interval=None) as client:
                transport = client.transport
                assert json.loads(await client.recv()) == READY
                transport.pause_reading()
                await client.send('{"type": "timestamp_update", "timestamp": 1.0}')
                async with asyncio.timeout(PATIENCE):
                    while backstage.connections():
                        await asyncio.sleep(0.01)
                transport.abort()

    asyncio.run(main())


# --- connections, whatever comes over them ----------------------------------------------


@pytest.mark.parametrize(
    ("limits", "proxies", "refused"),
    [
        (Limits(connections=2), (), (503, "TOO_MANY_SESSIONS")),
        (Limits(connections_per_address=2), (), (429, "RATE_LIMITED")),
        (Limits(connections_per_address=2), ("127.0.0.0/8",), None),
    ],
    ids=["in all", "from one address", "through a proxy"],
)
def test_connections_that_never_ask_are_bounded(
    parts: Parts,
    backstage: Any,
    limits: Limits,
    proxies: tuple[str, ...],
    refused: tuple[int, str] | None,
) -> None:
    app = create_app(parts=parts, store=backstage.store, limits=limits)
    config = server_config(app, limits=limits, trusted_proxies=proxies)

    async def ask(address: tuple[str, int]) -> tuple[int, str] | None:
        """What comes at once without asking; None, where asking is answered."""
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        status = int(head.split()[1])
        if status == 200:
            return None
        assert b"retry-after: " in head
        return status, json.loads(body)["detail"]["error"]

    async def main() -> None:
        session_id = await backstage.ready()
        with listen("127.0.0.1", 0) as listening:
            address = listening.getsockname()
            server = uvicorn.Server(config)
            task = asyncio.create_task(server.serve(sockets=[listening]))
            while not server.started:
                await asyncio.sleep(0.005)
            _, silent = await asyncio.open_connection(*address)
            url = f"ws://127.0.0.1:{address[1]}/ws/{session_id}"
            async with connect(url, proxy=None) as watching:
                assert json.loads(await watching.recv()) == READY
                assert await ask(address) == refused
                silent.close()
                async with asyncio.timeout(PATIENCE):
                    while await ask(address) is not None:
                        await asyncio.sleep(0.01)
            server.should_exit = True
            await task
            assert isinstance(config, Config)
            assert not config.doors._open

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
