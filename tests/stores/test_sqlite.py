"""The SQLite store: what is durable, what is refused, and what happens when the disk fails."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from patience import PATIENCE

from watchbuddy_core.accounts import of_day, of_session
from watchbuddy_core.entries import Asked, Ready, Stage, Wanted
from watchbuddy_core.errors import BudgetReached, StorageFull, StoreFailed
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores import sqlite, sqlite_archive, sqlite_file
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.stores.sqlite_archive import SQLiteArchive
from watchbuddy_core.stores.sqlite_file import MIGRATIONS

SESSION = "ses_0000000000000001"


def opened(path: Path, scenario: Callable[[SQLiteStore], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE), SQLiteStore(path, retry_seconds=0.1) as store:
            await scenario(store)

    asyncio.run(main())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.sqlite"


def test_everything_is_there_again_when_it_is_opened_again(path: Path) -> None:
    record = SessionRecord(
        session_id=SESSION, video_url="library:a.mp4", character_id="miao", created_at=1.0
    )

    async def first(store: SQLiteStore) -> None:
        await store.put(record)
        fence = await store.fence(SESSION, "producer")
        await store.append(SESSION, [Stage(stage="fetching", title="Film"), Ready()], fence)
        await store.reserve({"day": 1.0}, 0.25)
        await store.prefer("here", "ann", "quiet")

    async def second(store: SQLiteStore) -> None:
        assert await store.list() == (record,)
        assert [one.entry for one in await store.read(SESSION)] == [
            Stage(stage="fetching", title="Film"),
            Ready(),
        ]
        fence = await store.fence(SESSION, "producer")
        assert fence.number == 2
        assert await store.append(SESSION, [Ready()], fence) == 3
        assert await store.preference("here", "ann") == "quiet"

    opened(path, first)
    opened(path, second)


def test_what_append_has_returned_survives_kill_9(path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from watchbuddy_core.accounts import of_day, of_session
from watchbuddy_core.entries import Asked, Wanted
from watchbuddy_core.stores import sqlite, sqlite_archive, sqlite_file
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.stores.sqlite_archive import SQLiteArchive
from watchbuddy_core.stores.sqlite_file import MIGRATIONS

async def main():
    async with SQLiteStore(Path(sys.argv[1])) as store:
        fence = await store.fence(sys.argv[2], "deliverer")
        for second in range(100_000):
            print(await store.append(sys.argv[2], [Wanted(position=float(second))], fence))

asyncio.run(main())
"""
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", program, str(path), SESSION], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(200)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    child.stdout.close()

    async def check(store: SQLiteStore) -> None:
        logged = await store.read(SESSION)
        assert len(logged) in (len(told), len(told) + 1)
        assert [one.position for one in logged] == list(range(1, len(logged) + 1))

    opened(path, check)


def test_what_is_asked_for_together_is_written_together(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        sessions = [f"ses_{number:016x}" for number in range(300)]
        fences = await asyncio.gather(*(store.fence(one, "deliverer") for one in sessions))
        commits: list[str] = []
        await store._writer.database.set_trace_callback(
            lambda statement: commits.append(statement) if statement == "COMMIT" else None
        )
        pairs = zip(sessions, fences, strict=True)
        await asyncio.gather(
            *(store.append(one, [Wanted(position=1.0)], fence) for one, fence in pairs)
        )
        assert 1 <= len(commits) <= 3

    opened(path, scenario)


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    async def nothing(store: SQLiteStore) -> None:
        pass

    opened(path, nothing)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="newer version"):
        opened(path, nothing)
    assert path.read_bytes() == before


