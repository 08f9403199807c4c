"""A Redis that goes and comes back, loses answers or all it had, is full, or is something else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress

import pytest
from bad_network import bad_network
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from properties import examples
from redis_server import RedisServer, redis_server

from watchbuddy_core.accounts import of_day, of_session
from watchbuddy_core.entries import Delivered, Entry, Fence, Logged, Outlined, Ready, Stage, Wanted
from watchbuddy_core.errors import BudgetReached, StaleFence, StorageFull, StoreFailed
from watchbuddy_core.events import Playhead
from watchbuddy_core.storage import ProgressReport, SessionRecord
from watchbuddy_core.stores import redis as redis_store
from watchbuddy_core.stores import redis_failures, redis_line, redis_news
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.redis_connection import Address, Facts
from watchbuddy_core.stores.redis_failures import Trouble
from watchbuddy_core.stores.redis_line import Line
from watchbuddy_core.stores.redis_news import News

SESSION = "ses_0000000000000001"


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _is_tried_again_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (redis_line, redis_news):
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.2)


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    """One that holds nothing, and works."""
    if not shared.is_running:
        shared.start()
    for command in ("REPLICAOF NO ONE", "CONFIG SET maxmemory 0", "FLUSHALL"):
        shared.tell(*command.split())
    return shared


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE):
            await scenario()

    asyncio.run(main())


def store_at(port: int, **options: float) -> RedisStore:
    return RedisStore(f"redis://127.0.0.1:{port}/0", **{"reply_seconds": 2.0, **options})


def record(session_id: str = SESSION) -> SessionRecord:
    return SessionRecord(
        session_id=session_id, video_url="library:a.mp4", character_id="miao", created_at=1.0
    )


def delivered(number: int) -> Delivered:
    return Delivered(ids=(f"a{number}",), playhead=Playhead())


class Follower:
    """Reads a log for ever, and keeps what it has read."""

    def __init__(self, store: RedisStore, session_id: str = SESSION, *, after: int = 0) -> None:
        self._store, self._session_id, self._after = store, session_id, after
        self.seen: list[Logged] = []
        self.grown = asyncio.Event()

    async def follow(self) -> None:
        async for logged in self._store.follow(self._session_id, self._after):
            self.seen.append(logged)
            self.grown.set()

    async def until(self, position: int) -> Sequence[Logged]:
        while not self.seen or self.seen[-1].position < position:
            self.grown.clear()
            await self.grown.wait()
        return self.seen


@asynccontextmanager
async def following(*followers: Follower) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(follower.follow()) for follower in followers]
        yield
        for task in running:
            task.cancel()


async def append(store: RedisStore, fence: Fence, *numbers: int) -> int:
    return await store.append(SESSION, [delivered(number) for number in numbers], fence)


def ids(logged: Sequence[Logged]) -> list[str]:
    entries: list[Entry] = [one.entry for one in logged]
    return [id for entry in entries if isinstance(entry, Delivered) for id in entry.ids]


# --- several processes ---------------------------------------------------------------------


def test_what_one_process_appends_another_follows(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as here, store_at(server.port) as there:
            early, late = Follower(there), Follower(there, after=2)
            fence = await here.fence(SESSION, "producer")
            async with following(early, late):
                await here.append(SESSION, [Stage(stage="fetching"), Ready()], fence)
                await append(here, await there.fence(SESSION, "deliverer"), 1)
                expected = [Logged(1, Stage(stage="fetching")), Logged(2, Ready())]
                assert await early.until(3) == [*expected, Logged(3, delivered(1))]
                assert await late.until(3) == [Logged(3, delivered(1))]

    run(scenario)


def test_a_fence_that_is_taken_elsewhere_holds_here(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as here, store_at(server.port) as there:
            old = await here.fence(SESSION, "deliverer")
            new = await there.fence(SESSION, "deliverer")
            with pytest.raises(StaleFence):
                await append(here, old, 1)
            assert await append(there, new, 1) == 1

    run(scenario)


def test_what_two_append_at_once_stands_in_one_order_for_all(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as here, store_at(server.port) as there:
            followers = [Follower(here), Follower(there)]
            producer = await here.fence(SESSION, "producer")
            deliverer = await there.fence(SESSION, "deliverer")

            async def write(store: RedisStore, fence: Fence, first: int) -> None:
                for number in range(first, first + 50):
                    await append(store, fence, number)

            async with following(*followers):
                await asyncio.gather(write(here, producer, 0), write(there, deliverer, 100))
                log = await here.read(SESSION)
                for follower in followers:
                    assert await follower.until(100) == log
            assert [one.position for one in log] == list(range(1, 101))
            assert [id for id in ids(log) if len(id) < 4] == [f"a{n}" for n in range(50)]

    run(scenario)


def test_no_limit_is_passed_by_two_processes_that_pay_at_once(server: RedisServer) -> None:
    limits = {of_session(SESSION): 5.0, of_day("2026-01-31", "here"): 2.0}

    async def scenario() -> None:
        async with store_at(server.port) as here, store_at(server.port) as there:
            told = await asyncio.gather(
                *(store.reserve(limits, 0.1) for store in (here, there) for _ in range(25)),
                return_exceptions=True,
            )
            assert sum(one is None for one in told) == 20
            refused = [one for one in told if one is not None]
            assert {type(one) for one in refused} == {BudgetReached}
            await here.settle(limits, 2.0, 1.9)
            await there.reserve(limits, 0.1)
            with pytest.raises(BudgetReached):
                await there.reserve(limits, 0.000_000_001)

    run(scenario)


def test_reports_reach_other_processes_also_the_latest_one(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as worker, store_at(server.port) as web:
            heard: list[float | None] = []

            async def listen(store: RedisStore) -> None:
                async for report in store.reports(SESSION):
                    heard.append(report.fraction)
                    if report.fraction == 1.0:
                        return

            worker.publish(SESSION, ProgressReport("fetching", 0.5, "half"))
            while not server.tell("EXISTS", f"watchbuddy:{{{SESSION}}}:progress"):
                await asyncio.sleep(0.01)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(listen(web))
                tasks.create_task(listen(worker))
                while len(heard) < 2:
                    await asyncio.sleep(0.01)
                worker.publish(SESSION, ProgressReport("fetching", 1.0, "all"))
            assert sorted(heard) == [0.5, 0.5, 1.0, 1.0]

    run(scenario)


def test_one_connection_listens_for_all_who_follow_and_only_to_what_they_follow(
    server: RedisServer,
) -> None:
    sessions = [f"ses_{number:016x}" for number in range(200)]

    async def scenario() -> None:
        async with store_at(server.port) as store:
            followers = [Follower(store, session_id) for session_id in sessions for _ in range(2)]
            async with following(*followers):
                await asyncio.gather(*(store.append(one, [Ready()], None) for one in sessions))
                await asyncio.gather(*(follower.until(1) for follower in followers))
                assert server.tell("CLIENT", "LIST", "TYPE", "pubsub").count(b"sub=200") == 1
            while server.tell("PUBSUB", "CHANNELS"):
                await asyncio.sleep(0.01)
            again = Follower(store, sessions[0])
            async with following(again):
                await again.until(1)

    run(scenario)


class Wire:
    """A connection that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.connected = 0
        self.asked: list[tuple[str | bytes, ...]] = []
        self.answers: asyncio.Queue[list[bytes | int]] = asyncio.Queue()

    async def connect(self) -> None:
        self.connected += 1

    async def disconnect(self, *, nowait: bool) -> None: ...

    async def send_command(self, *words: str | bytes) -> None:
        self.asked.append(words)

    async def read_response(self) -> list[bytes | int]:
        return await self.answers.get()

    async def until_asked(self, *words: str | bytes) -> None:
        while self.asked[-1:] != [words]:
            await asyncio.sleep(0)


