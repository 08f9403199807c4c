"""What processes count together in Redis, and each by itself while there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from event_loop import in_event_loop
from patience import PATIENCE
from redis_server import RedisServer

from watchbuddy_core.errors import RateLimited, StoreFailed
from watchbuddy_core.rates import Rate
from watchbuddy_core.settings import Limits
from watchbuddy_core.stores import redis_commons
from watchbuddy_core.stores.alone import Alone
from watchbuddy_core.stores.redis import RedisStore
from watchbuddy_core.stores.redis_commons import RedisCommons
from watchbuddy_core.stores.redis_line import Patience, Script
from watchbuddy_core.tickets import Tickets
from watchbuddy_server.traffic import Traffic

FILM, SERIES = "ses_a8d3f8b9c1e04a5f", "ses_b8d3f8b9c1e04a5f"
HERE, THERE = "192.0.2.1", "192.0.2.9"


@asynccontextmanager
async def processes(redis: RedisServer, count: int = 2) -> AsyncIterator[list[RedisCommons]]:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(RedisStore(redis.url)) for _ in range(count)]
        yield [store.commons for store in stores]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await holds():
            await asyncio.sleep(0.02)


async def is_free(commons: RedisCommons, place: str, most: int) -> bool:
    async with commons.hold({place: most}) as is_held:
        return is_held


# --- rates -----------------------------------------------------------------------------


@in_event_loop
async def test_what_one_process_has_let_through_another_counts(redis: RedisServer) -> None:
    async with processes(redis) as (one, other):
        limits = Limits(requests_per_minute=2)
        here, there = Traffic(limits, one), Traffic(limits, other)
        for traffic in (here, there):
            await traffic.request(HERE)
        for traffic in (here, there):
            with pytest.raises(RateLimited) as refused:
                await traffic.request(HERE)
            assert 0 < (refused.value.retry_after or 0) <= 30
        await there.request(THERE)
        await there.upload(HERE)


@in_event_loop
async def test_a_rate_in_redis_is_the_rate_in_memory(redis: RedisServer) -> None:
    async with processes(redis) as (one, other):
        for count in (1, 3, 7, 1000):  # of more, one is there again while others are taken
            name = f"by-{count}"
            rates = {name: Rate(count, 60.0)}
            together = [one.rates(rates), other.rates(rates)]
            alone = Alone(now=lambda: 5.0).rates(rates)
            for number in range(min(count, 20)):
                assert await together[number % 2].take((name, HERE)) == 0
                assert await alone.take((name, HERE)) == 0
            if count <= 3:
                assert await alone.take((name, HERE)) == pytest.approx(60 / count)
                # As long again, but for what has passed since.
                assert 0 < await together[0].take((name, HERE)) <= 60 / count


@in_event_loop
async def test_all_of_several_rates_are_counted_or_none(redis: RedisServer) -> None:
    async with processes(redis) as (one, other):
        limits = Limits(creations_per_minute=2, creations_per_minute_per_address=3)
        here, there = Traffic(limits, one), Traffic(limits, other)
        await here.create("anna", HERE)
        await there.create("anna", HERE)
        for traffic in (here, there, here):
            with pytest.raises(RateLimited):
                await traffic.create("anna", HERE)
        await there.create("ben", HERE)  # what was refused was not counted for the address
        with pytest.raises(RateLimited):
            await here.create("carl", HERE)


@in_event_loop
async def test_a_rate_leaves_nothing_in_redis_when_it_is_full_again(redis: RedisServer) -> None:
    async with processes(redis, 1) as (one,):
        rates = one.rates({"quick": Rate(2, 0.1)})
        await rates.take(("quick", HERE))
        assert redis.tell("PTTL", f"watchbuddy:rate:quick:{HERE}") <= 50
        await asyncio.sleep(0.06)
        assert not redis.tell("EXISTS", f"watchbuddy:rate:quick:{HERE}")


# --- connections -----------------------------------------------------------------------


@in_event_loop
async def test_connections_are_bounded_over_all_processes(redis: RedisServer) -> None:
    async with processes(redis) as (one, other):
        limits = Limits(connections_per_address=2, connections_per_session=2)
        here, there = Traffic(limits, one), Traffic(limits, other)
        async with here.connection(FILM, HERE), there.connection(FILM, THERE):
            for traffic in (here, there):
                with pytest.raises(RateLimited):
                    async with traffic.connection(FILM, "192.0.2.77"):
                        pytest.fail("the session has two already")
            async with there.connection(SERIES, HERE):
                with pytest.raises(RateLimited):
                    async with here.connection("ses_0", HERE):
                        pytest.fail("the address has two already")
        # What is given back is free for the other, a moment later.
        await until(lambda: is_free(other, f"session {FILM}", 1))
        await until(lambda: is_free(one, f"address {HERE}", 1))
        assert not redis.tell("KEYS", "watchbuddy:places:*") or await _is_given_back(redis)


async def _is_given_back(redis: RedisServer) -> bool:
    async def nothing_is_held() -> bool:
        return not redis.tell("KEYS", "watchbuddy:places:*")

    await until(nothing_is_held)
    return True


@in_event_loop
async def test_many_who_come_at_once_get_no_more_than_there_is(redis: RedisServer) -> None:
    async with processes(redis, 3) as all_of_them:
        gone = asyncio.Event()
        held = []

        async def come(commons: RedisCommons) -> None:
            async with commons.hold({"address x": 10}) as is_held:
                held.append(is_held)
                await gone.wait()

        async with asyncio.TaskGroup() as tasks:
            for number in range(60):
                tasks.create_task(come(all_of_them[number % 3]))
            await until(lambda: asyncio.sleep(0, len(held) == 60))
            assert held.count(True) == 10
            gone.set()


@in_event_loop
async def test_what_a_killed_process_held_is_free_a_while_later(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_commons, "_RENEW_SECONDS", 0.05)
    async with processes(redis) as (killed, other), killed.hold({"session x": 1}):
        process = f"watchbuddy:process:{killed._places._process}"

        async def is_renewed() -> bool:
            return bool(18_000 < redis.tell("PTTL", process) <= 20_000)

        await until(is_renewed)
        redis.tell("PEXPIRE", process, 10_000)
        await until(is_renewed)
        assert not await is_free(other, "session x", 1)
        monkeypatch.setattr(killed._places, "_tell", lambda: asyncio.sleep(0))
        redis.tell("PEXPIRE", process, 1)
        await until(lambda: is_free(other, "session x", 1))


@in_event_loop
async def test_what_a_process_held_that_has_ended_is_free_at_once(redis: RedisServer) -> None:
    async with processes(redis, 1) as (other,), AsyncExitStack() as connection:
        async with RedisStore(redis.url) as store:
            await connection.enter_async_context(store.commons.hold({"session x": 1}))
            assert not await is_free(other, "session x", 1)
        assert await is_free(other, "session x", 1)


@in_event_loop
async def test_a_redis_that_has_lost_what_is_held_is_told_again(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_commons, "_RENEW_SECONDS", 0.05)
    async with processes(redis) as (one, other), one.hold({"session x": 1}):
        redis.tell("FLUSHALL")

        async def is_taken() -> bool:
            return not await is_free(other, "session x", 1)

        await until(is_taken)


# --- without Redis ---------------------------------------------------------------------


@in_event_loop
async def test_without_redis_each_process_counts_for_itself_and_says_so_once(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(redis) as (one, other):
        limits = Limits(requests_per_minute=2, connections_per_session=1)
        here, there = Traffic(limits, one), Traffic(limits, other)
        await all_answered(one, other)
        async with here.connection(FILM, HERE), redis_away(redis, monkeypatch):
            for traffic in (here, there):
                await traffic.request(HERE)
                await traffic.request(HERE)
                with pytest.raises(RateLimited):
                    await traffic.request(HERE)
            with pytest.raises(RateLimited):
                async with here.connection(FILM, HERE):
                    pytest.fail("this process knows that it has one")
            async with there.connection(FILM, HERE):  # and that one does not
                pass
        said = [one.message for one in caplog.records if "this process alone" in one.message]
        assert len(said) == 2


@in_event_loop
async def test_a_process_that_bounds_nobody_says_nothing_of_limits(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(redis, 1) as (worker,), redis_away(redis, monkeypatch):

        async def is_noticed() -> bool:
            return not worker._redis._answers

        await until(is_noticed)
        assert "limits" not in caplog.text
        await Traffic(Limits(), worker).request(HERE)
        assert caplog.text.count("this process alone") == 1


@in_event_loop
async def test_nobody_waits_twice_for_a_redis_that_is_away(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(redis, 1) as (one,):
        asked = []
        await all_answered(one)
        ask = one._redis.try_to_run

        async def noting(script: Script, *rest: Any) -> Any:
            asked.append(script)
            return await ask(script, *rest)

        monkeypatch.setattr(one._redis, "try_to_run", noting)
        traffic = Traffic(Limits(), one)
        async with redis_away(redis, monkeypatch):
            for _ in range(20):
                await traffic.request(HERE)
                async with traffic.connection(FILM, HERE):
                    pass
        assert len(asked) - asked.count(redis_commons._TELL) <= 1


@in_event_loop
async def test_what_begins_and_ends_while_redis_is_away_is_told_when_it_is_back(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_commons, "_RENEW_SECONDS", 0.05)
    in_vain = 0

    async def telling() -> None:
        nonlocal in_vain
        try:
            await tell()
        except Exception:
            in_vain += 1
            raise

    async def told_in_vain() -> bool:
        return in_vain >= 2

    async with processes(redis) as (one, other), AsyncExitStack() as beginning:
        tell = one._places._tell
        monkeypatch.setattr(one._places, "_tell", telling)
        async with AsyncExitStack() as ending:
            assert await ending.enter_async_context(one.hold({"session ends": 1}))
            async with redis_away(redis, monkeypatch):
                assert await beginning.enter_async_context(one.hold({"session begins": 1}))
                await ending.aclose()
                in_vain = 0
                await until(told_in_vain)

        async def is_told() -> bool:
            is_begun = not await is_free(other, "session begins", 1)
            return is_begun and await is_free(other, "session ends", 1)

        await until(is_told)


@asynccontextmanager
async def redis_away(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """It is killed, and starts again; a limit waits less for it meanwhile."""
    with monkeypatch.context() as meanwhile:
        redis.kill()
        meanwhile.setattr(redis_commons, "_HASTE", Patience(0.1))
        try:
            yield
        finally:
            redis.start()


async def all_answered(*commons: RedisCommons) -> None:
    async def answered() -> bool:
        return all(one._redis._answers for one in commons)

    await until(answered)


# --- tickets ---------------------------------------------------------------------------


@in_event_loop
async def test_a_ticket_of_one_process_is_taken_by_another_and_once_in_all(
    redis: RedisServer,
) -> None:
    async with processes(redis, 3) as all_of_them:
        tickets = [Tickets(commons) for commons in all_of_them]
        to_connect = await tickets[0].give("connect", FILM)
        assert not await tickets[1].take(to_connect, "connect", SERIES)
        tries = (one.take(to_connect, "connect", FILM) for one in (*tickets, *tickets))
        assert sorted(await asyncio.gather(*tries)) == [False] * 5 + [True]
        to_watch = await tickets[1].give("media", FILM)
        for one in (*tickets, *tickets):
            assert await one.take(to_watch, "media", FILM)
        used = redis.tell("KEYS", "watchbuddy:tickets:used:*")
        assert [0 < redis.tell("TTL", key) <= 90 for key in used] == [True]


@in_event_loop
async def test_a_ticket_outlives_the_process_that_gave_it(redis: RedisServer) -> None:
    async with processes(redis, 1) as (one,):
        ticket = await Tickets(one).give("media", FILM)
    async with processes(redis, 1) as (one,):
        assert await Tickets(one).take(ticket, "media", FILM)


@in_event_loop
async def test_a_ticket_to_connect_is_not_taken_while_nobody_knows_whether_it_was_used(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_commons, "_PATIENCE", Patience(0.1))
    async with processes(redis) as (one, other):
        here, there = Tickets(one), Tickets(other)
        to_connect = await here.give("connect", FILM)
        to_watch = await here.give("media", FILM)
        redis.kill()
        try:
            with pytest.raises(StoreFailed):
                await here.take(to_connect, "connect", FILM)
            with pytest.raises(StoreFailed):
                await there.give("connect", FILM)
            assert await here.take(to_watch, "media", FILM)  # the key is known
        finally:
            redis.start()
        assert await there.take(to_connect, "connect", FILM)
        assert not await here.take(to_connect, "connect", FILM)


@in_event_loop
async def test_a_key_that_redis_has_lost_is_agreed_on_anew(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(redis) as (one, other):
        before = await one.ticket_key()
        assert await other.ticket_key() == before
        redis.tell("DEL", "watchbuddy:tickets:key")
        assert await one.ticket_key() == before
        monkeypatch.setattr(redis_commons, "_KEY_SECONDS", 0.0)
        after = await one.ticket_key()
        assert after != before
        assert await other.ticket_key() == after