@pytest.fixture
def old(path: Path) -> Path:
    """A file as the first version wrote it."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript((Path(__file__).parent / "version_1.sql").read_text())
    return path


OLD = SessionRecord(
    session_id=SESSION,
    video_url="library:a.mp4",
    text="be kind",
    character_id="miao",
    user_id="ann",
    caller="192.0.2.1",
    created_at=1.0,
)


def test_a_file_of_the_first_version_is_brought_forward_with_all_that_is_in_it(old: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        assert await store._pragma("user_version") == len(MIGRATIONS)
        assert await store._pragma("auto_vacuum") == 2
        assert await store.list() == (OLD,)
        assert await store.count(caller="192.0.2.1") == 1
        assert await store.needs() == {SESSION: 1.0}
        logged = [one.entry for one in await store.read(SESSION)]
        assert logged == [Stage(stage="fetching", title="Film"), Ready()]
        fence = await store.fence(SESSION, "producer")
        assert fence.number == 4
        assert await store.append(SESSION, [Ready()], fence) == 3
        with pytest.raises(BudgetReached):
            await store.reserve({"2026-01-31/192.0.2.1": 0.25}, 0.01)
        assert await store.preference("192.0.2.1", "ann") == "quiet"
        await store.cache("ours", most_bytes=1000).put("a", b"value")
        assert await store.cache("ours", most_bytes=1000).get("a") == b"value"
        await store.put(OLD.model_copy(update={"address": "192.0.2.1"}))
        assert await store.count(address="192.0.2.1") == await store.count() == 1

    opened(old, scenario)
    opened(old, lambda store: store.prefer("here", "ann", "chatty"))


def test_a_file_of_the_first_version_can_be_read_and_copied_before_it_is_brought_forward(
    old: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with SQLiteArchive(old) as archive:
            assert await archive.list() == (OLD,)
            await archive.back_up(tmp_path / "copy.sqlite")

    asyncio.run(scenario())
    with closing(sqlite3.connect(old)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)

    async def look(store: SQLiteStore) -> None:
        assert await store.list() == (OLD,)

    opened(tmp_path / "copy.sqlite", look)


def test_a_step_forward_that_fails_leaves_the_file_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (*MIGRATIONS, "CREATE TABLE more (id INTEGER); CREATE TABLE more (id INTEGER);")
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file, "MIGRATIONS", broken)
        with pytest.raises(StoreFailed, match="already exists"):
            opened(old, lambda store: store.prefer("here", "ann", "chatty"))

    async def scenario(store: SQLiteStore) -> None:
        assert await store.list() == (OLD,)
        assert not await store._read("SELECT 1 FROM sqlite_schema WHERE name = 'more'")

    opened(old, scenario)


def test_counting_reads_no_record(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        assert await store.count() == 0

    opened(path, scenario)
    with closing(sqlite3.connect(path)) as database:
        for where in ("TRUE", "caller = 'a'", "address = 'a'"):
            explained = f"EXPLAIN QUERY PLAN SELECT count(*) FROM sessions WHERE {where}"
            plan = database.execute(explained).fetchall()
            assert "USING COVERING INDEX" in plan[0][3], plan


def test_a_file_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
        database.commit()
    before = path.read_bytes()

    async def nothing(store: SQLiteStore) -> None:
        pass

    with pytest.raises(StoreFailed, match="another program"):
        opened(path, nothing)
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to look like something" * 20)

    async def nothing(store: SQLiteStore) -> None:
        pass

    with pytest.raises(StoreFailed):
        opened(path, nothing)
    assert path.read_bytes().startswith(b"no database")


def test_a_folder_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    async def nothing(store: SQLiteStore) -> None:
        pass

    with pytest.raises(StoreFailed, match="--data-dir"):
        opened(tmp_path / "data" / "sessions.sqlite", nothing)


@pytest.mark.skipif(sys.platform == "win32", reason="other modes there")
def test_nobody_else_at_the_machine_reads_what_is_kept(path: Path) -> None:
    """An id of a session is the key to it. Also where the folder was there, and open to all."""

    async def scenario(store: SQLiteStore) -> None:
        await store.put(OLD)
        found = {file.name: file.stat().st_mode & 0o077 for file in path.parent.iterdir()}
        del found["sessions.lock"]
        assert found == dict.fromkeys(found, 0)

    opened(path, scenario)
    assert path.parent.stat().st_mode & 0o077 == 0
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.chmod(0o755)
    opened(path, scenario)


def test_two_programs_do_not_share_a_file(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        with pytest.raises(StoreFailed, match="Another watchbuddy"):
            async with SQLiteStore(path):
                pass

    opened(path, scenario)
    opened(path, lambda store: store.prefer("here", "ann", "quiet"))


def record(session_id: str) -> SessionRecord:
    return SessionRecord(
        session_id=session_id, video_url="library:a.mp4", character_id="miao", created_at=1.0
    )


LOOKED = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(*(row[0] for row in database.execute("SELECT session_id FROM sessions ORDER BY session_id")))
database.close()
"""