def test_who_comes_back_at_once_waits_until_they_are_really_heard_again() -> None:
    """What the Redis says of the first time is no word on the second."""

    async def scenario() -> None:
        wire = Wire()
        news = News(lambda: wire, trouble=Trouble("here"))
        listening = asyncio.create_task(news.listen())
        with news.listening("news"):
            await wire.until_asked("SUBSCRIBE", b"news")
        await wire.until_asked("UNSUBSCRIBE", b"news")
        with news.listening("news") as listener:
            await wire.until_asked("SUBSCRIBE", b"news")
            told = asyncio.create_task(listener.next())
            wire.answers.put_nowait([b"subscribe", b"news", 1])
            wire.answers.put_nowait([b"unsubscribe", b"news", 0])
            for _ in range(20):  # turns of the loop, in which all of it is heard
                await asyncio.sleep(0)
            assert not told.done()
            wire.answers.put_nowait([b"subscribe", b"news", 1])
            assert await told is None
        listening.cancel()
        await asyncio.wait([listening])

    run(scenario)


def test_a_silence_is_noticed_also_while_much_is_asked_for() -> None:
    async def scenario() -> None:
        wire = Wire()
        news = News(lambda: wire, trouble=Trouble("here"), ping_seconds=0.05)
        listening = asyncio.create_task(news.listen())
        while wire.connected < 2:
            with news.listening("news"):
                await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.wait([listening])

    run(scenario)


# --- a Redis that goes and comes back ------------------------------------------------------


def test_nothing_is_lost_or_doubled_where_redis_is_killed(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as here, store_at(server.port) as there:
            followers = [Follower(here), Follower(there), Follower(there)]
            fence = await here.fence(SESSION, "deliverer")
            written: list[int] = []

            async def write() -> None:
                for number in range(120):
                    written.append(await append(here, fence, number))
                    await asyncio.sleep(0.005)

            async with following(*followers), asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(write())
                for _ in range(2):
                    await followers[1].until(len(written) + 10)
                    server.kill()
                    await asyncio.sleep(0.1)
                    server.start()
                await writing
                log = await there.read(SESSION)
                for follower in followers:
                    assert await follower.until(120) == log
            assert written == list(range(1, 121))
            assert ids(log) == [f"a{number}" for number in range(120)]

    run(scenario)


def test_what_is_done_is_not_done_again_where_its_answer_is_lost(server: RedisServer) -> None:
    """The command arrives, and the connection ends before the answer does."""
    account = of_day("2026-01-31", "here")

    async def scenario() -> None:
        async with bad_network(server.port) as network, store_at(network.port) as store:
            fence = await store.fence(SESSION, "producer")
            for number in range(5):
                network.cut_after(0)
                assert await append(store, fence, 2 * number, 2 * number + 1) == 2 * number + 2
                network.cut_after(0)
                await store.reserve({account: 10.0}, 1.0)
                network.cut_after(0)
                await store.settle([account], 1.0, 2.0)
            assert ids(await store.read(SESSION)) == [f"a{number}" for number in range(10)]
            assert network.connections > 15
            with pytest.raises(BudgetReached):
                await store.reserve({account: 10.0}, 0.000_000_001)
            await store.settle([account], 0.5, 0.0)
            await store.reserve({account: 10.0}, 0.5)

    run(scenario)


def test_what_is_done_is_not_done_again_where_redis_forgets_how_meanwhile(
    server: RedisServer,
) -> None:
    """One that was killed has its scripts no more, and says so when it is asked again."""

    async def scenario() -> None:
        async with bad_network(server.port) as network, store_at(network.port) as store:
            fence = await store.fence(SESSION, "deliverer")
            await append(store, fence, 0)
            network.cut_after(0)
            network.is_open = False
            writing = asyncio.create_task(append(store, fence, 1))
            while server.tell("XLEN", f"watchbuddy:{{{SESSION}}}:log") < 2:
                await asyncio.sleep(0.01)
            server.kill()
            server.start()
            network.is_open = True
            assert await writing == 2
            assert ids(await store.read(SESSION)) == ["a0", "a1"]

    run(scenario)


def test_several_that_lose_their_answers_together_are_done_once_each(server: RedisServer) -> None:
    async def scenario() -> None:
        async with bad_network(server.port) as network, store_at(network.port) as store:
            fence = await store.fence(SESSION, "producer")
            for first in range(0, 50, 10):
                network.cut_after(0)
                writing = [append(store, fence, number) for number in range(first, first + 10)]
                assert await asyncio.gather(*writing) == list(range(first + 1, first + 11))
            assert ids(await store.read(SESSION)) == [f"a{number}" for number in range(50)]

    run(scenario)


def test_what_was_refused_before_stays_refused_where_its_answer_is_lost(
    server: RedisServer,
) -> None:
    async def scenario() -> None:
        async with bad_network(server.port) as network, store_at(network.port) as store:
            old = await store.fence(SESSION, "deliverer")
            await append(store, old, 1)
            new = await store.fence(SESSION, "deliverer")
            network.cut_after(0)
            with pytest.raises(StaleFence):
                await append(store, old, 2)
            assert await append(store, new, 3) == 2

    run(scenario)


@pytest.mark.parametrize(
    ("refuses", "takes"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("CONFIG SET requirepass s3cret", "CONFIG SET requirepass ''"),
        ("EVAL 'while true do end' 0", "SCRIPT KILL"),
    ],
)
def test_what_may_have_been_written_is_not_given_up_by_who_would_write_it_again(
    server: RedisServer, refuses: str, takes: str
) -> None:
    """Else a window would stand in the log twice."""

    async def scenario() -> None:
        async with (
            bad_network(server.port) as network,
            store_at(network.port, patience_seconds=0.1) as store,
        ):
            fence = await store.fence(SESSION, "producer")
            assert await append(store, fence, 0) == 1
            await store.reserve({"day": 1.0}, 0.1)
            network.cut_after(0)
            network.is_open = False
            writing = asyncio.create_task(append(store, fence, 1))
            paying = asyncio.create_task(store.reserve({"day": 1.0}, 0.8))
            await asyncio.sleep(0.25)
            with pytest.raises(StoreFailed):
                await store.put(record())
            with pytest.raises(StoreFailed):
                await store.read(SESSION)
            assert not writing.done()
            assert not paying.done()
            server.tell("CONFIG", "SET", "lua-time-limit", 1)
            with connection_to(server) as begin, connection_to(server) as end:
                begin.sendall(f"{refuses}\r\n".encode())
                network.is_open = True
                await asyncio.sleep(0.15)
                assert not writing.done() or writing.result()
                end.sendall(f"{takes}\r\n".encode())
                assert end.recv(100) == b"+OK\r\n"
            assert await writing == 2
            assert ids(await store.read(SESSION)) == ["a0", "a1"]
            await paying
            with pytest.raises(BudgetReached):
                await store.reserve({"day": 1.0}, 0.2)

    run(scenario)


def test_a_connection_on_which_nothing_comes_any_more_is_noticed(server: RedisServer) -> None:
    async def scenario() -> None:
        async with (
            store_at(server.port) as there,
            bad_network(server.port) as network,
            store_at(network.port, reply_seconds=0.3) as here,
        ):
            follower = Follower(here)
            fence = await here.fence(SESSION, "deliverer")
            async with following(follower):
                await append(here, fence, 1)
                await follower.until(1)
                network.leave_hanging()
                await append(there, fence, 2)
                await follower.until(2)
                await append(here, fence, 3)
                assert ids(await follower.until(3)) == ["a1", "a2", "a3"]

    run(scenario)


_STEPS = st.lists(
    st.one_of(
        st.integers(1, 4).map(lambda count: ("append", count)),
        st.sampled_from(["cut", "cut gently", "hang", "shut", "open", "kill", "follow"]).map(
            lambda step: (step, 0)
        ),
        st.sampled_from([0, 1, 100, 300]).map(lambda count: ("cut after", count)),
        st.integers(1, 20).map(lambda milliseconds: ("wait", milliseconds)),
    ),
    min_size=3,
    max_size=15,
)


@examples(12)
@given(steps=_STEPS)
def test_whatever_is_cut_each_follower_reads_exactly_the_log(
    shared: RedisServer, steps: list[tuple[str, int]]
) -> None:
    async def scenario() -> None:
        shared.tell("FLUSHALL")
        async with (
            bad_network(shared.port) as network,
            store_at(network.port, reply_seconds=0.2) as store,
            store_at(shared.port) as other,
            asyncio.TaskGroup() as tasks,
        ):
            ours = await store.fence(SESSION, "deliverer")
            others = await other.fence(SESSION, "producer")
            followers: list[Follower] = []
            running: list[asyncio.Task[None]] = []
            writing: list[asyncio.Task[int]] = []
            count = 0
            for step, number in [*steps, ("open", 0), ("follow", 0)]:
                match step:
                    case "append":
                        numbers = range(count, count + number)
                        writing.append(tasks.create_task(append(store, ours, *numbers)))
                        writing.append(tasks.create_task(append(other, others, 1000 + count)))
                        count += number
                    case "wait":
                        await asyncio.sleep(number / 1000)
                    case "shut":  # who is cut from now on does not come back
                        network.is_open = False
                    case "open":
                        network.is_open = True
                    case "kill":
                        shared.kill()
                        shared.start()
                    case "cut":
                        network.cut()
                    case "cut gently":
                        network.cut(abruptly=False)
                    case "cut after":
                        network.cut_after(number)
                    case "hang":
                        network.leave_hanging()
                    case "follow":
                        after = max((task.result() for task in writing if task.done()), default=0)
                        followers.append(Follower(store, after=after))
                        running.append(tasks.create_task(followers[-1].follow()))
                await asyncio.sleep(0)
            await asyncio.gather(*writing)
            log = await other.read(SESSION)
            assert [id for id in ids(log) if int(id[1:]) < 1000] == [f"a{n}" for n in range(count)]
            assert len(ids(log)) == len(set(ids(log)))
            for follower in followers:
                behind = log[follower._after :]
                if behind:
                    await follower.until(behind[-1].position)
                assert follower.seen == behind
            for task in running:
                task.cancel()

    run(scenario)


def test_who_is_slow_reads_what_they_did_not_hear(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_news, "_MOST_WAITING", 20)

    async def scenario() -> None:
        async with store_at(server.port) as store:
            fence = await store.fence(SESSION, "producer")
            log = store.follow(SESSION)
            await append(store, fence, 0)
            seen = [await anext(log)]
            for number in range(1, 60):
                await append(store, fence, number)
            while len(seen) < 60:
                seen.append(await anext(log))
            assert seen == await store.read(SESSION)
            await log.aclose()

    run(scenario)


def test_what_nobody_has_told_is_read_before_what_is_told(server: RedisServer) -> None:
    def without_telling(position: int) -> None:
        log, entry = f"watchbuddy:{{{SESSION}}}:log", delivered(position).model_dump_json()
        server.tell("XADD", log, f"{position}-0", "e", entry)

    async def scenario() -> None:
        async with store_at(server.port) as store:
            await append_to(store, SESSION)
            async with anexts(store, 1) as log:
                without_telling(2)
                without_telling(3)
                entry = delivered(4).model_dump_json().encode()
                news = b"L4 %d:%b" % (len(entry), entry)
                server.tell("PUBLISH", f"watchbuddy:{{{SESSION}}}:news", news)
                assert ids([await anext(log) for _ in range(3)]) == ["a2", "a3", "a4"]

    run(scenario)


# --- a Redis that has lost something -------------------------------------------------------


def test_who_follows_a_log_that_is_lost_is_told_and_does_not_hang(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as here, store_at(server.port) as there:
            fence = await here.fence(SESSION, "deliverer")
            await append(here, fence, *range(5))
            async with anexts(there, 5) as log:
                server.tell("FLUSHALL")
                with pytest.raises(StoreFailed, match="is lost"):
                    await append(here, fence, 6)
                assert await append(here, await here.fence(SESSION, "deliverer"), 7) == 1
                with pytest.raises(StoreFailed, match="is lost"):
                    await anext(log)
            with pytest.raises(StaleFence):
                await append(here, fence, 8)

    run(scenario)


@pytest.mark.parametrize("grows", [False, True])
def test_who_follows_a_log_of_which_the_end_is_lost_is_told(
    server: RedisServer, *, grows: bool
) -> None:
    """As `appendfsync everysec` may lose it: the last entries, and who had taken what over."""

    async def scenario() -> None:
        file = server.folder / "appendonlydir" / "appendonly.aof.1.incr.aof"
        async with store_at(server.port) as here, bad_network(server.port) as network:
            await here.put(record())
            fence = await here.fence(SESSION, "deliverer")
            await append(here, fence, *range(3))
            kept = file.read_bytes()
            late = await here.fence(SESSION, "producer")
            await append(here, late, 3, 4)
            async with store_at(network.port) as there, anexts(there, 5) as log:
                network.is_open = False
                network.cut()
                server.kill()
                file.write_bytes(kept)
                server.start()
                # Nobody has taken its place, so that it may go on.
                assert await append(here, late, *((5, 6) if grows else ())) == (5 if grows else 3)
                network.is_open = True
                with pytest.raises(StoreFailed, match="is lost"):
                    await anext(log)
            assert (await here.fence(SESSION, "producer")).number > late.number

    run(scenario)


def test_the_operator_is_told_where_all_is_lost(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with bad_network(server.port) as network, store_at(network.port) as store:
            await store.check()
            network.cut()
            await store.check()
            assert not caplog.records
            server.tell("FLUSHALL")
            network.cut()
            await store.check()

    run(scenario)
    assert [one.message for one in caplog.records] == [
        "The Redis that keeps sessions has lost them all, or is another one."
        f" (127.0.0.1:{caplog.records[0].message.rpartition(':')[2]}"
    ]


# --- a Redis that is full ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "is full"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "is a replica, which takes nothing new."),
    ],
)
def test_who_watches_waits_for_room_and_nothing_new_is_begun(
    server: RedisServer, caplog: pytest.LogCaptureFixture, begin: str, end: str, said: str
) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as store:
            producer = await store.fence(SESSION, "producer")
            deliverer = await store.fence(SESSION, "deliverer")
            server.tell(*begin.split())
            watching = asyncio.create_task(append(store, deliverer, 1))
            behind = asyncio.create_task(append(store, deliverer, 2))
            for work in (
                lambda: append(store, producer, 3),
                lambda: store.put(record("ses_0000000000000002")),
                lambda: store.reserve({"day": 1.0}, 0.1),
                store.check,
            ):
                with pytest.raises(StorageFull, match=said):
                    await work()
            server.tell(*end.split())
            assert [await watching, await behind] == [1, 2]
            await store.put(record())

    run(scenario)
    told = [one.message for one in caplog.records]
    assert [one.partition(" (")[0] for one in told] == [
        f"The Redis that keeps sessions {said}",
        "The Redis that keeps sessions works again.",
    ]


def test_room_is_made_in_a_redis_that_is_full(server: RedisServer) -> None:
    async def scenario() -> None:
        async with bad_network(server.port) as network, store_at(network.port) as store:
            await store.put(record())
            await append_to(store, SESSION)
            server.tell("CONFIG", "SET", "maxmemory", 1)
            network.cut()
            await store.delete(SESSION)
            assert not await store.list()

    run(scenario)


def test_a_log_has_an_end_and_before_it_only_what_was_sent_is_kept(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "_MOST_ENTRIES", 10)

    async def scenario() -> None:
        async with store_at(server.port) as here, store_at(server.port) as there:
            early, late = Follower(there), Follower(there, after=6)
            fence = await here.fence(SESSION, "deliverer")
            async with following(early):
                await append(here, fence, *range(5))
                await early.until(5)
                wanted = [Wanted(position=1.0), delivered(5), Wanted(position=2.0)]
                assert await here.append(SESSION, wanted, fence) == 8
                async with following(late):
                    assert (await late.until(7))[0] == Logged(7, delivered(5))
                    await append(here, fence, 6, 7, 8, 9)
                    with pytest.raises(StorageFull, match="log of this session is full"):
                        await append(here, fence, 10)
                    assert await here.append(SESSION, [Wanted(position=3.0)], fence) == 13
                    assert [one.position for one in await early.until(13)] == list(range(1, 14))
                    assert [one.position for one in await late.until(13)][-5:] == [*range(9, 14)]
            kept = await there.read(SESSION)
            assert [one.position for one in kept] == [1, 2, 3, 4, 5, 7, 9, 10, 11, 12]
            async with anexts(there, 12, after=0, count=10):
                pass

    run(scenario)


def test_large_entries_are_kept_small(server: RedisServer) -> None:
    point = {"start": 1.0, "end": 2.0, "text": "They meet on the bridge, in the rain. " * 500}

    async def scenario() -> None:
        async with store_at(server.port) as store:
            entry = Outlined.model_validate({"points": [point]})
            await store.put(record())
            await store.append(SESSION, [entry], await store.fence(SESSION, "producer"))
            assert await store.read(SESSION) == [Logged(1, entry)]
            assert 6000 < await store.size_bytes() < 8000

    run(scenario)


# --- what stays behind ---------------------------------------------------------------------


def test_everything_expires_some_time(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port, keep_seconds=100.0) as store:
            made = record().model_copy(update={"caller": "here", "address": "192.0.2.1"})
            await store.put(made)
            await store.fence("ses_fenced", "producer")
            for session_id in (SESSION, "ses_unknown"):
                await append_to(store, session_id)
                store.publish(session_id, ProgressReport("fetching", 0.5, "half"))
            accounts = {of_session(SESSION): 1.0, of_day("2026-01-31", "here"): 1.0}
            await store.reserve(accounts, 0.5)
            await store.settle(accounts, 0.5, 0.1)
            await store.prefer("here", "ann", "quiet")
            cache = store.cache("drafts", most_bytes=1000)
            await cache.put("a", b"b")
            await cache.get("a")
            await store.note_needs({SESSION: 2.0})
            await store.check()
            while not server.tell("EXISTS", "watchbuddy:{ses_unknown}:progress"):
                await asyncio.sleep(0.01)

    run(scenario)
    lives = {key.decode(): server.tell("TTL", key) for key in server.tell("KEYS", "*")}
    assert lives.pop("watchbuddy:origin") == -1
    assert len(lives) > 15
    of_sessions = [name for name in lives if "{ses_" in name]
    assert len(of_sessions) == 9
    assert all(0 < lives[name] <= 3700 for name in of_sessions)
    assert all(0 < seconds <= 366 * 86400 for seconds in lives.values())


def test_a_session_that_has_expired_is_nowhere_any_more(server: RedisServer) -> None:
    async def scenario() -> None:
        made = record().model_copy(update={"caller": "here", "address": "192.0.2.1"})
        async with store_at(server.port, keep_seconds=-3599.0) as store:
            await store.put(made)
            await append_to(store, SESSION)
        async with store_at(server.port) as store:
            await store.put(made.model_copy(update={"session_id": "ses_0000000000000002"}))
            while server.tell("EXISTS", f"watchbuddy:{{{SESSION}}}:record"):
                await asyncio.sleep(0.01)
            assert [one.session_id for one in await store.list()] == ["ses_0000000000000002"]
            assert await store.count(caller="here", address="192.0.2.1") == 1
            assert [*await store.needs()] == ["ses_0000000000000002"]
            assert not await store.read(SESSION)
        for index in ("sessions", "needs", "caller:here", "address:192.0.2.1"):
            assert server.tell("ZCARD", f"watchbuddy:{index}") == 1

    run(scenario)


def test_a_session_that_is_put_again_counts_where_it_belongs_now(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as store:
            await store.put(record().model_copy(update={"caller": "a", "address": "192.0.2.1"}))
            await store.put(record().model_copy(update={"caller": "b"}))
            assert [await store.count(caller=one) for one in ("a", "b")] == [0, 1]
            assert await store.count(address="192.0.2.1") == 0
            assert await store.count() == 1

    run(scenario)


def test_a_deleted_session_leaves_no_key(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as store:
            await store.put(record())
            await append_to(store, SESSION)
            await store.reserve({of_session(SESSION): 1.0}, 0.5)
            await store.delete(SESSION)

    run(scenario)
    left = {key.decode().partition(":done")[0] for key in server.tell("KEYS", "*")}
    assert left == {"watchbuddy:origin", "watchbuddy"}


# --- what is no Redis that will do ---------------------------------------------------------


def complaint(url: str) -> str:
    async def enter() -> None:
        async with asyncio.timeout(PATIENCE):
            async with RedisStore(url, reply_seconds=0.5, patience_seconds=0.3):
                pass

    with pytest.raises(StoreFailed) as refused:
        asyncio.run(enter())
    assert "s3cret" not in f"{refused.value} {RedisStore(url)!r}"
    return refused.value.message


def test_what_cannot_be_reached_is_told_with_its_place(server: RedisServer) -> None:
    server.kill()
    said = complaint(f"redis://:s3cret@127.0.0.1:{server.port}/0")
    assert said == (
        "The Redis that keeps sessions cannot be reached: Connect call failed"
        f" (127.0.0.1:{server.port})."
    )
    assert "No such file" in complaint("unix://ann:s3cret@/nowhere/redis.sock")


def test_a_password_that_is_wrong_or_missing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server("--requirepass", "right") as server:
        for user in ("", ":s3cret@", "ann:s3cret@"):
            said = complaint(f"redis://{user}127.0.0.1:{server.port}/0")
            assert "wants a user and a password, or others than these" in said

        async def scenario() -> None:
            async with RedisStore(f"redis://:right@127.0.0.1:{server.port}/3") as store:
                await store.check()

        run(scenario)
    assert "s3cret" not in caplog.text


def test_a_database_that_is_not_there_is_told(server: RedisServer) -> None:
    said = complaint(f"redis://127.0.0.1:{server.port}/99")
    assert "has no database of this number" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is something else"),
        (None, "does not answer"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "still reading what it has kept"),
        (b"-ERR max number of clients reached\r\n", "cannot be reached"),
    ],
)
def test_what_answers_otherwise_is_told(answer: bytes | None, said: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):  # also where the loop ends first
            while await reader.read(1000):
                if answer is not None:
                    writer.write(answer)

    async def scenario() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            assert said in await asyncio.to_thread(complaint, f"redis://127.0.0.1:{port}")

    run(scenario)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ("redis_version:6.2.0", None),
        ("redis_version:8.0-m04", None),
        ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1", None),
        ("redis_version:10.0.1\r\nrole:master\r\ncluster_enabled:0", None),
        ("redis_version:6.0.16", "of version 6.0.16: it takes 6.2 or later"),
        ("redis_version:7.0.0\r\nrole:slave", "is a replica"),
        ("redis_version:7.0.0\r\ncluster_enabled:1", "one of a cluster"),
    ],
)
def test_it_is_looked_whether_a_redis_will_do(told: str, problem: str | None) -> None:
    found = Facts.read(f"# Server\r\n{told}\r\n".encode()).problem()
    assert (problem in found) if found and problem else (found is problem)