def test_another_program_that_looks_in_takes_nothing_along(path: Path) -> None:
    """It is another process: locks within one are no locks. The last one to close a file of
    SQLite's removes its journal, so each has to know of the others."""

    async def look() -> str:
        looking = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LOOKED, path, stdout=asyncio.subprocess.PIPE
        )
        return (await looking.communicate())[0].decode().strip()

    async def scenario(store: SQLiteStore) -> None:
        await store.put(record("ses_1"))
        assert await look() == "ses_1"
        async with SQLiteArchive(path) as archive:
            assert len(await archive.list()) == 1
        await store.put(record("ses_2"))
        assert await look() == "ses_1 ses_2"
        await store.put(record("ses_3"))
        assert await look() == "ses_1 ses_2 ses_3"

    opened(path, scenario)
    assert asyncio.run(look()) == "ses_1 ses_2 ses_3"


def test_a_full_disk_is_told_and_nothing_is_half_written(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        fence = await store.fence(SESSION, "producer")
        await store.append(SESSION, [Stage(stage="fetching")], fence)
        async with store._writer.database.execute("PRAGMA page_count") as found:
            row = await found.fetchone()
        assert row is not None
        await store._writer.database.execute(f"PRAGMA max_page_count = {row[0] + 1}")
        large = Stage(stage="fetching", title="x" * 50_000)
        with pytest.raises(StorageFull):
            await store.append(SESSION, [large, large], fence)
        assert len(await store.read(SESSION)) == 1
        await store._writer.database.execute("PRAGMA max_page_count = 1000000")
        while True:
            try:
                assert await store.append(SESSION, [large], fence) == 2
                break
            except StorageFull:
                await asyncio.sleep(0.02)

    opened(path, scenario)


def test_a_refusal_that_nobody_waits_for_any_more_is_no_failure(path: Path) -> None:
    told: list[object] = []

    async def scenario(store: SQLiteStore) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        older = await store.fence(SESSION, "deliverer")
        await store.fence(SESSION, "deliverer")
        appending = asyncio.create_task(store.append(SESSION, [Ready()], older))
        await asyncio.sleep(0)
        appending.cancel()
        await asyncio.wait([appending])
        del appending
        for _ in range(2):  # it may have been written together with the first
            await store.check()
        gc.collect()

    opened(path, scenario)
    assert told == []


def test_who_is_cancelled_does_not_take_back_what_is_being_written(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        fence = await store.fence(SESSION, "deliverer")
        task = asyncio.create_task(store.append(SESSION, [Ready()], fence))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await store.append(SESSION, [Ready()], fence) == 2

    opened(path, scenario)


# --- all that is kept of a user ------------------------------------------------------------


def test_nothing_is_left_of_a_user_who_is_forgotten_and_others_keep_theirs(path: Path) -> None:
    def record_of(user_id: str, number: int) -> SessionRecord:
        return SessionRecord(
            session_id=f"ses_{number}",
            video_url="library:a.mp4",
            text=f"the wish of {user_id}",
            character_id="miao",
            user_id=user_id,
            caller="here",
            created_at=1.0,
        )

    users = ["ann", "bob", "joann", "here"]

    async def fill(store: SQLiteStore) -> None:
        for number, user in enumerate(users):
            one = record_of(user, number)
            await store.put(one)
            fence = await store.fence(one.session_id, "deliverer")
            asked = [
                Asked(message_id=str(n), text=f"{user} says {'so ' * 500}", position=1.0)
                for n in range(10)
            ]
            await store.append(one.session_id, asked, fence)
            await store.prefer("here", user, "quiet")
            await store.prefer("there", user, "chatty")
            accounts = [of_session(one.session_id), of_day("2026-01-31", "here", user)]
            await store.reserve(dict.fromkeys(accounts, 1.0), 0.25)
        await store.reserve({of_day("2026-01-31", "here"): 1.0}, 0.25)
        async with SQLiteArchive(path) as archive:
            assert await archive.preferences("ann") == {"here": "quiet", "there": "chatty"}
            assert await archive.spent(user_id="ann") == {of_day("2026-01-31", "here", "ann"): 0.25}
            assert await archive.spent(session_id="ses_0") == {"session/ses_0": 0.25}

    async def forget(store: SQLiteStore) -> None:
        assert await store.forget_user("ann") == 1
        assert [one.user_id for one in await store.list()] == users[1:]
        async with SQLiteArchive(path) as archive:
            assert not await archive.preferences("ann")
            assert not await archive.spent(user_id="ann", session_id="ses_0")
            for number, user in enumerate(users[1:], 1):
                assert len(await archive.preferences(user)) == 2
                assert len(await archive.spent(user_id=user, session_id=f"ses_{number}")) == 2
                assert len(await archive.read(f"ses_{number}")) == 10
        with pytest.raises(BudgetReached):
            await store.reserve({of_day("2026-01-31", "here"): 0.25}, 0.1)

    opened(path, fill)
    assert b"ann says" in path.read_bytes()
    opened(path, forget)
    left = path.read_bytes()
    assert b"the wish of ann" not in left
    assert b'"ann says' not in left
    assert b'"joann says' in left


# --- how large the file is -----------------------------------------------------------------


def test_the_oldest_preferences_are_forgotten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MOST_PREFERENCES", 3)

    async def scenario(store: SQLiteStore) -> None:
        for user in ("ann", "bob", "eve", "joe", "ann"):
            await store.prefer("here", user, "quiet")
        await store.shrink()
        kept = [await store.preference("here", user) for user in ("ann", "bob", "eve", "joe")]
        assert kept == ["quiet", None, "quiet", "quiet"]

    opened(path, scenario)


async def grow(store: SQLiteStore, sessions: int) -> None:
    """Most of a megabyte a session."""
    entries = [Stage(stage="fetching", title=os.urandom(2500).hex()) for _ in range(100)]
    for number in range(sessions):
        session_id = f"ses_{number:016x}"
        await store.append(session_id, entries, await store.fence(session_id, "producer"))


def on_disk(path: Path) -> int:
    return path.stat().st_size


def test_what_was_deleted_is_given_back_to_the_disk(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        await grow(store, 8)
        large = await store.size_bytes()
        assert large > 4_000_000
        for number in range(7):
            await store.delete(f"ses_{number:016x}")
        assert await store.size_bytes() < large / 5
        before = on_disk(path)
        await store.shrink()
        assert on_disk(path) < before / 2
        assert len(await store.read(f"ses_{7:016x}")) == 100
        wal = path.with_name(f"{path.name}-wal")
        assert on_disk(wal) <= 16_000_000

    opened(path, scenario)


def test_what_is_cached_does_not_count(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        before = await store.size_bytes()
        await store.cache("ours", most_bytes=10_000_000).put("a", os.urandom(1_000_000))
        assert await store.size_bytes() - before < 20_000

    opened(path, scenario)


# --- caches --------------------------------------------------------------------------------


def test_caches_are_there_again_when_the_file_is_opened_again(path: Path) -> None:
    async def first(store: SQLiteStore) -> None:
        await store.cache("ours", most_bytes=10_000).put("a", b"value")

    async def second(store: SQLiteStore) -> None:
        assert await store.cache("ours", most_bytes=10_000).get("a") == b"value"

    opened(path, first)
    opened(path, second)


def test_a_large_value_has_a_transaction_of_its_own(path: Path) -> None:
    """Who waits for their entry waits for no value of a cache that came with it."""

    async def scenario(store: SQLiteStore) -> None:
        cache = store.cache("ours", most_bytes=100_000_000)
        fence = await store.fence(SESSION, "deliverer")
        did: list[str] = []

        def note(statement: str) -> None:
            words = statement.split()
            if words[0] in ("BEGIN", "COMMIT") or words[2:3] in (["log"], ["cached_values"]):
                did.append(words[2] if words[0] == "INSERT" else words[0])

        await store._writer.database.set_trace_callback(note)
        values = [asyncio.create_task(cache.put(key, os.urandom(1_000_000))) for key in "abc"]
        await asyncio.sleep(0.2)
        entry = asyncio.create_task(store.append(SESSION, [Wanted(position=1.0)], fence))
        await asyncio.gather(*values, entry)
        groups = " ".join(did).replace("DELETE", "").split("COMMIT")
        assert sum("log" in group for group in groups) == 1
        assert all("log" not in group or "cached_values" not in group for group in groups)
        assert max(group.count("cached_values") for group in groups) == 1
        assert await cache.get("c") is not None

    opened(path, scenario)


def test_a_value_that_is_too_large_is_not_kept(path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        cache = store.cache("ours", most_bytes=100_000_000)
        await cache.put("a", os.urandom(3_000_000))
        assert await cache.get("a") is None

    opened(path, scenario)


@pytest.mark.parametrize("content", [b"", b"no compressed bytes", b"x\x9c"])
def test_a_value_that_is_damaged_is_not_there(path: Path, content: bytes) -> None:
    async def scenario(store: SQLiteStore) -> None:
        cache = store.cache("ours", most_bytes=10_000)
        await cache.put("a", b"value")
        await store._writer.database.execute("UPDATE cached_values SET value = ?", (content,))
        assert await cache.get("a") is None
        await cache.put("a", b"value")
        assert await cache.get("a") == b"value"

    opened(path, scenario)


def test_a_copy_holds_everything_but_the_caches(path: Path, tmp_path: Path) -> None:
    record = SessionRecord(
        session_id=SESSION, video_url="library:a.mp4", character_id="miao", created_at=1.0
    )
    copy = tmp_path / "copy.sqlite"

    async def scenario(store: SQLiteStore) -> None:
        await store.put(record)
        fence = await store.fence(SESSION, "producer")
        await store.append(SESSION, [Stage(stage="fetching"), Ready()], fence)
        await store.reserve({"day": 1.0}, 0.25)
        await store.prefer("here", "ann", "quiet")
        await store.cache("ours", most_bytes=10_000_000).put("a", os.urandom(1_000_000))
        async with SQLiteArchive(path) as archive:
            await archive.back_up(copy)
            with pytest.raises(StoreFailed, match="exists already"):
                await archive.back_up(copy)
            with pytest.raises(StoreFailed):
                await archive.back_up(tmp_path / "nowhere" / "copy.sqlite")

    async def look(store: SQLiteStore) -> None:
        assert await store.list() == (record,)
        assert await store.count(caller="") == 1
        assert len(await store.read(SESSION)) == 2
        assert (await store.fence(SESSION, "producer")).number == 2
        with pytest.raises(BudgetReached):
            await store.reserve({"day": 0.25}, 0.01)
        assert await store.preference("here", "ann") == "quiet"
        assert await store.cache("ours", most_bytes=10_000_000).get("a") is None

    opened(path, scenario)
    assert [one.name for one in tmp_path.glob("copy*")] == ["copy.sqlite"]
    assert copy.stat().st_size < 200_000
    opened(copy, look)


def test_a_copy_that_is_not_whole_does_not_have_its_name(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.sqlite"

    def copies() -> list[str]:
        return [one.name for one in tmp_path.glob("copy*")]

    async def cut_off(*_: object) -> None:
        assert copies()[0].startswith("copy.sqlite.part")
        assert "copy.sqlite" not in copies()
        raise StoreFailed("cut off")

    async def find_no_room(*_: object) -> None:
        raise StorageFull("The server has no room to keep sessions.")

    async def scenario(store: SQLiteStore) -> None:
        (tmp_path / "copy.sqlite.part").write_bytes(b"of a program that was killed")
        (tmp_path / "copy.sqlite.part-wal").write_bytes(b"likewise")
        async with SQLiteArchive(path) as archive:
            with monkeypatch.context() as patch:
                patch.setattr(archive, "_copy_into", cut_off)
                with pytest.raises(StoreFailed, match="cut off"):
                    await archive.back_up(copy)
                assert not copies()
                patch.setattr(archive, "_copy_into", find_no_room)
                with pytest.raises(StorageFull, match=r"There is no room for .*copy\.sqlite\.$"):
                    await archive.back_up(copy)
            assert not copies()
            await archive.back_up(copy)
        assert copies() == ["copy.sqlite"]

    opened(path, scenario)


@pytest.fixture
def left_by_a_killed_program(path: Path, tmp_path: Path) -> Path:
    """A copy, and the file that it was made from, which went on afterwards."""
    program = """
import asyncio, os, sys
from pathlib import Path
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.sqlite import SQLiteStore
from watchbuddy_core.stores.sqlite_archive import SQLiteArchive

async def main():
    path = Path(sys.argv[1])
    async with SQLiteStore(path) as store:
        for number in range(60):
            record = SessionRecord(session_id=f"ses_{number}", video_url="library:a.mp4",
                                   text="so " * 500, character_id="miao", created_at=number)
            await store.put(record)
            if number == 9:
                async with SQLiteArchive(path) as archive:
                    await archive.back_up(Path(sys.argv[2]))
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""
    copy = tmp_path / "copy.sqlite"
    subprocess.run([sys.executable, "-c", program, str(path), str(copy)], check=False)
    assert path.with_name(path.name + "-wal").stat().st_size > 100_000
    return copy


def test_a_copy_can_be_gone_back_to_beside_the_journal_of_a_program_that_was_killed(
    path: Path, left_by_a_killed_program: Path
) -> None:
    left_by_a_killed_program.replace(path)
    expected = [f"ses_{number}" for number in range(10)]

    async def look_only() -> None:
        async with SQLiteArchive(path) as archive:
            assert [one.session_id for one in await archive.list()] == expected

    async def look(store: SQLiteStore) -> None:
        assert [one.session_id for one in await store.list()] == expected

    asyncio.run(look_only())
    opened(path, look)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_journal_of_a_program_that_was_killed_is_not_lost(
    path: Path, left_by_a_killed_program: Path
) -> None:
    async def look(store: SQLiteStore) -> None:
        assert len(await store.list()) == 60

    opened(path, look)


# --- a file that somebody touches ----------------------------------------------------------


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_while_it_is_used_is_told(
    path: Path, replaced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def take_away() -> None:
        path.rename(path.with_name("elsewhere"))
        if replaced:
            path.touch()

    async def scenario(store: SQLiteStore) -> None:
        await store.check()
        take_away()
        for look in (store.check, store.shrink):
            with pytest.raises(StoreFailed, match="deleted or replaced"):
                await look()

    opened(path, scenario)
    assert caplog.text.count("deleted or replaced") == 1


@pytest.mark.parametrize("damage", ["CAST(x'22ff22' AS TEXT)", "'no JSON of Ann'", "'{}'"])
def test_what_is_damaged_is_told_without_what_it_says(path: Path, damage: str) -> None:
    async def scenario(store: SQLiteStore) -> None:
        await store.put(
            SessionRecord(
                session_id=SESSION, video_url="library:a.mp4", character_id="miao", created_at=1.0
            )
        )
        await store.append(SESSION, [Asked(message_id="1", text="Ann", position=1.0)], None)
        await store._writer.database.execute(f"UPDATE log SET entry = {damage}")
        await store._writer.database.execute(f"UPDATE sessions SET record = {damage}")
        for read in (store.list(), store.get(SESSION), store.read(SESSION)):
            with pytest.raises(StoreFailed, match="is damaged") as told:
                await read
            assert "Ann" not in str(told.value)

    opened(path, scenario)


def test_many_records_and_entries_are_understood_as_few_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_archive, "_MANY_ROWS", 2)
    records = [
        SessionRecord(
            session_id=f"ses_{n}", video_url="library:a.mp4", character_id="miao", created_at=n
        )
        for n in range(5)
    ]
    asked = [Asked(message_id=str(n), text="so", position=1.0) for n in range(5)]

    async def scenario(store: SQLiteStore) -> None:
        for one in records:
            await store.put(one)
        await store.append("ses_0", asked, None)
        assert list(await store.list()) == records
        assert [one.entry for one in await store.read("ses_0")] == asked

    opened(path, scenario)