def test_a_redis_that_will_lose_sessions_is_told_at_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = ("--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with redis_server(*options) as server:

        async def scenario() -> None:
            async with store_at(server.port):
                pass

        run(scenario)
    told = [one.message for one in caplog.records]
    assert len(told) == 2
    assert "set `maxmemory-policy noeviction`" in told[0]
    assert "set `appendonly yes`" in told[1]


def test_that_it_is_away_is_told_once_and_that_it_is_back(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with store_at(server.port, patience_seconds=0.2) as store:
            follower = Follower(store)
            async with following(follower):
                await append_to(store, SESSION)
                await follower.until(1)
                server.kill()
                for _ in range(3):
                    with pytest.raises(StoreFailed):
                        await store.check()
                server.start()
                while len(caplog.records) < 2:
                    with suppress(StoreFailed):
                        await store.check()
                    await asyncio.sleep(0.01)

    run(scenario)
    told = [one.message for one in caplog.records]
    assert [one.partition(":")[0].partition(" (")[0] for one in told] == [
        "The Redis that keeps sessions cannot be reached",
        "The Redis that keeps sessions works again.",
    ]


def test_that_it_is_back_is_told_also_where_a_connection_is_wanted_no_more(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_failures, "_TRIED_WITHIN", 0.1)

    async def scenario() -> None:
        async with store_at(server.port, patience_seconds=0.2) as store:
            server.kill()
            for work in (store.list, store.check):
                with pytest.raises(StoreFailed):
                    await work()
            server.start()
            while "works again" not in caplog.text:
                with suppress(StoreFailed):
                    await store.prefer("here", "ann", "quiet")
                await asyncio.sleep(0.01)

    run(scenario)


def test_what_cannot_be_said_is_nobody_elses_failure(server: RedisServer) -> None:
    async def scenario() -> None:
        async with store_at(server.port) as store:
            with pytest.raises(UnicodeEncodeError):
                await store.count(caller="\ud800")
            assert await store.count(caller="here") == 0

    run(scenario)


def test_who_waits_when_the_store_is_closed_is_told(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_line, "_CLOSING_SECONDS", 0.1)

    async def scenario() -> None:
        async with bad_network(server.port) as network:
            connect = Address(f"redis://127.0.0.1:{network.port}").connector("test", 30.0)
            async with Line(connect, trouble=Trouble("here"), reply_seconds=30.0).open() as line:
                await line.ask("PING")
                network.stop()
                under_way = asyncio.create_task(line.ask("PING"))
                await asyncio.sleep(0.05)
                waiting = asyncio.create_task(line.ask("PING"))
                await asyncio.sleep(0)
            told = await asyncio.gather(under_way, waiting, return_exceptions=True)
            assert [type(one) for one in told] == [StoreFailed] * 2
            with pytest.raises(StoreFailed, match="ends"):
                await line.ask("PING")

    run(scenario)


def connection_to(server: RedisServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port))


async def append_to(store: RedisStore, session_id: str) -> None:
    fence = await store.fence(session_id, "deliverer")
    await store.append(session_id, [delivered(1)], fence)


@asynccontextmanager
async def anexts(
    store: RedisStore, position: int, *, after: int = 0, count: int | None = None
) -> AsyncIterator[AsyncIterator[Logged]]:
    """Somebody who follows, and has read up to that position."""
    log = store.follow(SESSION, after)
    seen = [await anext(log)]
    while seen[-1].position < position:
        seen.append(await anext(log))
    assert count in (None, len(seen))
    yield log
    await log.aclose()
